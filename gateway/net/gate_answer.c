/* What callers get: answers by the handlers, whole or in pieces, and how they reach the socket. */
#include "net/gate_private.h"

/* --- writing ---------------------------------------------------------------------------------- */

/* The last byte of an answer is out. */
static void answered(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    gate->served = true;
    if (gate->close || front->announce_close || !sg_memory_ok() || !sg_gate_finish_request(gate)) {
        sg_gate_linger(gate);
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
void sg_gate_flush_out(struct sg_gate *gate)
{
    if (gate->out.n > 0) {
        ssize_t taken = sg_stream_write(&gate->stream, gate->out.p, gate->out.n);
        if (taken < 0 || sg_buf_failed(&gate->out)) {
            sg_gate_close(gate);
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

void sg_gate_on_writable(void *owner)
{
    struct sg_gate *gate = SG_CAST(struct sg_gate, GATE_MAGIC, owner);
    bool answering = gate->state == ANSWERED;
    sg_gate_flush_out(gate);
    if (answering && gate->state == IDLE) {
        sg_gate_use_waiting(gate);
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
void sg_gate_render_head(struct sg_gate *gate, unsigned status, struct sg_str headers,
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
    sg_gate_render_head(gate, status, headers, length_known, length);
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
    sg_gate_flush_out(gate);
}

/* The handlers are through with the request; what comes next is the gate's. */
static void finish_answer(struct sg_gate *gate)
{
    sg_gate_forget_context(gate);
    sg_gate_release_body(gate);
    gate->answer_begun = false;
    gate->above_mark = false;
    gate->state = ANSWERED;
    sg_deadline_disarm(&gate->deadline);
    sg_gate_flush_out(gate);
    if (gate->state == IDLE && !gate->reading) {
        sg_gate_use_waiting(gate);
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
    sg_gate_render_head(gate, status, headers, true, body.n);
    if (!gate->head_only) {
        sg_buf_add_str(&gate->out, body);
    }
    finish_answer(gate);
}

void sg_gate_cut(struct sg_gate *gate)
{
    sg_gate_forget_context(gate);
    sg_gate_end_evhttp(gate);
    sg_stream_reset(&gate->stream);
    sg_gate_close(gate);
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
