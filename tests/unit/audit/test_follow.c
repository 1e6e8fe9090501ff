/* Following a folder of segments: what belongs to the chain comes once and in order, nothing else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/follow.h"
#include "audit/members.h"
#include "audit/segment.h"
#include "text/json_out.h"

enum { SEEN_BYTES = 8192 };

/* A log that is written by hand. */
struct writer {
    char folder[64];
    struct sg_digest *digest;
    struct sg_chain chain;
    struct sg_segment_name name; /* of the segment that is written to */
    struct sg_str last;          /* the line written last, with its LF */
    char last_bytes[4096];
};

static void path_of(const struct writer *w, const char *name, char path[256])
{
    (void)snprintf(path, 256, "%s/%s", w->folder, name);
}

static void add_bytes(struct writer *w, struct sg_str bytes)
{
    char path[256];
    path_of(w, w->name.text, path);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_true(bytes.n == 0 || fwrite(bytes.p, bytes.n, 1, file) == 1);
    assert_int_equal(fclose(file), 0);
}

static void add_text(struct writer *w, struct sg_str text)
{
    struct sg_buf line;
    sg_buf_init(&line, 16 << 20);
    assert_int_equal(sg_chain_append(&w->chain, w->digest, text, &line), SG_OK);
    add_bytes(w, sg_buf_str(&line));
    size_t kept = line.n < sizeof w->last_bytes ? line.n : sizeof w->last_bytes;
    memcpy(w->last_bytes, line.p, kept);
    w->last = (struct sg_str){.p = w->last_bytes, .n = kept};
    sg_buf_done(&line);
}

/* A record that is known by its id. */
static void add(struct writer *w, const char *id)
{
    char text[256];
    (void)snprintf(text, sizeof text, "\"event\":\"denied\",\"request_id\":\"%s\"", id);
    add_text(w, sg_str_from(text));
}

/* Begin the next segment, named after where the chain stands. */
static void begin(struct writer *w, uint64_t epoch)
{
    w->chain.epoch = epoch;
    sg_segment_name_make(epoch, w->chain.seq + 1, &w->name);
    add_bytes(w, SG_STR(""));
}

static void begin_with_line(struct writer *w, uint64_t epoch)
{
    begin(w, epoch);
    add_text(w, SG_STR("\"event\":\"segment\",\"request_id\":\"S\""));
}

static int setup(void **state)
{
    struct sg_error error;
    struct writer *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/signgate-test-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    assert_non_null(w->digest);
    memcpy(w->chain.stream, "0123456789abcdef0123456789abcdef", sizeof w->chain.stream);
    memset(w->chain.prev, '0', sizeof w->chain.prev);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct writer *w = *state;
    char path[256 + 256];
    DIR *directory = opendir(w->folder);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%.255s", w->folder, entry->d_name);
        (void)unlink(path);
        (void)rmdir(path);
    }
    (void)closedir(directory);
    (void)rmdir(w->folder);
    sg_digest_free(w->digest);
    free(w);
    return 0;
}

static struct sg_follow *open_follow(const struct writer *w, const struct sg_follow_position *from)
{
    struct sg_error error = {.text = ""};
    struct sg_follow *follow = sg_follow_open(w->folder, from, &error);
    if (follow == NULL) {
        fail_msg("%s", error.text);
    }
    return follow;
}

/* Append the ids of all lines that there are, each with a space. */
static void read_on(struct sg_follow *follow, char seen[SEEN_BYTES])
{
    struct sg_str line;
    struct sg_error error;
    enum sg_status status;
    while ((status = sg_follow_next(follow, &line, &error)) == SG_OK) {
        struct sg_str id = sg_members_find(line, "request_id");
        size_t at = strlen(seen);
        assert_true(at + id.n + 2 < SEEN_BYTES);
        (void)snprintf(seen + at, SEEN_BYTES - at, "%.*s ", SG_STR_ARG(id));
    }
    assert_int_equal(status, SG_NOT_FOUND);
}

static void assert_reads(struct sg_follow *follow, const char *ids)
{
    char seen[SEEN_BYTES] = "";
    read_on(follow, seen);
    assert_string_equal(seen, ids);
}

