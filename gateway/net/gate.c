#include "net/gate.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/certificate.h"
#include "net/gate_private.h"
#include "net/sources.h"

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

/* --- ends ------------------------------------------------------------------------------------- */

void sg_gate_release_body(struct sg_gate *gate)
{
    gate->front->body_bytes -= gate->body_room;
    gate->body_room = 0;
    sg_buf_done(&gate->body);
}

void sg_gate_free(void *object)
{
    struct sg_gate *gate = object;
    gate->magic = 0;
    sg_certificate_names_free(gate->certificate);
    free(gate->process);
    free(gate);
}

/* The request is no longer with the handlers. */
void sg_gate_forget_context(struct sg_gate *gate)
{
    if (gate->context != NULL) {
        gate->context = NULL;
        gate->front->requests--;
    }
}

/* Close now. The handlers hear of it when a request is with them. Memory lives to the pass's end.
 */
void sg_gate_close(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    void *context = gate->context;
    if (gate->state == DEAD) {
        return;
    }
    gate->state = DEAD;
    sg_deadline_disarm(&gate->deadline);
    sg_gate_end_evhttp(gate);
    sg_stream_close(&gate->stream);
    sg_buf_done(&gate->in);
    sg_buf_done(&gate->out);
    sg_gate_release_body(gate);
    sg_gate_list_remove(&front->gates, gate);
    sg_gate_forget_context(gate);
    if (gate->counted) {
        sg_sources_leave(front->sources, &gate->peer.address);
    }
    sg_front_count_out(front);
    sg_loop_defer(front->loop, &gate->ending, gate, sg_gate_free);
    if (context != NULL) {
        front->counts.gone++;
        front->handlers.on_gone(context);
    }
}

/* Everything is written: FIN, then read away what comes until the caller's FIN. */
void sg_gate_linger(struct sg_gate *gate)
{
    gate->state = LINGER;
    sg_buf_done(&gate->in);
    sg_deadline_arm(&gate->front->lingers, &gate->deadline, gate);
    sg_stream_shutdown(&gate->stream);
    sg_gate_end_evhttp(gate);
    sg_stream_resume(&gate->stream);
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

void sg_gate_refuse(struct sg_gate *gate, enum sg_refusal refusal, struct sg_str detail)
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
    sg_gate_render_head(gate, sg_refusal_row(refusal)->status, sg_buf_str(&front->answer_headers),
                        true, front->answer_body.n);
    if (!gate->head_only) {
        sg_buf_add_str(&gate->out, sg_buf_str(&front->answer_body));
    }
    gate->answer_begun = false;
    gate->state = ANSWERED;
    sg_deadline_disarm(&gate->deadline);
    sg_gate_flush_out(gate);
}

/* --- TLS -------------------------------------------------------------------------------------- */

/*
 * Keep the names of the certificate, if the caller showed one. A resumed session was verified when
 * it was new: its certificate may have ended since.
 */
static bool take_certificate(struct sg_gate *gate)
{
    const X509 *certificate = SSL_get0_peer_certificate(gate->stream.ssl);
    if (certificate == NULL) {
        return true;
    }
    int64_t now_s = sg_clock_realtime_us(sg_loop_clock(gate->front->loop)) / 1000000;
    if (!sg_certificate_is_current(certificate, now_s)) {
        return false;
    }
    gate->certificate = sg_certificate_names_new(certificate);
    gate->peer.certificate = gate->certificate;
    return gate->certificate != NULL;
}

void sg_gate_on_handshake_done(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    if (!take_certificate(gate)) {
        sg_gate_on_handshake_failed(gate, "the client certificate cannot be used any more");
        return;
    }
    gate->front->counts.handshakes++;
    gate->peer.secure = true;
    gate->state = IDLE;
    sg_deadline_arm(&gate->front->idle, &gate->deadline, gate);
}

void sg_gate_on_handshake_failed(void *owner, const char *detail)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    struct sg_front *front = gate->front;
    front->counts.handshakes_failed++;
    front->handlers.on_handshake_failed(front->handlers.arg, &gate->peer, detail);
    sg_gate_close(gate);
}

/* --- bytes in --------------------------------------------------------------------------------- */

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
        sg_gate_refuse(gate,
                       status == SG_MALFORMED   ? SG_REFUSAL_BAD_REQUEST
                       : status == SG_TOO_LARGE ? SG_REFUSAL_TARGET_TOO_LONG
                                                : SG_REFUSAL_BUSY,
                       sg_str_from(error.text));
        return;
    }
    if (!sg_gate_feed(gate, head->method)) {
        front->counts.memory++;
        sg_gate_refuse(gate, SG_REFUSAL_BUSY, SG_STR("no memory now"));
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
        sg_gate_flush_out(gate);
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
                sg_gate_refuse(gate, gate->head.refusal, sg_str_from(gate->head.detail));
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
void sg_gate_use_waiting(struct sg_gate *gate)
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
        sg_gate_close(gate);
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
        sg_gate_close(gate); /* FIN, RST or close_notify: the caller has left */
        return;
    }
    if (count == 0) {
        return;
    }
    if (gate->in.n > 0) {
        sg_buf_add(&gate->in, front->bytes, (size_t)count);
        if (sg_buf_failed(&gate->in)) {
            sg_gate_close(gate);
        } else if (gate->state == HEAD || gate->state == BODY || gate->state == IDLE) {
            sg_gate_use_waiting(gate);
        }
        return;
    }
    /* The common case: judged where it was read. */
    size_t used = understand(gate, front->bytes, (size_t)count);
    if (gate->state != DEAD && used < (size_t)count) {
        sg_buf_add(&gate->in, front->bytes + used, (size_t)count - used);
        if (sg_buf_failed(&gate->in)) {
            sg_gate_close(gate);
        }
    }
}

void sg_gate_on_readable(void *owner)
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
        sg_gate_use_waiting(gate);
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
        sg_gate_use_waiting(gate);
    }
    return SG_OK;
}

/* --- deadlines -------------------------------------------------------------------------------- */

void sg_gate_expire_silently(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    if (gate->state == IDLE) {
        sg_stream_shutdown(&gate->stream); /* close_notify for TLS */
    }
    sg_gate_close(gate);
}

void sg_gate_expire_head(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    if (gate->state == HANDSHAKE) {
        sg_gate_on_handshake_failed(gate, "the TLS handshake took too long");
        return;
    }
    sg_strict_request_init(&gate->head, gate->front->headers); /* its slices may be stale */
    sg_gate_refuse(gate, SG_REFUSAL_REQUEST_TIMEOUT, SG_STR("the head came too slowly"));
}

void sg_gate_expire_body(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    body_is_refused(gate, SG_REFUSAL_REQUEST_TIMEOUT, "the body came too slowly");
}
