#include "net/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/object.h"

/*
 * The gate stands on how evhttp 2.1 behaves when its bufferevent has lost its descriptor. None of
 * it is written in libevent's manual, so it is proven here, in the process that depends on it, over
 * two loopback connections to ourselves, before any caller is let in.
 */

enum { SELF_TEST_MAGIC = 0x53475354 };

struct self_test {
    uint32_t magic;
    struct event_base *base;
    struct evhttp *http;
    struct event *adopt;
    struct bufferevent *bufferevent;
    struct evhttp_request *request;
    struct evhttp_connection *connection;
    struct sockaddr_in address;
    int server_fd;
    int client_fd;
    int closed;
    int timers;
    int events_on_fd;
    const char *failed; /* the first assumption that does not hold */
};

static void expect(struct self_test *t, bool holds, const char *assumption)
{
    if (!holds && t->failed == NULL) {
        t->failed = assumption;
    }
}

static struct bufferevent *take(struct event_base *base, void *arg)
{
    struct self_test *t = SG_CAST(struct self_test, SELF_TEST_MAGIC, arg);
    t->bufferevent = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (t->bufferevent != NULL) {
        bufferevent_incref(t->bufferevent);
        event_active(t->adopt, EV_TIMEOUT, 0);
    }
    return t->bufferevent;
}

static void on_adopt(evutil_socket_t fd, short what, void *arg)
{
    struct self_test *t = SG_CAST(struct self_test, SELF_TEST_MAGIC, arg);
    (void)fd;
    (void)what;
    t->server_fd = (int)bufferevent_getfd(t->bufferevent);
    (void)bufferevent_setfd(t->bufferevent, -1);
    (void)event_base_loopbreak(t->base);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct self_test *t = SG_CAST(struct self_test, SELF_TEST_MAGIC, arg);
    t->request = request;
}

static void on_close(struct evhttp_connection *connection, void *arg)
{
    struct self_test *t = SG_CAST(struct self_test, SELF_TEST_MAGIC, arg);
    (void)connection;
    t->closed++;
}

static int look(const struct event_base *base, const struct event *event, void *arg)
{
    struct self_test *t = SG_CAST(struct self_test, SELF_TEST_MAGIC, arg);
    struct timeval when;
    (void)base;
    t->timers += event_pending(event, EV_TIMEOUT, &when) != 0;
    t->events_on_fd += event_get_fd(event) == t->server_fd;
    return 0;
}

static bool evhttp_is_silent(struct self_test *t)
{
    t->timers = t->events_on_fd = 0;
    (void)event_base_foreach_event(t->base, look, t);
    return t->timers == 0 && t->events_on_fd == 0;
}

static bool evhttp_holds(struct self_test *t)
{
    void *arg = NULL;
    bufferevent_getcb(t->bufferevent, NULL, NULL, NULL, &arg);
    return arg != NULL;
}

static void feed(struct self_test *t, const char *head)
{
    t->request = NULL;
    (void)evbuffer_add(bufferevent_get_input(t->bufferevent), head, strlen(head));
    bufferevent_trigger(t->bufferevent, EV_READ, 0);
}

static bool connect_one(struct self_test *t)
{
    t->server_fd = -1;
    t->closed = 0;
    t->client_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (t->client_fd < 0 ||
        connect(t->client_fd, (const struct sockaddr *)&t->address, sizeof t->address) != 0) {
        return false;
    }
    (void)event_base_dispatch(t->base);
    return t->server_fd >= 0;
}

static void drop_one(struct self_test *t)
{
    if (t->bufferevent != NULL) {
        bufferevent_decref(t->bufferevent);
        t->bufferevent = NULL;
    }
    if (t->server_fd >= 0) {
        (void)close(t->server_fd);
    }
    if (t->client_fd >= 0) {
        (void)close(t->client_fd);
    }
}

