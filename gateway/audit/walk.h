/*
 * A walk over an audit directory, shared by verify.c, which takes the lines, and walk.c, which
 * judges files; nobody else includes this. [any, one thread at a time]
 */
#ifndef SG_AUDIT_WALK_H
#define SG_AUDIT_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/heads.h"
#include "audit/reader.h"
#include "audit/suspect.h"
#include "audit/witness.h"
#include "base/clock.h"

struct sg_walk {
    int directory_fd;
    const struct sg_audit_options *options;
    bool is_written;
    struct sg_audit_report *report;
    struct sg_heads heads;
    struct sg_digest *digest;
    struct sg_witness witness;
    struct sg_standing standing;
    struct sg_suspect suspect;
    bool decided;          /* report has the first fault */
    uint64_t ordinal;      /* lines read so far */
    uint64_t bad_ordinal;  /* of the first fault */
    ptrdiff_t last_normal; /* the last segment with lines of the chain; -1: none */
    uint64_t end_offset;   /* behind its last line */
    uint64_t end_line;
    char time[SG_CLOCK_RFC3339_BYTES];        /* of the last record */
    char proven_time[SG_CLOCK_RFC3339_BYTES]; /* of the record that the anchor proves */
    uint64_t first_epoch;
};

/* The first fault: its place, how many records before it are proven, a sentence. */
void sg_walk_bad(struct sg_walk *walk, const char *kind, const char *file, uint64_t line,
                 uint64_t offset, uint64_t proven, const char *format, ...) SG_PRINTF(7, 8);

/* The same by a witness; a fault without a place is at the end of the segment. */
void sg_walk_bad_by_witness(struct sg_walk *walk, const struct sg_witness_fault *fault,
                            size_t segment);

/*
 * Before its lines are read: is the segment the one that comes next, under its own name, and what
 * it declares of the ones before true? SG_IO, SG_INTERNAL.
 */
SG_MUST_CHECK enum sg_status sg_walk_judge_head(struct sg_walk *walk, size_t segment,
                                                struct sg_error *reterr);

/* Whether a segment has a name that is not its own; the fault is set then. */
bool sg_walk_judge_name(struct sg_walk *walk, size_t segment);

/* Notes whose segment is not there, behind the first that is: the fault is set. SG_IO. */
SG_MUST_CHECK enum sg_status sg_walk_judge_orphans(struct sg_walk *walk, struct sg_error *reterr);

#endif
