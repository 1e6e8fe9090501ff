/*
 * audit: what the reader makes of a directory.
 *
 * Any bytes as segments are read without harm, and what is called good is: as many records as
 * lines. A chain that was made by the writer's own code verifies; with one byte of it changed, in
 * whatever place, it does not, nor with a line put in for another that is good by itself.
 *
 * Input: "r" for raw segments, parted by form feeds; a piece that begins as a note does is the
 * notes of the segment before, and an anchor. Or "c" for a chain, then two bytes for the place and
 * one for the change (0: a line is put in), then the text of a record a line, a form feed before a
 * line that begins a new segment.
 */
#include <fcntl.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/reader.h"
#include "audit/segment.h"
#include "fuzz.h"
#include "text/json_out.h"

enum { SEGMENTS_MAX = 4, SEGMENT_BYTES = 1 << 20 };

static const char stream[] = "0123456789abcdef0123456789abcdef";

struct segment {
    struct sg_segment_name name;
    struct sg_buf bytes;
    struct sg_str notes; /* none: no file */
};

/* A directory of this program's own under $TMPDIR, gone with its end. */
static char directory[128];

static void remove_directory(void)
{
    (void)rmdir(directory);
}

static void make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(directory, sizeof directory, "%s/signgate-fuzz-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    CHECK(mkdtemp(directory) != NULL);
    CHECK(atexit(remove_directory) == 0);
}

static void path_of(const struct segment *segment, bool notes, char ret[256])
{
    (void)snprintf(ret, 256, "%s/%.*s%s", directory,
                   (int)(strlen(segment->name.text) - strlen(".jsonl")), segment->name.text,
                   notes ? ".note" : ".jsonl");
}

static void write_file(const char *path, struct sg_str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(bytes.n == 0 || write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
    (void)close(fd);
}

static void verify(const struct segment *segments, size_t count, struct sg_audit_report *ret)
{
    static const struct sg_note_keys keys = {.count = 1, .public_keys = {{1}}};
    struct sg_error error = {.text = ""};
    char path[256], anchor[256] = "";
    for (size_t i = 0; i < count; i++) {
        path_of(&segments[i], false, path);
        write_file(path, sg_buf_str(&segments[i].bytes));
        if (segments[i].notes.n > 0) {
            path_of(&segments[i], true, path);
            write_file(path, segments[i].notes);
            (void)snprintf(anchor, sizeof anchor, "%s", path);
        }
    }
    if (anchor[0] != '\0') {
        const struct sg_audit_options options = {.keys = &keys, .anchor = anchor};
        enum sg_status status = sg_audit_verify_with(directory, &options, ret, &error);
        /* Nobody has that key. */
        CHECK(status == SG_OK ? !ret->good && ret->text[0] != '\0' : error.text[0] != '\0');
    }
    CHECK(sg_audit_verify(directory, ret, &error) == SG_OK);
    for (size_t i = 0; i < count; i++) {
        path_of(&segments[i], false, path);
        (void)unlink(path); /* two of them may have the same name */
        path_of(&segments[i], true, path);
        (void)unlink(path);
    }
    CHECK(ret->good || (ret->kind[0] != '\0' && ret->text[0] != '\0'));
    CHECK(ret->good || ret->proven_before <= ret->records);
}

static void done(struct segment *segments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sg_buf_done(&segments[i].bytes);
    }
}

/* --- raw segments ----------------------------------------------------------------------------- */

/* The name that the first line asks for, so that more than the name is looked at. */
static void name_after_first_line(struct segment *segment, size_t index)
{
    struct sg_str text = sg_buf_str(&segment->bytes);
    struct sg_chain_line line;
    bool parsed = sg_chain_parse(sg_str_slice(text, 0, sg_str_find(text, '\n')), &line);
    sg_segment_name_make(parsed ? line.epoch % 1000000 : index + 1, parsed ? line.seq : index + 1,
                         &segment->name);
}

