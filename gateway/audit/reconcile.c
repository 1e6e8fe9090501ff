#include "audit/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

/*
 * The log streams by; kept are the calls that found no trace by their id, and those in doubt, as
 * far as they lie in the trail's time. Traces are found by id in a sorted list of indices.
 */

struct sg_reconcile {
    const struct sg_trail *trail;
    struct sg_reconcile_options options;
    size_t *by_id; /* indices of the traces that have an id, sorted by it */
    size_t by_id_count;
    enum sg_trace_verdict *verdicts;
    bool *taken; /* a trace that explains a call already */
    char keys[SG_RECONCILE_KEYS_MAX][SG_TRAIL_FINGERPRINT_BYTES + 1];
    size_t key_count;
    bool keys_given;
    struct sg_arena arena;
    struct sg_reconcile_call *calls;
    size_t call_count, calls_allocated;
    bool has_begin;
    int64_t log_begin_ms;
    int64_t longest_ms; /* of the kept calls */
    struct sg_reconcile_sums sums;
};

/* --- begin ------------------------------------------------------------------------------------ */

static int by_request_id(const void *a, const void *b, void *arg)
{
    const struct sg_trail *trail = arg;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    int order =
        sg_str_compare(sg_trail_trace(trail, x)->request_id, sg_trail_trace(trail, y)->request_id);
    return order != 0 ? order : x < y ? -1 : x > y;
}

static void add_key(struct sg_reconcile *r, struct sg_str key)
{
    if (key.n != SG_TRAIL_FINGERPRINT_BYTES || r->key_count == SG_RECONCILE_KEYS_MAX) {
        return;
    }
    for (size_t i = 0; i < r->key_count; i++) {
        if (sg_str_equal_text(key, r->keys[i])) {
            return;
        }
    }
    memcpy(r->keys[r->key_count++], key.p, key.n); /* the NUL is there */
}

struct sg_reconcile *sg_reconcile_new(const struct sg_trail *trail,
                                      const struct sg_reconcile_options *options)
{
    size_t count = sg_trail_count(trail);
    struct sg_reconcile *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->trail = trail;
    r->options = *options;
    sg_arena_init(&r->arena, SIZE_MAX / 2);
    r->by_id = calloc(count + 1, sizeof *r->by_id);
    r->verdicts = calloc(count + 1, sizeof *r->verdicts);
    r->taken = calloc(count + 1, sizeof *r->taken);
    if (r->by_id == NULL || r->verdicts == NULL || r->taken == NULL) {
        sg_reconcile_free(r);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (sg_trail_trace(trail, i)->request_id.n > 0) {
            r->by_id[r->by_id_count++] = i;
        }
    }
    qsort_r(r->by_id, r->by_id_count, sizeof *r->by_id, by_request_id, (void *)(uintptr_t)trail);
    if (!r->options.has_from) {
        r->options.from_ms = count > 0 ? sg_trail_trace(trail, 0)->time_ms : 0;
    }
    if (!r->options.has_to) {
        r->options.to_ms = count > 0 ? sg_trail_trace(trail, count - 1)->time_ms : 0;
    }
    r->keys_given = options->key_count > 0;
    for (size_t i = 0; i < options->key_count; i++) {
        add_key(r, sg_str_from(options->keys[i]));
    }
    return r;
}

void sg_reconcile_free(struct sg_reconcile *r)
{
    if (r != NULL) {
        sg_arena_done(&r->arena);
        free(r->by_id);
        free(r->verdicts);
        free(r->taken);
        free(r->calls);
        free(r);
    }
}

/* --- the log ---------------------------------------------------------------------------------- */

/* The first trace with this id that explains nothing yet, or the count of traces. */
static size_t find_by_id(const struct sg_reconcile *r, struct sg_str id)
{
    size_t low = 0, high = r->by_id_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sg_str_compare(sg_trail_trace(r->trail, r->by_id[middle])->request_id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < r->by_id_count; low++) {
        size_t index = r->by_id[low];
        if (!sg_str_equal(sg_trail_trace(r->trail, index)->request_id, id)) {
            break;
        }
        if (!r->taken[index]) {
            return index;
        }
    }
    return sg_trail_count(r->trail);
}

static bool time_of(const struct sg_entry *entry, enum sg_entry_member member, int64_t *ret_ms)
{
    int64_t us;
    if (!sg_clock_parse_rfc3339(sg_entry_text(entry, member), &us)) {
        return false;
    }
    *ret_ms = us / 1000;
    return true;
}

