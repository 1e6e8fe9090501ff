#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/sink_window.h"
#include "base/object.h"
#include "net/dial.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "net/stream.h"
#include "server/sink_private.h"

/*
 * Syslog over TCP or TLS: frames go out as fast as the receiver takes them, nothing comes back.
 * What has arrived is judged by audit/sink_window from what the receiver's TCP has acknowledged,
 * which is asked for at each tick (no event tells of it). A connection that ends in any way but in
 * order takes the sink back to the last line that was surely taken.
 *
 *   IDLE     no connection; opened when it may be tried
 *   RESOLVE  the name has no address yet        deadline
 *   CONNECT  TCP and TLS are being set up       deadline
 *   READY    lines go out
 *   CLOSING  all is acknowledged and we have closed: the receiver's end is waited for    deadline
 *
 * A receiver that is stopped takes nothing and costs nothing: its kernel answers, so the connection
 * is kept. One that has vanished answers nothing, and is given up after several unanswered tries.
 */

enum {
    SYSLOG_MAGIC = 0x5347534c,
    OUT_BYTES = 64 * 1024,           /* framed ahead of what the socket takes */
    OUT_BYTES_MAX = 8 * 1024 * 1024, /* one line may be longer */
    CONNECT_MS = 10000,
    CLOSE_MS = 2000,
    UNANSWERED_MAX = 7,  /* with doubling pauses: about half a minute */
    IN_ORDER_MS = 30000, /* a receiver that ends a connection idle for so long has read it all */
    STEADY_MS = 5000,    /* connected for so long: it works, with nothing to send, too */
    STALLED_MS = 30000,
    DROP_BYTES = 4096,
};

enum state { IDLE = 0, RESOLVE, CONNECT, READY, CLOSING };

struct syslog {
    uint32_t magic;
    struct sg_sink *sink;
    struct sg_stream stream;
    enum state state;
    bool begun; /* the window knows where */
    int64_t deadline_ms;
    size_t first_address, tried;
    int64_t ready_ms;    /* since when it is */
    int64_t progress_ms; /* when something was acknowledged last, or there was nothing to be */
    bool stalled;        /* and that was said */
    struct sg_buf out;   /* frames; from out_at on the socket has not taken them */
    size_t out_at;
    uint64_t framed, taken; /* bytes of this connection */
    struct sg_sink_window window;
};

static const struct sg_upstream_spec *spec_of(const struct syslog *syslog)
{
    return &syslog->sink->spec->upstream;
}

/* --- the end of a connection ------------------------------------------------------------------ */

/* Ask how far the receiver is. */
static void look(struct syslog *syslog)
{
    struct sg_sink *sink = syslog->sink;
    struct sg_dial_state state;
    const int64_t now_ms = sg_sink_now_ms(sink);
    if (syslog->stream.fd < 0 || !sg_dial_look(syslog->stream.fd, &state)) {
        return;
    }
    const size_t acked = sg_sink_window_acked(&syslog->window, state.acknowledged, now_ms);
    if (acked > 0) {
        atomic_fetch_add(&sink->figures->records, acked);
        atomic_store(&sink->figures->seq, sg_sink_window_acked_seq(&syslog->window));
        sg_sink_works(sink);
    }
    if (acked > 0 || sg_sink_window_is_quiet(&syslog->window)) {
        syslog->progress_ms = now_ms;
        syslog->stalled = false;
    }
    sg_sink_window_settle(&syslog->window, now_ms);
    sg_sink_took(sink, &syslog->window.base, syslog->window.base_seq);
}

/* Close; in_order: the receiver has read all that its TCP has acknowledged. */
static void close_connection(struct syslog *syslog, bool in_order)
{
    struct sg_sink *sink = syslog->sink;
    const bool again =
        syslog->window.count > 0 && !(in_order && sg_sink_window_is_quiet(&syslog->window));
    sg_stream_close(&syslog->stream);
    sg_buf_clear(&syslog->out);
    syslog->out_at = 0;
    syslog->framed = syslog->taken = 0;
    sg_sink_window_ended(&syslog->window, in_order);
    sg_sink_took(sink, &syslog->window.base, syslog->window.base_seq);
    if (again) {
        sg_sink_rewind(sink, &syslog->window.base);
    }
    atomic_store(&sink->figures->connected, 0);
    syslog->state = IDLE;
}

