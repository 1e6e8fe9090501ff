/*
 * The gate: the callers' side of the front, and the only file there that knows evhttp. It owns the
 * sockets, judges the raw bytes (http/strict, http/target), feeds evhttp canonical heads of its own
 * making, and hands valid requests to the handlers. What is malformed, too long or too slow it
 * answers itself, through on_refused. [a worker's thread]
 */
#ifndef SG_NET_GATE_H
#define SG_NET_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/strict.h"
#include "http/target.h"
#include "model/peer.h"
#include "model/refusal.h"

struct sg_front; /* a worker's listeners and connections */
struct sg_gate;  /* one caller's connection */
struct sg_loop;
struct sg_sources;
struct ssl_ctx_st;

/* Changed by a reload: sg_front_set_limits. Sums are this worker's share. */
struct sg_front_limits {
    struct sg_strict_limits head; /* body_bytes included */
    uint64_t body_memory;         /* bytes of bodies held at once; 0: no limit */
    uint64_t connections;
    uint64_t connections_per_source; /* 0: no limit */
    int64_t header_ms, body_ms, write_ms, idle_ms;
};

/* A valid head. Everything is borrowed for the call of on_request. */
struct sg_gate_request {
    const struct sg_strict_request *head;
    const struct sg_target *target;
    const struct sg_peer *peer;
    bool has_body; /* chunked, or an announced length above zero */
};

/* A request that never became one. Texts may be empty; borrowed for the call. */
struct sg_gate_refused {
    enum sg_refusal refusal;
    struct sg_str detail;
    const struct sg_peer *peer;
    struct sg_str method;
    struct sg_str raw_target;        /* never put into a record as it is: it may hold anything */
    struct sg_str client_request_id; /* a valid X-Request-Id, or empty */
};

struct sg_gate_handlers {
    /*
     * A request begins. It must be answered by sg_gate_answer or _begin..._end/_cut, now or later,
     * unless on_gone comes first. Unless it is answered within the call, sg_gate_set_context must
     * be called within it (before sg_gate_read_body, which may call on_body at once).
     */
    void (*on_request)(void *arg, struct sg_gate *gate, const struct sg_gate_request *request);
    /* The whole body, after sg_gate_read_body; borrowed for the call. */
    void (*on_body)(void *context, struct sg_str body);
    /* The body is malformed, too large or too slow: answer with this refusal. */
    void (*on_body_refused)(void *context, enum sg_refusal refusal, const char *detail);
    /* The caller has left (or the front closes): the gate is gone, nothing more is called. */
    void (*on_gone)(void *context);
    /* Output that stood above sg_gate_pending's mark has gone below SG_GATE_LOW_BYTES. */
    void (*on_drained)(void *context);
    /*
     * The gate refuses by itself: append header lines ("Name: value\r\n"...) to headers and the
     * body to body. Status, framing and Connection are the gate's.
     */
    void (*on_refused)(void *arg, const struct sg_gate_refused *refused, struct sg_buf *headers,
                       struct sg_buf *body);
    /* A TLS handshake failed, and with it the connection: there is nothing to answer. */
    void (*on_handshake_failed)(void *arg, const struct sg_peer *peer, const char *detail);
    void *arg;
};

/* The mark leaves room, within what a slow caller may cost, for what a pause comes too late for. */
enum { SG_GATE_HIGH_BYTES = 96 * 1024, SG_GATE_LOW_BYTES = 32 * 1024 };

/*
 * Make a front on a loop. handlers is copied; sources outlives the front, NULL: connections of one
 * address are not counted. NULL: *reterr says why.
 */
struct sg_front *sg_front_new(struct sg_loop *loop, const struct sg_front_limits *limits,
                              const struct sg_gate_handlers *handlers, struct sg_sources *sources,
                              struct sg_error *reterr);

/*
 * Add a listener: listen_fd (TCP or Unix) is bound and listening, non-blocking, close-on-exec; the
 * front owns it. tls: its server context, of which the front keeps a reference; NULL: plain.
 */
SG_MUST_CHECK enum sg_status sg_front_add_listener(struct sg_front *front, int listen_fd,
                                                   struct ssl_ctx_st *tls, struct sg_error *reterr);

/* Connections accepted by a listener (its number in the order of adding) from now on use tls. */
void sg_front_set_tls(struct sg_front *front, size_t listener, struct ssl_ctx_st *tls);

void sg_front_set_limits(struct sg_front *front, const struct sg_front_limits *limits);

/*
 * Drain. announce: from now on answers say Connection: close. stop: accept what waits in the
 * listen queue, close the listeners and the idle connections; what has begun goes on.
 */
void sg_front_announce_close(struct sg_front *front);
void sg_front_stop_accepting(struct sg_front *front);

/* Connections that live, and requests that are not answered yet. */
size_t sg_front_connections(const struct sg_front *front);
size_t sg_front_requests(const struct sg_front *front);

/* Close everything (on_gone for each outstanding request) and free. Before sg_loop_free. */
void sg_front_free(struct sg_front *front);

/* Counters, plain numbers of this worker. */
struct sg_front_counts {
    uint64_t accepted, requests, refused, gone, memory;
    uint64_t overflow;   /* the cap on connections was reached */
    uint64_t crowded;    /* refused: too many connections of one address */
    uint64_t emfile;     /* accept(2) found no descriptor */
    uint64_t handshakes; /* TLS, done */
    uint64_t handshakes_failed;
};
struct sg_front_counts sg_front_counts(const struct sg_front *front);

/* --- one request ------------------------------------------------------------------------------ */

/* Set the context that on_body, on_body_refused, on_gone and on_drained get for this request. */
void sg_gate_set_context(struct sg_gate *gate, void *context);

/*
 * Read the body into memory (within limits and the common budget; SG_BUSY when that is used up,
 * then answer Busy). 100 Continue is sent when the caller waits for it. on_body or on_body_refused
 * follows, possibly before this returns.
 */
SG_MUST_CHECK enum sg_status sg_gate_read_body(struct sg_gate *gate);

/*
 * Answer in one piece. headers: lines with CRLF each, without Content-Length, Transfer-Encoding and
 * Connection, which the gate adds. HEAD gets no body. The connection closes after it when the
 * caller, a drain, close, or an unread body want so. The request is over with this call.
 */
void sg_gate_answer(struct sg_gate *gate, unsigned status, struct sg_str headers,
                    struct sg_str body, bool close);

/*
 * Answer piece by piece. length_known: Content-Length; else chunked (HTTP/1.0: until close). Output
 * is only buffered by begin and data; flush writes it, end writes all and finishes the request, cut
 * ends the connection so that the answer cannot look whole.
 */
void sg_gate_answer_begin(struct sg_gate *gate, unsigned status, struct sg_str headers,
                          bool length_known, uint64_t length);
void sg_gate_answer_data(struct sg_gate *gate, struct sg_str bytes);
void sg_gate_answer_flush(struct sg_gate *gate);
void sg_gate_answer_end(struct sg_gate *gate);
void sg_gate_cut(struct sg_gate *gate);

/* Bytes of the answer that the caller has not taken yet. Above SG_GATE_HIGH_BYTES: hold back. */
size_t sg_gate_pending(const struct sg_gate *gate);

/*
 * Prove the assumptions about libevent that the gate stands on, in this process. SG_INTERNAL: the
 * text names the one that failed; serve must not start then. [supervisor, before workers start]
 */
SG_MUST_CHECK enum sg_status sg_gate_self_test(struct sg_error *reterr);

/* Whether this libevent carries the vendor's evhttp fixes (facts: header values with CR LF). */
bool sg_gate_libevent_is_fixed(void);

#endif
