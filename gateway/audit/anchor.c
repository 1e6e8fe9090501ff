#include "audit/anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/lines.h"
#include "audit/members.h"
#include "text/encode.h"

struct reading {
    const char *stream;
    const struct sg_note_keys *keys;
    struct sg_anchor anchor;
    size_t room;
    struct sg_digest *digest;
    struct sg_buf note; /* the lines of a note so far */
    uint64_t note_line, note_offset;
    bool other_stream; /* something was there, of another log */
};

static enum sg_status add(struct reading *r, const struct sg_anchor_entry *entry)
{
    struct sg_anchor *anchor = &r->anchor;
    if (anchor->count == r->room) {
        size_t room = r->room > 0 ? r->room * 2 : 64;
        struct sg_anchor_entry *grown = realloc(anchor->entries, room * sizeof *grown);
        if (grown == NULL) {
            return SG_NO_MEMORY;
        }
        anchor->entries = grown;
        r->room = room;
    }
    anchor->entries[anchor->count++] = *entry;
    return SG_OK;
}

static bool is_signed(const struct reading *r, const struct sg_note_parsed *parsed)
{
    bool good = r->keys == NULL || r->keys->count == 0;
    for (size_t i = 0; !good && i < r->keys->count; i++) {
        good = sg_note_verify(parsed, r->keys->public_keys[i]);
    }
    return good;
}

/* The lines that were kept are a note, or none. */
static enum sg_status end_note(struct reading *r)
{
    struct sg_note_parsed parsed;
    struct sg_anchor_entry entry = {.is_note = true};
    enum sg_status status = SG_OK;
    if (r->note.n == 0) {
        return SG_OK;
    }
    size_t bytes = sg_note_parse(sg_buf_str(&r->note), &parsed);
    if (bytes == 0) {
        r->anchor.unread++;
    } else if (strcmp(parsed.note.stream, r->stream) != 0) {
        r->other_stream = true;
    } else if (!is_signed(r, &parsed)) {
        const unsigned char *id = parsed.signatures[0].key_id;
        if (r->anchor.fault.kind == NULL) {
            r->anchor.fault = (struct sg_note_fault){
                .kind = "wrong key", .line = r->note_line, .offset = r->note_offset};
            (void)snprintf(r->anchor.fault.text, sizeof r->anchor.fault.text,
                           "the note bears key id %02x%02x%02x%02x, and none of the keys given "
                           "signed it",
                           id[0], id[1], id[2], id[3]);
        }
    } else {
        entry.epoch = parsed.note.epoch;
        entry.seq = parsed.note.seq;
        (void)sg_hex_decode((struct sg_str){.p = parsed.note.hash, .n = sizeof parsed.note.hash},
                            entry.hash, sizeof entry.hash);
        status = add(r, &entry);
    }
    sg_buf_clear(&r->note);
    return status;
}

static enum sg_status take_record(struct reading *r, struct sg_str line)
{
    struct sg_chain_line parts;
    if (!sg_chain_parse(line, &parts) || !parts.crc_good) {
        r->anchor.unread++;
        return SG_OK;
    }
    if (!sg_str_equal_text(parts.stream, r->stream)) {
        r->other_stream = true;
        return SG_OK;
    }
    struct sg_str event = sg_members_find_text(parts.text, "event");
    struct sg_anchor_entry entry = {.epoch = parts.epoch,
                                    .seq = parts.seq,
                                    .passing = sg_str_equal_text(event, "segment") ||
                                               sg_str_equal_text(event, "replay")};
    enum sg_status status = sg_digest_run(r->digest, line, entry.hash);
    return status == SG_OK ? add(r, &entry) : status;
}

static enum sg_status take_line(struct reading *r, const struct sg_line *line)
{
    const struct sg_str brace = SG_STR("{\"schema\":1,\"stream\":\"");
    const struct sg_str origin = SG_STR(SG_NOTE_ORIGIN), dash = SG_STR("\xe2\x80\x94 ");
    enum sg_status status = SG_OK;
    struct sg_str text = line->text;
    while (text.n > 0 && (text.p[text.n - 1] == '\r' || text.p[text.n - 1] == ' ')) {
        text.n--;
    }
    const char *at = text.n > 0 ? memmem(text.p, text.n, brace.p, brace.n) : NULL;
    if (at != NULL || sg_str_starts_with(text, origin)) {
        status = end_note(r);
    }
    if (status != SG_OK) {
        return status;
    }
    if (at != NULL) {
        return take_record(r, sg_str_slice(text, (size_t)(at - text.p), text.n));
    }
    bool begins = sg_str_starts_with(text, origin);
    if (begins) {
        r->note_line = line->number;
        r->note_offset = line->offset;
    }
    /* Five lines, an empty one, signatures; an empty line behind those ends the note. */
    bool ended =
        r->note.n > 0 && text.n == 0 && memmem(r->note.p, r->note.n, dash.p, dash.n) != NULL;
    if (ended) {
        return end_note(r);
    }
    if (begins || r->note.n > 0) {
        sg_buf_add_str(&r->note, text);
        sg_buf_add_char(&r->note, '\n');
        if (sg_buf_failed(&r->note)) { /* longer than any note */
            sg_buf_clear(&r->note);
            r->anchor.unread++;
        }
    } else if (text.n > 0) {
        r->anchor.unread++;
    }
    return SG_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct sg_anchor_entry *x = a, *y = b;
    return sg_chain_compare(x->epoch, x->seq, y->epoch, y->seq);
}

