/*
 * Segments: the files audit-<epoch:6>-<first seq:20>.jsonl of an audit directory, listed in their
 * order, read line by line, and judged: how far they are good, and what stands behind. Notes of a
 * segment stand beside it in a file of the same name, ending in .note.
 */
#ifndef SG_AUDIT_SEGMENT_H
#define SG_AUDIT_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"
#include "base/error.h"

enum { SG_SEGMENT_NAME_BYTES = 48 };

struct sg_segment_name {
    char text[SG_SEGMENT_NAME_BYTES];
    uint64_t epoch;
    uint64_t first_seq;
};

void sg_segment_name_make(uint64_t epoch, uint64_t first_seq, struct sg_segment_name *ret);

/* Read the name of a segment's file; false (and *ret untouched): it is none. */
bool sg_segment_name_parse(const char *text, struct sg_segment_name *ret);

/* The order of writing: below zero, zero, above zero. */
int sg_segment_name_compare(const struct sg_segment_name *a, const struct sg_segment_name *b);

/* The name of the file with a segment's notes: the same but for its ending. */
enum { SG_NOTE_FILE_BYTES = 56 };
void sg_note_file_make(uint64_t epoch, uint64_t first_seq, char ret[SG_NOTE_FILE_BYTES]);
bool sg_note_file_parse(const char *file, uint64_t *ret_epoch, uint64_t *ret_first_seq);

/* The segments of a directory in order; *ret is malloc'd. SG_IO: it cannot be read. */
SG_MUST_CHECK enum sg_status sg_segment_list(int directory_fd, struct sg_segment_name **ret,
                                             size_t *ret_count, struct sg_error *reterr);

/* What is wrong with the first bytes that are not a good line. */
enum sg_segment_fault {
    SG_SEGMENT_GOOD = 0,
    SG_SEGMENT_TORN,    /* not a whole line, nothing good behind it */
    SG_SEGMENT_DAMAGED, /* a bad line with good ones behind it */
};

/* What reading a segment found. */
struct sg_segment_report {
    enum sg_segment_fault fault;
    const char *kind;    /* "torn", "crc", "prev", "seq"...; a literal */
    uint64_t lines;      /* good ones */
    uint64_t good_bytes; /* up to here the segment is good */
    bool ends_with_stop; /* the last record is stop; only a checkpoint may stand behind it */
};

/*
 * Read a segment to its end. Its first line is taken as the beginning; *chain is moved to its last
 * good line, and stays as it is when there is none. SG_NOT_FOUND: it is not there, or no regular
 * file; SG_IO: it cannot be read now; SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_segment_read(int directory_fd, const struct sg_segment_name *name,
                                             struct sg_chain *chain, struct sg_segment_report *ret,
                                             struct sg_error *reterr);

/*
 * Feed the bytes of a segment from an offset to its end to a digest that has begun; *ret_bytes says
 * how many. What is not there, or no regular file, has none. SG_IO: it cannot be read now.
 */
SG_MUST_CHECK enum sg_status sg_segment_hash(int directory_fd, const struct sg_segment_name *name,
                                             uint64_t from, struct sg_digest *digest,
                                             uint64_t *ret_bytes);

#endif
