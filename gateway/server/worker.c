#include "server/worker.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/object.h"
#include "exchange/exchange.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/memory.h"

/*
 * A worker builds itself on its own thread (loop, front, port, exchanges, first lease), reports,
 * and waits until it is started. Nothing of it is touched from outside but the mailbox. Once a loop
 * turn, before the loop sleeps, the lines of that turn are handed to the journal; its wake-ups come
 * through the mailbox's eventfd.
 */

enum { WORKER_MAGIC = 0x5347574b };

/* Messages to a worker; orders use their own values. */
enum { MESSAGE_LEASE = 100, MESSAGE_TOKENS, MESSAGE_RESOLVED };

struct order {
    struct sg_message message;
    struct sg_tokens *tokens; /* of MESSAGE_TOKENS */
};

struct sg_worker {
    uint32_t magic;
    struct sg_worker_options options;
    struct sg_loop *loop;
    struct sg_mailbox *mailbox;
    struct sg_journal_port *port;
    struct sg_exchanges *exchanges;
    struct sg_front *front;
    pthread_t thread;
    sem_t build_done; /* built or error is set */
    sem_t go;         /* started is set, or it is given up */
    bool built;
    bool started;
    bool joined;
    struct sg_error error;
    struct sg_worker_stats stats;
    bool draining; /* IDLE is to be posted when nothing is in flight */
};

static struct sg_front_limits limits_of(const struct sg_snapshot *snapshot, size_t workers)
{
    const struct sg_limits_settings *limits = &snapshot->settings.limits;
    uint64_t connections = limits->connections / workers;
    return (struct sg_front_limits){
        .head = {.header_bytes = limits->header_bytes,
                 .target_bytes = limits->target_bytes,
                 .headers = limits->headers,
                 .body_bytes = limits->body_bytes},
        .body_memory = limits->body_memory / workers,
        .connections = connections > 0 ? connections : 1,
        .connections_per_source = limits->connections_per_source,
        .header_ms = limits->header_timeout_ms,
        .body_ms = limits->body_timeout_ms,
        .write_ms = limits->write_timeout_ms,
        .idle_ms = limits->idle_timeout_ms,
    };
}

static void lease_unused(void *arg, struct sg_lease *lease)
{
    struct sg_worker *worker = SG_CAST(struct sg_worker, WORKER_MAGIC, arg);
    lease->message.kind = SG_WORKER_LEASE_UNUSED;
    sg_mailbox_post(worker->options.supervisor, &lease->message);
}

static void hand_over(void *arg)
{
    struct sg_worker *worker = SG_CAST(struct sg_worker, WORKER_MAGIC, arg);
    sg_journal_flush(worker->port);
}

static void journal_moved(void *arg)
{
    struct sg_worker *worker = SG_CAST(struct sg_worker, WORKER_MAGIC, arg);
    sg_exchanges_recorded(worker->exchanges);
}

static void publish(void *arg)
{
    struct sg_worker *worker = SG_CAST(struct sg_worker, WORKER_MAGIC, arg);
    sg_stats_publish(&worker->stats, worker->front);
}

const struct sg_worker_stats *sg_worker_stats(const struct sg_worker *worker)
{
    return &worker->stats;
}

/* At each tick of a drain: tell the supervisor when the last one is through. */
static void look_whether_idle(void *arg)
{
    struct sg_worker *worker = SG_CAST(struct sg_worker, WORKER_MAGIC, arg);
    if (!worker->draining || sg_exchanges_count(worker->exchanges) > 0 ||
        sg_front_connections(worker->front) > 0) {
        return;
    }
    struct sg_worker_idle *idle = malloc(sizeof *idle);
    if (idle != NULL) { /* else the next tick tries again */
        worker->draining = false;
        *idle = (struct sg_worker_idle){.message = {.kind = SG_WORKER_IDLE},
                                        .index = worker->options.index};
        sg_mailbox_post(worker->options.supervisor, &idle->message);
    }
}

