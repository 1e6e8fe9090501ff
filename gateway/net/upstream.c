#include "net/upstream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/object.h"
#include "base/secret.h"
#include "net/answer.h"
#include "net/dial.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "net/stream.h"

/*
 * A pool has calls and connections.
 *
 * A call waits in the queue (WAITING, under the queue's deadline) until it gets a connection: an
 * idle one, the youngest first, or a new one while there are fewer than the maximum. From then on
 * the two belong together until the answer is whole or the call is over:
 *
 *   RESOLVE     the name has no address yet          connect deadline
 *   CONNECT     TCP and TLS are being set up         connect deadline
 *   SENDING     the request is not wholly out        response deadline
 *   WAIT_HEAD   it is; the final head is not there   response deadline, begun anew with the last
 *   BODY        the answer's body is being read      byte that the socket took
 *   IDLE        no call                              idle deadline
 *   CLOSED      waits to be freed
 *
 * One function moves a connection between states; opening, idle and busy ones are a list each. A
 * connection that becomes ready gives its call back to the head of the queue and itself to the idle
 * ones, and pump() brings them together: there is one place where a request is rendered and sent.
 *
 * Handlers may do anything but free the pool: begin, cancel (the very call, too), pause, retire.
 * What keeps that simple: pump() does not nest, so a request is never rendered inside another's
 * on_render; on_failed is always called from the loop's deferred work, never from the place that
 * found the failure; memory of connections, calls that failed, and the pool goes the same way.
 * After on_head and on_data only the connection's state needs a look: a cancelled call's is CLOSED.
 *
 * Was it sent? A request that may have reached the cloud is never sent again. That none of it did
 * is proven in two ways only: the socket took no byte of it; or the cloud's FIN came, and the bytes
 * it had acknowledged by then end before this request (TCP_INFO; acknowledgements are cumulative
 * and a FIN carries one). A reset proves nothing: the kernel drops the acknowledgement that comes
 * with it, so a cloud that read the request and then reset looks the same as one that never got it.
 * Nor does silence: the acknowledgement itself may be lost.
 *
 * An answer may come while the request is still being written (a 413). Writing goes on beside
 * reading, and an error in writing is held back until there is nothing left to read.
 */

enum {
    POOL_MAGIC = 0x53475550,
    CALL_MAGIC = 0x53475543,
    CONNECTION_MAGIC = 0x5347554e,
    QUEUE_MAX = 256,
    REQUEST_BYTES_FIRST = 16 * 1024,      /* heads fit: no copy of a token is left by growing */
    REQUEST_BYTES_MAX = 16 * 1024 * 1024, /* settings allow bodies of 12 MiB */
    DETAIL_BYTES = 256,
    NAME_BYTES = 272, /* host:port */
};

enum state { RESOLVE = 0, CONNECT, IDLE, SENDING, WAIT_HEAD, BODY, CLOSED };

struct connection;
TAILQ_HEAD(connection_list, connection);
TAILQ_HEAD(call_list, sg_upstream_call);

struct sg_upstream_call {
    uint32_t magic;
    TAILQ_ENTRY(sg_upstream_call) link; /* in waiting or failed */
    struct sg_upstream_pool *pool;      /* NULL: nobody is to be told any more */
    void *context;
    struct connection *connection; /* NULL: waits, or has failed */
    struct sg_deadline queued;
    struct sg_deferred telling; /* that it has failed */
    bool retried;
    bool sent; /* a byte may have reached the cloud */
    /* once it has failed */
    bool has_failed;
    enum sg_refusal refusal;
    char detail[DETAIL_BYTES];
};

struct connection {
    uint32_t magic;
    enum state state;
    TAILQ_ENTRY(connection) link; /* in the list of its state */
    struct sg_upstream_pool *pool;
    struct sg_upstream_call *call; /* NULL: IDLE or CLOSED */
    struct sg_stream stream;
    struct sg_deadline deadline;
    struct sg_deferred looking, ending; /* after a failed write; the memory goes */
    uint64_t requests;                  /* sent on this connection */
    /* opening */
    size_t first_address;
    size_t tried;
    /* the request */
    bool rendering;
    bool write_failed;
    struct sg_buf out; /* what the socket did not take at once */
    size_t out_at;
    uint64_t wire_before; /* bytes on the wire before this request */
    struct sg_answer answer;
};

