/*
 * An audit directory made line by line, in memory: segments that end in each way a gateway's can,
 * with checkpoints; what an attacker would do to it is done to its files, and verify is asked.
 */
#ifndef SG_TESTS_UNIT_AUDIT_LOG_H
#define SG_TESTS_UNIT_AUDIT_LOG_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../crypto/keys.h"
#include "audit/chain.h"
#include "audit/note.h"
#include "audit/reader.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "text/json_out.h"

enum { LOG_FILES_MAX = 24, LOG_FILE_BYTES_MAX = 1 << 24 };

struct log_file {
    char name[64];
    struct sg_buf bytes;
};

struct log {
    char folder[64];
    char directory[80];
    char anchor[96];
    char key_path[96];
    struct log_file files[LOG_FILES_MAX];
    size_t count;
    struct sg_chain chain;
    struct sg_digest *digest;
    struct sg_ed25519_private *key, *key_before;
    char note_previous[SG_DIGEST_HEX_BYTES];
    size_t segment; /* index of the file that is written */
    int64_t now_s;
    struct sg_buf lines; /* of all segments: what a sink would have got */
    struct sg_buf notes; /* of all: the anchor folder's file */
};

static inline struct log *log_new(void)
{
    struct log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    (void)snprintf(log->folder, sizeof log->folder, "/tmp/sg-test-log.XXXXXX");
    assert_non_null(mkdtemp(log->folder));
    (void)snprintf(log->directory, sizeof log->directory, "%s/audit", log->folder);
    (void)snprintf(log->anchor, sizeof log->anchor, "%s/anchor", log->folder);
    (void)snprintf(log->key_path, sizeof log->key_path, "%s/key", log->folder);
    assert_int_equal(mkdir(log->directory, 0750), 0);
    log->digest = sg_digest_new(SG_DIGEST_SHA256, NULL);
    assert_non_null(log->digest);
    (void)snprintf(log->chain.stream, sizeof log->chain.stream, "%s",
                   "0123456789abcdef0123456789abcdef");
    memset(log->chain.prev, '0', sizeof log->chain.prev);
    memset(log->note_previous, '0', sizeof log->note_previous);
    log->chain.epoch = 1;
    log->now_s = 1573788995;
    log->key = key_of(log->key_path, 1);
    sg_buf_init(&log->lines, LOG_FILE_BYTES_MAX);
    sg_buf_init(&log->notes, LOG_FILE_BYTES_MAX);
    return log;
}

static inline void log_remove(const char *directory, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    (void)unlink(path);
}

static inline void log_empty_directory(const struct log *log)
{
    DIR *directory = opendir(log->directory);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        log_remove(log->directory, entry->d_name);
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
}

static inline void log_free(struct log *log)
{
    log_empty_directory(log);
    (void)rmdir(log->directory);
    (void)unlink(log->anchor);
    (void)unlink(log->key_path);
    (void)rmdir(log->folder);
    for (size_t i = 0; i < LOG_FILES_MAX; i++) {
        sg_buf_done(&log->files[i].bytes);
    }
    sg_buf_done(&log->lines);
    sg_buf_done(&log->notes);
    sg_digest_free(log->digest);
    sg_ed25519_private_free(log->key);
    sg_ed25519_private_free(log->key_before);
    free(log);
}

