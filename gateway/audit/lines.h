/*
 * The lines of an open file, one after another, in blocks; never more of it in memory than a block
 * or the longest line. [any, one thread at a time]
 */
#ifndef SG_AUDIT_LINES_H
#define SG_AUDIT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum { SG_LINE_BYTES_MAX = 1 << 20 };

struct sg_lines {
    int fd;
    char *block;
    size_t allocated;
    size_t from, to; /* what of block is not taken yet */
    bool ended;      /* the file has no more at present */
    uint64_t offset; /* in the file, of what is not taken yet */
    uint64_t number; /* of lines taken */
};

struct sg_line {
    struct sg_str text; /* without its LF; borrowed until the next call; empty when too long */
    uint64_t number;    /* from 1 */
    uint64_t offset;    /* of its first byte */
    uint64_t bytes;     /* with its LF */
    bool whole;         /* an LF ends it; else the file does */
    bool too_long;      /* above SG_LINE_BYTES_MAX */
};

/* Read on from where fd stands, which is the file's beginning; fd stays the caller's. */
void sg_lines_init(struct sg_lines *lines, int fd);
void sg_lines_done(struct sg_lines *lines);

/* The next line. SG_NOT_FOUND: the file ends here. SG_IO (errno says why), SG_NO_MEMORY. */
SG_MUST_CHECK enum sg_status sg_lines_next(struct sg_lines *lines, struct sg_line *ret);

#endif