struct sg_upstream_pool {
    uint32_t magic;
    struct sg_loop *loop;
    struct sg_resolver *resolver;
    const struct sg_upstream_spec *spec;
    const struct sg_upstream_handlers *handlers;
    struct connection_list opening;
    struct connection_list idle; /* youngest first */
    struct connection_list busy;
    size_t connections;
    struct call_list waiting; /* oldest first */
    struct call_list failed;  /* to be told */
    size_t calls;
    struct sg_deadline_list connect_deadlines;
    struct sg_deadline_list response_deadlines;
    struct sg_deadline_list idle_deadlines;
    struct sg_deadline_list queue_deadlines;
    size_t first_address; /* where the next connection begins among the addresses */
    bool pumping;
    struct sg_deferred pumping_later, ending;
    bool retired; /* no new calls; gone with the last one */
    bool gone;    /* closed; only memory that waits for the loop */
    struct sg_upstream_counts counts;
    struct sg_buf out; /* the request that is being rendered */
    char name[NAME_BYTES];
    char bytes[SG_UPSTREAM_READ_BYTES]; /* of one read */
};

static void pump(struct sg_upstream_pool *pool);
static void post_pump(struct sg_upstream_pool *pool);
static void close_if_over(struct sg_upstream_pool *pool);
static void dial(struct connection *connection);
static void enqueue_first(struct sg_upstream_call *call);
static void on_failed(void *owner, const char *detail);
static void on_readable(void *owner);
static void on_ready(void *owner);
static void on_writable(void *owner);

/* --- states ----------------------------------------------------------------------------------- */

static struct connection_list *list_of(struct sg_upstream_pool *pool, enum state state)
{
    switch (state) {
    case RESOLVE:
    case CONNECT:
        return &pool->opening;
    case IDLE:
        return &pool->idle;
    case SENDING:
    case WAIT_HEAD:
    case BODY:
        return &pool->busy;
    case CLOSED:
        break;
    }
    return NULL;
}

static void move(struct connection *connection, enum state to)
{
    struct connection_list *from_list = list_of(connection->pool, connection->state);
    struct connection_list *to_list = list_of(connection->pool, to);
    SG_ASSERT(connection->state != CLOSED);
    connection->state = to;
    if (from_list == to_list) {
        return;
    }
    TAILQ_REMOVE(from_list, connection, link);
    if (to_list != NULL) {
        TAILQ_INSERT_HEAD(to_list, connection, link);
    }
}

static void connection_free(void *object)
{
    struct connection *connection = SG_CAST(struct connection, CONNECTION_MAGIC, object);
    connection->magic = 0;
    sg_buf_wipe(&connection->out);
    sg_answer_done(&connection->answer);
    free(connection);
}

/* Close a connection; its call, if any, leaves it. Its memory lives until the callback returns. */
static void close_connection(struct connection *connection)
{
    struct sg_upstream_pool *pool = connection->pool;
    if (connection->call != NULL) {
        connection->call->connection = NULL;
        connection->call = NULL;
    }
    if (connection->state == IDLE) {
        sg_stream_shutdown(&connection->stream);
    }
    sg_deadline_disarm(&connection->deadline);
    sg_stream_close(&connection->stream);
    move(connection, CLOSED);
    pool->connections--;
    sg_loop_defer(pool->loop, &connection->ending, connection, connection_free);
}

/* --- the ends of a call ----------------------------------------------------------------------- */

static void pool_memory_free(void *object)
{
    struct sg_upstream_pool *pool = SG_CAST(struct sg_upstream_pool, POOL_MAGIC, object);
    pool->magic = 0;
    free(pool);
}

/* Nobody calls any more and nothing is open: leave the loop. */
static void pool_close(struct sg_upstream_pool *pool)
{
    SG_ASSERT(pool->calls == 0 && pool->connections == 0);
    pool->gone = true;
    sg_deadline_list_done(&pool->connect_deadlines);
    sg_deadline_list_done(&pool->response_deadlines);
    sg_deadline_list_done(&pool->idle_deadlines);
    sg_deadline_list_done(&pool->queue_deadlines);
    sg_buf_wipe(&pool->out);
    sg_loop_defer(pool->loop, &pool->ending, pool, pool_memory_free);
}