static void lost(struct syslog *syslog, const char *detail)
{
    struct sg_sink *sink = syslog->sink;
    const bool by_fin =
        syslog->stream.end == SG_STREAM_CLEAN || syslog->stream.end == SG_STREAM_TRUNCATED;
    look(syslog);
    const bool quiet = sg_sink_window_is_quiet(&syslog->window);
    if (syslog->state == CLOSING) {
        close_connection(syslog, by_fin);
        sink->over = true;
        return;
    }
    /* Nothing of ours is left unread then: a kernel resets a connection that holds unread bytes. */
    const bool in_order =
        by_fin && quiet && syslog->state == READY &&
        sg_sink_now_ms(sink) - syslog->ready_ms >= IN_ORDER_MS &&
        (syslog->window.acked == 0 ||
         sg_sink_now_ms(sink) - sg_sink_window_acked_ms(&syslog->window) >= IN_ORDER_MS);
    close_connection(syslog, in_order);
    if (!in_order) {
        sg_sink_failed(sink, 0, detail);
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

static void on_ready(void *owner);
static void on_readable(void *owner);
static void on_writable(void *owner);
static void on_failed(void *owner, const char *detail);

static void not_connected(struct syslog *syslog, const char *detail)
{
    syslog->first_address += syslog->tried;
    sg_resolver_refresh(syslog->sink->world->resolver, spec_of(syslog)->host,
                        spec_of(syslog)->port);
    lost(syslog, detail);
}

/* Start a connection to one address: 0, or an errno. */
static int dial_address(struct syslog *syslog, const struct sg_address *address)
{
    const struct sg_upstream_spec *spec = spec_of(syslog);
    bool connecting = false;
    int fd = sg_dial(address, &connecting);
    if (fd < 0) {
        return errno;
    }
    syslog->stream = (struct sg_stream){
        .fd = -1,
        .owner = syslog,
        .on_ready = on_ready,
        .on_readable = on_readable,
        .on_writable = on_writable,
        .on_failed = on_failed,
    };
    enum sg_status status =
        sg_stream_open(&syslog->stream, syslog->sink->world->loop, fd, connecting,
                       spec->tls ? spec->tls_context : NULL, spec->tls ? spec->host : NULL);
    return status == SG_OK ? 0 : ENOMEM;
}

/* Dial the next address, or wait for addresses, or fail. */
static void dial(struct syslog *syslog)
{
    struct sg_resolver *resolver = syslog->sink->world->resolver;
    const struct sg_upstream_spec *spec = spec_of(syslog);
    struct sg_address_list list;
    int error = 0;
    if (!sg_resolver_get(resolver, spec->host, spec->port, &list)) {
        if (list.failure != NULL) {
            not_connected(syslog, list.failure);
        } else {
            sg_resolver_add(resolver, spec->host, spec->port);
        }
        return; /* the next tick looks again */
    }
    while (syslog->tried < list.count) {
        const size_t at = (syslog->first_address + syslog->tried) % list.count;
        syslog->tried++;
        error = dial_address(syslog, &list.items[at]);
        if (error == 0) {
            syslog->state = CONNECT;
            return;
        }
    }
    not_connected(syslog, error != 0 ? strerror(error) : "no address is left to try");
}

static void open_connection(struct syslog *syslog)
{
    syslog->state = RESOLVE;
    syslog->tried = 0;
    syslog->deadline_ms = sg_sink_now_ms(syslog->sink) + CONNECT_MS;
    dial(syslog);
}

static void on_failed(void *owner, const char *detail)
{
    struct syslog *syslog = SG_CAST(struct syslog, SYSLOG_MAGIC, owner);
    const bool tcp_failed = syslog->stream.connecting;
    struct sg_address_list list;
    sg_stream_close(&syslog->stream);
    if (tcp_failed &&
        sg_resolver_get(syslog->sink->world->resolver, spec_of(syslog)->host, spec_of(syslog)->port,
                        &list) &&
        syslog->tried < list.count) {
        dial(syslog);
    } else {
        not_connected(syslog, detail);
    }
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Frame lines up to so many bytes ahead of the socket. */
static void frame(struct syslog *syslog)
{
    struct sg_sink *sink = syslog->sink;
    struct sg_follow_position behind;
    struct sg_str line;
    uint64_t seq;
    if (syslog->out_at == syslog->out.n) {
        sg_buf_clear(&syslog->out);
        syslog->out_at = 0;
    }
    while (syslog->out.n < OUT_BYTES && sg_sink_window_has_room(&syslog->window) &&
           sg_sink_next(sink, &line, &behind, &seq)) {
        const size_t before = syslog->out.n;
        sg_sink_frame(&sink->world->sender, line, &syslog->out);
        syslog->framed += syslog->out.n - before;
        sg_sink_window_add(&syslog->window, &behind, seq, line.n + 1, syslog->framed);
    }
}

/* Send until the socket is full, the window is, or there is nothing more. */
static void push(struct syslog *syslog)
{
    for (;;) {
        frame(syslog);
        if (sg_buf_failed(&syslog->out)) {
            lost(syslog, "no memory for a message");
            return;
        }
        const struct sg_str rest =
            sg_str_slice(sg_buf_str(&syslog->out), syslog->out_at, syslog->out.n);
        if (rest.n == 0) {
            return;
        }
        const ssize_t taken = sg_stream_write(&syslog->stream, rest.p, rest.n);
        if (taken < 0) {
            lost(syslog, "the connection broke while lines were sent");
            return;
        }
        syslog->out_at += (size_t)taken;
        syslog->taken += (uint64_t)taken;
        sg_sink_window_written(&syslog->window, syslog->taken, sg_stream_wire_out(&syslog->stream));
        if ((size_t)taken < rest.n) {
            return; /* on_writable goes on */
        }
    }
}

static void on_ready(void *owner)
{
    struct syslog *syslog = SG_CAST(struct syslog, SYSLOG_MAGIC, owner);
    sg_dial_be_patient(syslog->stream.fd);
    syslog->state = READY;
    syslog->ready_ms = syslog->progress_ms = sg_sink_now_ms(syslog->sink);
    syslog->stalled = false;
    atomic_store(&syslog->sink->figures->connected, 1);
    push(syslog);
}

static void on_writable(void *owner)
{
    struct syslog *syslog = SG_CAST(struct syslog, SYSLOG_MAGIC, owner);
    if (syslog->state == READY) {
        push(syslog);
    }
}

/* A receiver has nothing to say: only its end is of interest. */
static void on_readable(void *owner)
{
    struct syslog *syslog = SG_CAST(struct syslog, SYSLOG_MAGIC, owner);
    char bytes[DROP_BYTES];
    const ssize_t count = syslog->state == CLOSING
                              ? sg_stream_drop(&syslog->stream, bytes, sizeof bytes)
                              : sg_stream_read(&syslog->stream, bytes, sizeof bytes);
    if (count < 0) {
        lost(syslog, syslog->stream.end == SG_STREAM_BROKEN
                         ? "the receiver broke the connection off"
                         : "the receiver closed the connection");
    }
}

/* --- the kind --------------------------------------------------------------------------------- */

static void ready_tick(struct syslog *syslog)
{
    struct sg_sink *sink = syslog->sink;
    const int64_t now_ms = sg_sink_now_ms(sink);
    struct sg_dial_state state;
    look(syslog);
    if (sg_dial_look(syslog->stream.fd, &state) && state.unanswered >= UNANSWERED_MAX) {
        lost(syslog, "the receiver does not answer any more");
        return;
    }
    if (!sg_sink_window_is_quiet(&syslog->window) && !syslog->stalled &&
        now_ms - syslog->progress_ms >= STALLED_MS) {
        syslog->stalled = true;
        sg_log_event(sink->world->log, SG_LOG_WARN,
                     "an audit sink is stalled: the receiver is there and takes nothing",
                     SG_LOG_TEXT_FIELD("sink", sg_str_from(sg_sink_name(sink))),
                     SG_LOG_TEXT_FIELD("to", sink->spec->text));
    }
    if (now_ms - syslog->ready_ms >= STEADY_MS && sg_sink_window_is_quiet(&syslog->window)) {
        sg_sink_works(sink);
    }
    push(syslog);
    if (syslog->state == READY && sink->finishing && sink->at_end &&
        sg_sink_window_is_quiet(&syslog->window)) {
        syslog->state = CLOSING;
        syslog->deadline_ms = now_ms + CLOSE_MS;
        sg_stream_shutdown(&syslog->stream);
    }
}

static void tick(struct sg_sink *sink)
{
    struct syslog *syslog = sink->own;
    const int64_t now_ms = sg_sink_now_ms(sink);
    switch (syslog->state) {
    case IDLE:
        if (sg_sink_may_try(sink)) {
            if (!syslog->begun) {
                syslog->begun = true;
                sg_sink_window_init(&syslog->window, &sink->taken.position, sink->taken.seq);
            }
            open_connection(syslog);
        }
        break;
    case RESOLVE:
    case CONNECT:
        if (now_ms >= syslog->deadline_ms) {
            not_connected(syslog, syslog->state == RESOLVE ? "its name was not looked up in time"
                                  : syslog->stream.connecting
                                      ? "no connection in time"
                                      : "the TLS handshake did not end in time");
        } else if (syslog->state == RESOLVE) {
            dial(syslog);
        }
        break;
    case READY:
        ready_tick(syslog);
        break;
    case CLOSING:
        if (now_ms >= syslog->deadline_ms) {
            syslog->stream.end = SG_STREAM_BROKEN;
            lost(syslog, "the receiver did not close in time");
        }
        break;
    }
}

static bool make(struct sg_sink *sink)
{
    struct syslog *syslog = calloc(1, sizeof *syslog);
    if (syslog == NULL) {
        return false;
    }
    syslog->magic = SYSLOG_MAGIC;
    syslog->sink = sink;
    syslog->stream.fd = -1;
    sg_buf_init(&syslog->out, OUT_BYTES_MAX);
    sink->own = syslog;
    return true;
}

static void drop(struct sg_sink *sink)
{
    struct syslog *syslog = sink->own;
    if (syslog->state != IDLE) {
        look(syslog);
        sg_stream_shutdown(&syslog->stream);
        close_connection(syslog, false);
    }
    sg_buf_done(&syslog->out);
    syslog->magic = 0;
    free(syslog);
    sink->own = NULL;
}

static void adopted(struct sg_sink *sink)
{
    (void)sink; /* the next connection uses what is new */
}

static uint64_t pending_bytes(const struct sg_sink *sink)
{
    const struct syslog *syslog = sink->own;
    return syslog->window.unacked_bytes;
}

const struct sg_sink_kind sg_sink_syslog = {
    .make = make,
    .drop = drop,
    .tick = tick,
    .adopted = adopted,
    .pending_bytes = pending_bytes,
};
