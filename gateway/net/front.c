/* Accepting, limits and draining: a worker's listeners and the list of its connections. */
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/tls_context.h"
#include "net/gate_private.h"
#include "net/sources.h"

/* --- lists ------------------------------------------------------------------------------------ */

void sg_gate_list_add(struct sg_gate **list, struct sg_gate *gate)
{
    gate->prev = NULL;
    gate->next = *list;
    if (*list != NULL) {
        (*list)->prev = gate;
    }
    *list = gate;
}

void sg_gate_list_remove(struct sg_gate **list, struct sg_gate *gate)
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

/* --- accepting: pauses ------------------------------------------------------------------------ */

void sg_front_set_paused(struct sg_front *front, unsigned set, unsigned clear)
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

void sg_front_count_out(struct sg_front *front)
{
    front->connections--;
    sg_front_set_paused(front, 0, PAUSED_BY_CAP | PAUSED_BY_FILES);
}

/* --- accepting -------------------------------------------------------------------------------- */

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
    gate->listener = listener;
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
    sg_gate_list_add(&front->fresh, gate);
    event_active(front->adopt_event, EV_TIMEOUT, 0); /* runs in this pass, before the socket */
    front->connections++;
    front->counts.accepted++;
    if (front->limits.connections > 0 && front->connections >= front->limits.connections) {
        front->counts.overflow++;
        sg_front_set_paused(front, PAUSED_BY_CAP, 0);
    }
    if (!make_spare(listener) || !sg_memory_ok()) {
        front->counts.memory++;
        sg_front_set_paused(front, PAUSED_BY_MEMORY, 0); /* no spare, no accept */
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
    sg_gate_free(gate);
    sg_front_count_out(front);
}

/* Groups beyond the first that a process may have: NGROUPS_MAX of Linux. */
enum { GROUPS_MAX = 65536 };

/* Who is at the other end of a Unix socket. NULL: the kernel does not say, or no memory. */
static struct sg_peer_process *process_of(int fd)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials, groups_size = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 ||
        (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &groups_size) != 0 && errno != ERANGE) ||
        groups_size > GROUPS_MAX * sizeof(gid_t)) {
        return NULL;
    }
    struct sg_peer_process *process = malloc(sizeof *process + sizeof(gid_t) + groups_size);
    if (process == NULL) {
        return NULL;
    }
    process->user = credentials.uid;
    process->groups[0] = credentials.gid;
    if (groups_size > 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, &process->groups[1], &groups_size) != 0) {
        groups_size = 0; /* only its own group is known */
    }
    process->group_count = 1 + groups_size / sizeof(gid_t);
    return process;
}

