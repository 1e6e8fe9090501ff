#include <stdlib.h>
#include <string.h>

#include "audit/sink_retry.h"
#include "base/object.h"
#include "net/loop.h"
#include "net/upstream.h"
#include "server/sink_private.h"

/*
 * JSON lines by POST: a batch is read, sent, and only when its answer says 2xx the position moves
 * behind it. There is one batch at a time, so lines arrive in order; a batch whose fate is not
 * known is sent again. The connection is that of the cloud's side (net/upstream): the same TLS,
 * deadlines and strict reading of answers.
 *
 * What a receiver will not take as a whole (413, and 400 or 422, which may be about one line of
 * many) it gets in halves, until the batch that fails is one line. That line is never left out: it
 * is told loudly, and goes on being tried, since what an audit trail lacks must be a decision of a
 * person. Batches grow again after a run of good ones.
 */

enum {
    HTTP_MAGIC = 0x53475348,
    BATCH_RECORDS = 500,
    BATCH_BYTES = 768 * 1024,          /* a batch ends behind the line that reaches it */
    BATCH_BYTES_MAX = 8 * 1024 * 1024, /* one line may be longer */
    BATCH_MS = 1000,                   /* how long a line waits for others */
    GROW_AFTER = 32,                   /* good batches */
    LOUD_AFTER = 3,                    /* refusals of one and the same line */
    DETAIL_BYTES = 128,
};

struct http {
    uint32_t magic;
    struct sg_sink *sink;
    struct sg_upstream_spec upstream; /* a copy: the pool names it */
    struct sg_upstream_pool *pool;
    struct sg_upstream_call *call;
    /* the batch */
    struct sg_buf batch;
    size_t records;
    struct sg_follow_position behind;
    uint64_t seq;
    int64_t since_ms; /* its first line was read */
    bool full;
    size_t records_max, bytes_max;
    unsigned good_batches;
    unsigned refusals; /* of a batch of one line */
    /* the answer */
    unsigned status;
    int64_t retry_after_ms;
};

/* --- the batch -------------------------------------------------------------------------------- */

static void forget_batch(struct http *http)
{
    sg_buf_clear(&http->batch);
    http->records = 0;
    http->full = false;
}

static void collect(struct http *http)
{
    struct sg_follow_position behind;
    struct sg_str line;
    uint64_t seq;
    while (!http->full && sg_sink_next(http->sink, &line, &behind, &seq)) {
        if (http->records == 0) {
            http->since_ms = sg_sink_now_ms(http->sink);
        }
        sg_buf_add_str(&http->batch, line);
        sg_buf_add_char(&http->batch, '\n');
        http->behind = behind;
        http->seq = seq;
        http->records++;
        http->full = http->records >= http->records_max || http->batch.n >= http->bytes_max;
    }
}

/* Read it again, from behind what was taken. */
static void begin_anew(struct http *http)
{
    forget_batch(http);
    sg_sink_rewind(http->sink, &http->sink->taken.position);
}

