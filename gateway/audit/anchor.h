/*
 * An anchor: what somebody else has kept of an audit log, to show that its end is still there. A
 * file of notes, as the anchor folder holds them; or of the log's own lines, as a receiver of
 * syslog or HTTP wrote them, whatever stands before each line's brace. [any, one thread at a time]
 */
#ifndef SG_AUDIT_ANCHOR_H
#define SG_AUDIT_ANCHOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/note_file.h"
#include "base/error.h"

struct sg_anchor_entry {
    uint64_t epoch, seq;
    unsigned char hash[SG_DIGEST_BYTES]; /* of the line */
    bool is_note;
    bool passing; /* the first line of a segment, or a replay: a recovery may have replaced it */
    bool found;   /* it is in the log */
};

struct sg_anchor {
    struct sg_anchor_entry *entries; /* in the order of the log */
    size_t count;
    size_t cursor;
    uint64_t unread;            /* lines that were neither */
    struct sg_note_fault fault; /* a note that none of the keys has signed */
};

/*
 * Read a file's entries of a stream; keys (NULL: none) are those that notes must be signed by.
 * SG_IO, SG_NO_MEMORY; SG_CONFIG: nothing in it is of this stream.
 */
SG_MUST_CHECK enum sg_status sg_anchor_read(const char *path, const char *stream,
                                            const struct sg_note_keys *keys, struct sg_anchor *ret,
                                            struct sg_error *reterr);
void sg_anchor_done(struct sg_anchor *anchor);

enum sg_anchored { SG_ANCHORED_NOT = 0, SG_ANCHORED_FITS, SG_ANCHORED_OTHER };

/*
 * Compare a line of the log. Lines in the order of the log cost nothing; out_of_order lets any
 * come. OTHER: *ret_hash is what the anchor has.
 */
enum sg_anchored sg_anchor_compare(struct sg_anchor *anchor, bool out_of_order, uint64_t epoch,
                                   uint64_t seq, const char hash[SG_DIGEST_HEX_BYTES],
                                   char ret_hash[SG_DIGEST_HEX_BYTES]);

#endif