/* A connection that serves two requests and is closed with the second one outstanding. */
static void try_requests(struct self_test *t)
{
    expect(t, evhttp_holds(t), "the helper event runs before the accepted socket is polled");
    expect(t, evhttp_is_silent(t), "no event and no timer of evhttp is left on a taken socket");
    feed(t, "DELETE /v1/a?b=%2F HTTP/1.1\r\n\r\n");
    expect(t, t->request != NULL, "a fed head reaches the handler inside the call");
    if (t->request == NULL) {
        return;
    }
    expect(t,
           strcmp(evhttp_request_get_uri(t->request), "/v1/a?b=%2F") == 0 &&
               evhttp_request_get_command(t->request) == EVHTTP_REQ_DELETE,
           "method and target arrive as they were fed");
    expect(t, evbuffer_get_length(bufferevent_get_input(t->bufferevent)) == 0,
           "exactly the head is consumed");
    t->connection = evhttp_request_get_connection(t->request);
    evhttp_connection_set_closecb(t->connection, on_close, t);
    evhttp_send_reply_end(t->request);
    expect(t, t->closed == 0 && evhttp_holds(t),
           "finishing a request without output completes at once and keeps the connection");
    expect(t, evhttp_is_silent(t), "finishing a request arms nothing");
    feed(t, "GET /2 HTTP/1.1\r\n\r\n");
    expect(t, t->request != NULL && evhttp_request_get_connection(t->request) == t->connection,
           "the next head is the next request of the same connection");
    evhttp_connection_free(t->connection);
    expect(t, t->closed == 1 && !evhttp_holds(t),
           "freeing a connection tells of it inside the call");
    expect(t, fcntl(t->server_fd, F_GETFD) >= 0, "the descriptor stays open: it is ours to close");
}

/* A connection that ends before its first request. */
static void try_early_end(struct self_test *t)
{
    bufferevent_trigger_event(t->bufferevent, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
    expect(t, !evhttp_holds(t) && fcntl(t->server_fd, F_GETFD) >= 0,
           "the end of a connection without a request frees it inside the call");
}

bool sg_gate_libevent_is_fixed(void)
{
    struct evkeyvalq fields;
    TAILQ_INIT(&fields);
    bool fixed = evhttp_add_header(&fields, "a", "b\r\n c") != 0;
    evhttp_clear_headers(&fields);
    return fixed;
}

enum sg_status sg_gate_self_test(struct sg_error *reterr)
{
    struct self_test test = {.magic = SELF_TEST_MAGIC, .server_fd = -1, .client_fd = -1};
    struct self_test *t = &test;
    struct evconnlistener *listener = NULL;
    struct event_config *config = event_config_new();
    socklen_t size = sizeof t->address;
    t->address.sin_family = AF_INET;
    t->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool made = config != NULL &&
                event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV |
                                                  EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0 &&
                (t->base = event_base_new_with_config(config)) != NULL &&
                (t->adopt = event_new(t->base, -1, 0, on_adopt, t)) != NULL &&
                (t->http = evhttp_new(t->base)) != NULL &&
                (listener = evconnlistener_new_bind(
                     t->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 8,
                     (const struct sockaddr *)&t->address, sizeof t->address)) != NULL;
    if (made) {
        evhttp_set_bevcb(t->http, take, t);
        evhttp_set_gencb(t->http, on_request, t);
        made = getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&t->address,
                           &size) == 0 &&
               evhttp_bind_listener(t->http, listener) != NULL;
    }
    if (made && connect_one(t)) {
        try_requests(t);
    } else {
        expect(t, false, "a loopback connection can be made and taken over");
    }
    drop_one(t);
    if (t->failed == NULL && connect_one(t)) {
        try_early_end(t);
        drop_one(t);
    }
    if (t->http != NULL) {
        evhttp_free(t->http);
    }
    if (t->adopt != NULL) {
        event_free(t->adopt);
    }
    if (t->base != NULL) {
        (void)event_base_loop(t->base, EVLOOP_NONBLOCK);
        event_base_free(t->base);
    }
    if (config != NULL) {
        event_config_free(config);
    }
    if (t->failed != NULL) {
        return sg_error_set(reterr, SG_INTERNAL, NULL,
                            "this libevent (%s) does not behave as signgate needs: \"%s\" does "
                            "not hold",
                            event_get_version(), t->failed);
    }
    return SG_OK;
}