static void assert_all(const struct writer *w, const char *ids, uint64_t bad_lines)
{
    struct sg_follow *follow = open_follow(w, NULL);
    assert_reads(follow, ids);
    assert_int_equal(sg_follow_bad_lines(follow), bad_lines);
    sg_follow_close(follow);
}

/* --- the good ways ---------------------------------------------------------------------------- */

static void test_nothing_there(void **state)
{
    struct writer *w = *state;
    struct sg_error error = {.text = ""};
    char path[256];
    assert_all(w, "", 0);
    struct sg_follow *follow = open_follow(w, NULL);
    assert_int_equal(sg_follow_segments(follow), 0);
    begin_with_line(w, 1); /* a log that begins while it is waited for */
    add(w, "a");
    assert_reads(follow, "S a ");
    assert_int_equal(sg_follow_segments(follow), 1);
    sg_follow_close(follow);
    path_of(w, "nowhere", path);
    assert_null(sg_follow_open(path, NULL, &error));
    assert_int_equal(error.status, SG_IO);
    assert_non_null(strstr(error.text, path));
}

static void test_several_segments_in_order(void **state)
{
    struct writer *w = *state;
    begin_with_line(w, 1);
    add(w, "a");
    begin_with_line(w, 1); /* rotated */
    add(w, "b");
    add(w, "c");
    begin_with_line(w, 2); /* started anew */
    add(w, "d");
    assert_all(w, "S a S b c S d ", 0);
}

static void test_lines_that_come_while_it_follows(void **state)
{
    struct writer *w = *state;
    begin_with_line(w, 1);
    struct sg_follow *follow = open_follow(w, NULL);
    assert_reads(follow, "S ");
    assert_reads(follow, "");
    add(w, "a");
    assert_int_equal(sg_follow_lag_bytes(follow), w->last.n);
    assert_reads(follow, "a ");
    assert_int_equal(sg_follow_lag_bytes(follow), 0);
    begin_with_line(w, 1);
    assert_int_equal(sg_follow_lag_bytes(follow), w->last.n);
    assert_reads(follow, "S ");
    add(w, "b");
    assert_reads(follow, "b ");
    sg_follow_close(follow);
}

static void test_a_line_in_pieces(void **state)
{
    struct writer *w = *state;
    struct sg_buf whole;
    begin_with_line(w, 1);
    sg_buf_init(&whole, 4096);
    assert_int_equal(sg_chain_append(&w->chain, w->digest,
                                     SG_STR("\"event\":\"denied\",\"request_id\":\"a\""), &whole),
                     SG_OK);
    struct sg_follow *follow = open_follow(w, NULL);
    assert_reads(follow, "S ");
    for (size_t i = 0; i < whole.n; i++) {
        add_bytes(w, sg_str_slice(sg_buf_str(&whole), i, i + 1));
        assert_reads(follow, i + 1 < whole.n ? "" : "a ");
    }
    assert_int_equal(sg_follow_bad_lines(follow), 0);
    sg_follow_close(follow);
    sg_buf_done(&whole);
}

/* The last lines of a segment are written between its end being seen and the next one being seen.
 */
static void test_no_line_is_lost_at_a_rotation(void **state)
{
    struct writer *w = *state;
    begin_with_line(w, 1);
    struct sg_follow *follow = open_follow(w, NULL);
    assert_reads(follow, "S ");
    add(w, "a");
    begin_with_line(w, 1);
    add(w, "b");
    begin_with_line(w, 1);
    assert_reads(follow, "a S b S ");
    sg_follow_close(follow);
}

/* --- positions -------------------------------------------------------------------------------- */