static void call_free(struct sg_upstream_call *call)
{
    sg_deadline_disarm(&call->queued);
    if (call->pool != NULL) {
        call->pool->calls--;
        call->pool = NULL;
    }
    call->magic = 0;
    free(call);
}

/* Tell the owner of a call that it failed. */
static void tell_failed(struct sg_upstream_call *call)
{
    struct sg_upstream_pool *pool = call->pool;
    TAILQ_REMOVE(&pool->failed, call, link);
    pool->calls--;
    pool->counts.failed++;
    call->pool = NULL;
    pool->handlers->on_failed(call->context, call->refusal, call->sent, call->detail);
}

static void tell_failed_later(void *object)
{
    struct sg_upstream_call *call = SG_CAST(struct sg_upstream_call, CALL_MAGIC, object);
    struct sg_upstream_pool *pool = call->pool;
    if (pool != NULL) {
        tell_failed(call);
        close_if_over(pool);
    }
    call_free(call);
}

/* A call that has left its connection and the queue has failed. */
static void fail_call(struct sg_upstream_call *call, enum sg_refusal refusal, bool sent,
                      const char *format, va_list args)
{
    SG_ASSERT(call->connection == NULL && !call->has_failed);
    sg_deadline_disarm(&call->queued);
    call->has_failed = true;
    call->refusal = refusal;
    call->sent = sent;
    (void)vsnprintf(call->detail, sizeof call->detail, format, args);
    TAILQ_INSERT_TAIL(&call->pool->failed, call, link);
    sg_loop_defer(call->pool->loop, &call->telling, call, tell_failed_later);
}

static void SG_PRINTF(4, 5) fail_waiting(struct sg_upstream_call *call, enum sg_refusal refusal,
                                         bool sent, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_call(call, refusal, sent, format, args);
    va_end(args);
}