static void send_batch(struct http *http)
{
    if (sg_buf_failed(&http->batch)) {
        begin_anew(http);
        sg_sink_failed(http->sink, 0, "no memory for a batch of lines");
        return;
    }
    http->status = 0;
    http->retry_after_ms = 0;
    http->call = sg_upstream_begin(http->pool, http);
    if (http->call == NULL) {
        sg_sink_failed(http->sink, 0, "no memory for a request");
    }
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Half of it next time: whether there was something to halve. */
static bool halve(struct http *http)
{
    if (http->records < 2) {
        return false;
    }
    http->records_max = http->records / 2;
    http->bytes_max = http->batch.n / 2;
    http->good_batches = 0;
    begin_anew(http);
    return true;
}

static void took(struct http *http)
{
    struct sg_sink *sink = http->sink;
    sg_sink_took(sink, &http->behind, http->seq);
    atomic_fetch_add(&sink->figures->records, http->records);
    atomic_store(&sink->figures->seq, http->seq);
    atomic_store(&sink->figures->connected, 1);
    sg_sink_works(sink);
    http->refusals = 0;
    if (++http->good_batches >= GROW_AFTER) {
        http->good_batches = 0;
        http->records_max =
            http->records_max > BATCH_RECORDS / 2 ? BATCH_RECORDS : http->records_max * 2;
        http->bytes_max = http->bytes_max > BATCH_BYTES / 2 ? BATCH_BYTES : http->bytes_max * 2;
    }
    const bool more = http->full;
    forget_batch(http);
    if (more) { /* there is a backlog: the next batch need not wait for a tick */
        collect(http);
        if (http->full) {
            send_batch(http);
        }
    }
}

static void refused(struct http *http)
{
    struct sg_sink *sink = http->sink;
    char detail[DETAIL_BYTES];
    struct sg_buf text;
    const bool about_content = http->status == 400 || http->status == 413 || http->status == 422;
    if (about_content && halve(http)) {
        atomic_fetch_add(&sink->figures->failures, 1);
        return;
    }
    sg_buf_init_fixed(&text, detail, sizeof detail - 1);
    sg_buf_printf(&text, "the receiver answered %u", http->status);
    if (about_content && ++http->refusals >= LOUD_AFTER) {
        sg_buf_printf(&text, " to the line with seq %llu alone; it is never left out",
                      (unsigned long long)http->seq);
        if (http->refusals == LOUD_AFTER) {
            sg_log_event(sink->world->log, SG_LOG_ERROR,
                         "an audit sink refuses a line: nothing behind it can be handed on",
                         SG_LOG_TEXT_FIELD("sink", sg_str_from(sg_sink_name(sink))),
                         SG_LOG_TEXT_FIELD("to", sink->spec->text),
                         SG_LOG_NUMBER_FIELD("epoch", http->behind.epoch),
                         SG_LOG_NUMBER_FIELD("seq", http->seq),
                         SG_LOG_NUMBER_FIELD("bytes", http->batch.n),
                         SG_LOG_NUMBER_FIELD("status", http->status));
        }
    } else if (http->status == 401 || http->status == 403) {
        sg_buf_add_text(&text, sink->spec->token.count > 0 ? ": it does not accept the token"
                                                           : ": it wants a token (token_file)");
    }
    detail[text.n] = '\0';
    sg_sink_failed(sink, http->retry_after_ms, detail);
}

static enum sg_status on_render(void *context, struct sg_buf *out)
{
    struct http *http = SG_CAST(struct http, HTTP_MAGIC, context);
    const struct sg_audit_sink *spec = http->sink->spec;
    sg_buf_printf(out, "POST %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: %s\r\n",
                  SG_STR_ARG(spec->target), SG_STR_ARG(spec->upstream.authority),
                  http->sink->world->user_agent);
    if (spec->token.count > 0) {
        sg_buf_add_text(out, "Authorization: Bearer ");
        sg_buf_add_str(out, sg_secret_reveal(&spec->token));
        sg_buf_add_text(out, "\r\n");
    }
    sg_buf_printf(out, "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
                  http->batch.n);
    sg_buf_add_str(out, sg_buf_str(&http->batch));
    return SG_OK;
}

static void on_head(void *context, const struct sg_strict_response *head)
{
    struct http *http = SG_CAST(struct http, HTTP_MAGIC, context);
    http->status = head->status;
    for (size_t i = 0; i < head->header_count; i++) {
        if (sg_str_equal_fold(head->headers[i].name, SG_STR("Retry-After"))) {
            (void)sg_sink_retry_after(head->headers[i].value,
                                      sg_clock_realtime_us(sg_loop_clock(http->sink->world->loop)) /
                                          1000000,
                                      &http->retry_after_ms);
        }
    }
}

static void on_data(void *context, struct sg_str bytes)
{
    (void)context; /* what a receiver says beside its status is not read */
    (void)bytes;
}

static void on_read_done(void *context)
{
    (void)context;
}

static void on_end(void *context)
{
    struct http *http = SG_CAST(struct http, HTTP_MAGIC, context);
    http->call = NULL;
    if (http->status >= 200 && http->status <= 299) {
        took(http);
    } else {
        refused(http);
    }
}

static void on_failed(void *context, enum sg_refusal refusal, bool sent, const char *detail)
{
    struct http *http = SG_CAST(struct http, HTTP_MAGIC, context);
    (void)refusal;
    (void)sent; /* sent or not, it is sent again: receivers know lines by their seq */
    http->call = NULL;
    sg_sink_failed(http->sink, http->retry_after_ms, detail);
}

static const struct sg_upstream_handlers handlers = {
    .on_render = on_render,
    .on_head = on_head,
    .on_data = on_data,
    .on_read_done = on_read_done,
    .on_end = on_end,
    .on_failed = on_failed,
};

/* --- the kind --------------------------------------------------------------------------------- */

static void tick(struct sg_sink *sink)
{
    struct http *http = SG_CAST(struct http, HTTP_MAGIC, sink->own);
    if (http->call != NULL) {
        sg_upstream_pool_resolved(http->pool); /* it looks again, if it waits for addresses */
        return;
    }
    if (!sg_sink_may_try(sink)) {
        return;
    }
    collect(http);
    if (http->records == 0) {
        sink->over = sink->over || (sink->finishing && sink->at_end);
    } else if (http->full || sink->finishing || sink->failures > 0 ||
               sg_sink_now_ms(sink) - http->since_ms >= BATCH_MS) {
        send_batch(http);
    }
}

static bool make(struct sg_sink *sink)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return false;
    }
    http->magic = HTTP_MAGIC;
    http->sink = sink;
    http->upstream = sink->spec->upstream;
    http->records_max = BATCH_RECORDS;
    http->bytes_max = BATCH_BYTES;
    sg_buf_init(&http->batch, BATCH_BYTES_MAX);
    http->pool =
        sg_upstream_pool_new(sink->world->loop, sink->world->resolver, &http->upstream, &handlers);
    if (http->pool == NULL) {
        free(http);
        return false;
    }
    sink->own = http;
    return true;
}

static void drop(struct sg_sink *sink)
{
    struct http *http = SG_CAST(struct http, HTTP_MAGIC, sink->own);
    if (http->call != NULL) {
        sg_upstream_cancel(http->call);
    }
    sg_upstream_pool_free(http->pool);
    sg_buf_done(&http->batch);
    http->magic = 0;
    free(http);
    sink->own = NULL;
}

static void adopted(struct sg_sink *sink)
{
    struct http *http = SG_CAST(struct http, HTTP_MAGIC, sink->own);
    http->upstream = sink->spec->upstream;
}

static uint64_t pending_bytes(const struct sg_sink *sink)
{
    const struct http *http = sink->own;
    return http->batch.n;
}

const struct sg_sink_kind sg_sink_http = {
    .make = make,
    .drop = drop,
    .tick = tick,
    .adopted = adopted,
    .pending_bytes = pending_bytes,
};
