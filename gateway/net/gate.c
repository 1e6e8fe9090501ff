#include "net/gate.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/object.h"
#include "net/loop.h"
#include "net/memory.h"
#include "net/stream.h"

/*
 * For a newcomer: why there is a gate.
 *
 * evhttp keeps our listeners, connections and request objects, but it must not parse what callers
 * write: it accepts much that other parsers read in another way, answers in HTML by itself, cannot
 * say 408, 414 or 431, and one early byte at the wrong moment ends the process. So the gate stands
 * between the socket and evhttp, by evhttp's public calls only:
 *
 *   accept   evhttp accepts and asks take_bufferevent for a bufferevent; it gets one that the gate
 *            prepared and holds a reference to. In the same pass of the loop, before the socket is
 *            polled, adopt() takes the descriptor out of it (bufferevent_setfd -1). From then on
 *            evhttp has no descriptor, no timer and no byte: it acts inside our own calls only.
 *   read     the stream's bytes are judged by http/strict, once, where they were read. Only what is
 *            left over is kept (bounded); idle connections own no buffer.
 *   feed     for a valid head the gate writes evhttp a head of its own: method, canonical target,
 *            no fields, no body. evhttp calls on_evhttp_request inside that call, which takes note
 *            and nothing else; our handlers run after evhttp's stack is gone.
 *   answer   rendered into one buffer and written at once. With all bytes out,
 *            evhttp_send_reply_end finishes the request on a kept connection.
 *   close    evhttp first, descriptor last, since evhttp calls shutdown on the number it remembers.
 *            A closing answer lingers: FIN, then what still comes is read away, so that the answer
 *            arrives before a reset could destroy it.
 *
 * Reading goes on while a request is with the handlers, so a caller that leaves is noticed. A
 * half-close counts as leaving.
 *
 * Memory: while net/memory's rescue slab is in use nothing new is fed and nobody is accepted.
 */

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
    struct sg_gate *spare; /* ready for the next accept: take_bufferevent must not fail */
};

struct sg_gate {
    uint32_t magic;
    struct sg_front *front;
    struct sg_gate *next, *prev; /* in the front's list of all, or of the fresh ones */
    struct sg_deadline deadline;
    struct sg_stream stream;
    struct bufferevent *bufferevent;  /* one reference is ours, until the end */
    struct evhttp_connection *evhttp; /* known from the first request on */
    struct evhttp_request *request;   /* outstanding, or NULL */
    struct sg_peer peer;
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

/* --- lists ---------------------------------------------------------------------------------------
 */

static void list_add(struct sg_gate **list, struct sg_gate *gate)
{
    gate->prev = NULL;
    gate->next = *list;
    if (*list != NULL) {
        (*list)->prev = gate;
    }
    *list = gate;
}

static void list_remove(struct sg_gate **list, struct sg_gate *gate)
{
    if (gate->prev != NULL) {
        gate->prev->next = gate->next;
    } else {
        *list = gate->next;
    }
    if (gate->next != NULL) {
        gate->next->prev = gate->prev;
    }
    gate->next = gate->prev = NULL;
}

/* --- evhttp: the only ways into it ------------------------------------------------------------ */

/* Whether evhttp still holds the bufferevent: it clears the callback argument when it lets go. */
static bool evhttp_holds(const struct sg_gate *gate)
{
    void *arg = NULL;
    bufferevent_getcb(gate->bufferevent, NULL, NULL, NULL, &arg);
    return arg != NULL;
}

/* evhttp's close callback: comes inside our own calls only. */
static void on_evhttp_close(struct evhttp_connection *connection, void *arg)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, arg);
    (void)connection;
    gate->evhttp = NULL;
    gate->request = NULL;
}

/*
 * evhttp has parsed a head: it must be the one that was fed, to the letter. Anything else was never
 * seen and would be a hole: then there is no request.
 */
static void on_evhttp_request(struct evhttp_request *request, void *arg)
{
    struct sg_front *front = ((struct listener *)arg)->front;
    struct sg_gate *gate = front->feeding;
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    bool ours = gate != NULL && gate->request == NULL &&
                evhttp_connection_get_bufferevent(connection) == gate->bufferevent &&
                evbuffer_get_length(bufferevent_get_input(gate->bufferevent)) == 0 &&
                sg_str_equal_text(front->fed_target, evhttp_request_get_uri(request)) &&
                evhttp_request_get_input_headers(request)->tqh_first == NULL;
    if (!ours) {
        evhttp_connection_free(connection);
        return;
    }
    gate->request = request;
    if (gate->evhttp == NULL) {
        gate->evhttp = connection;
        evhttp_connection_set_closecb(connection, on_evhttp_close, gate);
    }
}

/* Methods evhttp parses like any other; CONNECT and unknown ones go to it as GET. */
static struct sg_str method_for_evhttp(struct sg_str method)
{
    static const char *const known[] = {"GET",   "POST", "PUT",     "DELETE",
                                        "PATCH", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (sg_str_equal_text(method, known[i])) {
            return method;
        }
    }
    return SG_STR("GET");
}

