/*
 * The log against the cloud's own trail: traces of our key that no recorded call explains, and
 * recorded calls that the trail does not have.
 *
 * A trace and a call belong together when the cloud's request id says so. Where one of them has
 * none, or where not one id of the whole trail is in the log (then these are ids of two kinds),
 * they do when the action and the project agree and the trace lies in the call's time, give or take
 * a window. Each trace explains one call. [any, one thread at a time]
 */
#ifndef SG_AUDIT_RECONCILE_H
#define SG_AUDIT_RECONCILE_H

#include "audit/entry.h"
#include "audit/trail.h"
#include "base/status.h"

enum { SG_RECONCILE_KEYS_MAX = 16 };

struct sg_reconcile_options {
    int64_t window_ms;
    bool all_levels; /* calls that only read are expected in the trail as well */
    /* Fingerprints of our keys. None: those that the log names. Borrowed until new returns. */
    size_t key_count;
    const char *keys[SG_RECONCILE_KEYS_MAX];
    /* The time that the trail covers; has_... false: from its first trace, to its last. */
    bool has_from, has_to;
    int64_t from_ms, to_ms;
};

enum sg_trace_verdict {
    SG_TRACE_FOREIGN = 0, /* of another key, or done by hand */
    SG_TRACE_OUTSIDE,     /* before the log begins, or behind its end */
    SG_TRACE_BY_ID,       /* its call is in the log */
    SG_TRACE_BY_TIME,
    SG_TRACE_UNEXPLAINED, /* made with our key, and not by us */
};

/* A recorded call that is worth telling. */
struct sg_reconcile_call {
    struct sg_str time; /* as the log writes it; all texts as they stand there */
    struct sg_str request_id;
    struct sg_str caller;
    struct sg_str action;
    struct sg_str upstream_request_id;
    struct sg_str project_id;
    int64_t from_ms, to_ms;
    bool in_doubt;
    bool is_expected;             /* the trail should have it */
    const struct sg_trace *trace; /* NULL: it has not */
};

struct sg_reconcile_sums {
    uint64_t traces, foreign, outside, by_id, by_time, unexplained;
    uint64_t calls;    /* sent (as far as is known) in the time of the trail */
    uint64_t expected; /* of them */
    uint64_t missing;  /* of the expected ones */
    uint64_t in_doubt, resolved;
    uint64_t keys;        /* of ours that are known */
    uint64_t without_key; /* traces taken for ours since they name no key */
};

struct sg_reconcile;

/* The trail is sorted, and stays as it is until free. NULL: no memory. */
struct sg_reconcile *sg_reconcile_new(const struct sg_trail *trail,
                                      const struct sg_reconcile_options *options);
void sg_reconcile_free(struct sg_reconcile *reconcile); /* NULL is fine */

/* Take every entry of the log, events too (they say what time it covers). SG_NO_MEMORY. */
SG_MUST_CHECK enum sg_status sg_reconcile_add(struct sg_reconcile *reconcile,
                                              const struct sg_entry *entry);

/* Join. The log covers time up to log_end_ms at least (when its last line was written). */
void sg_reconcile_finish(struct sg_reconcile *reconcile, int64_t log_end_ms);

/* After finish. */
enum sg_trace_verdict sg_reconcile_verdict(const struct sg_reconcile *reconcile, size_t trace);
size_t sg_reconcile_call_count(const struct sg_reconcile *reconcile);
const struct sg_reconcile_call *sg_reconcile_call(const struct sg_reconcile *reconcile,
                                                  size_t index);
const struct sg_reconcile_sums *sg_reconcile_sums(const struct sg_reconcile *reconcile);

#endif
