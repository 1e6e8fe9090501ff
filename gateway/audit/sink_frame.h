/*
 * A line of the log as a syslog message: RFC 5424 with the octet count of RFC 5425 and RFC 6587 in
 * front. The message is the line, byte for byte; structured data names stream, epoch and seq, so
 * that a receiver can drop what comes twice. Pure. [any]
 */
#ifndef SG_AUDIT_SINK_FRAME_H
#define SG_AUDIT_SINK_FRAME_H

#include "base/buf.h"
#include "base/str.h"

enum { SG_SINK_FRAME_BYTES = 512 }; /* what a frame adds to a line at most */

/* Who sends; both end up in each message. */
struct sg_sink_sender {
    const char *host; /* as syslog knows it; what is no such name is sent as "-" */
    unsigned long process;
};

/* Append the frame of a line (without its LF). A line that is none of ours is framed as well. */
void sg_sink_frame(const struct sg_sink_sender *sender, struct sg_str line, struct sg_buf *out);

#endif
