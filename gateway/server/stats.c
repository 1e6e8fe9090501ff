#include "server/stats.h"

/* Rows of one metric stand together: the format wants its samples in one group. */
static const struct row {
    enum sg_stat stat;
    const char *name;
    const char *label; /* NULL: none */
    const char *type;
    const char *help;
} rows[] = {
    {SG_STAT_CONNECTIONS, "signgate_connections", NULL, "gauge", "Connections of callers."},
    {SG_STAT_ACCEPTED, "signgate_connections_accepted_total", NULL, "counter",
     "Connections accepted from callers."},
    {SG_STAT_CROWDED, "signgate_connections_refused_total", "reason=\"connections_per_source\"",
     "counter", "Connections refused when they were accepted."},
    {SG_STAT_PAUSED_BY_CONNECTIONS, "signgate_accept_paused_total", "reason=\"connections\"",
     "counter", "How often accepting was paused, by what was used up."},
    {SG_STAT_PAUSED_BY_DESCRIPTORS, "signgate_accept_paused_total", "reason=\"descriptors\"",
     "counter", NULL},
    {SG_STAT_PAUSED_BY_MEMORY, "signgate_accept_paused_total", "reason=\"memory\"", "counter",
     NULL},
    {SG_STAT_HANDSHAKES, "signgate_tls_handshakes_total", "result=\"success\"", "counter",
     "TLS handshakes with callers."},
    {SG_STAT_HANDSHAKES_FAILED, "signgate_tls_handshakes_total", "result=\"failure\"", "counter",
     NULL},
    {SG_STAT_IN_FLIGHT, "signgate_requests_in_flight", NULL, "gauge",
     "Requests that have no answer yet."},
    {SG_STAT_REQUESTS, "signgate_requests_total", NULL, "counter",
     "Requests whose framing and target were good."},
    {SG_STAT_REFUSED, "signgate_front_refusals_total", NULL, "counter",
     "What the front refused before it was a request: framing, target, limits, time."},
    {SG_STAT_LEFT, "signgate_callers_left_total", NULL, "counter",
     "Requests whose caller left before the answer."},
};

void sg_stats_publish(struct sg_worker_stats *stats, const struct sg_front *front)
{
    const struct sg_front_counts counts = sg_front_counts(front);
    const uint64_t values[SG_STATS] = {
        [SG_STAT_CONNECTIONS] = sg_front_connections(front),
        [SG_STAT_ACCEPTED] = counts.accepted,
        [SG_STAT_IN_FLIGHT] = sg_front_requests(front),
        [SG_STAT_REQUESTS] = counts.requests,
        [SG_STAT_REFUSED] = counts.refused,
        [SG_STAT_LEFT] = counts.gone,
        [SG_STAT_PAUSED_BY_CONNECTIONS] = counts.overflow,
        [SG_STAT_PAUSED_BY_MEMORY] = counts.memory,
        [SG_STAT_PAUSED_BY_DESCRIPTORS] = counts.emfile,
        [SG_STAT_CROWDED] = counts.crowded,
        [SG_STAT_HANDSHAKES] = counts.handshakes,
        [SG_STAT_HANDSHAKES_FAILED] = counts.handshakes_failed,
    };
    for (size_t i = 0; i < SG_STATS; i++) {
        atomic_store_explicit(&stats->values[i], values[i], memory_order_relaxed);
    }
}

static void print_head(struct sg_buf *out, const char *name, const char *type, const char *help)
{
    sg_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void sg_stats_print(struct sg_buf *out, const struct sg_worker_stats *const *workers, size_t count,
                    struct sg_str audit_state, bool ready)
{
    static const char *const states[] = {"ok", "full", "stalled", "failed"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        uint64_t sum = 0;
        for (size_t w = 0; w < count; w++) {
            sum += atomic_load_explicit(&workers[w]->values[row->stat], memory_order_relaxed);
        }
        if (row->help != NULL) {
            print_head(out, row->name, row->type, row->help);
        }
        sg_buf_add_text(out, row->name);
        if (row->label != NULL) {
            sg_buf_printf(out, "{%s}", row->label);
        }
        sg_buf_add_char(out, ' ');
        sg_buf_add_u64(out, sum);
        sg_buf_add_char(out, '\n');
    }
    print_head(out, "signgate_audit_state", "gauge", "1 for the state the audit log is in.");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        sg_buf_printf(out, "signgate_audit_state{state=\"%s\"} %d\n", states[i],
                      sg_str_equal_text(audit_state, states[i]));
    }
    print_head(out, "signgate_ready", "gauge", "1 when /readyz says ready.");
    sg_buf_printf(out, "signgate_ready %d\n", ready);
}