static void run_raw(struct sg_str input)
{
    struct segment segments[SEGMENTS_MAX];
    struct sg_audit_report report;
    size_t count = 0, lines = 0;
    while (count < SEGMENTS_MAX && (input.n > 0 || count == 0)) {
        struct sg_str piece = fuzz_take_until(&input, '\f');
        if (count > 0 && sg_str_starts_with(piece, SG_STR(SG_NOTE_ORIGIN))) {
            segments[count - 1].notes = piece;
            continue;
        }
        struct segment *segment = &segments[count];
        segment->notes.n = 0;
        sg_buf_init(&segment->bytes, SEGMENT_BYTES);
        sg_buf_add_str(&segment->bytes, piece);
        name_after_first_line(segment, count++);
        for (size_t i = 0; i < segment->bytes.n; i++) {
            lines += segment->bytes.p[i] == '\n';
        }
    }
    verify(segments, count, &report);
    CHECK(report.records <= lines);
    CHECK(!report.good || report.files <= count);
    done(segments, count);
}

/* --- a chain ---------------------------------------------------------------------------------- */

/* forged: what is written is good by itself, and not what the next line will follow. */
static void append(struct sg_chain *chain, struct sg_digest *digest, struct segment *segment,
                   const char *event, struct sg_str text, bool forged)
{
    struct sg_chain before = *chain;
    struct sg_buf record, lost;
    sg_buf_init(&record, SEGMENT_BYTES);
    sg_buf_init(&lost, SEGMENT_BYTES);
    sg_buf_printf(&record, "\"event\":\"%s\",\"detail\":", event);
    sg_json_add_string(&record, text);
    CHECK(sg_chain_append(&before, digest, sg_buf_str(&record), &segment->bytes) == SG_OK);
    if (forged) {
        sg_buf_add_text(&record, ",\"status\":200");
    }
    CHECK(sg_chain_append(chain, digest, sg_buf_str(&record), &lost) == SG_OK);
    sg_buf_done(&record);
    sg_buf_done(&lost);
}

/* forged: the index of such a line; returns the count of segments. */
static size_t write_chain(struct sg_str input, size_t forged, struct segment segments[SEGMENTS_MAX],
                          size_t *ret_records)
{
    struct sg_error error;
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    struct sg_chain chain = {.epoch = 1};
    size_t count = 0;
    CHECK(digest != NULL);
    memcpy(chain.stream, stream, sizeof chain.stream);
    memset(chain.prev, '0', sizeof chain.prev);
    do {
        struct sg_str line = fuzz_take_until(&input, '\n');
        bool begins = count == 0 || (line.n > 0 && line.p[0] == '\f' && count < SEGMENTS_MAX);
        if (begins) {
            chain.epoch += count > 0 && line.n % 2 == 1; /* a new epoch, or the same */
            segments[count].notes.n = 0;
            sg_buf_init(&segments[count].bytes, SEGMENT_BYTES);
            sg_segment_name_make(chain.epoch, chain.seq + 1, &segments[count].name);
            count++;
        }
        append(&chain, digest, &segments[count - 1], begins ? "segment" : "denied", line,
               chain.seq == forged);
    } while (input.n > 0);
    sg_digest_free(digest);
    *ret_records = chain.seq;
    return count;
}

static void change_byte(struct segment *segments, size_t count, size_t place, unsigned change)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += segments[i].bytes.n;
    }
    place %= total;
    while (place >= segments->bytes.n) {
        place -= segments->bytes.n;
        segments++;
    }
    segments->bytes.p[place] = (char)(segments->bytes.p[place] ^ (char)change);
}

static void run_chain(struct sg_str input)
{
    struct segment segments[SEGMENTS_MAX];
    struct sg_audit_report report;
    size_t records;
    size_t place = fuzz_take_byte(&input) << 8;
    place += fuzz_take_byte(&input);
    unsigned change = fuzz_take_byte(&input);
    size_t count = write_chain(input, SIZE_MAX, segments, &records);
    verify(segments, count, &report);
    CHECK(report.good);
    CHECK(report.records == records && report.files == count && report.begins_at == 1);
    if (change != 0) {
        change_byte(segments, count, place, change);
    } else if (records > 1) {
        done(segments, count);
        /* Of the last line nothing can tell: no other one follows it. */
        count = write_chain(input, place % (records - 1), segments, &records);
    }
    verify(segments, count, &report);
    CHECK(report.good == (change == 0 && records == 1));
    done(segments, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    struct sg_str input = {.p = (const char *)data, .n = size};
    if (!made) {
        make_directory();
        made = true;
    }
    if (fuzz_take_byte(&input) == 'c') {
        run_chain(input);
    } else {
        run_raw(input);
    }
    return 0;
}