static void take_lease(struct sg_worker *worker, struct sg_lease *lease)
{
    const struct sg_front_limits limits = limits_of(lease->snapshot, worker->options.worker_count);
    sg_front_set_limits(worker->front, &limits);
    for (size_t i = 0; i < lease->snapshot->listener_count; i++) {
        sg_front_set_tls(worker->front, i, lease->snapshot->listeners[i].tls);
    }
    sg_exchanges_set_lease(worker->exchanges, lease);
}

static void on_message(void *arg, struct sg_message *message)
{
    struct sg_worker *worker = SG_CAST(struct sg_worker, WORKER_MAGIC, arg);
    switch (message->kind) {
    case MESSAGE_LEASE:
        take_lease(worker, (struct sg_lease *)message);
        return; /* the lease owns the message */
    case MESSAGE_TOKENS:
        sg_exchanges_set_tokens(worker->exchanges, ((struct order *)message)->tokens);
        break;
    case MESSAGE_RESOLVED:
        sg_exchanges_resolved(worker->exchanges);
        break;
    case SG_WORKER_ANNOUNCE:
        sg_front_announce_close(worker->front);
        break;
    case SG_WORKER_STOP_ACCEPT:
        sg_front_stop_accepting(worker->front);
        worker->draining = true;
        break;
    case SG_WORKER_ABORT:
        sg_exchanges_abort(worker->exchanges);
        break;
    case SG_WORKER_QUIT:
        sg_exchanges_abort(worker->exchanges);
        sg_loop_stop(worker->loop);
        break;
    default:
        abort(); /* our own bug */
    }
    free(message);
}

struct sg_lease *sg_worker_prepare(struct sg_worker *worker, const struct sg_snapshot *snapshot,
                                   struct sg_error *reterr)
{
    const struct sg_lease_owner owner = {
        .loop = worker->loop,
        .resolver = worker->options.resolver,
        .handlers = sg_exchanges_upstream_handlers(),
        .on_unused = lease_unused,
        .arg = worker,
    };
    return sg_lease_new(snapshot, &owner, reterr);
}