/* Close a connection and fail its call. */
static void SG_PRINTF(4, 5) give_up(struct connection *connection, enum sg_refusal refusal,
                                    bool sent, const char *format, ...)
{
    struct sg_upstream_call *call = connection->call;
    struct sg_upstream_pool *pool = connection->pool;
    va_list args;
    close_connection(connection);
    va_start(args, format);
    fail_call(call, refusal, sent, format, args);
    va_end(args);
    post_pump(pool);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Start a connection to one address: 0, or an errno. */
static int dial_address(struct connection *connection, const struct sg_address *address)
{
    const struct sg_upstream_spec *spec = connection->pool->spec;
    bool connecting = false;
    int fd = sg_dial(address, &connecting);
    if (fd < 0) {
        return errno;
    }
    connection->stream = (struct sg_stream){
        .fd = -1,
        .owner = connection,
        .on_ready = on_ready,
        .on_readable = on_readable,
        .on_writable = on_writable,
        .on_failed = on_failed,
    };
    enum sg_status status =
        sg_stream_open(&connection->stream, connection->pool->loop, fd, connecting,
                       spec->tls ? spec->tls_context : NULL, spec->tls ? spec->host : NULL);
    return status == SG_OK ? 0 : ENOMEM;
}

/* No address is left: fail, and have the name looked up again. */
static void not_connected(struct connection *connection, const char *why)
{
    struct sg_upstream_pool *pool = connection->pool;
    sg_resolver_refresh(pool->resolver, pool->spec->host, pool->spec->port);
    give_up(connection, SG_REFUSAL_UPSTREAM, false, "no connection to %s: %s", pool->name, why);
}

/* Dial the next address, or wait for addresses, or fail. */
static void dial(struct connection *connection)
{
    struct sg_upstream_pool *pool = connection->pool;
    const struct sg_upstream_spec *spec = pool->spec;
    struct sg_address_list list;
    int error = 0;
    if (!sg_resolver_get(pool->resolver, spec->host, spec->port, &list)) {
        if (list.failure != NULL) {
            not_connected(connection, list.failure);
            return;
        }
        sg_resolver_add(pool->resolver, spec->host, spec->port);
        return; /* sg_upstream_pool_resolved, or the deadline */
    }
    while (connection->tried < list.count) {
        size_t at = (connection->first_address + connection->tried) % list.count;
        connection->tried++;
        error = dial_address(connection, &list.items[at]);
        if (error == 0) {
            move(connection, CONNECT);
            return;
        }
    }
    not_connected(connection, error != 0 ? strerror(error) : "no address is left to try");
}

/* TCP or TLS did not come about. */
static void on_failed(void *owner, const char *detail)
{
    struct connection *connection = SG_CAST(struct connection, CONNECTION_MAGIC, owner);
    struct sg_upstream_pool *pool = connection->pool;
    const bool tcp_failed = connection->stream.connecting;
    sg_stream_close(&connection->stream);
    pool->first_address = connection->first_address + connection->tried;
    struct sg_address_list list;
    if (tcp_failed && sg_resolver_get(pool->resolver, pool->spec->host, pool->spec->port, &list) &&
        connection->tried < list.count) {
        dial(connection);
    } else {
        not_connected(connection, detail);
    }
}

static void on_ready(void *owner)
{
    struct connection *connection = SG_CAST(struct connection, CONNECTION_MAGIC, owner);
    struct sg_upstream_pool *pool = connection->pool;
    struct sg_upstream_call *call = connection->call;
    char byte;
    pool->counts.connects++;
    if (sg_stream_read(&connection->stream, &byte, 1) > 0) {
        give_up(connection, SG_REFUSAL_UPSTREAM, false, "%s spoke before it was asked", pool->name);
        return;
    }
    connection->call = NULL;
    call->connection = NULL;
    enqueue_first(call);
    move(connection, IDLE);
    sg_deadline_arm(&pool->idle_deadlines, &connection->deadline, connection);
    pump(pool);
}

static void connect_expired(void *owner)
{
    struct connection *connection = SG_CAST(struct connection, CONNECTION_MAGIC, owner);
    struct sg_upstream_pool *pool = connection->pool;
    const bool resolving = connection->state == RESOLVE;
    /* An address that swallows everything is not the first one tried next time. */
    pool->first_address = connection->first_address + connection->tried;
    sg_resolver_refresh(pool->resolver, pool->spec->host, pool->spec->port);
    give_up(connection, SG_REFUSAL_UPSTREAM_TIMEOUT, false,
            resolving ? "the name of %s was not looked up within %lld ms"
                      : "no connection to %s within %lld ms",
            pool->name, (long long)pool->spec->connect_ms);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void read_answer(struct connection *connection);

static void all_sent(struct connection *connection)
{
    if (connection->state == SENDING) {
        move(connection, WAIT_HEAD);
    }
    sg_deadline_arm(&connection->pool->response_deadlines, &connection->deadline, connection);
}

/* Writing has failed: what came before that is still to be read. */
static void look_after_write(void *object)
{
    struct connection *connection = SG_CAST(struct connection, CONNECTION_MAGIC, object);
    if (connection->state != CLOSED && !connection->stream.paused) {
        read_answer(connection);
    }
}

static void write_failed(struct connection *connection)
{
    connection->write_failed = true;
    sg_buf_wipe(&connection->out);
    sg_loop_defer(connection->pool->loop, &connection->looking, connection, look_after_write);
}

static void on_writable(void *owner)
{
    struct connection *connection = SG_CAST(struct connection, CONNECTION_MAGIC, owner);
    struct sg_str rest = sg_buf_str(&connection->out);
    rest = sg_str_slice(rest, connection->out_at, rest.n);
    if (rest.n == 0) {
        return;
    }
    ssize_t taken = sg_stream_write(&connection->stream, rest.p, rest.n);
    if (taken < 0) {
        write_failed(connection);
        return;
    }
    connection->out_at += (size_t)taken;
    if ((size_t)taken == rest.n) {
        sg_buf_wipe(&connection->out);
        all_sent(connection);
    }
}

/* Write what the pool's buffer holds; what the socket does not take becomes the connection's. */
static void write_request(struct connection *connection)
{
    struct sg_upstream_pool *pool = connection->pool;
    struct sg_str request = sg_buf_str(&pool->out);
    ssize_t taken = sg_stream_write(&connection->stream, request.p, request.n);
    if (taken < 0) {
        write_failed(connection);
    } else if ((size_t)taken < request.n) {
        struct sg_buf empty = connection->out;
        connection->out = pool->out;
        connection->out_at = (size_t)taken;
        pool->out = empty;
        return;
    } else {
        all_sent(connection);
    }
    sg_wipe(pool->out.p, pool->out.n);
    sg_buf_clear(&pool->out);
}

/* A connection has no call any more and is good for another. */
static void release(struct connection *connection)
{
    struct sg_upstream_pool *pool = connection->pool;
    if (connection->stream.paused) {
        sg_stream_resume(&connection->stream); /* the end of an idle one must be seen */
    }
    connection->call = NULL;
    move(connection, IDLE);
    sg_deadline_arm(&pool->idle_deadlines, &connection->deadline, connection);
    if (pool->retired && TAILQ_EMPTY(&pool->waiting)) {
        close_connection(connection);
    }
}

/* Bring a call and an idle connection together. */
static void start_request(struct connection *connection, struct sg_upstream_call *call)
{
    struct sg_upstream_pool *pool = connection->pool;
    move(connection, SENDING);
    sg_deadline_disarm(&connection->deadline);
    connection->call = call;
    call->connection = connection;

    (void)sg_buf_reserve(&pool->out, REQUEST_BYTES_FIRST);
    sg_buf_clear(&pool->out);
    connection->rendering = true;
    enum sg_status status = pool->handlers->on_render(call->context, &pool->out);
    connection->rendering = false;
    if (connection->call == NULL) { /* cancelled from within */
        sg_buf_wipe(&pool->out);
        release(connection);
        return;
    }
    if (status != SG_OK || sg_buf_failed(&pool->out)) {
        const bool no_memory = sg_buf_failed(&pool->out);
        sg_buf_wipe(&pool->out);
        call->connection = NULL;
        release(connection);
        fail_waiting(call, no_memory ? SG_REFUSAL_OVERLOADED : SG_REFUSAL_NO_CREDENTIAL, false,
                     no_memory ? "no memory for the request to %s"
                               : "the request to %s could not be signed",
                     pool->name);
        return;
    }
    connection->requests++;
    pool->counts.reused += connection->requests > 1 ? 1 : 0;
    connection->wire_before = sg_stream_wire_out(&connection->stream);
    connection->out_at = 0;
    sg_answer_begin(&connection->answer, pool->spec->response_bytes);
    call->sent = true;
    sg_deadline_arm(&pool->response_deadlines, &connection->deadline, connection);
    write_request(connection);
}

/* --- the queue -------------------------------------------------------------------------------- */

static void enqueue_first(struct sg_upstream_call *call)
{
    TAILQ_INSERT_HEAD(&call->pool->waiting, call, link);
    call->pool->counts.waiting++;
}

static void dequeue(struct sg_upstream_call *call)
{
    TAILQ_REMOVE(&call->pool->waiting, call, link);
    call->pool->counts.waiting--;
    sg_deadline_disarm(&call->queued);
}

/* Whether an idle connection has ended or brings what nobody asked for; TLS's tickets are neither.
 */
static bool is_stale(struct connection *connection)
{
    char byte;
    return sg_stream_read(&connection->stream, &byte, 1) != 0;
}

/* The youngest idle connection that lives; a call that is sent again needs an unused one. */
static struct connection *find_idle(struct sg_upstream_pool *pool, bool unused_only)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&pool->idle)) != NULL) {
        if (connection->requests == 0) {
            return connection; /* looked at when it got ready; its end is met by trying again */
        }
        if (unused_only) {
            return NULL;
        }
        if (!is_stale(connection)) {
            return connection;
        }
        close_connection(connection);
    }
    return NULL;
}

