#include "sandbox/sandbox.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/object.h"
#include "base/secret.h"
#include "net/listener.h"
#include "net/memory.h"
#include "sandbox/cloud.h"

/*
 * Ordinary evhttp, on purpose: the gateway's own front is built another way, so each is a test of
 * the other. What evhttp is known to get wrong is kept out:
 *
 *   - a handler answers before it returns, so no request is ever outstanding while bytes come in;
 *   - only methods whose body evhttp reads are allowed (others get its 501 and a close);
 *   - head, body and idle time are bounded;
 *   - a failing accept (no descriptors) switches the listener off for a moment instead of spinning.
 *
 * The thread makes, uses and frees everything of libevent itself: libevent's allocator may be one
 * for each thread (net/memory). The starter shares three things with it: the listening socket,
 * which it hands over, an eventfd that says stop, and a semaphore for "set up".
 */

enum {
    SANDBOX_MAGIC = 0x53475358,
    HEADER_BYTES_MAX = 64 * 1024,
    BODY_BYTES_MAX = 2 * 1024 * 1024,
    IDLE_SECONDS = 75,
    ACCEPT_AGAIN_MS = 200,
    ACCESS_KEY_BYTES = 20,
    SECRET_KEY_BYTES = 40,
};

struct sg_sandbox {
    uint32_t magic;
    struct sg_sandbox_cloud *cloud;
    struct sg_secret access_key;
    struct sg_secret secret_key;
    char *project_id;
    char address[SG_LISTENER_TEXT_BYTES];
    int listen_fd; /* the thread's, once it runs */
    int stop_fd;   /* readable: stop */
    pthread_t thread;
    bool has_thread;
    sem_t set_up; /* posted once by the thread, when status is final */
    bool has_semaphore;
    enum sg_status status;
};

/* --- requests [the sandbox's thread] ---------------------------------------------------------- */

static struct sg_str method_of(const struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
        return SG_STR("GET");
    case EVHTTP_REQ_POST:
        return SG_STR("POST");
    case EVHTTP_REQ_PUT:
        return SG_STR("PUT");
    case EVHTTP_REQ_DELETE:
        return SG_STR("DELETE");
    default:
        return SG_STR("UNKNOWN"); /* not among the allowed methods: never here */
    }
}

static void send_answer(struct evhttp_request *request, const struct sg_sandbox_answer *answer)
{
    char id[SG_SANDBOX_REQUEST_ID_BYTES + 1];
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    memcpy(id, answer->request_id, sizeof answer->request_id);
    id[sizeof answer->request_id] = '\0';
    if (body == NULL || evbuffer_add(body, answer->body.p, answer->body.n) != 0 ||
        evhttp_add_header(headers, "Content-Type", "application/json") != 0 ||
        evhttp_add_header(headers, "X-Request-Id", id) != 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        evhttp_send_reply(request, (int)answer->status, NULL, body);
    }
    if (body != NULL) {
        evbuffer_free(body);
    }
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct sg_sandbox *sandbox = SG_CAST(struct sg_sandbox, SANDBOX_MAGIC, arg);
    const struct evkeyvalq *fields = evhttp_request_get_input_headers(request);
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    const struct evkeyval *field;
    size_t count = 0, i = 0;
    TAILQ_FOREACH(field, fields, next)
    {
        count++;
    }
    struct sg_sandbox_header *headers = calloc(count + 1, sizeof *headers);
    size_t body_bytes = evbuffer_get_length(body);
    const char *body_text = body_bytes > 0 ? (const char *)evbuffer_pullup(body, -1) : "";
    if (headers == NULL || body_text == NULL) {
        free(headers);
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    TAILQ_FOREACH(field, fields, next)
    {
        headers[i++] = (struct sg_sandbox_header){.name = sg_str_from(field->key),
                                                  .value = sg_str_from(field->value)};
    }
    const struct sg_sandbox_request asked = {
        .method = method_of(request),
        .target = sg_str_from(evhttp_request_get_uri(request)),
        .headers = headers,
        .header_count = count,
        .body = {.p = body_text, .n = body_bytes},
    };
    struct sg_sandbox_answer answer;
    sg_sandbox_cloud_answer(sandbox->cloud, &asked, &answer);
    send_answer(request, &answer);
    free(headers);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)evconnlistener_enable(arg);
}