/* On the worker's thread: what libevent allocates here is freed here (net/memory). */
static enum sg_status build(struct sg_worker *worker, struct sg_error *reterr)
{
    const struct sg_worker_options *options = &worker->options;
    worker->loop = sg_loop_new(options->clock, reterr);
    if (worker->loop == NULL) {
        return reterr->status;
    }
    worker->mailbox = sg_mailbox_new(worker->loop, on_message, worker, reterr);
    if (worker->mailbox == NULL) {
        return reterr->status;
    }
    worker->port = sg_journal_port_new(options->journal, sg_mailbox_wake_fd(worker->mailbox));
    const struct sg_exchanges_options exchanges = {
        .loop = worker->loop,
        .log = options->log,
        .journal = options->journal,
        .port = worker->port,
        .user_agent = options->user_agent,
    };
    worker->exchanges = worker->port != NULL ? sg_exchanges_new(&exchanges) : NULL;
    if (worker->exchanges == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    const struct sg_front_limits limits = limits_of(options->snapshot, options->worker_count);
    const struct sg_gate_handlers handlers = sg_exchanges_gate_handlers(worker->exchanges);
    worker->front = sg_front_new(worker->loop, &limits, &handlers, options->sources, reterr);
    if (worker->front == NULL) {
        return reterr->status;
    }
    for (size_t i = 0; i < options->snapshot->listener_count; i++) {
        enum sg_status status = sg_front_add_listener(worker->front, options->listen_fds[i],
                                                      options->snapshot->listeners[i].tls, reterr);
        if (status != SG_OK) {
            return status;
        }
    }
    struct sg_lease *lease = sg_worker_prepare(worker, options->snapshot, reterr);
    if (lease == NULL) {
        return reterr->status;
    }
    sg_exchanges_set_lease(worker->exchanges, lease);
    sg_mailbox_set_on_wake(worker->mailbox, journal_moved, worker);
    sg_loop_set_before_sleep(worker->loop, hand_over, worker);
    sg_loop_add_tick(worker->loop, publish, worker);
    sg_loop_add_tick(worker->loop, look_whether_idle, worker);
    return SG_OK;
}

/* Undo build, from wherever it came to. */
static void dismantle(struct sg_worker *worker)
{
    if (worker->front != NULL) {
        sg_front_free(worker->front);
    }
    if (worker->exchanges != NULL) {
        sg_exchanges_set_lease(worker->exchanges, NULL); /* goes home to the supervisor */
        sg_journal_flush(worker->port);
    }
    if (worker->mailbox != NULL) {
        sg_mailbox_detach(worker->mailbox);
    }
    if (worker->loop != NULL) {
        sg_loop_run_deferred(worker->loop);
    }
    sg_exchanges_free(worker->exchanges);
    if (worker->loop != NULL) {
        sg_loop_free(worker->loop);
    }
}

static void *thread_main(void *arg)
{
    struct sg_worker *worker = SG_CAST(struct sg_worker, WORKER_MAGIC, arg);
    enum sg_status status = build(worker, &worker->error);
    worker->built = status == SG_OK;
    (void)sem_post(&worker->build_done);
    while (worker->built && sem_wait(&worker->go) != 0) {
        continue; /* interrupted */
    }
    if (worker->built && worker->started) {
        sg_loop_run(worker->loop);
    }
    dismantle(worker);
    sg_memory_thread_done();
    return NULL;
}

enum sg_status sg_worker_new(const struct sg_worker_options *options, struct sg_worker **ret,
                             struct sg_error *reterr)
{
    struct sg_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    worker->magic = WORKER_MAGIC;
    worker->options = *options;
    (void)sem_init(&worker->build_done, 0, 0);
    (void)sem_init(&worker->go, 0, 0);
    if (pthread_create(&worker->thread, NULL, thread_main, worker) != 0) {
        free(worker);
        return sg_error_set(reterr, SG_IO, NULL, "cannot start a worker thread");
    }
    while (sem_wait(&worker->build_done) != 0) {
        continue; /* interrupted */
    }
    if (!worker->built) {
        *reterr = worker->error;
        sg_worker_free(worker);
        return reterr->status;
    }
    *ret = worker;
    return SG_OK;
}

void sg_worker_start(struct sg_worker *worker)
{
    worker->started = true;
    (void)sem_post(&worker->go);
}

void sg_worker_post_lease(struct sg_worker *worker, struct sg_lease *lease)
{
    lease->message.kind = MESSAGE_LEASE;
    sg_mailbox_post(worker->mailbox, &lease->message);
}

static void post(struct sg_worker *worker, int kind, struct sg_tokens *tokens)
{
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL) {
        abort(); /* an order must arrive; a process without 16 bytes is at its end */
    }
    order->message.kind = kind;
    order->tokens = tokens;
    sg_mailbox_post(worker->mailbox, &order->message);
}

void sg_worker_post_tokens(struct sg_worker *worker, struct sg_tokens *tokens)
{
    post(worker, MESSAGE_TOKENS, tokens);
}

void sg_worker_post_order(struct sg_worker *worker, enum sg_worker_order order)
{
    post(worker, (int)order, NULL);
}

void sg_worker_post_resolved(struct sg_worker *worker)
{
    post(worker, MESSAGE_RESOLVED, NULL);
}

void sg_worker_join(struct sg_worker *worker)
{
    if (!worker->started) {
        (void)sem_post(&worker->go);
    }
    (void)pthread_join(worker->thread, NULL);
    worker->joined = true;
}

void sg_worker_free(struct sg_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    if (!worker->joined) {
        sg_worker_join(worker);
    }
    sg_mailbox_free(worker->mailbox);
    (void)sem_destroy(&worker->build_done);
    (void)sem_destroy(&worker->go);
    worker->magic = 0;
    free(worker);
}