static void open_connection(struct sg_upstream_pool *pool, struct sg_upstream_call *call)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        fail_waiting(call, SG_REFUSAL_OVERLOADED, false, "no memory for a connection to %s",
                     pool->name);
        return;
    }
    connection->magic = CONNECTION_MAGIC;
    connection->state = RESOLVE;
    connection->pool = pool;
    connection->call = call;
    connection->first_address = pool->first_address;
    connection->stream.fd = -1;
    sg_buf_init(&connection->out, REQUEST_BYTES_MAX);
    sg_answer_init(&connection->answer);
    call->connection = connection;
    TAILQ_INSERT_HEAD(&pool->opening, connection, link);
    pool->connections++;
    sg_deadline_arm(&pool->connect_deadlines, &connection->deadline, connection);
    dial(connection);
}

/* Serve those who wait, oldest first, as far as there are connections. */
static void pump(struct sg_upstream_pool *pool)
{
    struct sg_upstream_call *call;
    if (pool->pumping) {
        return; /* the one below on the stack goes on */
    }
    pool->pumping = true;
    while ((call = TAILQ_FIRST(&pool->waiting)) != NULL) {
        struct connection *connection = find_idle(pool, call->retried);
        if (connection == NULL && pool->connections >= pool->spec->max_connections) {
            break;
        }
        dequeue(call);
        if (connection != NULL) {
            start_request(connection, call);
        } else {
            open_connection(pool, call);
        }
    }
    pool->pumping = false;
    close_if_over(pool);
}

