/*
 * The cloud's side: pooled keep-alive connections on net/stream, TLS with verification and SNI, one
 * call at a time on each. A request is rendered (dated, signed) when a connection is in hand and
 * written once. A call that has left is never sent again, unless it is proven that no byte was
 * taken (TCP_INFO); then once more on a fresh connection, rendered anew.
 *
 * A pool belongs to one worker and one configuration lease; connections are LIFO; any byte or EOF
 * while idle discards the connection; a connection is never reused after a bad answer. [worker]
 */
#ifndef SG_NET_UPSTREAM_H
#define SG_NET_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/strict.h"
#include "model/refusal.h"
#include "model/upstream_spec.h"

struct sg_loop;
struct sg_resolver;
struct sg_upstream_pool;
struct sg_upstream_call;

/* No run of body bytes is longer: what a pause may come too late for. */
enum { SG_UPSTREAM_READ_BYTES = 16 * 1024 };

struct sg_upstream_handlers {
    /*
     * A connection is in hand: append the whole request (head and body) to out. May be called a
     * second time after an unsent failure. Not SG_OK: the call fails with refusal NO_CREDENTIAL.
     */
    enum sg_status (*on_render)(void *context, struct sg_buf *out);
    /* The final head (1xx are skipped). Slices are borrowed for the call. */
    void (*on_head)(void *context, const struct sg_strict_response *head);
    /* A run of body bytes; call sg_upstream_pause to hold the rest back. */
    void (*on_data)(void *context, struct sg_str bytes);
    /* All bytes of this read are handed out: a good moment to flush. */
    void (*on_read_done)(void *context);
    /* The answer is whole; the call is gone. */
    void (*on_end)(void *context);
    /*
     * The call failed; it is gone. refusal: UPSTREAM, UPSTREAM_TIMEOUT, OVERLOADED (queue),
     * NO_CREDENTIAL. sent: whether a byte of the request may have reached the cloud. detail is a
     * text for logs and records. After on_head it means: the answer broke off.
     */
    void (*on_failed)(void *context, enum sg_refusal refusal, bool sent, const char *detail);
};

/* spec and handlers must outlive the pool. NULL: no memory. */
struct sg_upstream_pool *sg_upstream_pool_new(struct sg_loop *loop, struct sg_resolver *resolver,
                                              const struct sg_upstream_spec *spec,
                                              const struct sg_upstream_handlers *handlers);

/* Close idle connections now; free when the last call is over. No new calls. */
void sg_upstream_pool_retire(struct sg_upstream_pool *pool);

/* Close everything and free now: on_failed for each call. After the loop has stopped, or to end. */
void sg_upstream_pool_free(struct sg_upstream_pool *pool);

/*
 * Begin a call. Handlers are called from the loop or from within, but never on_failed or on_end
 * from within. NULL: the queue is full (256) or no memory; answer Overloaded.
 */
struct sg_upstream_call *sg_upstream_begin(struct sg_upstream_pool *pool, void *context);

/* The names resolved: calls that wait for addresses look again. */
void sg_upstream_pool_resolved(struct sg_upstream_pool *pool);

/* Give a call up: no handler is called any more; its connection is closed if it was sent. */
void sg_upstream_cancel(struct sg_upstream_call *call);

/* Hold back and go on delivering the answer's bytes. */
void sg_upstream_pause(struct sg_upstream_call *call);
void sg_upstream_resume(struct sg_upstream_call *call);

/* Whether a byte may have reached the cloud. */
bool sg_upstream_was_sent(const struct sg_upstream_call *call);

struct sg_upstream_counts {
    uint64_t calls, connects, reused, failed, retried;
    size_t idle, busy, waiting;
};
struct sg_upstream_counts sg_upstream_pool_counts(const struct sg_upstream_pool *pool);

#endif