/* Make an evhttp request of the judged head. False: evhttp has no memory. */
static bool feed(struct sg_gate *gate, struct sg_str method)
{
    struct sg_front *front = gate->front;
    const struct sg_target *target = &front->target;
    struct sg_buf *head = &front->fed_head;
    sg_buf_clear(head);
    sg_buf_add_str(head, method_for_evhttp(method));
    sg_buf_add_char(head, ' ');
    size_t target_at = head->n;
    sg_buf_add_str(head, target->path);
    if (target->query.n > 0) {
        sg_buf_add_char(head, '?');
        sg_buf_add_str(head, target->query);
    }
    size_t target_end = head->n;
    sg_buf_add_text(head, " HTTP/1.1\r\n\r\n");
    if (sg_buf_failed(head) || !sg_memory_ok()) {
        return false;
    }
    front->fed_target = sg_str_slice(sg_buf_str(head), target_at, target_end);
    front->feeding = gate;
    if (evbuffer_add(bufferevent_get_input(gate->bufferevent), head->p, head->n) == 0) {
        bufferevent_trigger(gate->bufferevent, EV_READ, 0);
    }
    front->feeding = NULL;
    return gate->request != NULL;
}

/* The answer is out: finish evhttp's request. False: it has no memory for the next one. */
static bool finish_request(struct sg_gate *gate)
{
    struct evhttp_request *request = gate->request;
    gate->request = NULL;
    if (request != NULL) {
        evhttp_send_reply_end(request); /* its output is empty: done at once */
    }
    return gate->evhttp != NULL;
}

/* Take the connection away from evhttp; the descriptor must still be open. Idempotent. */
static void end_evhttp(struct sg_gate *gate)
{
    if (gate->bufferevent == NULL) {
        return;
    }
    if (gate->evhttp != NULL) {
        evhttp_connection_free(gate->evhttp); /* an outstanding request dies with it */
    } else if (evhttp_holds(gate)) {
        bufferevent_trigger_event(gate->bufferevent, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
    }
    bufferevent_decref(gate->bufferevent);
    gate->bufferevent = NULL;
    gate->evhttp = NULL;
    gate->request = NULL;
}

/* --- accepting: pauses ------------------------------------------------------------------------ */

static void set_paused(struct sg_front *front, unsigned set, unsigned clear)
{
    bool was = front->paused != 0;
    front->paused = (front->paused | set) & ~clear;
    if (was == (front->paused != 0)) {
        return;
    }
    for (size_t i = 0; i < front->listener_count; i++) {
        struct evconnlistener *listener = front->listeners[i].listener;
        if (listener != NULL && front->paused != 0) {
            (void)evconnlistener_disable(listener);
        } else if (listener != NULL) {
            (void)evconnlistener_enable(listener);
        }
    }
}

static void count_connection_out(struct sg_front *front)
{
    front->connections--;
    set_paused(front, 0, PAUSED_BY_CAP | PAUSED_BY_FILES);
}

/* --- ends
 * -----------------------------------------------------------------------------------------------
 */

static void release_body(struct sg_gate *gate)
{
    gate->front->body_bytes -= gate->body_room;
    gate->body_room = 0;
    sg_buf_done(&gate->body);
}

static void free_gate(void *object)
{
    struct sg_gate *gate = object;
    gate->magic = 0;
    free(gate);
}

/* The request is no longer with the handlers. */
static void forget_context(struct sg_gate *gate)
{
    if (gate->context != NULL) {
        gate->context = NULL;
        gate->front->requests--;
    }
}

/* Close now. The handlers hear of it when a request is with them. Memory lives to the pass's end.
 */
static void close_gate(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    void *context = gate->context;
    if (gate->state == DEAD) {
        return;
    }
    gate->state = DEAD;
    sg_deadline_disarm(&gate->deadline);
    end_evhttp(gate);
    sg_stream_close(&gate->stream);
    sg_buf_done(&gate->in);
    sg_buf_done(&gate->out);
    release_body(gate);
    list_remove(&front->gates, gate);
    forget_context(gate);
    count_connection_out(front);
    sg_loop_defer_free(front->loop, gate, free_gate);
    if (context != NULL) {
        front->counts.gone++;
        front->handlers.on_gone(context);
    }
}

/* Everything is written: FIN, then read away what comes until the caller's FIN. */
static void linger(struct sg_gate *gate)
{
    gate->state = LINGER;
    sg_buf_done(&gate->in);
    sg_deadline_arm(&gate->front->lingers, &gate->deadline, gate);
    sg_stream_shutdown(&gate->stream);
    end_evhttp(gate);
    sg_stream_resume(&gate->stream);
}

/* --- writing
 * -----------------------------------------------------------------------------------------------
 */

static void use_waiting_bytes(struct sg_gate *gate);

/* The last byte of an answer is out. */
static void answered(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    gate->served = true;
    if (gate->close || front->announce_close || !sg_memory_ok() || !finish_request(gate)) {
        linger(gate);
        return;
    }
    gate->state = IDLE;
    sg_deadline_arm(&front->idle, &gate->deadline, gate);
}

static void tell_drained(struct sg_gate *gate)
{
    if (gate->above_mark && gate->out.n < SG_GATE_LOW_BYTES && gate->context != NULL) {
        gate->above_mark = false;
        gate->front->handlers.on_drained(gate->context);
    }
}

/* Write what stands in out. */
static void flush(struct sg_gate *gate)
{
    if (gate->out.n > 0) {
        ssize_t taken = sg_stream_write(&gate->stream, gate->out.p, gate->out.n);
        if (taken < 0 || sg_buf_failed(&gate->out)) {
            close_gate(gate);
            return;
        }
        sg_buf_consume(&gate->out, (size_t)taken);
        if (gate->out.n > 0 && (taken > 0 || gate->deadline.next == NULL)) {
            sg_deadline_arm(&gate->front->writes, &gate->deadline, gate); /* progress */
        } else if (gate->out.n == 0 && gate->state == WITH_HANDLER) {
            sg_deadline_disarm(&gate->deadline);
        }
    }
    if (gate->out.n == 0) {
        sg_buf_done(&gate->out);
        if (gate->state == ANSWERED) {
            answered(gate);
            return;
        }
    }
    tell_drained(gate);
}

static void on_writable(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    bool answering = gate->state == ANSWERED;
    flush(gate);
    if (answering && gate->state == IDLE) {
        use_waiting_bytes(gate);
    }
}

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Status";
}

