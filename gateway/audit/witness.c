#include "audit/witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/members.h"

/*
 * A note is made of a line that is on the disk, so the line must be there: in its segment, or, when
 * that segment failed while the gateway ran, as a replay in a later one. Two kinds of
 * lines come back in no replay: a segment's first line and replays, which recovery writes anew.
 * Their notes are excused by the next note that follows in the chain of notes, since the gateway
 * signed that one knowing what had become of them.
 */

struct sg_witness_pending {
    uint64_t epoch, seq;
    char hash[SG_DIGEST_HEX_BYTES];
    char file[SG_SEGMENT_NAME_BYTES];
    uint64_t line, offset;
};

enum { ORIGINAL_BYTES_MAX = 1 << 20 };

enum sg_status sg_witness_begin(struct sg_witness *w, int directory_fd, const char *stream,
                                const struct sg_note_keys *keys, const char *anchor_path,
                                struct sg_error *reterr)
{
    *w = (struct sg_witness){.directory_fd = directory_fd, .anchor_path = anchor_path};
    (void)snprintf(w->stream, sizeof w->stream, "%s", stream);
    if (keys != NULL && keys->count > 0) {
        w->judges = true;
        w->keys = *keys;
        if (sg_note_keys_begin(&w->keys, stream) != SG_OK) {
            return sg_error_set(reterr, SG_INTERNAL, NULL, "cannot hash");
        }
    }
    return anchor_path == NULL ? SG_OK
                               : sg_anchor_read(anchor_path, stream, w->judges ? &w->keys : NULL,
                                                &w->anchor, reterr);
}

void sg_witness_done(struct sg_witness *w)
{
    sg_note_file_done(&w->notes);
    sg_anchor_done(&w->anchor);
    free(w->pending);
    free(w->leftover);
    w->pending = NULL;
    w->leftover = NULL;
    w->pending_count = w->pending_room = w->leftover_count = 0;
}

static void set_fault(struct sg_witness_fault *ret, const char *kind, const char *file,
                      uint64_t line, uint64_t offset)
{
    *ret = (struct sg_witness_fault){.kind = kind, .line = line, .offset = offset};
    (void)snprintf(ret->file, sizeof ret->file, "%s", file);
}

/* --- notes whose line is still to come -------------------------------------------------------- */

static enum sg_status add_pending(struct sg_witness *w, const struct sg_note_entry *entry)
{
    if (w->pending_count == w->pending_room) {
        size_t room = w->pending_room > 0 ? w->pending_room * 2 : 16;
        struct sg_witness_pending *grown = realloc(w->pending, room * sizeof *grown);
        if (grown == NULL) {
            return SG_NO_MEMORY;
        }
        w->pending = grown;
        w->pending_room = room;
    }
    struct sg_witness_pending *pending = &w->pending[w->pending_count++];
    *pending = (struct sg_witness_pending){
        .epoch = entry->epoch, .seq = entry->seq, .line = entry->line, .offset = entry->offset};
    memcpy(pending->hash, entry->hash, sizeof pending->hash);
    memcpy(pending->file, w->name, sizeof pending->file);
    return SG_OK;
}

static void drop_pending(struct sg_witness *w, size_t at)
{
    w->pending[at] = w->pending[--w->pending_count];
}

/* The gateway went on signing behind a failed epoch: what is missing of it is explained. */
static void excuse_before(struct sg_witness *w, uint64_t epoch)
{
    for (size_t i = w->pending_count; i > 0; i--) {
        if (w->pending[i - 1].epoch < epoch) {
            drop_pending(w, i - 1);
        }
    }
}

/* Notes from number `from` on, whose records the failure may have put off to a later segment. */
static enum sg_status keep_leftover(struct sg_witness *w, size_t from)
{
    size_t more = w->notes.count - from;
    char(*grown)[SG_DIGEST_HEX_BYTES] =
        realloc(w->leftover, (w->leftover_count + more + 1) * sizeof *grown);
    if (grown == NULL) {
        return SG_NO_MEMORY;
    }
    w->leftover = grown;
    for (size_t i = 0; i < more; i++) {
        memcpy(grown[w->leftover_count++], w->notes.entries[from + i].sha256, sizeof *grown);
    }
    return SG_OK;
}

