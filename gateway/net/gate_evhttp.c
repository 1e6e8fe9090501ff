/* The only ways into evhttp: what it is told, and what it is believed. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <string.h>

#include "net/gate_private.h"

/* Whether evhttp still holds the bufferevent: it clears the callback argument when it lets go. */
bool sg_gate_evhttp_holds(const struct sg_gate *gate)
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
void sg_gate_on_evhttp_request(struct evhttp_request *request, void *arg)
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
bool sg_gate_feed(struct sg_gate *gate, struct sg_str method)
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
bool sg_gate_finish_request(struct sg_gate *gate)
{
    struct evhttp_request *request = gate->request;
    gate->request = NULL;
    if (request != NULL) {
        evhttp_send_reply_end(request); /* its output is empty: done at once */
    }
    return gate->evhttp != NULL;
}

/* Take the connection away from evhttp; the descriptor must still be open. Idempotent. */
void sg_gate_end_evhttp(struct sg_gate *gate)
{
    if (gate->bufferevent == NULL) {
        return;
    }
    if (gate->evhttp != NULL) {
        evhttp_connection_free(gate->evhttp); /* an outstanding request dies with it */
    } else if (sg_gate_evhttp_holds(gate)) {
        bufferevent_trigger_event(gate->bufferevent, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
    }
    bufferevent_decref(gate->bufferevent);
    gate->bufferevent = NULL;
    gate->evhttp = NULL;
    gate->request = NULL;
}
