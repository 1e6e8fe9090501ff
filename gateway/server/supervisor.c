#include "server/supervisor.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "audit/journal.h"
#include "base/object.h"
#include "net/gate.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/memory.h"
#include "net/resolver.h"
#include "net/sources.h"
#include "server/admin.h"
#include "server/privilege.h"
#include "server/shipper.h"
#include "server/telling.h"
#include "server/watch.h"
#include "server/worker.h"
#include "snapshot/snapshot.h"

/*
 * Start-up goes in the order in which failures are cheapest to undo: the configuration (78), the
 * assumptions about libevent, the addresses (69), the audit log (74), then threads. From the moment
 * the log says "ready" only signals, the admin listener and messages of the workers happen here.
 *
 * A reload builds everything new first (snapshot, and a lease with keyed signers for each worker),
 * then posts, which cannot fail; when anything is wrong nothing has changed.
 *
 * A drain has four steps: announce (readyz says draining, answers say close), after drain.delay
 * stop accepting, after drain.timeout or a second signal abort what is left, quit when all are
 * idle.
 */

enum { SUPERVISOR_MAGIC = 0x53475355, EXIT_BIND = 69, EXIT_AUDIT = 74, EXIT_CONFIGURATION = 78 };

enum { MESSAGE_RESOLVED = 100, LISTENERS_MAX = 64 };

enum { ABORT_GRACE_SECONDS = 5 };

enum { KEY_TICKS = 1000 / SG_LOOP_TICK_MS }; /* key files are looked at each second */

enum phase { SERVING = 0, ANNOUNCED, STOPPED_ACCEPTING, ABORTED };

struct supervisor {
    uint32_t magic;
    const struct sg_supervisor_options *options;
    const struct sg_clock *clock;
    struct sg_log log;
    struct sg_snapshot *snapshot; /* what new leases are made of */
    struct sg_issuers *issuers;   /* with keys younger than the snapshot's; NULL: none */
    unsigned ticks;               /* since the key files were looked at */
    bool keys_are_bad;            /* a changed key file was refused, and that was said */
    struct sg_loop *loop;
    struct sg_mailbox *mailbox;
    struct sg_resolver *resolver;
    struct sg_sources *sources;
    struct sg_journal *journal;
    struct sg_journal_port *port;
    struct sg_shipper *shipper;
    struct sg_watch watch;
    struct sg_admin *admin;
    struct sg_worker **workers;
    size_t worker_count;
    size_t idle_workers;                   /* of a drain */
    int *listen_fds;                       /* worker by worker; -1 where taken over */
    size_t listen_count;                   /* for each worker */
    struct sg_listener_file *socket_files; /* of Unix sockets; inode 0: none was made */
    int admin_fd;
    char gateway_address[SG_LISTENER_TEXT_BYTES];
    char admin_address[SG_LISTENER_TEXT_BYTES];
    struct event *signals[4];
    struct event *drain_timer;
    enum phase phase;
    struct sg_error reload_error; /* status SG_OK: the last reload was taken */
};

/* --- telling ---------------------------------------------------------------------------------- */

static void say_cannot_start(const struct supervisor *s, const struct sg_error *error)
{
    (void)fprintf(s->options->err, "signgate: cannot start: %s\n", error->text);
}

/* The gateway's own records: start, stop, reload. */
static void record_event(struct supervisor *s, enum sg_audit_event event)
{
    const struct sg_audit_record record = {
        .event = event,
        .time_us = sg_clock_realtime_us(s->clock),
        .version = SG_STR(PACKAGE_VERSION),
        .configuration_revision = s->snapshot->revision,
        .policy_revision = sg_policy_revision(s->snapshot->policies),
    };
    (void)sg_journal_submit(s->port, &record, SG_JOURNAL_WAIT_NONE, 0);
    sg_journal_flush(s->port);
}

/* --- reload ----------------------------------------------------------------------------------- */

