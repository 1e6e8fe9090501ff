/*
 * A lease: one worker's hold on a snapshot, with what only that worker may use: signers keyed for
 * each service, the verifier of callers' tokens, and pools of connections to the cloud. Exchanges
 * count on it with a plain integer; a lease that is retired and no longer used goes back to the
 * supervisor, which frees it.
 *
 * Made whole by the supervisor (keys included), so that handing it to the worker cannot fail; pools
 * are made by the worker at first use, since they live on its loop.
 */
#ifndef SG_EXCHANGE_LEASE_H
#define SG_EXCHANGE_LEASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "identity/tokens.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/resolver.h"
#include "net/upstream.h"
#include "signing/signer.h"
#include "snapshot/snapshot.h"

struct sg_lease;

/* The worker a lease is for; all of it outlives the lease. */
struct sg_lease_owner {
    struct sg_loop *loop;
    struct sg_resolver *resolver;
    const struct sg_upstream_handlers *handlers;
    /* The lease is retired and unused, its connections are closed. [worker, from its loop] */
    void (*on_unused)(void *arg, struct sg_lease *lease);
    void *arg;
};

struct sg_lease {
    struct sg_message message; /* for its ways between supervisor and worker */
    const struct sg_snapshot *snapshot;
    struct sg_signer **signers;      /* one for each service */
    struct sg_tokens *tokens;        /* verifies callers' tokens; NULL: no issuers */
    struct sg_upstream_pool **pools; /* one for each service; NULL: not made yet */
    size_t uses;                     /* exchanges that hold it */
    bool retired;                    /* takes no new exchange */
    struct sg_deferred returning;    /* to the supervisor */
    struct sg_lease_owner owner;
};

/* Make a lease for a worker. NULL: *reterr says why. [supervisor] */
struct sg_lease *sg_lease_new(const struct sg_snapshot *snapshot,
                              const struct sg_lease_owner *owner, struct sg_error *reterr);

/* Verify tokens with other keys from now on; tokens is taken. [worker] */
void sg_lease_set_tokens(struct sg_lease *lease, struct sg_tokens *tokens);

/* Free a lease whose pools are gone; NULL is fine. [supervisor] */
void sg_lease_free(struct sg_lease *lease);

/* The pool of a service, made when missing. NULL: no memory. [worker] */
struct sg_upstream_pool *sg_lease_pool(struct sg_lease *lease, size_t service);

/* Count one exchange more or less. [worker] */
void sg_lease_use(struct sg_lease *lease);
void sg_lease_unuse(struct sg_lease *lease);

/* Take no new exchanges; on_unused follows when the last one is over. [worker] */
void sg_lease_retire(struct sg_lease *lease);

#endif
