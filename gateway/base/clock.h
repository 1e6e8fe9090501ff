/*
 * Time through a struct, so that tests set it. Monotonic time is for timeouts; real time only for
 * records, X-Sdk-Date and policies. [any; a struct sg_clock is never changed after it is made]
 */
#ifndef SG_BASE_CLOCK_H
#define SG_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct sg_clock {
    int64_t (*monotonic_us)(void *arg); /* microseconds since some start, never backwards */
    int64_t (*realtime_us)(void *arg);  /* microseconds since 1970-01-01T00:00:00Z */
    void *arg;
};

/* The clock of the system. */
extern const struct sg_clock sg_clock_system;

int64_t sg_clock_monotonic_us(const struct sg_clock *clock);
int64_t sg_clock_realtime_us(const struct sg_clock *clock);

enum {
    SG_CLOCK_SDK_DATE_BYTES = 16, /* 20191115T033655Z */
    SG_CLOCK_RFC3339_BYTES = 27,  /* 2019-11-15T03:36:55.123456Z */
};

/* Write the UTC form without a NUL; realtime_us is 0 or above and before the year 10000. */
void sg_clock_format_sdk_date(int64_t realtime_us, char ret[SG_CLOCK_SDK_DATE_BYTES]);
void sg_clock_format_rfc3339(int64_t realtime_us, char ret[SG_CLOCK_RFC3339_BYTES]);

/*
 * Read a date-time of RFC 3339 from 1970 on, with any offset; a blank may stand for its T. False:
 * it is none, or a day that its month does not have.
 */
bool sg_clock_parse_rfc3339(struct sg_str text, int64_t *ret_us);

#endif