/* The argument of this callback is evhttp's; the listener is all that is needed. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    const struct timeval pause = {.tv_usec = ACCEPT_AGAIN_MS * 1000};
    (void)arg;
    /* Without memory for the timer the listener stays on, and accepting is tried at once. */
    if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, accept_again, listener,
                        &pause) == 0) {
        (void)evconnlistener_disable(listener);
    }
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)event_base_loopbreak(arg);
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* Put evhttp on the listening socket; false without memory. */
static bool set_up_http(struct sg_sandbox *sandbox, struct evhttp *http)
{
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                         EVHTTP_REQ_DELETE);
    evhttp_set_max_headers_size(http, HEADER_BYTES_MAX);
    evhttp_set_max_body_size(http, BODY_BYTES_MAX);
    evhttp_set_timeout(http, IDLE_SECONDS);
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_gencb(http, on_request, sandbox);
    struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(http, sandbox->listen_fd);
    if (bound == NULL) {
        return false;
    }
    sandbox->listen_fd = -1; /* evhttp's now */
    evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound), on_accept_error);
    return true;
}

static void *run(void *arg)
{
    struct sg_sandbox *sandbox = SG_CAST(struct sg_sandbox, SANDBOX_MAGIC, arg);
    struct event_base *base = new_base();
    struct evhttp *http = base != NULL ? evhttp_new(base) : NULL;
    struct event *stop =
        http != NULL ? event_new(base, sandbox->stop_fd, EV_READ, on_stop, base) : NULL;
    bool good = stop != NULL && event_add(stop, NULL) == 0 && set_up_http(sandbox, http);
    sandbox->status = good ? SG_OK : SG_NO_MEMORY;
    (void)sem_post(&sandbox->set_up); /* from here on the starter may read all but change nothing */
    if (good) {
        (void)event_base_dispatch(base);
    }
    if (stop != NULL) {
        event_free(stop);
    }
    if (http != NULL) {
        evhttp_free(http);
    }
    if (base != NULL) {
        event_base_free(base);
    }
    sg_memory_thread_done();
    return NULL;
}

/* --- start and stop [the starter's thread] ---------------------------------------------------- */

/* Take a given key, or make one of count characters of the alphabet (32 of them). */
static enum sg_status set_key(struct sg_secret *key, const char *given, size_t count,
                              const char *alphabet, struct sg_error *reterr)
{
    char text[SECRET_KEY_BYTES];
    SG_ASSERT(count <= sizeof text);
    if (given != NULL) {
        if (given[0] == '\0') {
            return sg_error_set(reterr, SG_CONFIG, NULL, "a key of the sandbox is empty");
        }
        return sg_secret_set(key, sg_str_from(given)) == SG_OK
                   ? SG_OK
                   : sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    if (getrandom(text, count, 0) != (ssize_t)count) {
        return sg_error_set(reterr, SG_IO, NULL, "the system has no random numbers: %s",
                            strerror(errno));
    }
    for (size_t i = 0; i < count; i++) {
        text[i] = alphabet[text[i] & 31];
    }
    enum sg_status status = sg_secret_set(key, (struct sg_str){.p = text, .n = count});
    sg_wipe(text, sizeof text);
    return status == SG_OK ? SG_OK : sg_error_set(reterr, status, NULL, "out of memory");
}

/* Signals are for the main thread: the new one is born with all of them blocked. */
static enum sg_status start_thread(struct sg_sandbox *sandbox, struct sg_error *reterr)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&sandbox->thread, NULL, run, sandbox);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        return sg_error_set(reterr, SG_IO, NULL, "the sandbox's thread could not start: %s",
                            strerror(failure));
    }
    sandbox->has_thread = true;
    while (sem_wait(&sandbox->set_up) != 0 && errno == EINTR) {
    }
    return sandbox->status == SG_OK ? SG_OK
                                    : sg_error_set(reterr, sandbox->status, NULL, "out of memory");
}

