/*
 * The notes (signed checkpoints) of an audit directory in order: audit-*.note, one file beside each
 * segment, in each the notes one after another with a blank line between. Only their form is looked
 * at: who signed and what, is audit/note's. [one thread at a time]
 */
#ifndef SG_AUDIT_NOTE_WALK_H
#define SG_AUDIT_NOTE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* A line of the chain: the head that a note signs. Zeros: before all. */
struct sg_note_head {
    uint64_t epoch;
    uint64_t seq;
};

/* Below zero, zero, above zero: as a stands before, at, behind b. */
int sg_note_head_compare(const struct sg_note_head *a, const struct sg_note_head *b);

/*
 * Bytes of the note that text begins with: five lines, an empty one, signature lines, each with its
 * LF. 0: there is none, or it is not whole. Pure.
 */
size_t sg_note_measure(struct sg_str text, struct sg_note_head *ret_head);

/*
 * The last whole note in text, which may begin and end in the middle of one; *ret_end is where it
 * ends, blank lines behind it included. An empty slice: there is none. Pure.
 */
struct sg_str sg_note_find_last(struct sg_str text, struct sg_note_head *ret_head, size_t *ret_end);

struct sg_note_walk;

/* From the beginning. NULL: no memory. */
struct sg_note_walk *sg_note_walk_new(const char *directory);
void sg_note_walk_free(struct sg_note_walk *walk);

/*
 * The next note, whole, with its last LF; valid until the next call. SG_NOT_FOUND: none at present.
 * What is no note is left out. SG_IO: *reterr says why; a later call tries again.
 */
SG_MUST_CHECK enum sg_status sg_note_walk_next(struct sg_note_walk *walk, struct sg_str *ret_note,
                                               struct sg_note_head *ret_head,
                                               struct sg_error *reterr);

/* The first line of the segment whose notes are being read; all segments before are through. */
struct sg_note_head sg_note_walk_segment(const struct sg_note_walk *walk);

#endif
