#include "audit/note_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 256 * 1024 * 1024, NOTE_LINES = 7 };

/* --- keys ------------------------------------------------------------------------------------- */

enum sg_status sg_note_keys_begin(struct sg_note_keys *keys, const char *stream)
{
    enum sg_status status = SG_OK;
    keys->current = keys->count;
    keys->changes = keys->unproven = 0;
    for (size_t i = 0; i < keys->count && status == SG_OK; i++) {
        keys->superseded[i] = false;
        status = sg_note_key_id(stream, keys->public_keys[i], keys->ids[i]);
    }
    return status;
}

/* The index of the key with this id; count: none. */
static size_t find_key(const struct sg_note_keys *keys, const unsigned char *id)
{
    size_t i = 0;
    while (i < keys->count && memcmp(keys->ids[i], id, SG_NOTE_KEY_ID_BYTES) != 0) {
        i++;
    }
    return i;
}

static void say(char *text, size_t bytes, const char *format, const unsigned char *id)
{
    (void)snprintf(text, bytes, format, id[0], id[1], id[2], id[3]);
}

const char *sg_note_keys_judge(struct sg_note_keys *keys, const struct sg_note_parsed *parsed,
                               char *text, size_t text_bytes)
{
    bool signs[SG_NOTE_KEYS_MAX] = {false};
    size_t signers = 0, last = keys->count;
    for (size_t i = 0; i < parsed->signature_count; i++) {
        const struct sg_note_signature *signature = &parsed->signatures[i];
        size_t key = find_key(keys, signature->key_id);
        if (key == keys->count) {
            continue;
        }
        if (!sg_ed25519_verify(keys->public_keys[key], parsed->text, signature->bytes)) {
            say(text, text_bytes,
                "the note or its signature was changed: it is not what key %02x%02x%02x%02x signed",
                signature->key_id);
            return "edited";
        }
        if (keys->superseded[key]) {
            say(text, text_bytes,
                "the note is signed by key %02x%02x%02x%02x, which another key has taken over from",
                signature->key_id);
            return "wrong key";
        }
        signers += !signs[key];
        signs[key] = true;
        last = key != keys->current ? key : last;
    }
    if (signers == 0) {
        say(text, text_bytes,
            "the note is signed by key %02x%02x%02x%02x, which is not among those given",
            parsed->signatures[0].key_id);
        return "wrong key";
    }
    if (keys->current == keys->count) {
        /* The first note: with both keys it says what the second one has taken over from. */
        keys->current = last;
        for (size_t i = 0; i < keys->count && signers > 1; i++) {
            keys->superseded[i] = signs[i] && i != last;
        }
        return NULL;
    }
    if (last != keys->count) {
        keys->changes++;
        keys->unproven += !signs[keys->current];
        keys->superseded[keys->current] = true;
        keys->current = last;
    }
    return NULL;
}

/* --- files ------------------------------------------------------------------------------------ */

static void set_fault(struct sg_note_file *file, const char *kind, const char *text, uint64_t line,
                      uint64_t offset)
{
    file->fault = (struct sg_note_fault){.kind = kind, .line = line, .offset = offset};
    (void)snprintf(file->fault.text, sizeof file->fault.text, "%s", text);
}

static uint64_t count_lines(struct sg_str text)
{
    uint64_t lines = 0;
    for (size_t at = sg_str_find(text, '\n'); at < text.n; at = sg_str_find(text, '\n')) {
        lines++;
        text = sg_str_slice(text, at + 1, text.n);
    }
    return lines;
}

/* What follows the last good note is none: torn off by a crash, or changed. */
static void judge_rest(struct sg_note_file *file, struct sg_str rest, uint64_t line,
                       uint64_t offset)
{
    bool torn =
        memmem(rest.p + 1, rest.n - 1, "\n" SG_NOTE_ORIGIN, strlen("\n" SG_NOTE_ORIGIN)) == NULL &&
        (rest.p[rest.n - 1] != '\n' || count_lines(rest) < NOTE_LINES);
    if (!torn) {
        set_fault(file, "edited", "this is not a note: it was changed", line, offset);
    }
}

static bool follows(const struct sg_note_chain *chain, const struct sg_note *note)
{
    return !chain->known || memcmp(note->previous, chain->last, sizeof chain->last) == 0 ||
           (chain->last_unrecorded && chain->has_before &&
            memcmp(note->previous, chain->before, sizeof chain->before) == 0);
}

static enum sg_status add_entry(struct sg_note_file *file, const struct sg_note_entry *entry)
{
    if ((file->count & (file->count - 1)) == 0) { /* a power of two: full */
        size_t room = file->count > 0 ? file->count * 2 : 1;
        struct sg_note_entry *grown = realloc(file->entries, room * sizeof *grown);
        if (grown == NULL) {
            return SG_NO_MEMORY;
        }
        file->entries = grown;
    }
    file->entries[file->count++] = *entry;
    return SG_OK;
}