/* Whether something of it may have reached the cloud. */
static bool may_have_been_sent(const struct sg_entry *entry)
{
    return entry->kind == SG_ENTRY_CALL &&
           !sg_str_equal(sg_entry_text(entry, SG_ENTRY_sent), SG_STR("false"));
}

static bool only_reads(struct sg_str level)
{
    return sg_str_equal_fold(level, SG_STR("List")) || sg_str_equal_fold(level, SG_STR("Read"));
}

static bool keep(struct sg_reconcile *r, const struct sg_reconcile_call *call)
{
    if (r->call_count == r->calls_allocated) {
        size_t allocated = r->calls_allocated > 0 ? 2 * r->calls_allocated : 256;
        struct sg_reconcile_call *grown = realloc(r->calls, allocated * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        r->calls = grown;
        r->calls_allocated = allocated;
    }
    struct sg_reconcile_call *kept = &r->calls[r->call_count++];
    *kept = *call;
    struct sg_str *const texts[] = {&kept->time,   &kept->request_id,          &kept->caller,
                                    &kept->action, &kept->upstream_request_id, &kept->project_id};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = sg_arena_copy(&r->arena, *texts[i]);
        if (texts[i]->p == NULL) {
            return false;
        }
    }
    if (kept->to_ms - kept->from_ms > r->longest_ms) {
        r->longest_ms = kept->to_ms - kept->from_ms;
    }
    return true;
}

enum sg_status sg_reconcile_add(struct sg_reconcile *r, const struct sg_entry *entry)
{
    struct sg_reconcile_call call = {.trace = NULL};
    uint64_t took_us = 0;
    if (!time_of(entry, SG_ENTRY_time, &call.from_ms)) {
        return SG_OK;
    }
    if (!r->has_begin || call.from_ms < r->log_begin_ms) {
        r->has_begin = true;
        r->log_begin_ms = call.from_ms;
    }
    if (!r->keys_given) {
        add_key(r, sg_entry_text(entry, SG_ENTRY_credential_fingerprint));
    }
    if (!may_have_been_sent(entry)) {
        return SG_OK;
    }
    /* Not the outcome's time: after a crash that is the time of the next start. */
    (void)sg_entry_number(entry, SG_ENTRY_duration_us, &took_us);
    call.to_ms = call.from_ms;
    if (entry->has_intent) {
        call.to_ms += (int64_t)(took_us / 1000);
    } else {
        call.from_ms -= (int64_t)(took_us / 1000);
    }
    call.upstream_request_id = sg_entry_text(entry, SG_ENTRY_upstream_request_id);
    call.in_doubt = sg_entry_is_in_doubt(entry);
    size_t trace = call.upstream_request_id.n > 0 ? find_by_id(r, call.upstream_request_id)
                                                  : sg_trail_count(r->trail);
    if (trace < sg_trail_count(r->trail)) {
        r->taken[trace] = true;
        r->verdicts[trace] = SG_TRACE_BY_ID;
        call.trace = sg_trail_trace(r->trail, trace);
        r->sums.by_id++;
    }
    if (call.trace == NULL && (call.to_ms < r->options.from_ms - r->options.window_ms ||
                               call.from_ms > r->options.to_ms + r->options.window_ms)) {
        return SG_OK;
    }
    /* At the very edges of the trail a call may have fallen out of it. */
    bool within = call.from_ms >= r->options.from_ms && call.to_ms <= r->options.to_ms;
    call.is_expected =
        within && sg_str_equal(sg_entry_text(entry, SG_ENTRY_outcome), SG_STR("success")) &&
        (r->options.all_levels || !only_reads(sg_entry_text(entry, SG_ENTRY_access_level)));
    r->sums.calls++;
    r->sums.expected += call.is_expected;
    r->sums.in_doubt += call.in_doubt;
    if (call.trace != NULL && !call.in_doubt) {
        return SG_OK;
    }
    call.time = sg_entry_text(entry, SG_ENTRY_time);
    call.request_id = sg_entry_text(entry, SG_ENTRY_request_id);
    call.caller = sg_entry_text(entry, SG_ENTRY_caller);
    call.action = sg_entry_text(entry, SG_ENTRY_action);
    call.project_id = sg_entry_text(entry, SG_ENTRY_project_id);
    return keep(r, &call) ? SG_OK : SG_NO_MEMORY;
}

/* --- joining ---------------------------------------------------------------------------------- */

static int by_begin(const void *a, const void *b)
{
    const struct sg_reconcile_call *x = a, *y = b;
    if (x->from_ms != y->from_ms) {
        return x->from_ms < y->from_ms ? -1 : 1;
    }
    return sg_str_compare(x->request_id, y->request_id);
}