static void test_a_position_is_taken_up_again_at_every_line(void **state)
{
    static const char *const ids[] = {"S", "a", "S", "b", "c", "S", "d"};
    enum { COUNT = sizeof ids / sizeof *ids };
    struct writer *w = *state;
    begin_with_line(w, 1);
    add(w, "a");
    begin_with_line(w, 1);
    add(w, "b");
    add(w, "c");
    begin_with_line(w, 2);
    add(w, "d");
    for (size_t stop = 0; stop <= COUNT; stop++) {
        struct sg_follow_position position = {.epoch = 0};
        struct sg_follow *follow = open_follow(w, NULL);
        char seen[SEEN_BYTES] = "", expected[SEEN_BYTES] = "";
        for (size_t i = 0; i < stop; i++) {
            struct sg_str line;
            assert_int_equal(sg_follow_next(follow, &line, NULL), SG_OK);
            (void)snprintf(seen + strlen(seen), SEEN_BYTES - strlen(seen), "%.*s ",
                           SG_STR_ARG(sg_members_find(line, "request_id")));
        }
        uint64_t lag = sg_follow_lag_bytes(follow);
        sg_follow_position(follow, &position);
        sg_follow_close(follow);
        follow = open_follow(w, &position);
        assert_int_equal(sg_follow_lag_bytes(follow), lag);
        read_on(follow, seen);
        assert_int_equal(sg_follow_lag_bytes(follow), 0);
        sg_follow_close(follow);
        for (size_t i = 0; i < COUNT; i++) {
            (void)snprintf(expected + strlen(expected), SEEN_BYTES - strlen(expected), "%s ",
                           ids[i]);
        }
        assert_string_equal(seen, expected);
    }
}

static void test_segments_that_were_moved_away(void **state)
{
    struct writer *w = *state;
    struct sg_follow_position position;
    char path[256], second[256];
    begin_with_line(w, 1);
    add(w, "a");
    path_of(w, w->name.text, path);
    struct sg_follow *follow = open_follow(w, NULL);
    struct sg_str line;
    assert_int_equal(sg_follow_next(follow, &line, NULL), SG_OK);
    sg_follow_position(follow, &position);
    begin_with_line(w, 1);
    add(w, "b");
    path_of(w, w->name.text, second);
    begin_with_line(w, 1);
    add(w, "c");
    assert_int_equal(unlink(path), 0);
    assert_reads(follow, "a S b S c "); /* it was open */
    sg_follow_close(follow);
    follow = open_follow(w, &position);
    assert_reads(follow, "S b S c ");
    sg_follow_close(follow);
    assert_all(w, "S b S c ", 0);
    assert_int_equal(unlink(second), 0);
    follow = open_follow(w, &position);
    assert_reads(follow, "S c ");
    sg_follow_close(follow);
    /* All of them: it waits for the next one, and takes no older one for it. */
    path_of(w, w->name.text, path);
    follow = open_follow(w, &position);
    assert_reads(follow, "S c ");
    sg_follow_position(follow, &position);
    assert_int_equal(unlink(path), 0);
    assert_reads(follow, "");
    begin_with_line(w, 1);
    add(w, "d");
    assert_reads(follow, "S d ");
    sg_follow_close(follow);
    follow = open_follow(w, &position);
    assert_reads(follow, "S d ");
    sg_follow_close(follow);
}

/* --- ends that are not clean ------------------------------------------------------------------ */

static void test_a_torn_end_at_every_byte(void **state)
{
    struct writer *w = *state;
    char path[256];
    begin_with_line(w, 1);
    add(w, "a");
    path_of(w, w->name.text, path);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    const off_t whole = about.st_size;
    const struct sg_chain good = w->chain;
    const struct sg_segment_name name = w->name;
    add(w, "torn");
    const size_t line_bytes = w->last.n;
    for (size_t cut = line_bytes - 1; cut > 0; cut--) {
        assert_int_equal(truncate(path, whole + (off_t)cut), 0);
        w->name = name;
        w->chain = good;
        assert_all(w, "S a ", 0); /* the newest one: more may come */
        struct sg_follow *follow = open_follow(w, NULL);
        assert_reads(follow, "S a ");
        begin_with_line(w, 2);
        add(w, "b");
        assert_reads(follow, "S b ");
        assert_int_equal(sg_follow_bad_lines(follow), 0);
        sg_follow_close(follow);
        assert_all(w, "S a S b ", 0);
        char next[256];
        path_of(w, w->name.text, next);
        assert_int_equal(unlink(next), 0);
    }
}

