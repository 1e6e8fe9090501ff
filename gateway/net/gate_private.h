/*
 * What the files of the gate share: its state. gate.c judges what callers send, gate_answer.c
 * writes what they get, gate_evhttp.c is the only one that feeds evhttp, front.c accepts and
 * drains. gate.h is what everybody else knows. [worker]
 */
#ifndef SG_NET_GATE_PRIVATE_H
#define SG_NET_GATE_PRIVATE_H

#include <event2/event.h>

#include "base/object.h"
#include "net/gate.h"
#include "net/loop.h"
#include "net/memory.h"
#include "net/stream.h"

enum {
    FRONT_MAGIC = 0x53474652,
    GATE_MAGIC = 0x53474754,
    READ_BYTES = 16 * 1024,
    WAITING_BYTES_MAX = 2 * READ_BYTES + 1024, /* pipelined bytes kept while a request is out */
    FIXED_HEAD_BYTES = 64,                     /* of a fed head, besides the target */
    LINGER_MS = 2000,
    LINGER_BYTES_MIN = 1 << 20, /* read away at most: this, or four times the body limit */
    SCRATCH_BYTES_MAX = 1 << 20,
    LISTENERS_MAX = 64,
    REFUSED_TEXT_BYTES = 128,
    OUT_BYTES_MAX = 64 << 20,
};

/* Why accepting is paused: bits. */
enum { PAUSED_BY_CAP = 1, PAUSED_BY_MEMORY = 2, PAUSED_BY_FILES = 4 };

enum state {
    HANDSHAKE = 0, /* TLS */
    IDLE,          /* between requests */
    HEAD,          /* a head has begun */
    WITH_HANDLER,  /* a request is out; nothing of the next one is looked at */
    BODY,          /* a request is out, its body is read */
    ANSWERED,      /* the whole answer is known, its bytes are on their way */
    LINGER,        /* all written, FIN sent */
    DEAD,          /* closed; the memory goes when the callback has returned */
};

struct listener {
    struct sg_front *front;
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    struct evconnlistener *listener;
    struct sg_gate *spare;  /* ready for the next accept: take_bufferevent must not fail */
    struct ssl_ctx_st *tls; /* a reference; NULL: plain */
};

struct sg_gate {
    uint32_t magic;
    struct sg_front *front;
    struct listener *listener;   /* that accepted it */
    struct sg_gate *next, *prev; /* in the front's list of all, or of the fresh ones */
    struct sg_deadline deadline;
    struct sg_deferred ending; /* the memory goes */
    struct sg_stream stream;
    struct bufferevent *bufferevent;  /* one reference is ours, until the end */
    struct evhttp_connection *evhttp; /* known from the first request on */
    struct evhttp_request *request;   /* outstanding, or NULL */
    struct sg_peer peer;
    struct sg_peer_certificate *certificate; /* what peer points to, owned */
    struct sg_peer_process *process;
    bool counted; /* among the connections of its address */
    enum state state;
    void *context;     /* the handlers' for the present request; NULL: none is with them */
    struct sg_buf in;  /* read and not understood yet */
    struct sg_buf out; /* written by us and not taken by the socket yet */
    struct sg_buf body;
    struct sg_strict_request head; /* of the present request; its slices are not used after begin */
    struct sg_strict_chunked chunked;
    uint64_t body_left; /* with Content-Length */
    uint64_t body_room; /* of the front's budget that this body holds */
    size_t lingered_bytes;
    bool close;       /* after the answer */
    bool head_only;   /* HEAD: an answer has no body */
    bool http10;      /* say keep-alive */
    bool body_unread; /* announced, and not read: the connection cannot be kept */
    bool continue_wanted;
    bool chunked_answer;
    bool answer_begun;
    bool above_mark; /* output stood above the mark: on_drained is owed */
    bool reading;    /* on_readable is on the stack */
    bool served;
};