/* Take notes off a whole file until its end or the first that is wrong. */
static enum sg_status take_notes(struct sg_str text, const char *stream,
                                 struct sg_note_chain *chain, struct sg_note_keys *keys,
                                 struct sg_digest *digest, struct sg_note_file *file)
{
    struct sg_str rest = text;
    enum sg_status status = SG_OK;
    uint64_t line = 1;
    while (status == SG_OK) {
        struct sg_note_parsed parsed;
        char why[sizeof file->fault.text];
        while (rest.n > 0 && rest.p[0] == '\n') {
            rest = sg_str_slice(rest, 1, rest.n);
            line++;
        }
        const uint64_t offset = text.n - rest.n;
        if (rest.n == 0) {
            break;
        }
        size_t bytes = sg_note_parse(rest, &parsed);
        if (bytes == 0) {
            judge_rest(file, rest, line, offset);
            break;
        }
        if (strcmp(parsed.note.stream, stream) != 0) {
            set_fault(file, "inserted", "the note belongs to another audit log", line, offset);
            break;
        }
        const char *kind = keys != NULL ? sg_note_keys_judge(keys, &parsed, why, sizeof why) : NULL;
        if (kind != NULL) {
            set_fault(file, kind, why, line, offset);
            break;
        }
        if (!follows(chain, &parsed.note)) {
            set_fault(file, "removed", "the note does not follow the one before: notes are missing",
                      line, offset);
            break;
        }
        struct sg_note_entry entry = {.epoch = parsed.note.epoch,
                                      .seq = parsed.note.seq,
                                      .time_s = parsed.note.time_s,
                                      .line = line,
                                      .offset = offset};
        memcpy(entry.hash, parsed.note.hash, sizeof entry.hash);
        memcpy(entry.previous, parsed.note.previous, sizeof entry.previous);
        memcpy(entry.key_id, parsed.signatures[parsed.signature_count - 1].key_id,
               sizeof entry.key_id);
        status = sg_digest_run_hex(digest, sg_str_slice(rest, 0, bytes), entry.sha256);
        if (status == SG_OK) {
            status = add_entry(file, &entry);
        }
        chain->has_before = chain->known;
        memcpy(chain->before, chain->last, sizeof chain->before);
        memcpy(chain->last, entry.sha256, sizeof chain->last);
        chain->known = true;
        chain->last_unrecorded = false;
        line += count_lines(sg_str_slice(rest, 0, bytes));
        rest = sg_str_slice(rest, bytes, rest.n);
    }
    return status;
}

static enum sg_status read_whole(int fd, struct sg_buf *out)
{
    ssize_t count;
    do {
        char *to = sg_buf_reserve(out, 64 * 1024);
        if (to == NULL) {
            return out->n >= FILE_BYTES_MAX - 64 * 1024 ? SG_TOO_LARGE : SG_NO_MEMORY;
        }
        out->n -= 64 * 1024;
        do {
            count = read(fd, to, 64 * 1024);
        } while (count < 0 && errno == EINTR);
        out->n += count > 0 ? (size_t)count : 0;
    } while (count > 0);
    return count == 0 ? SG_OK : SG_IO;
}

enum sg_status sg_note_file_read(int directory_fd, const char *name, const char *stream,
                                 struct sg_note_chain *chain, struct sg_note_keys *keys,
                                 struct sg_note_file *ret, struct sg_error *reterr)
{
    struct sg_note_file file = {.exists = false};
    struct sg_digest *digest = NULL;
    struct sg_buf text;
    enum sg_status status = SG_OK;
    sg_buf_init(&text, FILE_BYTES_MAX);
    int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *ret = file;
        return SG_OK;
    }
    file.exists = true;
    status = fd < 0 ? SG_IO : read_whole(fd, &text);
    if (status != SG_OK) {
        (void)sg_error_set(reterr, status, NULL, "cannot read %s: %s", name,
                           status == SG_IO          ? strerror(errno)
                           : status == SG_TOO_LARGE ? "it is too large"
                                                    : "out of memory");
        goto out;
    }
    digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
    status = digest == NULL ? reterr->status
                            : take_notes(sg_buf_str(&text), stream, chain, keys, digest, &file);
    if (digest != NULL && status != SG_OK) {
        (void)sg_error_set(reterr, status, NULL, "out of memory");
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    sg_digest_free(digest);
    sg_buf_done(&text);
    if (status != SG_OK) {
        sg_note_file_done(&file);
    } else {
        *ret = file;
    }
    return status;
}

void sg_note_file_done(struct sg_note_file *file)
{
    free(file->entries);
    *file = (struct sg_note_file){.exists = false};
}