/* Whole lines that a later segment declares to be none of the chain's; some of them come again. */
static void test_declared_lines_are_left_out_and_replays_come(void **state)
{
    struct writer *w = *state;
    struct sg_buf text;
    begin_with_line(w, 1);
    add(w, "a");
    const struct sg_chain good = w->chain;
    add(w, "b \\\"quoted\\\"");
    struct sg_str original = w->last;
    char kept[4096];
    memcpy(kept, original.p, original.n);
    original = (struct sg_str){.p = kept, .n = original.n - 1};
    add(w, "never acknowledged");
    w->chain = good;
    begin_with_line(w, 2);
    sg_buf_init(&text, 8192);
    sg_buf_add_text(&text, "\"time\":\"2026-01-31T12:00:00.000000Z\",\"event\":\"replay\","
                           "\"original\":");
    sg_json_add_string(&text, original);
    add_text(w, sg_buf_str(&text));
    add(w, "c");
    assert_all(w, "S a S b \\\"quoted\\\" c ", 0);
    struct sg_follow *follow = open_follow(w, NULL);
    struct sg_str line;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sg_follow_next(follow, &line, NULL), SG_OK);
    }
    assert_true(sg_str_equal(line, original)); /* the old line, byte for byte */
    struct sg_follow_position position;
    sg_follow_position(follow, &position);
    sg_follow_close(follow);
    follow = open_follow(w, &position);
    assert_reads(follow, "c ");
    sg_follow_close(follow);
    /* A replay whose line was changed is no line. */
    sg_buf_clear(&text);
    sg_buf_add_text(&text, "\"event\":\"replay\",\"original\":\"{}\"");
    add_text(w, sg_buf_str(&text));
    assert_all(w, "S a S b \\\"quoted\\\" c ", 1);
    sg_buf_done(&text);
}

/* A segment that died at birth declares nothing: the one behind it does. */
static void test_a_segment_without_a_first_line(void **state)
{
    static const char *const starts[] = {"", "{\"schema\":1,\"stre", "nonsense\n"};
    struct writer *w = *state;
    char stillborn[256], next[256];
    begin_with_line(w, 1);
    add(w, "a");
    const struct sg_chain short_of_b = w->chain;
    add(w, "b");
    const struct sg_chain with_b = w->chain;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        w->chain = short_of_b;
        begin(w, 2);
        add_bytes(w, sg_str_from(starts[i]));
        path_of(w, w->name.text, stillborn);
        w->chain = with_b;
        begin_with_line(w, 3);
        path_of(w, w->name.text, next);
        add(w, "c");
        assert_all(w, "S a b S c ", i == 2 ? 1 : 0);
        assert_int_equal(unlink(next), 0);
        assert_int_equal(unlink(stillborn), 0);
    }
}

/* The second of two recoveries goes back further than the first one. */
static void test_a_whole_segment_that_is_declared(void **state)
{
    struct writer *w = *state;
    begin_with_line(w, 1);
    add(w, "a");
    const struct sg_chain at_a = w->chain;
    add(w, "b");
    begin_with_line(w, 2);
    add(w, "c");
    w->chain = at_a;
    begin_with_line(w, 3);
    add(w, "d");
    assert_all(w, "S a S d ", 0);
}

/* --- bytes that nobody's journal wrote -------------------------------------------------------- */

static void test_bad_lines_are_counted_and_passed(void **state)
{
    struct writer *w = *state;
    char changed[4096];
    begin_with_line(w, 1);
    add_bytes(w, SG_STR("\n\nnonsense\n\0\0\0\n{}\n"));
    add(w, "a");
    memcpy(changed, w->last.p, w->last.n);
    changed[w->last.n / 2] ^= 1;
    add_bytes(w, (struct sg_str){.p = changed, .n = w->last.n});
    add(w, "b");
    assert_all(w, "S a b ", 6);
}