static void resolve_endpoints(struct supervisor *s)
{
    for (size_t i = 0; i < s->snapshot->service_count; i++) {
        const struct sg_upstream_spec *upstream = &s->snapshot->services[i].upstream;
        sg_resolver_add(s->resolver, upstream->host, upstream->port);
    }
}

/* Build a lease for each worker and post them all, or change nothing. */
static enum sg_status hand_out(struct supervisor *s, const struct sg_snapshot *snapshot,
                               struct sg_error *reterr)
{
    struct sg_lease **leases = calloc(s->worker_count, sizeof(struct sg_lease *));
    if (leases == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    enum sg_status status = SG_OK;
    for (size_t i = 0; i < s->worker_count && status == SG_OK; i++) {
        leases[i] = sg_worker_prepare(s->workers[i], snapshot, reterr);
        status = leases[i] != NULL ? SG_OK : reterr->status;
    }
    for (size_t i = 0; i < s->worker_count; i++) {
        if (status == SG_OK) {
            sg_worker_post_lease(s->workers[i], leases[i]);
        } else {
            sg_lease_free(leases[i]);
        }
    }
    free(leases);
    return status;
}

static void refuse_reload(struct supervisor *s, const struct sg_error *error)
{
    struct sg_buf text;
    s->reload_error = *error;
    if (error->line > 0) { /* "signgate.yaml:7:5: unknown key" */
        sg_buf_init_fixed(&text, s->reload_error.text, sizeof s->reload_error.text - 1);
        sg_buf_printf(&text, "%s:%u:%u: ", error->file, error->line, error->column);
        sg_buf_add_str(&text, sg_str_slice(sg_str_from(error->text), 0, text.max_bytes - text.n));
        s->reload_error.text[text.n] = '\0';
    }
    sg_log_event(&s->log, SG_LOG_ERROR, "reload refused, still running the configuration before",
                 SG_LOG_TEXT_FIELD("revision", s->snapshot->revision),
                 SG_LOG_TEXT_FIELD("error", sg_str_from(s->reload_error.text)));
}

static void reload(struct supervisor *s)
{
    struct sg_error error;
    struct sg_snapshot *next = NULL;
    struct sg_shipper_change *shipping = NULL;
    struct sg_diags *diags = sg_diags_new();
    if (diags == NULL) {
        (void)sg_error_set(&error, SG_NO_MEMORY, NULL, "out of memory");
        refuse_reload(s, &error);
        return;
    }
    if (sg_snapshot_load(s->options->configuration, SG_LOAD_TO_SERVE, s->clock, diags, &next) ==
        SG_OK) {
        sg_snapshot_check_reload(s->snapshot, next, diags);
    }
    sg_telling_log(&s->log, diags, "configuration");
    enum sg_status status = sg_diags_status(diags, &error);
    if (status == SG_OK && next == NULL) {
        status = sg_error_set(&error, SG_NO_MEMORY, NULL, "out of memory");
    }
    if (status == SG_OK) {
        shipping = sg_shipper_prepare(s->shipper, next, &error);
        status = shipping != NULL ? hand_out(s, next, &error) : error.status;
    }
    if (status != SG_OK) {
        refuse_reload(s, &error);
        sg_shipper_change_free(shipping);
        (void)sg_snapshot_unref(next);
    } else {
        sg_issuers_free(s->issuers); /* it names settings of the snapshot before */
        s->issuers = NULL;
        s->keys_are_bad = false;
        (void)sg_snapshot_unref(s->snapshot);
        s->snapshot = next;
        s->reload_error = (struct sg_error){.status = SG_OK};
        sg_shipper_commit(s->shipper, shipping);
        atomic_store_explicit(&s->log.level, next->settings.log.level, memory_order_relaxed);
        sg_journal_set_rotation(s->journal, next->settings.audit.rotate.bytes,
                                next->settings.audit.rotate.age_ms);
        sg_journal_set_checkpoint_key(s->journal, next->checkpoint_key);
        next->checkpoint_key = NULL;
        resolve_endpoints(s);
        record_event(s, SG_AUDIT_RELOAD);
        sg_log_event(&s->log, SG_LOG_INFO, "reloaded",
                     SG_LOG_TEXT_FIELD("revision", s->snapshot->revision));
    }
    sg_diags_free(diags);
}

/* --- keys of token issuers -------------------------------------------------------------------- */

/* Give each worker a verifier with new keys; all or none. */
static enum sg_status hand_out_tokens(struct supervisor *s, const struct sg_issuers *issuers,
                                      struct sg_error *reterr)
{
    struct sg_tokens **tokens = calloc(s->worker_count, sizeof(struct sg_tokens *));
    if (tokens == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    enum sg_status status = SG_OK;
    for (size_t i = 0; i < s->worker_count && status == SG_OK; i++) {
        tokens[i] = sg_tokens_new(issuers, reterr);
        status = tokens[i] != NULL ? SG_OK : reterr->status;
    }
    for (size_t i = 0; i < s->worker_count; i++) {
        if (status == SG_OK) {
            sg_worker_post_tokens(s->workers[i], tokens[i]);
        } else {
            sg_tokens_free(tokens[i]);
        }
    }
    free(tokens);
    return status;
}

/* A key file has changed: take its keys, or keep the last good ones and say so once. */
static void read_keys(struct supervisor *s)
{
    const struct sg_objects *settings = &s->snapshot->settings.token_issuers;
    struct sg_error error = {.status = SG_OK};
    struct sg_diags *diags = sg_diags_new();
    struct sg_issuers *issuers =
        diags != NULL ? sg_issuers_new(settings->items, settings->count, diags) : NULL;
    if (issuers != NULL && hand_out_tokens(s, issuers, &error) == SG_OK) {
        sg_issuers_free(s->issuers);
        s->issuers = issuers;
        s->keys_are_bad = false;
        sg_log_event(&s->log, SG_LOG_INFO, "the keys of token issuers were read again",
                     SG_LOG_NUMBER_FIELD("issuers", settings->count));
    } else {
        if (!s->keys_are_bad && diags != NULL) {
            sg_telling_log(&s->log, diags,
                           "keys of a token issuer; the last good ones stay in use");
        }
        s->keys_are_bad = true;
        sg_issuers_free(issuers);
    }
    sg_diags_free(diags);
}

static void look_at_watch(void *arg)
{
    struct supervisor *s = SG_CAST(struct supervisor, SUPERVISOR_MAGIC, arg);
    sg_watch_look(&s->watch);
}

static void look_at_keys(void *arg)
{
    struct supervisor *s = SG_CAST(struct supervisor, SUPERVISOR_MAGIC, arg);
    const struct sg_issuers *issuers = s->issuers != NULL ? s->issuers : s->snapshot->issuers;
    if (++s->ticks >= KEY_TICKS && s->phase == SERVING) {
        s->ticks = 0;
        if (sg_issuers_changed(issuers)) {
            read_keys(s);
        }
    }
}

/* --- drain ------------------------------------------------------------------------------------ */

static void order_all(struct supervisor *s, enum sg_worker_order order)
{
    for (size_t i = 0; i < s->worker_count; i++) {
        sg_worker_post_order(s->workers[i], order);
    }
}

static void wait_ms(struct supervisor *s, int64_t ms)
{
    const struct timeval span = {.tv_sec = (time_t)(ms / 1000),
                                 .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    (void)event_add(s->drain_timer, &span); /* memory for a timer was had at start */
}

/* Take the next step of the drain; each is entered once. */
static void drain_step(struct supervisor *s)
{
    switch (s->phase) {
    case SERVING:
        s->phase = ANNOUNCED;
        sg_log_event(&s->log, SG_LOG_INFO, "draining",
                     SG_LOG_NUMBER_FIELD("delay_ms", s->snapshot->settings.drain.delay_ms),
                     SG_LOG_NUMBER_FIELD("timeout_ms", s->snapshot->settings.drain.timeout_ms));
        order_all(s, SG_WORKER_ANNOUNCE);
        wait_ms(s, s->snapshot->settings.drain.delay_ms);
        break;
    case ANNOUNCED:
        s->phase = STOPPED_ACCEPTING;
        order_all(s, SG_WORKER_STOP_ACCEPT);
        wait_ms(s, s->snapshot->settings.drain.timeout_ms);
        break;
    case STOPPED_ACCEPTING:
        s->phase = ABORTED;
        sg_log_event(&s->log, SG_LOG_WARN, "ending what is still in flight",
                     SG_LOG_NUMBER_FIELD("workers", s->worker_count - s->idle_workers));
        order_all(s, SG_WORKER_ABORT);
        wait_ms(s, ABORT_GRACE_SECONDS * 1000); /* for the answers to be taken */
        break;
    case ABORTED:
        sg_loop_stop(s->loop);
        break;
    }
}

static void on_drain_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    drain_step(SG_CAST(struct supervisor, SUPERVISOR_MAGIC, arg));
}

static void stop_signal(struct supervisor *s)
{
    if (s->phase == SERVING) {
        drain_step(s);
        return;
    }
    sg_log_event(&s->log, SG_LOG_WARN, "told twice to stop: ending at once",
                 SG_LOG_NUMBER_FIELD("workers", s->worker_count - s->idle_workers));
    order_all(s, SG_WORKER_ABORT);
    sg_loop_stop(s->loop);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct supervisor *s = SG_CAST(struct supervisor, SUPERVISOR_MAGIC, arg);
    (void)what;
    if (number == SIGHUP && s->phase == SERVING) {
        reload(s);
    } else if (number == SIGTERM || number == SIGINT) {
        stop_signal(s);
    }
    if (number == SIGHUP || number == SIGUSR1) {
        sg_journal_rotate(s->journal);
    }
}

static void on_message(void *arg, struct sg_message *message)
{
    struct supervisor *s = SG_CAST(struct supervisor, SUPERVISOR_MAGIC, arg);
    switch (message->kind) {
    case SG_WORKER_LEASE_UNUSED:
        sg_lease_free((struct sg_lease *)message);
        return;
    case SG_WORKER_IDLE:
        s->idle_workers++;
        if (s->idle_workers == s->worker_count) {
            sg_loop_stop(s->loop);
        }
        break;
    case MESSAGE_RESOLVED:
        for (size_t i = 0; s->workers != NULL && i < s->worker_count; i++) {
            if (s->workers[i] != NULL) {
                sg_worker_post_resolved(s->workers[i]);
            }
        }
        break;
    default:
        abort(); /* our own bug */
    }
    free(message);
}

/* [resolver's thread] */
static void on_resolved(void *arg)
{
    struct supervisor *s = SG_CAST(struct supervisor, SUPERVISOR_MAGIC, arg);
    struct sg_message *message = calloc(1, sizeof *message);
    if (message != NULL) { /* else those who wait look again at their deadline */
        message->kind = MESSAGE_RESOLVED;
        sg_mailbox_post(s->mailbox, message);
    }
}

/* --- admin ------------------------------------------------------------------------------------ */

static void look(void *arg, struct sg_readiness *ret)
{
    struct supervisor *s = SG_CAST(struct supervisor, SUPERVISOR_MAGIC, arg);
    enum sg_journal_state state = sg_journal_state(s->journal);
    int64_t now_us = sg_clock_realtime_us(s->clock);
    *ret = (struct sg_readiness){
        .audit = state == SG_JOURNAL_OK,
        .credentials = true,
        .draining = s->phase != SERVING,
        .audit_state = sg_str_from(sg_journal_state_name(state)),
        .configuration_revision = s->snapshot->revision,
        .reload_error = sg_str_from(s->reload_error.status != SG_OK ? s->reload_error.text : ""),
    };
    for (size_t i = 0; i < s->snapshot->credential_count; i++) {
        int64_t end_us = s->snapshot->credentials[i].expires_at_us;
        ret->credentials = ret->credentials && (end_us == 0 || end_us > now_us);
    }
}

static void print_metrics(void *arg, bool ready, struct sg_buf *out)
{
    struct supervisor *s = SG_CAST(struct supervisor, SUPERVISOR_MAGIC, arg);
    const struct sg_worker_stats **stats = calloc(s->worker_count, sizeof(void *));
    for (size_t i = 0; stats != NULL && i < s->worker_count; i++) {
        stats[i] = sg_worker_stats(s->workers[i]);
    }
    const struct sg_journal_figures journal = sg_journal_figures(s->journal);
    sg_stats_print(out, stats, stats != NULL ? s->worker_count : 0, &journal, ready);
    sg_shipper_print_metrics(s->shipper, out);
    free(stats);
}

/* --- start ------------------------------------------------------------------------------------ */

static int load(struct supervisor *s)
{
    struct sg_diags *diags = sg_diags_new();
    if (diags == NULL) {
        return EXIT_CONFIGURATION;
    }
    enum sg_status status = sg_snapshot_load(s->options->configuration, SG_LOAD_TO_SERVE, s->clock,
                                             diags, &s->snapshot);
    if (status != SG_OK) {
        sg_telling_print(s->options->err, diags);
        (void)fprintf(s->options->err, "signgate: cannot start: %zu %s in the configuration\n",
                      sg_diags_errors(diags), sg_diags_errors(diags) == 1 ? "error" : "errors");
        sg_diags_free(diags);
        return EXIT_CONFIGURATION;
    }
    sg_log_init(&s->log, STDERR_FILENO, (enum sg_log_level)s->snapshot->settings.log.level,
                (enum sg_log_format)s->snapshot->settings.log.format, s->clock);
    sg_telling_log(&s->log, diags, "configuration");
    sg_diags_free(diags);
    s->worker_count = s->snapshot->settings.workers;
    if (s->worker_count == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        s->worker_count = processors > 0 ? (size_t)processors : 1;
    }
    return 0;
}

/* One listener's descriptors, one for each worker. */
static enum sg_status bind_one(struct supervisor *s, size_t index, int *ret_fds,
                               char ret_bound[SG_LISTENER_TEXT_BYTES], struct sg_error *reterr)
{
    const struct sg_listener *listener = &s->snapshot->listeners[index];
    if (listener->socket_path == NULL) {
        return sg_listener_bind(listener->settings->address, s->worker_count, ret_fds, ret_bound,
                                reterr);
    }
    const struct sg_listener_socket socket = {.path = listener->socket_path,
                                              .mode = listener->mode,
                                              .owner = listener->owner,
                                              .group = listener->group};
    return sg_listener_bind_unix(&socket, s->worker_count, ret_fds, &s->socket_files[index],
                                 ret_bound, reterr);
}

static enum sg_status bind_all(struct supervisor *s, struct sg_error *reterr)
{
    const struct sg_settings *settings = &s->snapshot->settings;
    const size_t count = s->snapshot->listener_count;
    s->listen_fds = calloc(s->worker_count * count, sizeof *s->listen_fds);
    s->socket_files = calloc(count, sizeof *s->socket_files);
    int *fds = calloc(s->worker_count, sizeof *fds);
    enum sg_status status = SG_OK;
    if (s->listen_fds == NULL || s->socket_files == NULL || fds == NULL) {
        free(fds);
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    for (size_t i = 0; i < s->worker_count * count; i++) {
        s->listen_fds[i] = -1;
    }
    s->listen_count = count;
    for (size_t i = 0; i < count && status == SG_OK; i++) {
        char bound[SG_LISTENER_TEXT_BYTES];
        status = bind_one(s, i, fds, bound, reterr);
        if (status != SG_OK) {
            break;
        }
        for (size_t w = 0; w < s->worker_count; w++) {
            s->listen_fds[w * count + i] = fds[w];
        }
        if (i == 0) {
            (void)snprintf(s->gateway_address, sizeof s->gateway_address, "%s", bound);
        }
        sg_log_event(
            &s->log, SG_LOG_INFO, "listening", SG_LOG_TEXT_FIELD("kind", SG_STR("gateway")),
            SG_LOG_TEXT_FIELD("address", sg_str_from(bound)),
            SG_LOG_TEXT_FIELD("tls", s->snapshot->listeners[i].tls != NULL ? SG_STR("yes")
                                                                           : SG_STR("no")));
    }
    free(fds);
    if (status == SG_OK) {
        status =
            sg_listener_bind(settings->admin.address, 1, &s->admin_fd, s->admin_address, reterr);
    }
    if (status == SG_OK) {
        sg_log_event(&s->log, SG_LOG_INFO, "listening", SG_LOG_TEXT_FIELD("kind", SG_STR("admin")),
                     SG_LOG_TEXT_FIELD("address", sg_str_from(s->admin_address)));
    }
    return status;
}

static enum sg_status open_journal(struct supervisor *s, struct sg_error *reterr)
{
    const struct sg_settings *settings = &s->snapshot->settings;
    struct sg_journal_options options = {
        .directory = settings->audit.directory,
        .line_bytes = 6 * settings->limits.target_bytes + 4096,
        .refuse_on_damage = settings->audit.on_damage == SG_ON_DAMAGE_REFUSE,
        .rotate_bytes = settings->audit.rotate.bytes,
        .rotate_age_ms = settings->audit.rotate.age_ms,
        .version = PACKAGE_VERSION,
        .clock = s->clock,
    };
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < options.rotate_bytes) {
        return sg_error_set(reterr, SG_IO, NULL,
                            "files may not grow above %llu bytes here, and audit.rotate.bytes is "
                            "%llu; raise the limit (ulimit -f, LimitFSIZE= of systemd) or lower "
                            "audit.rotate.bytes",
                            (unsigned long long)limit.rlim_cur,
                            (unsigned long long)options.rotate_bytes);
    }
    options.checkpoint_key = s->snapshot->checkpoint_key;
    s->snapshot->checkpoint_key = NULL;
    enum sg_status status = sg_journal_open(&options, &s->journal, reterr);
    if (status == SG_OK) {
        s->port = sg_journal_port_new(s->journal, -1);
        status =
            s->port != NULL ? SG_OK : sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    return status;
}

static enum sg_status make_workers(struct supervisor *s, struct sg_error *reterr)
{
    s->workers = calloc(s->worker_count, sizeof(struct sg_worker *));
    if (s->workers == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    for (size_t i = 0; i < s->worker_count; i++) {
        int *fds = &s->listen_fds[i * s->listen_count];
        const struct sg_worker_options options = {
            .index = i,
            .log = &s->log,
            .clock = s->clock,
            .journal = s->journal,
            .resolver = s->resolver,
            .sources = s->sources,
            .supervisor = s->mailbox,
            .snapshot = s->snapshot,
            .worker_count = s->worker_count,
            .listen_fds = fds,
            .user_agent = "signgate/" PACKAGE_VERSION,
        };
        enum sg_status status = sg_worker_new(&options, &s->workers[i], reterr);
        for (size_t k = 0; k < s->listen_count; k++) {
            fds[k] = -1; /* the worker's now, even when it failed */
        }
        if (status != SG_OK) {
            return status;
        }
    }
    return SG_OK;
}

/* Connections of both sides at once, and what the program itself has open. */
static uint64_t descriptors_needed(const struct supervisor *s)
{
    enum { OWN = 64, PER_WORKER = 8 };
    uint64_t needed = OWN + s->snapshot->settings.limits.connections + PER_WORKER * s->worker_count;
    for (size_t i = 0; i < s->snapshot->service_count; i++) {
        needed += s->worker_count * s->snapshot->services[i].upstream.max_connections;
    }
    return needed;
}

static enum sg_status watch_signals(struct supervisor *s, struct sg_error *reterr)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1};
    struct event_base *base = sg_loop_base(s->loop);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        s->signals[i] = evsignal_new(base, numbers[i], on_signal, s);
        if (s->signals[i] == NULL || event_add(s->signals[i], NULL) != 0) {
            return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        }
    }
    s->drain_timer = evtimer_new(base, on_drain_timer, s);
    return s->drain_timer != NULL ? SG_OK
                                  : sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
}

/* Everything between the configuration and "ready". *ret_exit is the status for a failure. */
static enum sg_status start(struct supervisor *s, int *ret_exit, struct sg_error *reterr)
{
    *ret_exit = EXIT_CONFIGURATION;
    enum sg_status status = sg_gate_self_test(reterr);
    if (status != SG_OK) {
        return status;
    }
    if (!sg_gate_libevent_is_fixed()) {
        sg_log_event(&s->log, SG_LOG_WARN,
                     "this libevent lacks its vendor's fixes to evhttp; install libevent-2.1-7 "
                     "2.1.12-stable-8+deb12u1 or newer",
                     SG_LOG_TEXT_FIELD("libevent", sg_str_from(event_get_version())));
    }
    *ret_exit = EXIT_BIND;
    status = bind_all(s, reterr);
    if (status != SG_OK) {
        return status;
    }
    *ret_exit = EXIT_AUDIT;
    status = open_journal(s, reterr);
    if (status != SG_OK) {
        return status;
    }
    *ret_exit = EXIT_CONFIGURATION;
    s->loop = sg_loop_new(s->clock, reterr);
    s->mailbox = s->loop != NULL ? sg_mailbox_new(s->loop, on_message, s, reterr) : NULL;
    s->resolver = s->mailbox != NULL ? sg_resolver_new(s->clock, reterr) : NULL;
    if (s->resolver == NULL) {
        return reterr->status;
    }
    s->sources = sg_sources_new();
    if (s->sources == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    sg_resolver_set_on_change(s->resolver, on_resolved, s);
    status = watch_signals(s, reterr);
    if (status == SG_OK) {
        status = make_workers(s, reterr);
    }
    if (status != SG_OK) {
        return status;
    }
    resolve_endpoints(s);
    sg_watch_init(&s->watch, s->journal, s->port, &s->log, s->clock);
    sg_loop_add_tick(s->loop, look_at_keys, s);
    sg_loop_add_tick(s->loop, look_at_watch, s);
    const struct sg_admin_options admin = {.loop = s->loop,
                                           .listen_fd = s->admin_fd,
                                           .look = look,
                                           .print_metrics = print_metrics,
                                           .arg = s};
    s->admin = sg_admin_new(&admin, reterr);
    if (s->admin == NULL) {
        return reterr->status;
    }
    s->admin_fd = -1;
    *ret_exit = EXIT_AUDIT;
    status = sg_journal_start(s->journal, reterr);
    if (status != SG_OK) {
        return status;
    }
    const struct sg_shipper_options shipping = {.log = &s->log,
                                                .clock = s->clock,
                                                .resolver = s->resolver,
                                                .user_agent = "signgate/" PACKAGE_VERSION};
    s->shipper = sg_shipper_new(&shipping, s->snapshot, reterr);
    return s->shipper != NULL ? SG_OK : reterr->status;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* Undo start, from wherever it came to. */
static enum sg_status stop(struct supervisor *s, bool served)
{
    if (s->resolver != NULL) {
        sg_resolver_set_on_change(s->resolver, NULL, NULL);
    }
    for (size_t i = 0; s->workers != NULL && i < s->worker_count; i++) {
        if (s->workers[i] != NULL && served) {
            sg_worker_post_order(s->workers[i], SG_WORKER_QUIT);
        }
        if (s->workers[i] != NULL) {
            sg_worker_join(s->workers[i]);
        }
    }
    enum sg_status status = SG_OK;
    if (s->journal != NULL) {
        if (served) {
            record_event(s, SG_AUDIT_STOP);
        }
        status = sg_journal_close(&s->journal);
    }
    sg_shipper_finish(s->shipper); /* the log is whole: what is left of it goes out */
    for (size_t i = 0; s->workers != NULL && i < s->worker_count; i++) {
        sg_worker_free(s->workers[i]); /* the journal wakes nobody any more */
        s->workers[i] = NULL;
    }
    sg_resolver_free(s->resolver);
    sg_admin_free(s->admin);
    for (size_t i = 0; i < sizeof s->signals / sizeof *s->signals; i++) {
        if (s->signals[i] != NULL) {
            event_free(s->signals[i]);
        }
    }
    if (s->drain_timer != NULL) {
        event_free(s->drain_timer);
    }
    if (s->mailbox != NULL) {
        sg_mailbox_free(s->mailbox); /* frees the leases that came home */
    }
    if (s->loop != NULL) {
        sg_loop_free(s->loop);
    }
    for (size_t i = 0; s->listen_fds != NULL && i < s->worker_count * s->listen_count; i++) {
        close_fd(s->listen_fds[i]);
    }
    for (size_t i = 0; s->socket_files != NULL && i < s->listen_count; i++) {
        if (s->socket_files[i].inode != 0) {
            sg_listener_unlink(s->snapshot->listeners[i].socket_path, &s->socket_files[i]);
        }
    }
    close_fd(s->admin_fd);
    sg_sources_free(s->sources);
    free(s->socket_files);
    free(s->listen_fds);
    free(s->workers);
    sg_issuers_free(s->issuers);
    (void)sg_snapshot_unref(s->snapshot);
    sg_memory_thread_done();
    return status;
}

int sg_supervisor_run(const struct sg_supervisor_options *options)
{
    struct supervisor supervisor = {
        .magic = SUPERVISOR_MAGIC, .options = options, .clock = &sg_clock_system, .admin_fd = -1};
    struct supervisor *s = &supervisor;
    sigset_t handled, before;
    struct sg_error error;
    int status = load(s);
    if (status != 0) {
        return status;
    }
    sg_privilege_drop(&s->log);
    sg_privilege_raise_files(descriptors_needed(s), &s->log);
    sg_memory_install();
    /* Threads made from here on leave signals to this one. */
    (void)sigfillset(&handled);
    (void)pthread_sigmask(SIG_SETMASK, &handled, &before);
    if (start(s, &status, &error) != SG_OK) {
        say_cannot_start(s, &error);
        (void)stop(s, false);
        return status;
    }
    record_event(s, SG_AUDIT_START);
    for (size_t i = 0; i < s->worker_count; i++) {
        sg_worker_start(s->workers[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    sg_log_event(&s->log, SG_LOG_INFO, "ready",
                 SG_LOG_TEXT_FIELD("version", SG_STR(PACKAGE_VERSION)),
                 SG_LOG_TEXT_FIELD("configuration", s->snapshot->revision),
                 SG_LOG_NUMBER_FIELD("workers", s->worker_count));
    if (options->on_ready != NULL) {
        options->on_ready(options->arg, s->gateway_address, s->admin_address);
    }
    sg_loop_run(s->loop);
    sg_log_event(&s->log, SG_LOG_INFO, "stopping",
                 SG_LOG_TEXT_FIELD("configuration", s->snapshot->revision));
    return stop(s, true) == SG_OK ? 0 : EXIT_AUDIT;
}
