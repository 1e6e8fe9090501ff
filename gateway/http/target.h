/*
 * The request target (RFC 9112 section 3.2): parsed once, every ambiguity refused, written anew.
 * What is judged, recorded, signed and sent is the canonical form of here.
 *
 * Refused: dot segments, empty segments, %2F and %5C in the path; raw or encoded control bytes,
 * bad %xx, invalid UTF-8, "#", bytes no target may hold, empty query pairs, authority-form,
 * asterisk-form, absolute-form whose authority is not the Host header's. Pure.
 */
#ifndef SG_HTTP_TARGET_H
#define SG_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

enum { SG_TARGET_SEGMENTS_MAX = 32, SG_TARGET_PAIRS_MAX = 256 };

struct sg_target_pair {
    struct sg_str name;  /* decoded */
    struct sg_str value; /* decoded; empty for "a" and "a=" */
};

struct sg_target {
    struct sg_str path; /* canonical: each segment percent-encoded but for unreserved bytes */
    struct sg_str segments[SG_TARGET_SEGMENTS_MAX]; /* decoded */
    size_t segment_count;
    bool trailing_slash; /* "/a/": segments hold "a"; "/" has no segment and no trailing slash */
    struct sg_target_pair *pairs; /* in canonical order: by name, then value, byte order */
    size_t pair_count;
    struct sg_str query; /* canonical, without "?"; empty when there is none */
};

/*
 * Parse raw, the bytes between method and version. host is the Host header's value, to compare
 * with an absolute-form's (case-insensitive, one final dot dropped, port not compared). Everything
 * in *ret lives in the arena or in raw. SG_MALFORMED: *reterr says what and at which byte;
 * SG_TOO_LARGE: more segments or pairs than fit; SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_target_parse(struct sg_arena *arena, struct sg_str raw,
                                             struct sg_str host, struct sg_target *ret,
                                             struct sg_error *reterr);

/*
 * Take the host out of a Host value "host[:port]": without port, without one final dot; brackets
 * of an IPv6 literal stay. False when it is no host. The result is a slice of host.
 */
bool sg_host_name(struct sg_str host, struct sg_str *ret);

#endif