static enum sg_status read_all(struct reading *r, int fd)
{
    struct sg_lines lines;
    struct sg_line line;
    sg_lines_init(&lines, fd);
    enum sg_status status;
    while ((status = sg_lines_next(&lines, &line)) == SG_OK) {
        status = take_line(r, &line);
        if (status != SG_OK) {
            break;
        }
    }
    sg_lines_done(&lines);
    return status == SG_NOT_FOUND ? end_note(r) : status;
}

enum sg_status sg_anchor_read(const char *path, const char *stream, const struct sg_note_keys *keys,
                              struct sg_anchor *ret, struct sg_error *reterr)
{
    struct reading r = {.stream = stream, .keys = keys};
    enum sg_status status = SG_OK;
    sg_buf_init(&r.note, SG_NOTE_BYTES_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    r.digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
    if (r.digest == NULL) {
        status = reterr->status;
        goto out;
    }
    status = fd < 0 ? SG_IO : read_all(&r, fd);
    if (status != SG_OK) {
        (void)sg_error_set(reterr, status, NULL, "cannot read the anchor %s: %s", path,
                           status == SG_IO ? strerror(errno) : "out of memory");
        goto out;
    }
    if (r.anchor.count == 0 && r.anchor.fault.kind == NULL) {
        status = sg_error_set(reterr, SG_CONFIG, NULL,
                              r.other_stream
                                  ? "the anchor %s belongs to another audit log: nothing in it is "
                                    "of stream %s"
                                  : "the anchor %s holds neither notes nor lines of an audit log "
                                    "(stream %s)",
                              path, stream);
        goto out;
    }
    if (r.anchor.count > 0) {
        qsort(r.anchor.entries, r.anchor.count, sizeof *r.anchor.entries, by_key);
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    sg_digest_free(r.digest);
    sg_buf_done(&r.note);
    if (status != SG_OK) {
        sg_anchor_done(&r.anchor);
    } else {
        *ret = r.anchor;
    }
    return status;
}

void sg_anchor_done(struct sg_anchor *anchor)
{
    free(anchor->entries);
    *anchor = (struct sg_anchor){.entries = NULL};
}

/* The first entry that does not stand before the key, between low and the end. */
static size_t find(const struct sg_anchor *anchor, size_t low, const struct sg_anchor_entry *key)
{
    size_t high = anchor->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_key(&anchor->entries[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum sg_anchored sg_anchor_compare(struct sg_anchor *anchor, bool out_of_order, uint64_t epoch,
                                   uint64_t seq, const char hash[SG_DIGEST_HEX_BYTES],
                                   char ret_hash[SG_DIGEST_HEX_BYTES])
{
    const struct sg_anchor_entry key = {.epoch = epoch, .seq = seq};
    enum sg_anchored result = SG_ANCHORED_NOT;
    size_t at = anchor->cursor;
    if (out_of_order) {
        at = find(anchor, 0, &key);
    } else {
        while (at < anchor->count && by_key(&anchor->entries[at], &key) < 0) {
            at++;
        }
        anchor->cursor = at;
    }
    for (; at < anchor->count && by_key(&anchor->entries[at], &key) == 0; at++) {
        struct sg_anchor_entry *entry = &anchor->entries[at];
        char hex[SG_DIGEST_HEX_BYTES];
        struct sg_buf text;
        sg_buf_init_fixed(&text, hex, sizeof hex);
        sg_buf_add_hex(&text, entry->hash, sizeof entry->hash);
        if (memcmp(hex, hash, sizeof hex) != 0) {
            memcpy(ret_hash, hex, sizeof hex);
            return SG_ANCHORED_OTHER;
        }
        entry->found = true;
        result = SG_ANCHORED_FITS;
    }
    return result;
}