/* Status line and fields; framing is what RFC 9112 section 6 asks for. */
static void render_head(struct sg_gate *gate, unsigned status, struct sg_str headers,
                        bool length_known, uint64_t length)
{
    struct sg_buf *out = &gate->out;
    bool no_body = status == 204 || status == 304;
    gate->close = gate->close || gate->front->announce_close || gate->body_unread;
    gate->chunked_answer = !length_known && !no_body && !gate->http10;
    gate->close = gate->close || (!length_known && !no_body && gate->http10);
    sg_buf_add_text(out, "HTTP/1.1 ");
    sg_buf_add_u64(out, status);
    sg_buf_add_char(out, ' ');
    sg_buf_add_text(out, reason_of(status));
    sg_buf_add_text(out, "\r\n");
    sg_buf_add_str(out, headers);
    if (gate->close) {
        sg_buf_add_text(out, "Connection: close\r\n");
    } else if (gate->http10) {
        sg_buf_add_text(out, "Connection: keep-alive\r\n");
    }
    if (gate->chunked_answer) {
        sg_buf_add_text(out, "Transfer-Encoding: chunked\r\n");
    } else if (length_known && !no_body) {
        sg_buf_add_text(out, "Content-Length: ");
        sg_buf_add_u64(out, length);
        sg_buf_add_text(out, "\r\n");
    }
    sg_buf_add_text(out, "\r\n");
    gate->answer_begun = true;
}

void sg_gate_answer_begin(struct sg_gate *gate, unsigned status, struct sg_str headers,
                          bool length_known, uint64_t length)
{
    SG_ASSERT(gate->state == WITH_HANDLER && !gate->answer_begun);
    render_head(gate, status, headers, length_known, length);
}

void sg_gate_answer_data(struct sg_gate *gate, struct sg_str bytes)
{
    SG_ASSERT(gate->answer_begun);
    if (gate->head_only || bytes.n == 0) {
        return;
    }
    if (gate->chunked_answer) {
        sg_buf_printf(&gate->out, "%zx\r\n", bytes.n);
    }
    sg_buf_add_str(&gate->out, bytes);
    if (gate->chunked_answer) {
        sg_buf_add_text(&gate->out, "\r\n");
    }
    gate->above_mark = gate->above_mark || gate->out.n > SG_GATE_HIGH_BYTES;
}

void sg_gate_answer_flush(struct sg_gate *gate)
{
    flush(gate);
}

/* The handlers are through with the request; what comes next is the gate's. */
static void finish_answer(struct sg_gate *gate)
{
    forget_context(gate);
    release_body(gate);
    gate->answer_begun = false;
    gate->above_mark = false;
    gate->state = ANSWERED;
    sg_deadline_disarm(&gate->deadline);
    flush(gate);
    if (gate->state == IDLE && !gate->reading) {
        use_waiting_bytes(gate);
    }
}

void sg_gate_answer_end(struct sg_gate *gate)
{
    SG_ASSERT(gate->answer_begun);
    if (gate->chunked_answer && !gate->head_only) {
        sg_buf_add_text(&gate->out, "0\r\n\r\n");
    }
    finish_answer(gate);
}

void sg_gate_answer(struct sg_gate *gate, unsigned status, struct sg_str headers,
                    struct sg_str body, bool close)
{
    SG_ASSERT((gate->state == WITH_HANDLER || gate->state == BODY) && !gate->answer_begun);
    gate->close = gate->close || close || gate->state == BODY;
    render_head(gate, status, headers, true, body.n);
    if (!gate->head_only) {
        sg_buf_add_str(&gate->out, body);
    }
    finish_answer(gate);
}