static bool is_ours(struct sg_reconcile *r, const struct sg_trace *trace)
{
    if (trace->fingerprint[0] == '\0') {
        r->sums.without_key += !trace->by_hand;
        return !trace->by_hand;
    }
    for (size_t i = 0; i < r->key_count; i++) {
        if (strcmp(r->keys[i], trace->fingerprint) == 0) {
            return true;
        }
    }
    return false;
}

/* What an action does: "deleteFlowOutput" of "live:ott:deleteFlowOutput". */
static struct sg_str operation_of(struct sg_str action)
{
    size_t from = action.n;
    while (from > 0 && action.p[from - 1] != ':') {
        from--;
    }
    return sg_str_slice(action, from, action.n);
}

static bool may_be(const struct sg_reconcile *r, const struct sg_trace *trace,
                   const struct sg_reconcile_call *call)
{
    struct sg_str operation = operation_of(call->action);
    const bool ids_are_of_one_kind = r->sums.by_id > 0;
    if (call->trace != NULL || trace->time_ms > call->to_ms + r->options.window_ms) {
        return false;
    }
    if (ids_are_of_one_kind && trace->request_id.n > 0 && call->upstream_request_id.n > 0) {
        return false;
    }
    return operation.n > 0 &&
           (sg_str_equal_fold(operation, trace->name) ||
            sg_str_equal_fold(operation, trace->operation_id)) &&
           (trace->project_id.n == 0 || call->project_id.n == 0 ||
            sg_str_equal(trace->project_id, call->project_id));
}

/* The call nearest in time that the trace may be of, or NULL. Calls are sorted. */
static struct sg_reconcile_call *find_by_time(const struct sg_reconcile *r,
                                              const struct sg_trace *trace)
{
    struct sg_reconcile_call *best = NULL;
    int64_t best_ms = INT64_MAX;
    const int64_t earliest = trace->time_ms - r->options.window_ms - r->longest_ms;
    size_t low = 0, high = r->call_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->calls[middle].from_ms < earliest) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < r->call_count; low++) {
        struct sg_reconcile_call *call = &r->calls[low];
        if (call->from_ms > trace->time_ms + r->options.window_ms) {
            break;
        }
        int64_t away = trace->time_ms - call->from_ms;
        away = away < 0 ? -away : away;
        if (away < best_ms && may_be(r, trace, call)) {
            best = call;
            best_ms = away;
        }
    }
    return best;
}

void sg_reconcile_finish(struct sg_reconcile *r, int64_t log_end_ms)
{
    if (r->call_count > 0) {
        qsort(r->calls, r->call_count, sizeof *r->calls, by_begin);
    }
    r->sums.keys = r->key_count;
    r->sums.traces = sg_trail_count(r->trail);
    for (size_t i = 0; i < sg_trail_count(r->trail); i++) {
        const struct sg_trace *trace = sg_trail_trace(r->trail, i);
        if (r->verdicts[i] == SG_TRACE_BY_ID) {
            continue;
        }
        if (!is_ours(r, trace)) {
            r->sums.foreign++;
            continue; /* the verdict it has */
        }
        struct sg_reconcile_call *call = find_by_time(r, trace);
        if (call != NULL) {
            call->trace = trace;
            r->verdicts[i] = SG_TRACE_BY_TIME;
            r->sums.by_time++;
        } else if (!r->has_begin || trace->time_ms < r->log_begin_ms ||
                   trace->time_ms > log_end_ms) {
            r->verdicts[i] = SG_TRACE_OUTSIDE;
            r->sums.outside++;
        } else {
            r->verdicts[i] = SG_TRACE_UNEXPLAINED;
            r->sums.unexplained++;
        }
    }
    for (size_t i = 0; i < r->call_count; i++) {
        r->sums.missing += r->calls[i].is_expected && r->calls[i].trace == NULL;
        r->sums.resolved += r->calls[i].in_doubt && r->calls[i].trace != NULL;
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

enum sg_trace_verdict sg_reconcile_verdict(const struct sg_reconcile *r, size_t trace)
{
    return r->verdicts[trace];
}

size_t sg_reconcile_call_count(const struct sg_reconcile *r)
{
    return r->call_count;
}

const struct sg_reconcile_call *sg_reconcile_call(const struct sg_reconcile *r, size_t index)
{
    return &r->calls[index];
}

const struct sg_reconcile_sums *sg_reconcile_sums(const struct sg_reconcile *r)
{
    return &r->sums;
}
