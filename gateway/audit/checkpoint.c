#include "audit/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/note.h"

enum {
    RECORDS_MAX = 1000,
    NEWS_US = 10000000,
    IDLE_US = 60000000,
    FILE_MODE = 0640,
    NOTES_BYTES_MAX = 256 * 1024 * 1024,
};

void sg_checkpoint_init(struct sg_checkpoint *checkpoint, struct sg_ed25519_private *key,
                        int64_t now_us)
{
    *checkpoint = (struct sg_checkpoint){.key = key, .last_us = now_us};
    memset(checkpoint->previous, '0', sizeof checkpoint->previous);
}

void sg_checkpoint_done(struct sg_checkpoint *checkpoint)
{
    sg_ed25519_private_free(checkpoint->key);
    sg_ed25519_private_free(checkpoint->key_before);
    checkpoint->key = checkpoint->key_before = NULL;
}

void sg_checkpoint_set_key(struct sg_checkpoint *checkpoint, struct sg_ed25519_private *key)
{
    unsigned char before[SG_ED25519_PUBLIC_BYTES], after[SG_ED25519_PUBLIC_BYTES];
    if (checkpoint->key != NULL && key != NULL) {
        sg_ed25519_private_public(checkpoint->key, before);
        sg_ed25519_private_public(key, after);
        if (memcmp(before, after, sizeof before) != 0 && checkpoint->key_before == NULL) {
            checkpoint->key_before = checkpoint->key;
            checkpoint->key = NULL;
        }
    }
    sg_ed25519_private_free(checkpoint->key);
    checkpoint->key = key;
}

void sg_checkpoint_count(struct sg_checkpoint *checkpoint, uint64_t records, int64_t now_us)
{
    if (checkpoint->records == 0 && records > 0) {
        checkpoint->first_us = now_us;
    }
    checkpoint->records += records;
}

int64_t sg_checkpoint_due_us(const struct sg_checkpoint *checkpoint)
{
    int64_t idle_us = checkpoint->last_us + IDLE_US;
    if (checkpoint->key == NULL) {
        return INT64_MAX;
    }
    if (checkpoint->records >= RECORDS_MAX || checkpoint->key_before != NULL) {
        return 0;
    }
    int64_t news_us = checkpoint->records > 0 ? checkpoint->first_us + NEWS_US : INT64_MAX;
    return news_us < idle_us ? news_us : idle_us;
}

bool sg_checkpoint_has_news(const struct sg_checkpoint *checkpoint)
{
    return checkpoint->key != NULL && checkpoint->records > 0;
}

/* --- the notes that are there ----------------------------------------------------------------- */

static enum sg_status read_notes(int fd, struct sg_buf *out)
{
    enum { BLOCK_BYTES = 65536 };
    for (;;) {
        char *to = sg_buf_reserve(out, BLOCK_BYTES);
        if (to == NULL) {
            return SG_NO_MEMORY;
        }
        ssize_t count = read(fd, to, BLOCK_BYTES);
        out->n -= BLOCK_BYTES - (count > 0 ? (size_t)count : 0);
        if (count == 0 || (count < 0 && errno != EINTR)) {
            return count == 0 ? SG_OK : SG_IO;
        }
    }
}

/* Hash the last whole note of a text; false: there is none. */
static bool hash_last(struct sg_str text, struct sg_digest *digest, char ret[SG_DIGEST_HEX_BYTES],
                      enum sg_status *ret_status)
{
    struct sg_str last = {.p = NULL};
    struct sg_note_parsed parsed;
    for (size_t bytes; (bytes = sg_note_parse(text, &parsed)) > 0;) {
        last = sg_str_slice(text, 0, bytes);
        text = sg_str_slice(text, bytes, text.n);
        text = sg_str_slice(text, text.n > 0 && text.p[0] == '\n' ? 1 : 0, text.n);
    }
    if (last.n == 0) {
        return false;
    }
    *ret_status = sg_digest_run_hex(digest, last, ret);
    return true;
}

enum sg_status sg_checkpoint_load(struct sg_checkpoint *checkpoint, int directory_fd,
                                  struct sg_digest *digest, struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    struct sg_buf text;
    size_t count = 0;
    bool found = false;
    enum sg_status status = sg_segment_list(directory_fd, &names, &count, reterr);
    if (status != SG_OK) {
        return status;
    }
    sg_buf_init(&text, NOTES_BYTES_MAX);
    for (size_t i = count; status == SG_OK && !found && i > 0; i--) {
        char name[SG_NOTE_FILE_BYTES];
        sg_note_file_make(names[i - 1].epoch, names[i - 1].first_seq, name);
        int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        sg_buf_clear(&text);
        status = read_notes(fd, &text);
        (void)close(fd);
        found =
            status == SG_OK && hash_last(sg_buf_str(&text), digest, checkpoint->previous, &status);
    }
    sg_buf_done(&text);
    free(names);
    return status == SG_OK
               ? SG_OK
               : sg_error_set(reterr, status, NULL, "cannot read the notes of the checkpoints: %s",
                              status == SG_IO ? strerror(errno) : "out of memory");
}