void sg_gate_cut(struct sg_gate *gate)
{
    forget_context(gate);
    end_evhttp(gate);
    sg_stream_reset(&gate->stream);
    close_gate(gate);
}

size_t sg_gate_pending(const struct sg_gate *gate)
{
    return gate->out.n;
}

void sg_gate_set_context(struct sg_gate *gate, void *context)
{
    if (gate->context == NULL && context != NULL) {
        gate->front->requests++;
    }
    gate->context = context;
}

/* --- refusing by ourselves -------------------------------------------------------------------- */

static struct sg_str client_request_id(const struct sg_front *front,
                                       const struct sg_strict_request *head)
{
    /* Of a head that is not whole the table may hold other connections' fields by now. */
    for (size_t i = 0; head->head_bytes > 0 && i < head->header_count; i++) {
        struct sg_str value = front->headers[i].value;
        if (sg_str_equal_fold(front->headers[i].name, SG_STR("X-Request-Id")) &&
            sg_is_token(value) && value.n <= REFUSED_TEXT_BYTES) {
            return value;
        }
    }
    return (struct sg_str){.p = NULL};
}

static void refuse(struct sg_gate *gate, enum sg_refusal refusal, struct sg_str detail)
{
    struct sg_front *front = gate->front;
    const struct sg_strict_request *head = &gate->head;
    const struct sg_gate_refused refused = {
        .refusal = refusal,
        .detail = detail,
        .peer = &gate->peer,
        .method = sg_str_slice(head->method, 0, REFUSED_TEXT_BYTES),
        .raw_target = head->target,
        .client_request_id = client_request_id(front, head),
    };
    front->counts.refused++;
    sg_buf_clear(&front->answer_headers);
    sg_buf_clear(&front->answer_body);
    front->handlers.on_refused(front->handlers.arg, &refused, &front->answer_headers,
                               &front->answer_body);
    gate->close = true;
    gate->head_only = sg_str_equal(head->method, SG_STR("HEAD"));
    render_head(gate, sg_refusal_row(refusal)->status, sg_buf_str(&front->answer_headers), true,
                front->answer_body.n);
    if (!gate->head_only) {
        sg_buf_add_str(&gate->out, sg_buf_str(&front->answer_body));
    }
    gate->answer_begun = false;
    gate->state = ANSWERED;
    sg_deadline_disarm(&gate->deadline);
    flush(gate);
}

/* --- bytes in
 * ----------------------------------------------------------------------------------------------------
 */

/* A valid head: judge its target, make it an evhttp request, hand it to the handlers. */
static void begin_request(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    struct sg_strict_request *head = &gate->head;
    struct sg_error error;
    gate->close = head->close;
    gate->http10 = head->minor == 0;
    gate->head_only = sg_str_equal(head->method, SG_STR("HEAD"));
    gate->continue_wanted = head->expect_continue;
    const bool has_body = head->chunked || head->content_length > 0;
    gate->body_unread = has_body;
    gate->body_left = head->content_length;
    sg_arena_reset(&front->scratch);
    enum sg_status status =
        sg_target_parse(&front->scratch, head->target, head->host, &front->target, &error);
    if (status != SG_OK) {
        refuse(gate,
               status == SG_MALFORMED   ? SG_REFUSAL_BAD_REQUEST
               : status == SG_TOO_LARGE ? SG_REFUSAL_TARGET_TOO_LONG
                                        : SG_REFUSAL_BUSY,
               sg_str_from(error.text));
        return;
    }
    if (!feed(gate, head->method)) {
        front->counts.memory++;
        refuse(gate, SG_REFUSAL_BUSY, SG_STR("no memory now"));
        return;
    }
    front->counts.requests++;
    gate->state = WITH_HANDLER;
    sg_deadline_disarm(&gate->deadline);
    const struct sg_gate_request request = {
        .head = head, .target = &front->target, .peer = &gate->peer, .has_body = has_body};
    front->handlers.on_request(front->handlers.arg, gate, &request);
}

static void body_is_whole(struct sg_gate *gate)
{
    gate->state = WITH_HANDLER;
    gate->body_unread = false;
    sg_deadline_disarm(&gate->deadline);
    gate->front->handlers.on_body(gate->context, sg_buf_str(&gate->body));
}

static void body_is_refused(struct sg_gate *gate, enum sg_refusal refusal, const char *detail)
{
    sg_deadline_disarm(&gate->deadline);
    gate->front->handlers.on_body_refused(gate->context, refusal, detail);
}

/* Take a run of body bytes, within the common budget. */
static bool keep_body(struct sg_gate *gate, struct sg_str data)
{
    struct sg_front *front = gate->front;
    if (gate->body.n + data.n > gate->body_room) {
        uint64_t more = gate->body.n + data.n - gate->body_room;
        if (front->limits.body_memory > 0 && more > front->limits.body_memory - front->body_bytes) {
            return false;
        }
        front->body_bytes += more;
        gate->body_room += more;
    }
    sg_buf_add_str(&gate->body, data);
    return !sg_buf_failed(&gate->body);
}