static bool take_leftover(struct sg_witness *w, struct sg_str sha256)
{
    for (size_t i = 0; i < w->leftover_count; i++) {
        if (sha256.n == sizeof *w->leftover && memcmp(w->leftover[i], sha256.p, sha256.n) == 0) {
            memcpy(w->leftover[i], w->leftover[--w->leftover_count], sizeof *w->leftover);
            return true;
        }
    }
    return false;
}

/* --- a segment -------------------------------------------------------------------------------- */

enum sg_status sg_witness_open(struct sg_witness *w, const struct sg_segment_name *name,
                               bool is_gone, struct sg_error *reterr)
{
    sg_note_file_make(name->epoch, name->first_seq, w->name);
    sg_note_file_done(&w->notes);
    w->head = w->record = 0;
    enum sg_status status = sg_note_file_read(w->directory_fd, w->name, w->stream, &w->chain,
                                              w->judges ? &w->keys : NULL, &w->notes, reterr);
    w->any_note = w->any_note || w->notes.count > 0;
    if (status == SG_OK && is_gone) {
        w->chain.known = w->chain.known && w->notes.exists; /* its notes may be gone with it */
        w->chain.last_unrecorded = true;
        for (size_t i = 0; i < w->notes.count && status == SG_OK; i++) {
            status = add_pending(w, &w->notes.entries[i]);
        }
        status = status == SG_OK ? keep_leftover(w, 0) : status;
        sg_note_file_done(&w->notes);
    }
    return status == SG_NO_MEMORY ? sg_error_set(reterr, status, NULL, "out of memory") : status;
}

/* The last line of the segment before may be what the first note here is of. */
static enum sg_anchored compare_tail(const struct sg_witness *w, const struct sg_note_entry *entry)
{
    if (!w->has_tail || entry->epoch != w->tail_epoch || entry->seq != w->tail_seq) {
        return SG_ANCHORED_NOT;
    }
    return memcmp(entry->hash, w->tail_hash, sizeof w->tail_hash) == 0 ? SG_ANCHORED_FITS
                                                                       : SG_ANCHORED_OTHER;
}

static void take_note(struct sg_witness *w, const struct sg_note_entry *entry, uint64_t records)
{
    w->covered = (struct sg_vouched){.any = true,
                                     .epoch = entry->epoch,
                                     .seq = entry->seq,
                                     .time_s = entry->time_s,
                                     .records = records};
    memcpy(w->key_id, entry->key_id, sizeof w->key_id);
    excuse_before(w, entry->epoch);
}

enum sg_anchored sg_witness_line(struct sg_witness *w, uint64_t epoch, uint64_t seq,
                                 const char hash[SG_DIGEST_HEX_BYTES], uint64_t records,
                                 char ret_hash[SG_DIGEST_HEX_BYTES])
{
    enum sg_anchored result = SG_ANCHORED_NOT;
    for (; w->head < w->notes.count; w->head++) {
        const struct sg_note_entry *entry = &w->notes.entries[w->head];
        if (sg_chain_compare(epoch, seq, entry->epoch, entry->seq) < 0) {
            break;
        }
        if (entry->epoch != epoch || entry->seq != seq) {
            if (compare_tail(w, entry) == SG_ANCHORED_FITS) {
                take_note(w, entry, records - 1);
            } else if (w->has_tail && add_pending(w, entry) != SG_OK) {
                break;
            }
            continue;
        }
        if (memcmp(entry->hash, hash, sizeof entry->hash) != 0) {
            memcpy(ret_hash, entry->hash, sizeof entry->hash);
            return SG_ANCHORED_OTHER;
        }
        take_note(w, entry, records);
        result = SG_ANCHORED_FITS;
    }
    if (w->anchor.count > 0) {
        enum sg_anchored anchored =
            sg_anchor_compare(&w->anchor, false, epoch, seq, hash, ret_hash);
        if (anchored == SG_ANCHORED_OTHER) {
            return anchored;
        }
        if (anchored == SG_ANCHORED_FITS) {
            w->anchored =
                (struct sg_vouched){.any = true, .epoch = epoch, .seq = seq, .records = records};
            result = anchored;
        }
    }
    w->vouched_records = result == SG_ANCHORED_FITS ? records : w->vouched_records;
    w->has_tail = true;
    w->tail_epoch = epoch;
    w->tail_seq = seq;
    memcpy(w->tail_hash, hash, sizeof w->tail_hash);
    return result;
}

