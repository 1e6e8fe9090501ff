/*
 * The first lines of all segments of a directory, and what they say of the ones before: each
 * segment's part in the chain, known before its lines are read. [any, one thread at a time]
 */
#ifndef SG_AUDIT_HEADS_H
#define SG_AUDIT_HEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/segment.h"
#include "base/error.h"

/* What a segment's first line declares of what was before it. */
struct sg_declaration {
    bool any;
    char previous[SG_SEGMENT_NAME_BYTES];
    char ended[16]; /* clean rotated torn failed damaged */
    char op[32];
    uint64_t last_good_seq;
    char last_good_hash[SG_DIGEST_HEX_BYTES + 1];
    uint64_t extra_bytes;
    char extra_sha256[SG_DIGEST_HEX_BYTES + 1];
    uint64_t lost_from, lost_to;
};

enum { SG_HEADS_NONE = -1 };

struct sg_head {
    struct sg_segment_name name;
    bool good; /* its first line is a segment's, and its checksum fits; the rest of it is as read */
    char stream[SG_CHAIN_STREAM_BYTES + 1];
    uint64_t epoch, seq;
    char prev[SG_DIGEST_HEX_BYTES];
    struct sg_declaration declaration;
    ptrdiff_t previous;  /* index of the segment it names; SG_HEADS_NONE: it is not there */
    ptrdiff_t last_good; /* index of the segment that holds the last good line it names, or none */
    /* what a later one says of this one */
    ptrdiff_t declared_by; /* that holds the last good line: by whom; or none */
    ptrdiff_t extra_of;    /* that it has no line of the chain: by whom; or none */
};

struct sg_heads {
    struct sg_head *items;
    size_t count;
};

/* Read them. SG_NOT_FOUND: there is no segment. SG_IO, SG_NO_MEMORY. */
SG_MUST_CHECK enum sg_status sg_heads_read(int directory_fd, struct sg_heads *ret,
                                           struct sg_error *reterr);
void sg_heads_done(struct sg_heads *heads);

/* Whether the ending is one that may leave bytes behind the last good line, declared as extra. */
bool sg_declaration_has_extra(const struct sg_declaration *declaration);

/* Whether the previous segment's file need not be there any more. */
bool sg_declaration_is_gone(const struct sg_declaration *declaration);

/* Whether the same epoch goes on: it ended clean or was rotated. */
bool sg_declaration_keeps_epoch(const struct sg_declaration *declaration);

/*
 * Hash what stands behind offset in the segment that holds the last good line of item `by`, and all
 * of the segments between the two: what `by` declares as extra. SG_IO, SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_heads_hash_extra(const struct sg_heads *heads, int directory_fd,
                                                 size_t by, uint64_t offset, uint64_t *ret_bytes,
                                                 char ret[SG_DIGEST_HEX_BYTES],
                                                 struct sg_error *reterr);

/*
 * Look for a file of any name whose first line is that of a segment (epoch, first seq) of the
 * stream. True: its name was copied.
 */
bool sg_heads_find_renamed(int directory_fd, const char *stream, uint64_t epoch, uint64_t first_seq,
                           char *name, size_t name_bytes);

#endif