/* Use up body bytes; returns how many. The state tells whether the body is over. */
static size_t take_body(struct sg_gate *gate, const char *bytes, size_t count)
{
    size_t used = 0;
    while (gate->state == BODY && used < count) {
        struct sg_str data = {.p = bytes + used, .n = count - used};
        enum sg_strict_result result = SG_STRICT_MORE;
        size_t step;
        if (gate->head.chunked) {
            result = sg_strict_chunked_feed(&gate->chunked, bytes + used, count - used,
                                            gate->front->limits.head.body_bytes, &step, &data);
        } else {
            step = data.n = data.n < gate->body_left ? data.n : (size_t)gate->body_left;
            gate->body_left -= step;
            result = gate->body_left == 0 ? SG_STRICT_DONE : SG_STRICT_MORE;
        }
        used += step;
        if (result == SG_STRICT_BAD) {
            body_is_refused(gate, gate->chunked.refusal, gate->chunked.detail);
        } else if (data.n > 0 && !keep_body(gate, data)) {
            body_is_refused(gate, SG_REFUSAL_BUSY, "no room for the body now");
        } else if (result == SG_STRICT_DONE) {
            body_is_whole(gate);
        }
    }
    return used;
}

static void send_continue(struct sg_gate *gate)
{
    if (gate->continue_wanted) {
        gate->continue_wanted = false;
        sg_buf_add_text(&gate->out, "HTTP/1.1 100 Continue\r\n\r\n");
        flush(gate);
    }
}

/* Understand bytes as far as the state allows; returns how many were used up. */
static size_t understand(struct sg_gate *gate, const char *bytes, size_t count)
{
    struct sg_front *front = gate->front;
    size_t used = 0;
    for (;;) {
        switch (gate->state) {
        case IDLE:
            if (used == count) {
                return used;
            }
            sg_strict_request_init(&gate->head, front->headers);
            gate->state = HEAD;
            sg_deadline_arm(&front->heads, &gate->deadline, gate);
            break;
        case HEAD: {
            enum sg_strict_result result = sg_strict_request_feed(
                &gate->head, bytes + used, count - used, &front->limits.head);
            if (result == SG_STRICT_MORE) {
                return used;
            }
            if (result == SG_STRICT_BAD) {
                refuse(gate, gate->head.refusal, sg_str_from(gate->head.detail));
                return count;
            }
            used += gate->head.head_bytes;
            begin_request(gate);
            break;
        }
        case BODY:
            if (used == count) {
                send_continue(gate);
                return used;
            }
            gate->continue_wanted = false;
            used += take_body(gate, bytes + used, count - used);
            break;
        case HANDSHAKE:
        case WITH_HANDLER:
        case ANSWERED:
        case LINGER:
        case DEAD:
            /* Nothing behind a closing answer is looked at. */
            return gate->close && gate->state != WITH_HANDLER ? count : used;
        }
    }
}

/* Bytes that were kept may be understood now. */
static void use_waiting_bytes(struct sg_gate *gate)
{
    if (gate->state == DEAD) {
        return;
    }
    if (gate->in.n > 0 || gate->state == BODY) {
        bool nested = gate->reading;
        gate->reading = true;
        size_t used = understand(gate, gate->in.p != NULL ? gate->in.p : "", gate->in.n);
        gate->reading = nested;
        if (gate->state == DEAD) {
            return;
        }
        sg_buf_consume(&gate->in, used);
        if (gate->in.n == 0) {
            sg_buf_done(&gate->in);
        }
    }
    if (gate->in.n <= WAITING_BYTES_MAX - READ_BYTES) {
        sg_stream_resume(&gate->stream);
    }
}

/* After a closing answer: what still comes is dropped, within bounds. */
static void drop_bytes(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    uint64_t most = 4 * front->limits.head.body_bytes;
    ssize_t count = gate->state == LINGER
                        ? sg_stream_drop(&gate->stream, front->bytes, sizeof front->bytes)
                        : sg_stream_read(&gate->stream, front->bytes, sizeof front->bytes);
    if (count > 0) {
        gate->lingered_bytes += (size_t)count;
    }
    if (count < 0 || gate->lingered_bytes > (most > LINGER_BYTES_MIN ? most : LINGER_BYTES_MIN)) {
        close_gate(gate);
    }
}

