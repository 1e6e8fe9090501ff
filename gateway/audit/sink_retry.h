/* When a sink that failed tries again. Pure. [any] */
#ifndef SG_AUDIT_SINK_RETRY_H
#define SG_AUDIT_SINK_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    SG_SINK_RETRY_FIRST_MS = 500,
    SG_SINK_RETRY_MAX_MS = 60000,
    SG_SINK_RETRY_AFTER_MAX_MS = 3600000, /* a receiver may ask for that much at most */
};

/*
 * How long to wait after that many failures in a row (1 or more): doubled each time up to a minute,
 * and of that between half and all, by random, so that gateways do not come all at once.
 */
int64_t sg_sink_retry_ms(uint64_t failures, uint32_t random);

/*
 * Read the value of a Retry-After field (RFC 9110 section 10.2.3): seconds or an IMF-fixdate. False
 * when it is neither. The result is between 0 and SG_SINK_RETRY_AFTER_MAX_MS.
 */
bool sg_sink_retry_after(struct sg_str value, int64_t now_s, int64_t *ret_ms);

#endif