/* Fill in the peer, and what of it must be freed. */
static void find_peer(struct sg_gate *gate, int fd)
{
    const int one = 1;
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    if (getpeername(fd, (struct sockaddr *)&address, &size) != 0) {
        return; /* it has left already */
    }
    if (address.ss_family == AF_UNIX) {
        gate->process = process_of(fd);
        gate->peer = (struct sg_peer){.secure = true, .process = gate->process};
        return;
    }
    gate->peer.address = sg_ip_from_sockaddr((const struct sockaddr *)&address);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* Whether the address may have one connection more. */
static bool count_in(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    if (front->sources == NULL || gate->peer.address.family == 0) {
        return true;
    }
    gate->counted =
        sg_sources_enter(front->sources, &gate->peer.address, front->limits.connections_per_source);
    return gate->counted;
}

static void adopt_one(struct sg_gate *gate)
{
    struct sg_front *front = gate->front;
    struct ssl_ctx_st *tls = gate->listener->tls;
    int fd = (int)bufferevent_getfd(gate->bufferevent);
    short enabled = bufferevent_get_enabled(gate->bufferevent);
    bool alive = sg_gate_evhttp_holds(gate);
    (void)bufferevent_setfd(gate->bufferevent, -1);
    if (!alive) {
        bury_unborn(gate, fd, enabled);
        return;
    }
    sg_gate_list_add(&front->gates, gate);
    find_peer(gate, fd);
    gate->state = tls != NULL ? HANDSHAKE : IDLE;
    gate->stream = (struct sg_stream){.fd = fd,
                                      .on_ready = tls != NULL ? sg_gate_on_handshake_done : NULL,
                                      .on_failed = sg_gate_on_handshake_failed,
                                      .on_readable = sg_gate_on_readable,
                                      .on_writable = sg_gate_on_writable,
                                      .owner = gate};
    sg_deadline_arm(tls != NULL ? &front->heads : &front->idle, &gate->deadline, gate);
    if (sg_stream_open(&gate->stream, front->loop, fd, false, tls, NULL) != SG_OK) {
        front->counts.memory++;
        sg_gate_close(gate);
    } else if (!count_in(gate)) {
        front->counts.crowded++;
        if (tls != NULL) {
            sg_gate_close(gate); /* a handshake is what there is no room for */
        } else {
            sg_gate_refuse(gate, SG_REFUSAL_BUSY,
                           SG_STR("too many connections come from this address"));
        }
    }
}

static void adopt(evutil_socket_t fd, short what, void *arg)
{
    struct sg_front *front = SG_CAST(struct sg_front, FRONT_MAGIC, arg);
    (void)fd;
    (void)what;
    while (front->fresh != NULL) {
        struct sg_gate *gate = front->fresh;
        sg_gate_list_remove(&front->fresh, gate);
        adopt_one(gate);
    }
}

/* Tell a caller in one write why it cannot be served; there is no connection to keep. */
static void turn_away(struct sg_front *front, int fd)
{
    struct sg_gate gate = {.front = front, .close = true};
    const struct sg_gate_refused refused = {.refusal = SG_REFUSAL_BUSY,
                                            .detail = SG_STR("no descriptor is free now"),
                                            .peer = &gate.peer};
    find_peer(&gate, fd);
    front->counts.refused++;
    sg_buf_clear(&front->answer_headers);
    sg_buf_clear(&front->answer_body);
    front->handlers.on_refused(front->handlers.arg, &refused, &front->answer_headers,
                               &front->answer_body);
    sg_buf_init(&gate.out, SCRATCH_BYTES_MAX);
    sg_gate_render_head(&gate, sg_refusal_row(refused.refusal)->status,
                        sg_buf_str(&front->answer_headers), true, front->answer_body.n);
    sg_buf_add_str(&gate.out, sg_buf_str(&front->answer_body));
    (void)send(fd, gate.out.p, gate.out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    /* What it has sent by now must not make close(2) a reset that destroys the answer. */
    (void)recv(fd, front->bytes, sizeof front->bytes, MSG_DONTWAIT);
    sg_buf_done(&gate.out);
    free(gate.process);
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Use the reserved descriptor for the caller that waits longest, and get it back. */
static void give_up_reserve(struct sg_front *front, struct evconnlistener *listener)
{
    bool plain = true;
    for (size_t i = 0; i < front->listener_count; i++) {
        plain =
            plain && (front->listeners[i].listener != listener || front->listeners[i].tls == NULL);
    }
    (void)close(front->reserve_fd);
    int fd = accept4(evconnlistener_get_fd(listener), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (plain) {
            turn_away(front, fd);
        }
        (void)close(fd);
    }
    front->reserve_fd = open_reserve();
}

/* accept(2) failed (EMFILE, ENFILE...): pause until a connection ends or the next tick. */
static void accept_failed(struct evconnlistener *listener, void *evhttp_arg)
{
    struct sg_front *front = SG_CAST(struct sg_front, FRONT_MAGIC, sg_memory_owner());
    (void)evhttp_arg;
    front->counts.emfile++;
    if (front->reserve_fd >= 0) {
        give_up_reserve(front, listener);
    }
    sg_front_set_paused(front, PAUSED_BY_FILES, 0);
}

static void on_tick(void *arg)
{
    struct sg_front *front = SG_CAST(struct sg_front, FRONT_MAGIC, arg);
    sg_memory_restore();
    if ((front->paused & PAUSED_BY_MEMORY) != 0 && sg_memory_ok()) {
        bool ready = true;
        for (size_t i = 0; i < front->listener_count; i++) {
            struct listener *listener = &front->listeners[i];
            ready = ready && (listener->spare != NULL || make_spare(listener));
        }
        sg_front_set_paused(front, 0, ready ? PAUSED_BY_MEMORY : 0);
    }
    if (front->reserve_fd < 0) {
        front->reserve_fd = open_reserve();
    }
    sg_front_set_paused(front, 0, PAUSED_BY_FILES);
}

/* --- the front -------------------------------------------------------------------------------- */

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
                              const struct sg_gate_handlers *handlers, struct sg_sources *sources,
                              struct sg_error *reterr)
{
    struct sg_front *front = calloc(1, sizeof *front);
    if (front == NULL) {
        goto no_memory;
    }
    front->magic = FRONT_MAGIC;
    front->loop = loop;
    front->handlers = *handlers;
    front->sources = sources;
    front->reserve_fd = open_reserve();
    front->adopt_event = event_new(sg_loop_base(loop), -1, 0, adopt, front);
    front->stop_event = evtimer_new(sg_loop_base(loop), stop_step, front);
    if (front->adopt_event == NULL || front->stop_event == NULL) {
        goto no_memory;
    }
    sg_deadline_list_init(&front->idle, loop, limits->idle_ms, sg_gate_expire_silently);
    sg_deadline_list_init(&front->heads, loop, limits->header_ms, sg_gate_expire_head);
    sg_deadline_list_init(&front->bodies, loop, limits->body_ms, sg_gate_expire_body);
    sg_deadline_list_init(&front->writes, loop, limits->write_ms, sg_gate_expire_silently);
    sg_deadline_list_init(&front->lingers, loop, LINGER_MS, sg_gate_expire_silently);
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
    if (front != NULL && front->reserve_fd >= 0) {
        (void)close(front->reserve_fd);
    }
    free(front);
    return NULL;
}

enum sg_status sg_front_add_listener(struct sg_front *front, int listen_fd, struct ssl_ctx_st *tls,
                                     struct sg_error *reterr)
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
    evhttp_set_gencb(listener->http, sg_gate_on_evhttp_request, listener);
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
    listener->tls = sg_tls_context_ref(tls);
    front->listener_count++;
    evhttp_set_max_headers_size(listener->http, (ev_ssize_t)front->fed_head.max_bytes);
    return SG_OK;
no_memory:
    if (listener->spare != NULL) {
        bufferevent_free(listener->spare->bufferevent);
        bufferevent_decref(listener->spare->bufferevent);
        sg_gate_free(listener->spare);
    }
    if (listener->http != NULL) {
        evhttp_free(listener->http);
    }
    return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
}

void sg_front_set_tls(struct sg_front *front, size_t listener, struct ssl_ctx_st *tls)
{
    SG_ASSERT(listener < front->listener_count);
    struct ssl_ctx_st *before = front->listeners[listener].tls;
    front->listeners[listener].tls = sg_tls_context_ref(tls);
    sg_tls_context_free(before); /* connections keep it alive */
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
            sg_gate_expire_silently(gate);
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
        sg_gate_close(front->gates);
    }
    for (size_t i = 0; i < front->listener_count; i++) {
        struct listener *listener = &front->listeners[i];
        if (listener->spare != NULL) {
            bufferevent_free(listener->spare->bufferevent);
            bufferevent_decref(listener->spare->bufferevent);
            sg_gate_free(listener->spare);
        }
        evhttp_free(listener->http); /* its listeners too */
        sg_tls_context_free(listener->tls);
    }
    if (front->reserve_fd >= 0) {
        (void)close(front->reserve_fd);
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