static void read_once(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    if (gate->in.n > WAITING_BYTES_MAX - READ_BYTES) {
        sg_stream_pause(&gate->stream); /* until the request that is out has its answer */
        return;
    }
    ssize_t count = sg_stream_read(&gate->stream, front->bytes, sizeof front->bytes);
    if (count < 0) {
        close_gate(gate); /* FIN, RST or close_notify: the caller has left */
        return;
    }
    if (count == 0) {
        return;
    }
    if (gate->in.n > 0) {
        sg_buf_add(&gate->in, front->bytes, (size_t)count);
        if (sg_buf_failed(&gate->in)) {
            close_gate(gate);
        } else if (gate->state == HEAD || gate->state == BODY || gate->state == IDLE) {
            use_waiting_bytes(gate);
        }
        return;
    }
    /* The common case: judged where it was read. */
    size_t used = understand(gate, front->bytes, (size_t)count);
    if (gate->state != DEAD && used < (size_t)count) {
        sg_buf_add(&gate->in, front->bytes + used, (size_t)count - used);
        if (sg_buf_failed(&gate->in)) {
            close_gate(gate);
        }
    }
}

static void on_readable(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    gate->reading = true;
    do {
        if (gate->state == LINGER || (gate->state == ANSWERED && gate->close)) {
            drop_bytes(gate);
        } else {
            read_once(gate);
        }
    } while (gate->state != DEAD && gate->state != LINGER && !gate->stream.paused &&
             sg_stream_has_pending(&gate->stream));
    gate->reading = false;
    /* An answer that was finished on the way may have left bytes that are a request. */
    if (gate->state == IDLE && gate->in.n > 0) {
        use_waiting_bytes(gate);
    }
}

enum sg_status sg_gate_read_body(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    SG_ASSERT(gate->state == WITH_HANDLER && gate->body_unread);
    if (front->limits.body_memory > 0 &&
        gate->body_left > front->limits.body_memory - front->body_bytes) {
        return SG_BUSY;
    }
    sg_buf_init(&gate->body, front->limits.head.body_bytes);
    sg_strict_chunked_init(&gate->chunked);
    gate->body_room = gate->body_left;
    front->body_bytes += gate->body_room;
    gate->state = BODY;
    sg_deadline_arm(&front->bodies, &gate->deadline, gate);
    if (!gate->reading) {
        use_waiting_bytes(gate);
    }
    return SG_OK;
}

/* --- deadlines
 * ------------------------------------------------------------------------------------------------------
 */

static void expired_silently(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    if (gate->state == IDLE) {
        sg_stream_shutdown(&gate->stream); /* close_notify for TLS */
    }
    close_gate(gate);
}

static void head_expired(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    if (gate->state == HANDSHAKE) {
        close_gate(gate);
        return;
    }
    sg_strict_request_init(&gate->head, gate->front->headers); /* its slices may be stale */
    refuse(gate, SG_REFUSAL_REQUEST_TIMEOUT, SG_STR("the head came too slowly"));
}

static void body_expired(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    body_is_refused(gate, SG_REFUSAL_REQUEST_TIMEOUT, "the body came too slowly");
}

/* --- accepting
 * ---------------------------------------------------------------------------------------------------------
 */

static bool make_spare(struct listener *listener)
{
    struct sg_front *front = listener->front;
    struct sg_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) {
        return false;
    }
    /* With CLOSE_ON_FREE evhttp does not close the descriptor itself when it gives up. */
    gate->bufferevent =
        bufferevent_socket_new(sg_loop_base(front->loop), -1, BEV_OPT_CLOSE_ON_FREE);
    if (gate->bufferevent == NULL) {
        free(gate);
        return false;
    }
    bufferevent_incref(gate->bufferevent);
    gate->magic = GATE_MAGIC;
    gate->front = front;
    gate->stream.fd = -1;
    sg_buf_init(&gate->in, WAITING_BYTES_MAX + READ_BYTES);
    sg_buf_init(&gate->out, OUT_BYTES_MAX);
    sg_buf_init(&gate->body, 0);
    listener->spare = gate;
    return true;
}

/* evhttp accepts a connection: give it the spare. NULL would make it build its own. */
static struct bufferevent *take_bufferevent(struct event_base *base, void *arg)
{
    struct listener *listener = arg;
    struct sg_front *front = listener->front;
    struct sg_gate *gate = listener->spare;
    (void)base;
    listener->spare = NULL;
    list_add(&front->fresh, gate);
    event_active(front->adopt_event, EV_TIMEOUT, 0); /* runs in this pass, before the socket */
    front->connections++;
    front->counts.accepted++;
    if (front->limits.connections > 0 && front->connections >= front->limits.connections) {
        front->counts.overflow++;
        set_paused(front, PAUSED_BY_CAP, 0);
    }
    if (!make_spare(listener) || !sg_memory_ok()) {
        front->counts.memory++;
        set_paused(front, PAUSED_BY_MEMORY, 0); /* no spare, no accept */
    }
    return gate->bufferevent;
}

/* evhttp gave the connection up inside accept: clean up after each of its three ways to do so. */
static void bury_unborn(struct sg_gate *gate, int fd, short enabled)
{
    struct sg_front *front = gate->front;
    if (fd < 0) {
        bufferevent_free(gate->bufferevent); /* it never took it; it has closed the descriptor */
    } else if ((enabled & EV_WRITE) == 0) {
        (void)close(fd); /* no request object: nobody closes it but us */
    }
    bufferevent_decref(gate->bufferevent);
    free_gate(gate);
    count_connection_out(front);
}

