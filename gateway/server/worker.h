/*
 * A worker: one thread with its loop, its listeners, its exchanges and its port to the journal. It
 * is reached by messages only.
 */
#ifndef SG_SERVER_WORKER_H
#define SG_SERVER_WORKER_H

#include <stddef.h>

#include "audit/journal.h"
#include "base/log.h"
#include "exchange/lease.h"
#include "net/gate.h"
#include "net/resolver.h"
#include "net/sources.h"
#include "server/stats.h"

struct sg_worker;

struct sg_worker_options {
    size_t index;
    struct sg_log *log;
    const struct sg_clock *clock;
    struct sg_journal *journal;
    struct sg_resolver *resolver;
    struct sg_sources *sources;
    struct sg_mailbox *supervisor; /* gets the messages below */
    const struct sg_snapshot *snapshot;
    size_t worker_count;   /* limits are shared out over them */
    const int *listen_fds; /* one for each listener of the snapshot; taken over */
    const char *user_agent;
};

/* What a worker posts to the supervisor. */
enum sg_worker_news {
    SG_WORKER_LEASE_UNUSED = 1, /* the message is a struct sg_lease: free it */
    SG_WORKER_IDLE, /* draining, and nothing is in flight any more: struct sg_worker_idle */
};

struct sg_worker_idle {
    struct sg_message message;
    size_t index;
};

/*
 * Make a worker: its thread, and on it everything with the first lease. Returns when all is built;
 * nothing is accepted before start. The status says what failed. [supervisor]
 */
SG_MUST_CHECK enum sg_status sg_worker_new(const struct sg_worker_options *options,
                                           struct sg_worker **ret, struct sg_error *reterr);

/* Let it serve. [supervisor] */
void sg_worker_start(struct sg_worker *worker);

/*
 * Make the lease of a new snapshot; then hand it over, which cannot fail. [supervisor]
 */
struct sg_lease *sg_worker_prepare(struct sg_worker *worker, const struct sg_snapshot *snapshot,
                                   struct sg_error *reterr);
void sg_worker_post_lease(struct sg_worker *worker, struct sg_lease *lease);

/* Verify tokens with these keys from now on; taken. [supervisor] */
void sg_worker_post_tokens(struct sg_worker *worker, struct sg_tokens *tokens);

/* The steps of a drain, in this order. [supervisor] */
enum sg_worker_order {
    SG_WORKER_ANNOUNCE = 1, /* answers say Connection: close */
    SG_WORKER_STOP_ACCEPT,  /* listeners and idle connections close; IDLE follows */
    SG_WORKER_ABORT,        /* what is in flight ends now */
    SG_WORKER_QUIT,         /* the thread ends */
};
void sg_worker_post_order(struct sg_worker *worker, enum sg_worker_order order);

/* The resolver has news. [any thread] */
void sg_worker_post_resolved(struct sg_worker *worker);

/* Its figures, published once a tick; valid as long as the worker. [any] */
const struct sg_worker_stats *sg_worker_stats(const struct sg_worker *worker);

/* Wait for the thread: after QUIT, or before start. [supervisor] */
void sg_worker_join(struct sg_worker *worker);

/*
 * Free what is left, the mailbox that others wake the worker through: after the journal is closed.
 * Joins when that was not done; NULL is fine. [supervisor]
 */
void sg_worker_free(struct sg_worker *worker);

#endif
