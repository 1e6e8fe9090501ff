/*
 * How an audit log ended: where its chain stands, and what lies behind. Read at start, and by the
 * same code after a failure while running; the next segment's first line declares it.
 */
#ifndef SG_AUDIT_ENDING_H
#define SG_AUDIT_ENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/segment.h"
#include "base/error.h"

struct sg_ending {
    bool any; /* there is a segment */
    bool clean;
    bool damaged; /* a bad line with good ones behind it */
    struct sg_segment_name last;
    /* all bytes behind the last line of the chain, in the order of the files */
    uint64_t extra_bytes;
    char extra_sha256[SG_DIGEST_HEX_BYTES + 1];
    /* where the first bad line is, when damaged */
    struct sg_segment_name bad_segment;
    uint64_t bad_line;
    const char *bad_kind;
};

/*
 * Read the directory's last segment, and the ones before it as far as it holds no good line. *chain
 * (its stream is set) is moved to the last good line; seq 0 when there is none. What is read is
 * what the disk holds, not what the kernel's cache remembers. A segment that cannot be read now is
 * SG_IO: nobody knows what it holds. One that is no regular file (any more) is SG_IO as well, or
 * with skip_missing one without a good line.
 */
SG_MUST_CHECK enum sg_status sg_ending_read(int directory_fd, bool skip_missing,
                                            struct sg_chain *chain, struct sg_ending *ret,
                                            struct sg_error *reterr);

#endif