static struct sg_peer peer_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    struct sg_peer peer = {.secure = false};
    memset(&address, 0, sizeof address);
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0) {
        peer.address = sg_ip_from_sockaddr((const struct sockaddr *)&address);
    }
    return peer;
}

static void adopt_one(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    const int one = 1;
    int fd = (int)bufferevent_getfd(gate->bufferevent);
    short enabled = bufferevent_get_enabled(gate->bufferevent);
    bool alive = evhttp_holds(gate);
    (void)bufferevent_setfd(gate->bufferevent, -1);
    if (!alive) {
        bury_unborn(gate, fd, enabled);
        return;
    }
    list_add(&front->gates, gate);
    gate->peer = peer_of(fd);
    gate->state = IDLE;
    gate->stream = (struct sg_stream){
        .fd = fd, .on_readable = on_readable, .on_writable = on_writable, .owner = gate};
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sg_deadline_arm(&front->idle, &gate->deadline, gate);
    if (sg_stream_open(&gate->stream, front->loop, fd, false, NULL, NULL) != SG_OK) {
        front->counts.memory++;
        close_gate(gate);
    }
}

static void adopt(evutil_socket_t fd, short what, void *arg)
{
    struct sg_front *front = SG_CAST(struct sg_front, FRONT_MAGIC, arg);
    (void)fd;
    (void)what;
    while (front->fresh != NULL) {
        struct sg_gate *gate = front->fresh;
        list_remove(&front->fresh, gate);
        adopt_one(gate);
    }
}

/* accept(2) failed (EMFILE, ENFILE...): pause until a connection ends or the next tick. */
static void accept_failed(struct evconnlistener *listener, void *evhttp_arg)
{
    struct sg_front *front = SG_CAST(struct sg_front, FRONT_MAGIC, sg_memory_owner());
    (void)listener;
    (void)evhttp_arg;
    front->counts.emfile++;
    set_paused(front, PAUSED_BY_FILES, 0);
}

static void on_tick(void *arg)
{
    struct sg_front *front = SG_CAST(struct sg_front, FRONT_MAGIC, arg);
    if ((front->paused & PAUSED_BY_MEMORY) != 0 && sg_memory_ok()) {
        bool ready = true;
        for (size_t i = 0; i < front->listener_count; i++) {
            struct listener *listener = &front->listeners[i];
            ready = ready && (listener->spare != NULL || make_spare(listener));
        }
        set_paused(front, 0, ready ? PAUSED_BY_MEMORY : 0);
    }
    set_paused(front, 0, PAUSED_BY_FILES);
}

/* --- the front
 * ------------------------------------------------------------------------------------------------------------
 */

static void stop_step(evutil_socket_t fd, short what, void *arg);

void sg_front_set_limits(struct sg_front *front, const struct sg_front_limits *limits)
{
    front->limits = *limits;
    front->idle.span_ms = limits->idle_ms;
    front->heads.span_ms = limits->header_ms;
    front->bodies.span_ms = limits->body_ms;
    front->writes.span_ms = limits->write_ms;
    sg_buf_done(&front->fed_head);
    sg_buf_init(&front->fed_head, 3 * limits->head.target_bytes + FIXED_HEAD_BYTES);
    for (size_t i = 0; i < front->listener_count; i++) {
        evhttp_set_max_headers_size(front->listeners[i].http,
                                    (ev_ssize_t)front->fed_head.max_bytes);
    }
}