enum sg_status sg_sandbox_start(const struct sg_sandbox_options *options, struct sg_sandbox **ret,
                                struct sg_error *reterr)
{
    const char *address = options->address != NULL ? options->address : SG_SANDBOX_ADDRESS;
    const char *project = options->project_id != NULL ? options->project_id : SG_SANDBOX_PROJECT_ID;
    struct sg_error error = {.status = SG_OK};
    struct sg_sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (sandbox == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    *sandbox = (struct sg_sandbox){.magic = SANDBOX_MAGIC, .listen_fd = -1, .stop_fd = -1};
    sg_memory_install(); /* before the first use of libevent, whoever comes first */
    enum sg_status status = set_key(&sandbox->access_key, options->access_key, ACCESS_KEY_BYTES,
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", &error);
    if (status == SG_OK) {
        status = set_key(&sandbox->secret_key, options->secret_key, SECRET_KEY_BYTES,
                         "abcdefghijkmnpqrstuvwxyzABCDEFGH", &error);
    }
    if (status != SG_OK) {
        goto out;
    }
    sandbox->project_id = strdup(project);
    sandbox->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sandbox->has_semaphore = sem_init(&sandbox->set_up, 0, 0) == 0;
    if (sandbox->project_id == NULL || sandbox->stop_fd < 0 || !sandbox->has_semaphore) {
        status =
            sg_error_set(&error, SG_IO, NULL, "the sandbox could not start: %s", strerror(errno));
        goto out;
    }
    sandbox->cloud = sg_sandbox_cloud_new(
        sg_secret_reveal(&sandbox->access_key), sg_secret_reveal(&sandbox->secret_key),
        sandbox->project_id, options->clock != NULL ? options->clock : &sg_clock_system, &error);
    if (sandbox->cloud == NULL) {
        status = error.status;
        goto out;
    }
    status = sg_listener_bind(address, 1, &sandbox->listen_fd, sandbox->address, &error);
    if (status != SG_OK) {
        goto out;
    }
    status = start_thread(sandbox, &error);
out:
    if (status != SG_OK) {
        sg_sandbox_stop(sandbox);
        if (reterr != NULL) {
            *reterr = error;
        }
        return status;
    }
    *ret = sandbox;
    return SG_OK;
}

const char *sg_sandbox_address(const struct sg_sandbox *sandbox)
{
    return sandbox->address;
}

uint16_t sg_sandbox_port(const struct sg_sandbox *sandbox)
{
    const char *colon = strrchr(sandbox->address, ':');
    uint64_t port = 0;
    SG_ASSERT(colon != NULL && sg_str_to_u64(sg_str_from(colon + 1), UINT16_MAX, &port));
    return (uint16_t)port;
}

const char *sg_sandbox_project_id(const struct sg_sandbox *sandbox)
{
    return sandbox->project_id;
}

struct sg_str sg_sandbox_access_key(const struct sg_sandbox *sandbox)
{
    return sg_secret_reveal(&sandbox->access_key);
}

struct sg_str sg_sandbox_secret_key(const struct sg_sandbox *sandbox)
{
    return sg_secret_reveal(&sandbox->secret_key);
}

void sg_sandbox_stop(struct sg_sandbox *sandbox)
{
    if (sandbox == NULL) {
        return;
    }
    if (sandbox->has_thread) {
        const uint64_t one = 1;
        while (write(sandbox->stop_fd, &one, sizeof one) < 0 && errno == EINTR) {
        }
        (void)pthread_join(sandbox->thread, NULL);
    }
    if (sandbox->listen_fd >= 0) {
        (void)close(sandbox->listen_fd);
    }
    if (sandbox->stop_fd >= 0) {
        (void)close(sandbox->stop_fd);
    }
    if (sandbox->has_semaphore) {
        (void)sem_destroy(&sandbox->set_up);
    }
    sg_sandbox_cloud_free(sandbox->cloud);
    sg_secret_done(&sandbox->access_key);
    sg_secret_done(&sandbox->secret_key);
    free(sandbox->project_id);
    sandbox->magic = 0;
    free(sandbox);
}
