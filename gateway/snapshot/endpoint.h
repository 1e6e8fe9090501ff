/* The authority of a URL: what stands between "://" and the path. [supervisor, or a verb] */
#ifndef SG_SNAPSHOT_ENDPOINT_H
#define SG_SNAPSHOT_ENDPOINT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct sg_endpoint {
    const char *host; /* name or address in lower case, without brackets */
    uint16_t port;
    struct sg_str authority; /* for a Host header: in lower case, with port unless the default */
};

/*
 * Take "host", "host:port" or "[v6]:port" apart. default_port 0: a port must be given. Texts live
 * in the arena. SG_MALFORMED: it is no such thing; SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_endpoint_parse(struct sg_arena *arena, struct sg_str authority,
                                               uint16_t default_port, struct sg_endpoint *ret);

#endif