struct sg_front *sg_front_new(struct sg_loop *loop, const struct sg_front_limits *limits,
                              const struct sg_gate_handlers *handlers, struct sg_error *reterr)
{
    struct sg_front *front = calloc(1, sizeof *front);
    if (front == NULL) {
        goto no_memory;
    }
    front->magic = FRONT_MAGIC;
    front->loop = loop;
    front->handlers = *handlers;
    front->adopt_event = event_new(sg_loop_base(loop), -1, 0, adopt, front);
    front->stop_event = evtimer_new(sg_loop_base(loop), stop_step, front);
    if (front->adopt_event == NULL || front->stop_event == NULL) {
        goto no_memory;
    }
    sg_deadline_list_init(&front->idle, loop, limits->idle_ms, expired_silently);
    sg_deadline_list_init(&front->heads, loop, limits->header_ms, head_expired);
    sg_deadline_list_init(&front->bodies, loop, limits->body_ms, body_expired);
    sg_deadline_list_init(&front->writes, loop, limits->write_ms, expired_silently);
    sg_deadline_list_init(&front->lingers, loop, LINGER_MS, expired_silently);
    sg_arena_init(&front->scratch, SCRATCH_BYTES_MAX);
    sg_buf_init(&front->answer_headers, READ_BYTES);
    sg_buf_init(&front->answer_body, SCRATCH_BYTES_MAX);
    sg_front_set_limits(front, limits);
    sg_loop_add_tick(loop, on_tick, front);
    sg_memory_set_owner(front);
    return front;
no_memory:
    (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    if (front != NULL && front->adopt_event != NULL) {
        event_free(front->adopt_event);
    }
    free(front);
    return NULL;
}

enum sg_status sg_front_add_listener(struct sg_front *front, int listen_fd, struct sg_error *reterr)
{
    if (front->listener_count == LISTENERS_MAX) {
        (void)close(listen_fd);
        return sg_error_set(reterr, SG_CONFIG, NULL, "more than %d listeners", LISTENERS_MAX);
    }
    struct event_base *base = sg_loop_base(front->loop);
    struct listener *listener = &front->listeners[front->listener_count];
    *listener = (struct listener){.front = front, .http = evhttp_new(base)};
    if (listener->http == NULL || !make_spare(listener)) {
        (void)close(listen_fd);
        goto no_memory;
    }
    evhttp_set_allowed_methods(listener->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                                   EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH |
                                                   EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS |
                                                   EVHTTP_REQ_TRACE);
    evhttp_set_bevcb(listener->http, take_bufferevent, listener);
    evhttp_set_gencb(listener->http, on_evhttp_request, listener);
    /* The socket listens already: backlog 0 says so. */
    listener->listener = evconnlistener_new(
        base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listen_fd);
    if (listener->listener == NULL) {
        (void)close(listen_fd);
        goto no_memory;
    }
    listener->bound = evhttp_bind_listener(listener->http, listener->listener);
    if (listener->bound == NULL) {
        evconnlistener_free(listener->listener);
        goto no_memory;
    }
    evconnlistener_set_error_cb(listener->listener, accept_failed);
    front->listener_count++;
    evhttp_set_max_headers_size(listener->http, (ev_ssize_t)front->fed_head.max_bytes);
    return SG_OK;
no_memory:
    if (listener->spare != NULL) {
        bufferevent_free(listener->spare->bufferevent);
        bufferevent_decref(listener->spare->bufferevent);
        free_gate(listener->spare);
    }
    if (listener->http != NULL) {
        evhttp_free(listener->http);
    }
    return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
}

void sg_front_announce_close(struct sg_front *front)
{
    front->announce_close = true;
}

/* A timer of 0 ms: each step sees one poll of the loop, so whoever is in the queue is let in. */
static void stop_step(evutil_socket_t fd, short what, void *arg)
{
    struct sg_front *front = SG_CAST(struct sg_front, FRONT_MAGIC, arg);
    const struct timeval none = {.tv_sec = 0};
    (void)fd;
    (void)what;
    for (size_t i = 0; front->paused == 0 && i < front->listener_count; i++) {
        struct pollfd waiting = {.fd = evconnlistener_get_fd(front->listeners[i].listener),
                                 .events = POLLIN};
        if (poll(&waiting, 1, 0) > 0) {
            (void)event_add(front->stop_event, &none);
            return;
        }
    }
    for (size_t i = 0; i < front->listener_count; i++) {
        evhttp_del_accept_socket(front->listeners[i].http, front->listeners[i].bound);
        front->listeners[i].listener = NULL;
    }
    for (struct sg_gate *gate = front->gates, *next; gate != NULL; gate = next) {
        next = gate->next;
        if (gate->state == IDLE && gate->served) {
            expired_silently(gate);
        }
    }
    front->idle.span_ms = SG_LOOP_TICK_MS * 10; /* those who connected and are silent */
}

void sg_front_stop_accepting(struct sg_front *front)
{
    const struct timeval none = {.tv_sec = 0};
    if (!front->draining) {
        front->draining = true;
        front->announce_close = true;
        (void)event_add(front->stop_event, &none);
    }
}

size_t sg_front_connections(const struct sg_front *front)
{
    return front->connections;
}

size_t sg_front_requests(const struct sg_front *front)
{
    return front->requests;
}

struct sg_front_counts sg_front_counts(const struct sg_front *front)
{
    return front->counts;
}

void sg_front_free(struct sg_front *front)
{
    if (front == NULL) {
        return;
    }
    adopt(-1, 0, front);
    while (front->gates != NULL) {
        close_gate(front->gates);
    }
    for (size_t i = 0; i < front->listener_count; i++) {
        struct listener *listener = &front->listeners[i];
        if (listener->spare != NULL) {
            bufferevent_free(listener->spare->bufferevent);
            bufferevent_decref(listener->spare->bufferevent);
            free_gate(listener->spare);
        }
        evhttp_free(listener->http); /* its listeners too */
    }
    event_free(front->adopt_event);
    event_free(front->stop_event);
    sg_loop_run_deferred(front->loop);
    sg_deadline_list_done(&front->idle);
    sg_deadline_list_done(&front->heads);
    sg_deadline_list_done(&front->bodies);
    sg_deadline_list_done(&front->writes);
    sg_deadline_list_done(&front->lingers);
    sg_arena_done(&front->scratch);
    sg_buf_done(&front->fed_head);
    sg_buf_done(&front->answer_headers);
    sg_buf_done(&front->answer_body);
    sg_memory_set_owner(NULL);
    front->magic = 0;
    free(front);
}