static void pump_later(void *object)
{
    struct sg_upstream_pool *pool = SG_CAST(struct sg_upstream_pool, POOL_MAGIC, object);
    if (!pool->gone) {
        pump(pool);
    }
}

/* A connection or a place for one has become free: serve those who wait, after this callback. */
static void post_pump(struct sg_upstream_pool *pool)
{
    if (!TAILQ_EMPTY(&pool->waiting)) {
        sg_loop_defer(pool->loop, &pool->pumping_later, pool, pump_later);
    }
}

static void queue_expired(void *owner)
{
    struct sg_upstream_call *call = SG_CAST(struct sg_upstream_call, CALL_MAGIC, owner);
    struct sg_upstream_pool *pool = call->pool;
    dequeue(call);
    fail_waiting(call, SG_REFUSAL_OVERLOADED, false,
                 "no connection to %s became free within %lld ms", pool->name,
                 (long long)pool->spec->queue_ms);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* The answer is whole; left_over says whether bytes came behind it. Ends the call. */
static void answer_whole(struct connection *connection, bool left_over)
{
    struct sg_upstream_pool *pool = connection->pool;
    struct sg_upstream_call *call = connection->call;
    void *context = call->context;
    connection->call = NULL;
    call_free(call);
    if (connection->answer.keep && !left_over && connection->out.n == 0 &&
        !connection->write_failed && !sg_stream_has_pending(&connection->stream)) {
        sg_answer_done(&connection->answer);
        release(connection);
    } else {
        close_connection(connection);
    }
    pool->handlers->on_end(context);
    post_pump(pool);
    close_if_over(pool);
}

/* The answer breaks a rule, or breaks off. */
static void bad_answer(struct connection *connection)
{
    give_up(connection, SG_REFUSAL_UPSTREAM, true, "bad answer from %s: %s", connection->pool->name,
            connection->answer.detail);
}

/* Hand on what bytes hold of the answer; false when the call is over. */
static bool take_bytes(struct connection *connection, struct sg_str bytes)
{
    const struct sg_upstream_handlers *handlers = connection->pool->handlers;
    struct sg_str run;
    while (connection->state != CLOSED) {
        switch (sg_answer_take(&connection->answer, &bytes, &run)) {
        case SG_ANSWER_MORE:
            return true;
        case SG_ANSWER_HEAD:
            move(connection, BODY);
            handlers->on_head(connection->call->context, &connection->answer.head);
            break;
        case SG_ANSWER_DATA:
            handlers->on_data(connection->call->context, run);
            break;
        case SG_ANSWER_END:
            answer_whole(connection, bytes.n > 0);
            return false;
        case SG_ANSWER_BAD:
            bad_answer(connection);
            return false;
        }
    }
    return false; /* cancelled by a handler */
}

/* Whether it is proven that no byte of the request reached the cloud: see the top of the file. */
static bool nothing_was_taken(const struct connection *connection)
{
    const struct sg_stream *stream = &connection->stream;
    if (sg_stream_wire_out(stream) == connection->wire_before) {
        return true;
    }
    const bool by_fin = stream->end == SG_STREAM_CLEAN || stream->end == SG_STREAM_TRUNCATED;
    return by_fin && !connection->write_failed &&
           sg_dial_acknowledged_at_most(stream->fd, connection->wire_before);
}

/* Once more, on a new connection; whatever waits comes after it. */
static void try_again(struct connection *connection)
{
    struct sg_upstream_pool *pool = connection->pool;
    struct sg_upstream_call *call = connection->call;
    close_connection(connection);
    call->retried = true;
    call->sent = false;
    pool->counts.retried++;
    enqueue_first(call);
    post_pump(pool);
}

/* Nothing more comes on this connection. */
static void answer_ended(struct connection *connection)
{
    if (connection->answer.begun) {
        const bool clean = connection->stream.end == SG_STREAM_CLEAN;
        if (sg_answer_ended(&connection->answer, clean) == SG_ANSWER_END) {
            answer_whole(connection, false);
        } else {
            bad_answer(connection);
        }
        return;
    }
    const bool sent = !nothing_was_taken(connection);
    if (!sent && !connection->call->retried) {
        try_again(connection);
        return;
    }
    give_up(connection, SG_REFUSAL_UPSTREAM, sent, "%s closed the connection before it answered",
            connection->pool->name);
}

static void read_answer(struct connection *connection)
{
    struct sg_upstream_pool *pool = connection->pool;
    do {
        ssize_t count = sg_stream_read(&connection->stream, pool->bytes, sizeof pool->bytes);
        if (count == 0 && !connection->write_failed) {
            break;
        }
        if (count <= 0) {
            answer_ended(connection);
            return;
        }
        if (!take_bytes(connection, (struct sg_str){.p = pool->bytes, .n = (size_t)count})) {
            return;
        }
    } while (!connection->stream.paused &&
             (connection->write_failed || sg_stream_has_pending(&connection->stream)));
    if (connection->state == BODY) {
        pool->handlers->on_read_done(connection->call->context);
    }
}

static void on_readable(void *owner)
{
    struct connection *connection = SG_CAST(struct connection, CONNECTION_MAGIC, owner);
    switch (connection->state) {
    case RESOLVE:
    case CONNECT:
    case CLOSED:
        break;
    case IDLE:
        if (is_stale(connection)) {
            close_connection(connection);
        }
        break;
    case SENDING:
    case WAIT_HEAD:
    case BODY:
        read_answer(connection);
        break;
    }
}

static void response_expired(void *owner)
{
    struct connection *connection = SG_CAST(struct connection, CONNECTION_MAGIC, owner);
    give_up(connection, SG_REFUSAL_UPSTREAM_TIMEOUT, !nothing_was_taken(connection),
            connection->state == SENDING ? "%s did not take the request within %lld ms"
                                         : "%s did not answer wholly within %lld ms",
            connection->pool->name, (long long)connection->pool->spec->response_ms);
}

static void idle_expired(void *owner)
{
    close_connection(SG_CAST(struct connection, CONNECTION_MAGIC, owner));
}

/* --- the pool --------------------------------------------------------------------------------- */

struct sg_upstream_pool *sg_upstream_pool_new(struct sg_loop *loop, struct sg_resolver *resolver,
                                              const struct sg_upstream_spec *spec,
                                              const struct sg_upstream_handlers *handlers)
{
    struct sg_upstream_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    const bool brackets = strchr(spec->host, ':') != NULL;
    pool->magic = POOL_MAGIC;
    pool->loop = loop;
    pool->resolver = resolver;
    pool->spec = spec;
    pool->handlers = handlers;
    TAILQ_INIT(&pool->opening);
    TAILQ_INIT(&pool->idle);
    TAILQ_INIT(&pool->busy);
    TAILQ_INIT(&pool->waiting);
    TAILQ_INIT(&pool->failed);
    sg_deadline_list_init(&pool->connect_deadlines, loop, spec->connect_ms, connect_expired);
    sg_deadline_list_init(&pool->response_deadlines, loop, spec->response_ms, response_expired);
    sg_deadline_list_init(&pool->idle_deadlines, loop, spec->idle_ms, idle_expired);
    sg_deadline_list_init(&pool->queue_deadlines, loop, spec->queue_ms, queue_expired);
    sg_buf_init(&pool->out, REQUEST_BYTES_MAX);
    (void)snprintf(pool->name, sizeof pool->name, brackets ? "[%s]:%u" : "%s:%u", spec->host,
                   (unsigned)spec->port);
    sg_resolver_add(resolver, spec->host, spec->port);
    return pool;
}

static void close_all(struct connection_list *list)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(list)) != NULL) {
        close_connection(connection);
    }
}

