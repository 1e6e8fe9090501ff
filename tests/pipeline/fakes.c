#include "fakes.h"

#include <stdlib.h>
#include <string.h>

static struct fakes the_fakes; /* the fakes have no handle of their own: a test program may */

struct fakes *fakes(void)
{
    return &the_fakes;
}

void fakes_reset(void)
{
    sg_buf_done(&the_fakes.gate.headers);
    sg_buf_done(&the_fakes.gate.body);
    memset(&the_fakes, 0, sizeof the_fakes);
    sg_buf_init(&the_fakes.gate.headers, 1 << 20);
    sg_buf_init(&the_fakes.gate.body, 1 << 20);
}

/* --- gate ------------------------------------------------------------------------------------- */

void sg_gate_set_context(struct sg_gate *gate, void *context)
{
    gate->context = context;
}

enum sg_status sg_gate_read_body(struct sg_gate *gate)
{
    gate->reads_body = gate->body_status == SG_OK;
    return gate->body_status;
}

void sg_gate_answer(struct sg_gate *gate, unsigned status, struct sg_str headers,
                    struct sg_str body, bool close)
{
    (void)close;
    if (gate->status != 0) {
        abort(); /* a request is answered once */
    }
    gate->status = status;
    gate->begun = true;
    gate->ended = true;
    sg_buf_add_str(&gate->headers, headers);
    sg_buf_add_str(&gate->body, body);
}

void sg_gate_answer_begin(struct sg_gate *gate, unsigned status, struct sg_str headers,
                          bool length_known, uint64_t length)
{
    (void)length_known;
    (void)length;
    if (gate->status != 0) {
        abort();
    }
    gate->status = status;
    gate->begun = true;
    sg_buf_add_str(&gate->headers, headers);
}

void sg_gate_answer_data(struct sg_gate *gate, struct sg_str bytes)
{
    sg_buf_add_str(&gate->body, bytes);
    gate->pending += bytes.n;
}

void sg_gate_answer_flush(struct sg_gate *gate)
{
    (void)gate;
}

void sg_gate_answer_end(struct sg_gate *gate)
{
    if (!gate->begun || gate->ended || gate->cut) {
        abort();
    }
    gate->ended = true;
}

void sg_gate_cut(struct sg_gate *gate)
{
    if (gate->ended || gate->cut) {
        abort();
    }
    gate->cut = true;
}

size_t sg_gate_pending(const struct sg_gate *gate)
{
    return gate->pending;
}

/* --- cloud ------------------------------------------------------------------------------------ */

struct sg_upstream_pool *sg_upstream_pool_new(struct sg_loop *loop, struct sg_resolver *resolver,
                                              const struct sg_upstream_spec *spec,
                                              const struct sg_upstream_handlers *handlers)
{
    (void)loop;
    (void)resolver;
    (void)spec;
    (void)handlers;
    return (struct sg_upstream_pool *)&the_fakes;
}

void sg_upstream_pool_free(struct sg_upstream_pool *pool)
{
    (void)pool;
}

void sg_upstream_pool_resolved(struct sg_upstream_pool *pool)
{
    (void)pool;
}

struct sg_upstream_call *sg_upstream_begin(struct sg_upstream_pool *pool, void *context)
{
    (void)pool;
    if (the_fakes.call_refused) {
        return NULL;
    }
    the_fakes.call_open = true;
    the_fakes.call_context = context;
    return (struct sg_upstream_call *)&the_fakes;
}

void sg_upstream_cancel(struct sg_upstream_call *call)
{
    (void)call;
    if (!the_fakes.call_open) {
        abort(); /* a call that is over is not cancelled */
    }
    the_fakes.call_open = false;
    the_fakes.call_cancelled = true;
}

void sg_upstream_pause(struct sg_upstream_call *call)
{
    (void)call;
    the_fakes.call_paused = true;
}

void sg_upstream_resume(struct sg_upstream_call *call)
{
    (void)call;
    the_fakes.call_paused = false;
}

bool sg_upstream_was_sent(const struct sg_upstream_call *call)
{
    (void)call;
    return the_fakes.call_sent;
}

/* --- journal ---------------------------------------------------------------------------------- */

bool sg_journal_reserve(struct sg_journal_port *port, size_t bytes)
{
    (void)port;
    if (the_fakes.journal_full) {
        return false;
    }
    the_fakes.reserved += (int64_t)bytes;
    return true;
}

void sg_journal_release(struct sg_journal_port *port, size_t bytes)
{
    (void)port;
    the_fakes.reserved -= (int64_t)bytes;
}

size_t sg_journal_bound(const struct sg_audit_record *record)
{
    (void)record;
    return 1000;
}

static void copy(char *to, size_t size, struct sg_str from)
{
    size_t count = from.n < size ? from.n : size - 1;
    if (count > 0) {
        memcpy(to, from.p, count);
    }
    to[count] = '\0';
}

uint64_t sg_journal_submit(struct sg_journal_port *port, const struct sg_audit_record *record,
                           enum sg_journal_wait wait, size_t reserved)
{
    (void)port;
    if (the_fakes.journal_failed || the_fakes.record_count == FAKE_RECORDS_MAX) {
        return 0;
    }
    the_fakes.reserved -= (int64_t)reserved;
    struct fake_record *kept = &the_fakes.records[the_fakes.record_count++];
    kept->event = record->event;
    kept->outcome = record->outcome;
    kept->sent = record->sent;
    kept->status = record->status;
    kept->wait = wait;
    copy(kept->caller, sizeof kept->caller, record->caller);
    copy(kept->reason, sizeof kept->reason, record->reason);
    copy(kept->detail, sizeof kept->detail, record->detail);
    copy(kept->path, sizeof kept->path, record->path);
    copy(kept->query, sizeof kept->query, record->query);
    copy(kept->action, sizeof kept->action, record->action);
    copy(kept->resource, sizeof kept->resource, record->resource);
    copy(kept->upstream_request_id, sizeof kept->upstream_request_id, record->upstream_request_id);
    copy(kept->upstream_error_code, sizeof kept->upstream_error_code, record->upstream_error_code);
    return ++the_fakes.tickets;
}

enum sg_journal_state sg_journal_state(const struct sg_journal *journal)
{
    (void)journal;
    return the_fakes.journal_state;
}

struct sg_journal_progress sg_journal_progress(const struct sg_journal_port *port)
{
    (void)port;
    return the_fakes.progress;
}
