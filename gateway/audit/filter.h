/* Which entries are wanted. Of each kind of condition one must hold, of all kinds all. Pure. [any]
 */
#ifndef SG_AUDIT_FILTER_H
#define SG_AUDIT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/entry.h"
#include "base/clock.h"

enum { SG_FILTER_MAX = 16 }; /* conditions of one kind */

/* Borrowed texts. Empty: everything. */
struct sg_filter_words {
    size_t count;
    const char *items[SG_FILTER_MAX];
};

struct sg_filter_statuses {
    size_t count;
    struct {
        unsigned from, to; /* both included */
    } items[SG_FILTER_MAX];
};

struct sg_filter {
    struct sg_filter_words callers; /* in each "*" and "?" are wildcards */
    struct sg_filter_words teams;
    struct sg_filter_words actions; /* in any case, as in policies */
    struct sg_filter_words decisions;
    struct sg_filter_words events;
    struct sg_filter_words outcomes;    /* success, failure, unknown, open */
    struct sg_filter_words request_ids; /* ours, the client's, the trace's, the cloud's */
    struct sg_filter_statuses statuses;
    bool has_since, has_until;
    char since[SG_CLOCK_RFC3339_BYTES]; /* as records write it */
    char until[SG_CLOCK_RFC3339_BYTES];
    bool with_gateway_events; /* start, stop... too, when no event is named */
};

/* Add a condition; false: there are SG_FILTER_MAX already. */
bool sg_filter_add(struct sg_filter_words *words, const char *item);

/* Add "403", "4xx" or "200-299"; false: it is none of these, or no room. */
bool sg_filter_add_status(struct sg_filter_statuses *statuses, struct sg_str text);

/*
 * Read a point in time: RFC 3339 with its offset, or how long before now, such as 90s, 15m, 2h, 1d,
 * 1w. False: neither.
 */
bool sg_filter_parse_time(struct sg_str text, int64_t now_us, int64_t *ret_us);

bool sg_filter_matches(const struct sg_filter *filter, const struct sg_entry *entry);

/* The names that --event knows; ends with NULL. */
extern const char *const sg_filter_events[];

#endif