static void close_if_over(struct sg_upstream_pool *pool)
{
    if (pool->retired && !pool->gone && !pool->pumping && pool->calls == 0) {
        close_all(&pool->idle);
        pool_close(pool);
    }
}

void sg_upstream_pool_retire(struct sg_upstream_pool *pool)
{
    pool->retired = true;
    if (TAILQ_EMPTY(&pool->waiting)) {
        close_all(&pool->idle);
    }
    close_if_over(pool);
}

void sg_upstream_pool_free(struct sg_upstream_pool *pool)
{
    static const char *const why = "the connections to %s were closed by the gateway";
    if (pool == NULL) {
        return;
    }
    pool->retired = true;
    struct sg_upstream_call *call;
    while ((call = TAILQ_FIRST(&pool->waiting)) != NULL) {
        dequeue(call);
        fail_waiting(call, SG_REFUSAL_UPSTREAM, false, why, pool->name);
    }
    struct connection_list *const lists[] = {&pool->opening, &pool->busy};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct connection *connection;
        while ((connection = TAILQ_FIRST(lists[i])) != NULL) {
            give_up(connection, SG_REFUSAL_UPSTREAM, connection->call->sent, why, pool->name);
        }
    }
    close_all(&pool->idle);
    while ((call = TAILQ_FIRST(&pool->failed)) != NULL) {
        tell_failed(call); /* its memory goes with the deferred work that is posted for it */
    }
    close_if_over(pool); /* unless the last handler has made it so */
}