/* --- a note ----------------------------------------------------------------------------------- */

/* Append to the segment's file of notes, durably, its name too. */
static bool append(int directory_fd, const struct sg_segment_name *segment, struct sg_str note)
{
    char name[SG_NOTE_FILE_BYTES];
    sg_note_file_make(segment->epoch, segment->first_seq, name);
    int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
                    FILE_MODE);
    if (fd < 0) {
        return false;
    }
    off_t before = lseek(fd, 0, SEEK_END);
    bool good = before >= 0 && (before == 0 || write(fd, "\n", 1) == 1) &&
                write(fd, note.p, note.n) == (ssize_t)note.n && fdatasync(fd) == 0 &&
                (before > 0 || fsync(directory_fd) == 0);
    int error = errno;
    (void)close(fd);
    errno = error;
    return good;
}

static void add_record(const struct sg_checkpoint *checkpoint, const char *stream,
                       const char note_hash[SG_DIGEST_HEX_BYTES], const struct sg_clock *clock,
                       struct sg_buf *out)
{
    unsigned char public_key[SG_ED25519_PUBLIC_BYTES], key_id[SG_NOTE_KEY_ID_BYTES];
    char time[SG_CLOCK_RFC3339_BYTES];
    sg_clock_format_rfc3339(sg_clock_realtime_us(clock), time);
    sg_ed25519_private_public(checkpoint->key, public_key);
    if (sg_note_key_id(stream, public_key, key_id) != SG_OK) {
        memset(key_id, 0, sizeof key_id);
    }
    sg_buf_add_text(out, "\"time\":\"");
    sg_buf_add(out, time, sizeof time);
    sg_buf_add_text(out, "\",\"event\":\"checkpoint\",\"note_sha256\":\"");
    sg_buf_add(out, note_hash, SG_DIGEST_HEX_BYTES);
    sg_buf_add_text(out, "\",\"key\":\"");
    sg_buf_add_hex(out, key_id, sizeof key_id);
    sg_buf_add_char(out, '"');
}

bool sg_checkpoint_write(struct sg_checkpoint *checkpoint, int directory_fd,
                         const struct sg_segment_name *segment, const struct sg_chain *chain,
                         const struct sg_clock *clock, struct sg_digest *digest,
                         struct sg_buf *record)
{
    const struct sg_ed25519_private *keys[2] = {checkpoint->key, checkpoint->key};
    size_t key_count = 0;
    char hash[SG_DIGEST_HEX_BYTES];
    struct sg_buf text;
    struct sg_note note = {
        .epoch = chain->epoch, .seq = chain->seq, .time_s = sg_clock_realtime_us(clock) / 1000000};
    if (checkpoint->key_before != NULL) {
        keys[key_count++] = checkpoint->key_before;
    }
    keys[key_count++] = checkpoint->key;
    memcpy(note.stream, chain->stream, sizeof note.stream);
    memcpy(note.hash, chain->prev, sizeof note.hash);
    memcpy(note.previous, checkpoint->previous, sizeof note.previous);
    checkpoint->last_us = sg_clock_monotonic_us(clock); /* tried, if not made: not at once again */
    checkpoint->first_us = checkpoint->last_us;
    sg_buf_init(&text, SG_NOTE_BYTES_MAX);
    bool broken = strcmp(checkpoint->broken.text, segment->text) == 0;
    errno = ENOMEM;
    bool good = !broken && sg_note_make(&note, keys, key_count, &text) == SG_OK &&
                sg_digest_run_hex(digest, sg_buf_str(&text), hash) == SG_OK;
    if (good && !append(directory_fd, segment, sg_buf_str(&text))) {
        checkpoint->broken = *segment;
        good = false;
    }
    if (good) {
        memcpy(checkpoint->previous, hash, sizeof hash);
        checkpoint->records = 0;
        sg_ed25519_private_free(checkpoint->key_before);
        checkpoint->key_before = NULL;
        add_record(checkpoint, chain->stream, hash, clock, record);
    }
    sg_buf_done(&text);
    return good;
}
