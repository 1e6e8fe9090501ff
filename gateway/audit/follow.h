/*
 * Following an audit directory: its lines in order, from a position, over all segments, and on as
 * new ones come. Nothing is held whole but one line; nothing in the directory is changed.
 *
 * Returned is what belongs to the chain. Left out: what is no whole good line (a torn end once a
 * later segment is there; a line whose checksum does not fit, which is counted), and lines behind
 * the one that a later segment follows: it says they were never acknowledged, or replays them. A
 * replay comes as the line that it replays. What is read while it is still the newest segment may
 * be declared so later; whoever must not see that asks for what is durable only.
 *
 * A segment that was moved away is no error: it goes on with the oldest one behind the position.
 * Whether the chain holds is not judged here: that is audit/reader. [any, one thread at a time]
 */
#ifndef SG_AUDIT_FOLLOW_H
#define SG_AUDIT_FOLLOW_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/*
 * A segment, and the byte behind the last line that was taken from it. Zeros: before all. It means
 * something in its own log alone: of another stream it may find nothing for ever.
 */
struct sg_follow_position {
    uint64_t epoch;
    uint64_t first_seq;
    uint64_t offset;
};

struct sg_follow;

/* Open a directory; from NULL: from its beginning. NULL: it cannot be read, no memory (*reterr). */
struct sg_follow *sg_follow_open(const char *directory, const struct sg_follow_position *from,
                                 struct sg_error *reterr);
void sg_follow_close(struct sg_follow *follow); /* NULL is fine */

/*
 * The next line without its LF, valid until the next call with this follow. SG_NOT_FOUND: none at
 * present; ask again later. SG_IO, SG_NO_MEMORY: *reterr says why; a later call tries again.
 */
SG_MUST_CHECK enum sg_status sg_follow_next(struct sg_follow *follow, struct sg_str *ret_line,
                                            struct sg_error *reterr);

/* Behind the line last returned and what was left out since; where it began at first. */
void sg_follow_position(const struct sg_follow *follow, struct sg_follow_position *ret);

/* How many bytes of all segments were not read yet. Lists the directory. */
uint64_t sg_follow_lag_bytes(struct sg_follow *follow);

/* How many segments there were when it was listed last; 0: this is no audit directory, or a new
 * one. */
size_t sg_follow_segments(const struct sg_follow *follow);

/* How many lines so far were no good ones. A torn end is none: it is what a crash leaves behind. */
uint64_t sg_follow_bad_lines(const struct sg_follow *follow);

#endif
