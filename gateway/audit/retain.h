/*
 * Deleting what need not be kept: closed segments that are old enough and that everybody who
 * follows the log has behind them, oldest first, each with its notes. [one thread at a time]
 */
#ifndef SG_AUDIT_RETAIN_H
#define SG_AUDIT_RETAIN_H

#include <stdint.h>

#include "audit/segment.h"
#include "base/error.h"

struct sg_retain {
    const char *directory;
    int64_t before_us; /* real time: segments last written to before it are old enough */
    /* Segments before this one are through for every follower; UINT64_MAX: there is none. */
    uint64_t passed_epoch;
    uint64_t passed_first_seq;
    void (*on_deleted)(void *arg, const struct sg_segment_name *segment, int64_t written_us);
    void *arg;
};

/*
 * Delete what may go. The newest segment never does. The first one that must stay ends it, so that
 * what is left is the end of the log without a gap. SG_IO: *reterr says what could not be deleted.
 */
SG_MUST_CHECK enum sg_status sg_retain_run(const struct sg_retain *retain, struct sg_error *reterr);

#endif