/* Longer than any line may be: passed by, in bounded memory; the next one is found. */
static void test_endless_lines(void **state)
{
    enum { PIECE = 1 << 20 };
    struct writer *w = *state;
    char *piece = malloc(PIECE);
    assert_non_null(piece);
    memset(piece, 'x', PIECE);
    begin_with_line(w, 1);
    for (int i = 0; i < 11; i++) {
        add_bytes(w, (struct sg_str){.p = piece, .n = PIECE});
    }
    add_bytes(w, SG_STR("\n"));
    add(w, "a");
    assert_all(w, "S a ", 1);
    for (int i = 0; i < 9; i++) { /* and without an end */
        add_bytes(w, (struct sg_str){.p = piece, .n = PIECE});
    }
    struct sg_follow *follow = open_follow(w, NULL);
    assert_reads(follow, "S a ");
    begin_with_line(w, 2);
    add(w, "b");
    assert_reads(follow, "S b ");
    assert_int_equal(sg_follow_bad_lines(follow), 1);
    sg_follow_close(follow);
    free(piece);
}

static void test_long_lines_come_whole(void **state)
{
    struct writer *w = *state;
    struct sg_buf text;
    begin_with_line(w, 1);
    for (size_t size = 1000; size < (3u << 20); size *= 3) {
        sg_buf_init(&text, 4u << 20);
        sg_buf_add_text(&text, "\"event\":\"denied\",\"request_id\":\"a\",\"path\":\"");
        char *to = sg_buf_reserve(&text, size);
        assert_non_null(to);
        memset(to, 'p', size);
        sg_buf_add_text(&text, "\"");
        add_text(w, sg_buf_str(&text));
        sg_buf_done(&text);
        add(w, "b");
    }
    assert_all(w, "S a b a b a b a b a b a b a b a b ", 0);
}

static void test_what_is_no_file(void **state)
{
    struct writer *w = *state;
    struct sg_str line;
    struct sg_error error = {.text = ""};
    char path[256];
    begin_with_line(w, 1);
    add(w, "a");
    begin(w, 2);
    path_of(w, w->name.text, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* must not be waited for */
    struct sg_follow *follow = open_follow(w, NULL);
    assert_int_equal(sg_follow_next(follow, &line, &error), SG_OK);
    assert_int_equal(sg_follow_next(follow, &line, &error), SG_OK);
    assert_int_equal(sg_follow_next(follow, &line, &error), SG_IO);
    assert_non_null(strstr(error.text, w->name.text));
    assert_int_equal(sg_follow_next(follow, &line, &error), SG_IO);
    assert_int_equal(unlink(path), 0);
    begin_with_line(w, 2); /* repaired */
    assert_reads(follow, "S ");
    sg_follow_close(follow);
}

/* Every byte of a small log changed: never a crash, never a line that was not written. */
static void test_every_changed_byte(void **state)
{
    struct writer *w = *state;
    char path[256], bytes[4096], seen[SEEN_BYTES];
    begin_with_line(w, 1);
    add(w, "a");
    path_of(w, w->name.text, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t size = read(fd, bytes, sizeof bytes);
    assert_true(size > 0);
    for (ssize_t i = 0; i < size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char changed = (char)(bytes[i] ^ 1 << bit);
            assert_int_equal(pwrite(fd, &changed, 1, i), 1);
            struct sg_follow *follow = open_follow(w, NULL);
            seen[0] = '\0';
            read_on(follow, seen);
            assert_true(strcmp(seen, "S ") == 0 || strcmp(seen, "a ") == 0 || seen[0] == '\0');
            sg_follow_close(follow);
        }
        assert_int_equal(pwrite(fd, &bytes[i], 1, i), 1);
    }
    (void)close(fd);
    assert_all(w, "S a ", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_nothing_there),
        TEST(test_several_segments_in_order),
        TEST(test_lines_that_come_while_it_follows),
        TEST(test_a_line_in_pieces),
        TEST(test_no_line_is_lost_at_a_rotation),
        TEST(test_a_position_is_taken_up_again_at_every_line),
        TEST(test_segments_that_were_moved_away),
        TEST(test_a_torn_end_at_every_byte),
        TEST(test_declared_lines_are_left_out_and_replays_come),
        TEST(test_a_segment_without_a_first_line),
        TEST(test_a_whole_segment_that_is_declared),
        TEST(test_bad_lines_are_counted_and_passed),
        TEST(test_endless_lines),
        TEST(test_long_lines_come_whole),
        TEST(test_what_is_no_file),
        TEST(test_every_changed_byte),
#undef TEST
    };
    return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