void sg_upstream_pool_resolved(struct sg_upstream_pool *pool)
{
    struct connection *next;
    for (struct connection *connection = TAILQ_FIRST(&pool->opening); connection != NULL;
         connection = next) {
        next = TAILQ_NEXT(connection, link);
        if (connection->state == RESOLVE) {
            dial(connection);
        }
    }
}

struct sg_upstream_counts sg_upstream_pool_counts(const struct sg_upstream_pool *pool)
{
    struct sg_upstream_counts counts = pool->counts;
    const struct connection *connection;
    counts.idle = 0;
    TAILQ_FOREACH(connection, &pool->idle, link)
    {
        counts.idle++;
    }
    counts.busy = pool->connections - counts.idle;
    return counts;
}

/* --- a call ----------------------------------------------------------------------------------- */

struct sg_upstream_call *sg_upstream_begin(struct sg_upstream_pool *pool, void *context)
{
    if (pool->retired || pool->counts.waiting >= QUEUE_MAX) {
        return NULL;
    }
    struct sg_upstream_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->magic = CALL_MAGIC;
    call->pool = pool;
    call->context = context;
    pool->calls++;
    pool->counts.calls++;
    pool->counts.waiting++;
    TAILQ_INSERT_TAIL(&pool->waiting, call, link);
    sg_deadline_arm(&pool->queue_deadlines, &call->queued, call);
    pump(pool);
    return call;
}

void sg_upstream_cancel(struct sg_upstream_call *call)
{
    struct sg_upstream_pool *pool = call->pool;
    struct connection *connection = call->connection;
    SG_ASSERT(call->magic == CALL_MAGIC && pool != NULL);
    if (call->has_failed) { /* not told yet: the deferred work frees it */
        TAILQ_REMOVE(&pool->failed, call, link);
        pool->calls--;
        call->pool = NULL;
        close_if_over(pool);
        return;
    }
    if (connection == NULL) {
        dequeue(call);
    } else if (connection->rendering) {
        connection->call = NULL; /* start_request sees it */
    } else {
        close_connection(connection);
    }
    call_free(call);
    post_pump(pool);
    close_if_over(pool);
}

void sg_upstream_pause(struct sg_upstream_call *call)
{
    if (call->connection != NULL && call->sent) {
        sg_stream_pause(&call->connection->stream);
    }
}

void sg_upstream_resume(struct sg_upstream_call *call)
{
    struct connection *connection = call->connection;
    if (connection == NULL || !connection->stream.paused) {
        return;
    }
    sg_stream_resume(&connection->stream);
    if (connection->write_failed) {
        sg_loop_defer(connection->pool->loop, &connection->looking, connection, look_after_write);
    }
}

bool sg_upstream_was_sent(const struct sg_upstream_call *call)
{
    return call->sent;
}