/* Write one file of the directory as its bytes are now. */
static inline void log_write_file(const struct log *log, size_t file)
{
    char path[512];
    const struct sg_buf *bytes = &log->files[file].bytes;
    (void)snprintf(path, sizeof path, "%s/%s", log->directory, log->files[file].name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_true(bytes->n == 0 || write(fd, bytes->p, bytes->n) == (ssize_t)bytes->n);
    (void)close(fd);
}

static inline void log_write(const struct log *log)
{
    char path[512];
    log_empty_directory(log);
    (void)snprintf(path, sizeof path, "%s/STREAM", log->directory);
    write_key_file(path, sg_str_from(log->chain.stream), 0640);
    for (size_t i = 0; i < log->count; i++) {
        if (log->files[i].name[0] != '\0') {
            log_write_file(log, i);
        }
    }
}

static inline void log_write_anchor(const struct log *log, struct sg_str text)
{
    write_key_file(log->anchor, text, 0600);
}

/* --- making ----------------------------------------------------------------------------------- */

static inline size_t log_add_file(struct log *log, const char *name)
{
    assert_true(log->count < LOG_FILES_MAX);
    struct log_file *file = &log->files[log->count];
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    sg_buf_done(&file->bytes);
    sg_buf_init(&file->bytes, LOG_FILE_BYTES_MAX);
    return log->count++;
}

static inline ptrdiff_t log_find(const struct log *log, const char *name)
{
    for (size_t i = 0; i < log->count; i++) {
        if (strcmp(log->files[i].name, name) == 0) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

static inline void log_add_text(struct log *log, const char *event, struct sg_str members)
{
    struct sg_buf text;
    char time[SG_CLOCK_RFC3339_BYTES];
    struct sg_buf *out = &log->files[log->segment].bytes;
    const size_t before = out->n;
    sg_clock_format_rfc3339(log->now_s * 1000000, time);
    log->now_s++;
    sg_buf_init(&text, 1 << 20);
    sg_buf_printf(&text, "\"time\":\"%.*s\",\"event\":\"%s\"%s", (int)sizeof time, time, event,
                  members.n > 0 ? "," : "");
    sg_buf_add_str(&text, members);
    assert_int_equal(sg_chain_append(&log->chain, log->digest, sg_buf_str(&text), out), SG_OK);
    sg_buf_add(&log->lines, out->p + before, out->n - before);
    sg_buf_done(&text);
}

/* A record; who stands in it so that no two are alike. */
static inline void log_record(struct log *log, const char *event, const char *who)
{
    char members[128];
    (void)snprintf(members, sizeof members, "\"request_id\":\"%s-%llu\",\"caller\":\"%s\"", who,
                   (unsigned long long)log->chain.seq, who);
    log_add_text(log, event, sg_str_from(members));
}

static inline void log_records(struct log *log, int count, const char *who)
{
    for (int i = 0; i < count; i++) {
        log_record(log, i % 2 == 0 ? "intent" : "outcome", who);
    }
}

/* The notes' file of the segment that is written. */
static inline struct sg_buf *log_notes(struct log *log)
{
    char name[64];
    struct sg_str stem = sg_str_from(log->files[log->segment].name);
    (void)snprintf(name, sizeof name, "%.*s.note", (int)(stem.n - 6), stem.p);
    ptrdiff_t at = log_find(log, name);
    return &log->files[at >= 0 ? (size_t)at : log_add_file(log, name)].bytes;
}

/* A note of where the chain stands, without its record; its hash. */
static inline void log_note(struct log *log, char ret[SG_DIGEST_HEX_BYTES])
{
    struct sg_buf *out = log_notes(log), text;
    const struct sg_ed25519_private *keys[2] = {log->key, NULL};
    size_t count = 0;
    struct sg_note note = {.epoch = log->chain.epoch, .seq = log->chain.seq, .time_s = log->now_s};
    memcpy(note.stream, log->chain.stream, sizeof note.stream);
    memcpy(note.hash, log->chain.prev, sizeof note.hash);
    memcpy(note.previous, log->note_previous, sizeof note.previous);
    if (log->key_before != NULL) {
        keys[count++] = log->key_before;
    }
    keys[count++] = log->key;
    sg_buf_init(&text, 4096);
    assert_int_equal(sg_note_make(&note, keys, count, &text), SG_OK);
    sg_ed25519_private_free(log->key_before);
    log->key_before = NULL;
    assert_int_equal(sg_digest_run_hex(log->digest, sg_buf_str(&text), ret), SG_OK);
    memcpy(log->note_previous, ret, sizeof log->note_previous);
    if (out->n > 0) {
        sg_buf_add_char(out, '\n');
    }
    sg_buf_add_str(out, sg_buf_str(&text));
    if (log->notes.n > 0) {
        sg_buf_add_char(&log->notes, '\n');
    }
    sg_buf_add_str(&log->notes, sg_buf_str(&text));
    sg_buf_done(&text);
}

static inline void log_note_record(struct log *log, const char hash[SG_DIGEST_HEX_BYTES])
{
    char members[160];
    (void)snprintf(members, sizeof members, "\"note_sha256\":\"%.*s\",\"key\":\"00000000\"",
                   SG_DIGEST_HEX_BYTES, hash);
    log_add_text(log, "checkpoint", sg_str_from(members));
}

static inline void log_checkpoint(struct log *log)
{
    char hash[SG_DIGEST_HEX_BYTES];
    log_note(log, hash);
    log_note_record(log, hash);
}

/*
 * Begin a segment. ended is how the one before did; NULL: there is none. extra are the bytes behind
 * the last good line, which the caller has appended. more are further members.
 */
static inline void log_segment(struct log *log, const char *ended, struct sg_str extra,
                               const char *more)
{
    struct sg_segment_name name;
    struct sg_buf members;
    char hash[SG_DIGEST_HEX_BYTES];
    const bool keeps =
        ended == NULL || strcmp(ended, "clean") == 0 || strcmp(ended, "rotated") == 0;
    sg_buf_init(&members, 4096);
    sg_buf_add_text(&members, "\"version\":\"0.1.0\"");
    if (ended != NULL) {
        sg_buf_printf(&members, ",\"previous\":\"%s\",\"ended\":\"%s\",\"last_good_seq\":%llu",
                      log->files[log->segment].name, ended, (unsigned long long)log->chain.seq);
        sg_buf_printf(&members, ",\"last_good_hash\":\"%.*s\",\"extra_bytes\":%zu",
                      SG_DIGEST_HEX_BYTES, log->chain.prev, extra.n);
        if (extra.n > 0) {
            assert_int_equal(sg_digest_run_hex(log->digest, extra, hash), SG_OK);
            sg_buf_printf(&members, ",\"extra_sha256\":\"%.*s\"", SG_DIGEST_HEX_BYTES, hash);
        }
        sg_buf_add_text(&members, more);
    }
    log->chain.epoch += keeps ? 0 : 1;
    sg_segment_name_make(log->chain.epoch, log->chain.seq + 1, &name);
    log->segment = log_add_file(log, name.text);
    log_add_text(log, "segment", sg_buf_str(&members));
    sg_buf_done(&members);
}

/* --- asking ----------------------------------------------------------------------------------- */

static inline struct sg_audit_report log_verify(const struct log *log, bool with_key,
                                                bool with_anchor)
{
    struct sg_audit_report report;
    struct sg_note_keys keys = {.count = 1};
    struct sg_error error = {.text = ""};
    sg_ed25519_private_public(log->key, keys.public_keys[0]);
    const struct sg_audit_options options = {.keys = with_key ? &keys : NULL,
                                             .anchor = with_anchor ? log->anchor : NULL};
    if (sg_audit_verify_with(log->directory, &options, &report, &error) != SG_OK) {
        fail_msg("%s", error.text);
    }
    return report;
}

/* Line number `line` (from 1) of a text, with its LF. */
static inline struct sg_str log_line(struct sg_str text, size_t line)
{
    for (; line > 1; line--) {
        text = sg_str_slice(text, sg_str_find(text, '\n') + 1, text.n);
    }
    return sg_str_slice(text, 0, sg_str_find(text, '\n') + 1);
}

static inline size_t log_line_count(struct sg_str text)
{
    size_t count = 0;
    while (text.n > 0) {
        text = sg_str_slice(text, sg_str_find(text, '\n') + 1, text.n);
        count++;
    }
    return count;
}

/* The line with a member changed, and a checksum that fits; append it with its LF. */
static inline void log_forge(struct sg_str line, const char *from, const char *to,
                             struct sg_buf *out)
{
    const size_t start = out->n;
    const struct sg_str tail = SG_STR(",\"crc\":\"00000000\"}\n");
    const char *at = memmem(line.p, line.n, from, strlen(from));
    assert_non_null(at);
    size_t before = (size_t)(at - line.p), after = before + strlen(from);
    sg_buf_add_str(out, sg_str_slice(line, 0, before));
    sg_buf_add_text(out, to);
    sg_buf_add_str(out, sg_str_slice(line, after, line.n - tail.n));
    uint32_t crc = sg_crc32c(sg_str_slice(sg_buf_str(out), start, out->n));
    sg_buf_printf(out, ",\"crc\":\"%08x\"}\n", (unsigned)crc);
    assert_false(sg_buf_failed(out));
}

#endif
