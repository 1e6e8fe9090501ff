/*
 * The exchange: a request's whole way, stage by stage (exchange.c reads as the specification). One
 * struct sg_exchanges belongs to one worker and holds all requests that are in flight there.
 * [worker]
 */
#ifndef SG_EXCHANGE_EXCHANGE_H
#define SG_EXCHANGE_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "audit/journal.h"
#include "base/log.h"
#include "exchange/lease.h"
#include "net/gate.h"
#include "net/loop.h"
#include "net/upstream.h"

struct sg_exchanges;

struct sg_exchanges_options {
    struct sg_loop *loop;
    struct sg_log *log;
    struct sg_journal *journal;
    struct sg_journal_port *port;
    const char *user_agent; /* "signgate/0.1.0" */
};

/* NULL: no memory. options' pointers outlive the result. */
struct sg_exchanges *sg_exchanges_new(const struct sg_exchanges_options *options);

/* No exchange may be in flight. NULL is fine. */
void sg_exchanges_free(struct sg_exchanges *exchanges);

/* What to give to sg_front_new and into the leases. */
struct sg_gate_handlers sg_exchanges_gate_handlers(struct sg_exchanges *exchanges);
const struct sg_upstream_handlers *sg_exchanges_upstream_handlers(void);

/* New requests use this lease; the one before is retired. */
void sg_exchanges_set_lease(struct sg_exchanges *exchanges, struct sg_lease *lease);

/* The present lease verifies tokens with these from now on; taken. */
void sg_exchanges_set_tokens(struct sg_exchanges *exchanges, struct sg_tokens *tokens);

/* The resolver has news: calls that wait for a name look again. */
void sg_exchanges_resolved(struct sg_exchanges *exchanges);

/* The journal has moved: intents that are recorded go on, those that cannot be end. */
void sg_exchanges_recorded(struct sg_exchanges *exchanges);

/* In flight, those whose caller has left included. */
size_t sg_exchanges_count(const struct sg_exchanges *exchanges);

/* The drain is over: what was not sent is answered Draining, the rest is cut; records are written.
 */
void sg_exchanges_abort(struct sg_exchanges *exchanges);

#endif