enum sg_status sg_witness_replay(struct sg_witness *w, struct sg_str text, struct sg_digest *digest)
{
    struct sg_buf original;
    struct sg_chain_line parts;
    char hash[SG_DIGEST_HEX_BYTES], other[SG_DIGEST_HEX_BYTES];
    enum sg_status status = SG_OK;
    if (w->pending_count == 0 && w->anchor.count == 0) {
        return SG_OK;
    }
    sg_buf_init(&original, ORIGINAL_BYTES_MAX);
    sg_members_unescape(sg_members_find(text, "original"), &original);
    if (!sg_buf_failed(&original) && sg_chain_parse(sg_buf_str(&original), &parts) &&
        sg_str_equal_text(parts.stream, w->stream)) {
        status = sg_digest_run_hex(digest, sg_buf_str(&original), hash);
        for (size_t i = w->pending_count; i > 0 && status == SG_OK; i--) {
            const struct sg_witness_pending *pending = &w->pending[i - 1];
            if (pending->epoch == parts.epoch && pending->seq == parts.seq &&
                memcmp(pending->hash, hash, sizeof hash) == 0) {
                drop_pending(w, i - 1);
            }
        }
        if (status == SG_OK && w->anchor.count > 0) {
            (void)sg_anchor_compare(&w->anchor, true, parts.epoch, parts.seq, hash, other);
        }
    }
    sg_buf_done(&original);
    return status;
}

static bool is_sha256(const struct sg_note_entry *entry, struct sg_str sha256)
{
    return sha256.n == sizeof entry->sha256 &&
           memcmp(entry->sha256, sha256.p, sizeof entry->sha256) == 0;
}

bool sg_witness_checkpoint(struct sg_witness *w, struct sg_str note_sha256,
                           struct sg_witness_fault *ret)
{
    const struct sg_note_file *notes = &w->notes;
    size_t at = w->record;
    while (at < notes->count && !is_sha256(&notes->entries[at], note_sha256)) {
        at++;
    }
    if (at < notes->count && at == w->record) {
        w->checkpoints++;
        w->record = at + 1;
        return true;
    }
    if (at == notes->count && take_leftover(w, note_sha256)) {
        w->checkpoints++;
        return true;
    }
    const struct sg_note_entry *next = w->record < notes->count ? &notes->entries[w->record] : NULL;
    if (at < notes->count) { /* it is there, but others stand before it that no record names */
        set_fault(ret, "inserted", w->name, next->line, next->offset);
        (void)snprintf(ret->text, sizeof ret->text, "no checkpoint of the log names this note");
    } else if (notes->fault.kind != NULL) {
        set_fault(ret, notes->fault.kind, w->name, notes->fault.line, notes->fault.offset);
        (void)snprintf(ret->text, sizeof ret->text, "%s", notes->fault.text);
    } else if (next != NULL) {
        set_fault(ret, "edited", w->name, next->line, next->offset);
        (void)snprintf(ret->text, sizeof ret->text,
                       "the checkpoint of the log names another note than this");
    } else {
        set_fault(ret, "removed", w->name, 0, 0);
        (void)snprintf(ret->text, sizeof ret->text,
                       notes->exists ? "the note that a checkpoint of the log names is missing"
                                     : "the file is missing: a checkpoint of the log names a note "
                                       "in it");
    }
    return false;
}

static void missing_line(struct sg_witness_fault *ret, const char *by, uint64_t epoch, uint64_t seq)
{
    (void)snprintf(ret->text, sizeof ret->text,
                   "%s vouches for record %llu of epoch %llu, which is not there", by,
                   (unsigned long long)seq, (unsigned long long)epoch);
}