struct sg_front {
    uint32_t magic;
    struct sg_loop *loop;
    struct sg_gate_handlers handlers;
    struct sg_sources *sources; /* may be NULL */
    int reserve_fd;             /* given up when there is no other, to turn a caller away */
    struct sg_front_limits limits;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    struct sg_gate *gates;   /* all that live */
    struct sg_gate *fresh;   /* accepted in this pass, not adopted yet */
    struct sg_gate *feeding; /* whose head evhttp is parsing */
    struct sg_str fed_target;
    struct event *adopt_event;
    struct event *stop_event; /* steps of sg_front_stop_accepting */
    struct sg_deadline_list idle, heads, bodies, writes, lingers;
    struct sg_strict_header headers[SG_STRICT_HEADERS_MAX]; /* of the head that is judged */
    struct sg_target target;
    struct sg_arena scratch; /* of the target that is judged */
    struct sg_buf fed_head;
    struct sg_buf answer_headers, answer_body; /* of refusals by ourselves */
    char bytes[READ_BYTES];
    uint64_t body_bytes; /* held by all bodies */
    size_t connections;
    size_t requests; /* with the handlers */
    unsigned paused;
    bool announce_close;
    bool draining; /* listeners are gone or going */
    struct sg_front_counts counts;
};

/* --- gate_evhttp.c ---------------------------------------------------------------------------- */

/* Whether evhttp still holds the bufferevent: it clears the callback argument when it lets go. */
bool sg_gate_evhttp_holds(const struct sg_gate *gate);

/* evhttp's request callback; arg is the struct listener. */
void sg_gate_on_evhttp_request(struct evhttp_request *request, void *arg);

/* Make an evhttp request of the judged head. False: evhttp has no memory. */
bool sg_gate_feed(struct sg_gate *gate, struct sg_str method);

/* The answer is out: finish evhttp's request. False: it has no memory for the next one. */
bool sg_gate_finish_request(struct sg_gate *gate);

/* Take the connection away from evhttp; the descriptor must still be open. Idempotent. */
void sg_gate_end_evhttp(struct sg_gate *gate);

/* --- gate.c ----------------------------------------------------------------------------------- */

/* Close now; on_gone when a request is with the handlers. Memory lives to the pass's end. */
void sg_gate_close(struct sg_gate *gate);

/* Everything is written: FIN, then read away what comes until the caller's FIN. */
void sg_gate_linger(struct sg_gate *gate);

/* Free the memory of a gate that is closed, or was never adopted. */
void sg_gate_free(void *object);

/* The request is no longer with the handlers; its body is not needed any more. */
void sg_gate_forget_context(struct sg_gate *gate);
void sg_gate_release_body(struct sg_gate *gate);

/* Bytes that were kept may be understood now. */
void sg_gate_use_waiting(struct sg_gate *gate);

/* Answer a refusal by ourselves, through on_refused, and close. */
void sg_gate_refuse(struct sg_gate *gate, enum sg_refusal refusal, struct sg_str detail);

/* The stream's callbacks and the deadlines'; owner is the gate. */
void sg_gate_on_handshake_done(void *owner);
void sg_gate_on_handshake_failed(void *owner, const char *detail);
void sg_gate_on_readable(void *owner);
void sg_gate_expire_silently(void *owner);
void sg_gate_expire_head(void *owner);
void sg_gate_expire_body(void *owner);

/* --- gate_answer.c ---------------------------------------------------------------------------- */

/* Append status line and fields to what is to be written, with framing and Connection. */
void sg_gate_render_head(struct sg_gate *gate, unsigned status, struct sg_str headers,
                         bool length_known, uint64_t length);

/* Write what stands in out; what comes of it (the next state, a close) happens here too. */
void sg_gate_flush_out(struct sg_gate *gate);

void sg_gate_on_writable(void *owner);

/* --- front.c ---------------------------------------------------------------------------------- */

/* Pause and go on accepting: bits of the reasons above. */
void sg_front_set_paused(struct sg_front *front, unsigned set, unsigned clear);

/* A connection has ended. */
void sg_front_count_out(struct sg_front *front);

/* A doubly linked list of gates; a gate is in one at most. */
void sg_gate_list_add(struct sg_gate **list, struct sg_gate *gate);
void sg_gate_list_remove(struct sg_gate **list, struct sg_gate *gate);

#endif
