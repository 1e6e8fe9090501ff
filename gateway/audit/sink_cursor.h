/*
 * How far a sink has come, kept beside the log it follows: the file cursor-<name>. Written whole
 * (another file, fsync, rename, fsync of the folder); its last line is a checksum, so that one that
 * was torn or changed by hand is found, and never followed.
 */
#ifndef SG_AUDIT_SINK_CURSOR_H
#define SG_AUDIT_SINK_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/follow.h"
#include "base/buf.h"
#include "base/error.h"

enum { SG_SINK_CURSOR_BYTES = 256 }; /* its text at most */

struct sg_sink_cursor {
    char stream[SG_CHAIN_STREAM_BYTES + 1]; /* of the log it belongs to */
    struct sg_follow_position position;     /* behind the last line that was surely taken */
    uint64_t seq;                           /* of that line; 0: none yet */
};

/* Append the text of the file. Pure. [any] */
void sg_sink_cursor_print(const struct sg_sink_cursor *cursor, struct sg_buf *out);

/* Read it; false unless it is exactly what print writes. Pure. [any] */
bool sg_sink_cursor_parse(struct sg_str text, struct sg_sink_cursor *ret);

/*
 * Load the cursor of a sink. SG_NOT_FOUND: there is none. SG_MALFORMED: it was torn or changed, or
 * belongs to another log than stream; SG_IO; each with *reterr. [any]
 */
SG_MUST_CHECK enum sg_status sg_sink_cursor_load(const char *directory, const char *name,
                                                 const char *stream, struct sg_sink_cursor *ret,
                                                 struct sg_error *reterr);

/* Save it durably. SG_IO: *reterr, and the one before is still there. [any] */
SG_MUST_CHECK enum sg_status sg_sink_cursor_save(const char *directory, const char *name,
                                                 const struct sg_sink_cursor *cursor,
                                                 struct sg_error *reterr);

/* Read which log a directory holds (its file STREAM). SG_IO, SG_MALFORMED: *reterr. [any] */
SG_MUST_CHECK enum sg_status sg_sink_stream_read(const char *directory,
                                                 char ret[SG_CHAIN_STREAM_BYTES + 1],
                                                 struct sg_error *reterr);

#endif