bool sg_witness_close(struct sg_witness *w, bool may_replay, struct sg_witness_fault *ret)
{
    const struct sg_note_file *notes = &w->notes;
    bool good = true;
    w->chain.last_unrecorded = w->record < notes->count;
    if (may_replay && w->chain.last_unrecorded && keep_leftover(w, w->record) != SG_OK) {
        set_fault(ret, "removed", w->name, 0, 0);
        (void)snprintf(ret->text, sizeof ret->text, "out of memory");
        good = false;
    }
    for (; good && w->head < notes->count; w->head++) {
        const struct sg_note_entry *entry = &notes->entries[w->head];
        if (compare_tail(w, entry) == SG_ANCHORED_FITS) {
            continue; /* the segment has no line of its own behind it */
        }
        if (may_replay) {
            good = add_pending(w, entry) == SG_OK;
            continue;
        }
        set_fault(ret, "cut", "", 0, 0);
        missing_line(ret, "a note beside it", entry->epoch, entry->seq);
        good = false;
    }
    if (good && notes->fault.kind != NULL) {
        set_fault(ret, notes->fault.kind, w->name, notes->fault.line, notes->fault.offset);
        (void)snprintf(ret->text, sizeof ret->text, "%s", notes->fault.text);
        good = false;
    }
    sg_note_file_done(&w->notes);
    w->head = w->record = 0;
    return good;
}

/* --- the end ---------------------------------------------------------------------------------- */

/*
 * A line reaches a receiver a moment before the disk has it, so a crash may take it from the log
 * alone; the next epoch's first line says where the old one ended. Where the receiver has a line of
 * a later epoch too, which follows from that word, it was the gateway's own and not that of
 * somebody who cut the log afterwards. A note is of a line that the disk had: it has no such
 * excuse.
 */
static bool end_anchor(struct sg_witness *w, uint64_t first_epoch, uint64_t first_seq,
                       struct sg_witness_fault *ret)
{
    const struct sg_anchor *anchor = &w->anchor;
    if (anchor->fault.kind != NULL) {
        set_fault(ret, anchor->fault.kind, w->anchor_path, anchor->fault.line,
                  anchor->fault.offset);
        ret->in_anchor = true;
        (void)snprintf(ret->text, sizeof ret->text, "%s", anchor->fault.text);
        return false;
    }
    uint64_t kept_epoch = 0; /* the newest of which the anchor has a line of the log */
    for (size_t i = 0; i < anchor->count; i++) {
        const struct sg_anchor_entry *entry = &anchor->entries[i];
        kept_epoch = entry->found && !entry->is_note ? entry->epoch : kept_epoch;
    }
    for (size_t i = 0; i < anchor->count; i++) {
        const struct sg_anchor_entry *entry = &anchor->entries[i];
        bool before = sg_chain_compare(entry->epoch, entry->seq, first_epoch, first_seq) < 0;
        bool passing = entry->passing && entry->epoch < w->tail_epoch;
        if (entry->found || (before && i + 1 < anchor->count) || passing) {
            continue;
        }
        if (!entry->is_note && !before && entry->epoch < kept_epoch) {
            w->anchor_lost++;
            continue;
        }
        set_fault(ret, before ? "removed" : "cut", "", 0, 0);
        missing_line(ret, "the anchor", entry->epoch, entry->seq);
        return false;
    }
    return true;
}

bool sg_witness_end(struct sg_witness *w, uint64_t first_epoch, uint64_t first_seq,
                    struct sg_witness_fault *ret)
{
    if (w->pending_count > 0) {
        const struct sg_witness_pending *pending = &w->pending[0];
        set_fault(ret, "cut", pending->file, pending->line, pending->offset);
        missing_line(ret, "the note", pending->epoch, pending->seq);
        return false;
    }
    if (w->judges && !w->any_note) {
        set_fault(ret, "removed", "", 0, 0);
        (void)snprintf(ret->text, sizeof ret->text,
                       "the log has no checkpoint that the key given could have signed");
        return false;
    }
    return w->anchor_path == NULL || end_anchor(w, first_epoch, first_seq, ret);
}
