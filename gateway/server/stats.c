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

void sg_stats_print_head(struct sg_buf *out, const char *name, const char *type, const char *help)
{
    sg_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_number(struct sg_buf *out, const char *name, const char *type, const char *help,
                         int64_t value)
{
    sg_stats_print_head(out, name, type, help);
    sg_buf_printf(out, "%s %lld\n", name, (long long)value);
}

/* Microseconds as seconds. */
static void add_seconds(struct sg_buf *out, uint64_t us)
{
    sg_buf_printf(out, "%llu.%06llu", (unsigned long long)(us / 1000000),
                  (unsigned long long)(us % 1000000));
}

static void print_syncs(struct sg_buf *out, const struct sg_journal_figures *journal)
{
    static const char *const name = "signgate_audit_fsync_seconds";
    uint64_t sum = 0;
    sg_stats_print_head(out, name, "histogram",
                        "How long it took to make a batch of records durable.");
    for (size_t i = 0; i < SG_JOURNAL_SYNC_BOUNDS; i++) {
        sum += journal->sync_counts[i];
        sg_buf_printf(out, "%s_bucket{le=\"", name);
        add_seconds(out, (uint64_t)sg_journal_sync_bounds_us[i]);
        sg_buf_printf(out, "\"} %llu\n", (unsigned long long)sum);
    }
    sum += journal->sync_counts[SG_JOURNAL_SYNC_BOUNDS];
    sg_buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum ", name, (unsigned long long)sum, name);
    add_seconds(out, journal->sync_us);
    sg_buf_printf(out, "\n%s_count %llu\n", name, (unsigned long long)sum);
}

static void print_journal(struct sg_buf *out, const struct sg_journal_figures *journal)
{
    sg_stats_print_head(out, "signgate_audit_state", "gauge",
                        "1 for the state the audit log is in.");
    for (int i = 0; i < SG_JOURNAL_STATES; i++) {
        sg_buf_printf(out, "signgate_audit_state{state=\"%s\"} %d\n",
                      sg_journal_state_name((enum sg_journal_state)i), i == (int)journal->state);
    }
    const struct {
        const char *name;
        const char *type;
        const char *help;
        uint64_t value;
    } numbers[] = {
        {"signgate_audit_records_total", "counter", "Records written to the audit log.",
         journal->records},
        {"signgate_audit_bytes_total", "counter", "Bytes written to the audit log.",
         journal->bytes},
        {"signgate_audit_batches_total", "counter", "Writes that took these records.",
         journal->batches},
        {"signgate_audit_failures_total", "counter",
         "Operations on the audit log that failed, a full disk included.", journal->failures},
        {"signgate_audit_recoveries_total", "counter", "Recoveries in a new segment.",
         journal->recoveries},
        {"signgate_audit_replayed_total", "counter",
         "Records that did not read back after a failure and were written again.",
         journal->replayed},
        {"signgate_audit_lost_total", "counter",
         "Acknowledged records that could not be read back nor written again.", journal->lost},
        {"signgate_audit_summed_total", "counter",
         "Refusals of noisy sources that are counted in a sum.", journal->summed},
        {"signgate_audit_segments_total", "counter", "Segments begun.", journal->segments},
        {"signgate_audit_checkpoints_total", "counter", "Signed checkpoints.",
         journal->checkpoints},
        {"signgate_audit_checkpoint_failures_total", "counter",
         "Checkpoints that could not be written.", journal->checkpoint_failures},
        {"signgate_audit_epoch", "gauge", "Epoch of the segment that is being written.",
         journal->epoch},
        {"signgate_audit_seq", "gauge", "Number of the last record written.", journal->seq},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        print_number(out, numbers[i].name, numbers[i].type, numbers[i].help,
                     (int64_t)numbers[i].value);
    }
    print_number(out, "signgate_audit_room_bytes", "gauge",
                 "Room on the disk that is allocated and not promised to a request.",
                 journal->room > 0 ? journal->room : 0);
    print_syncs(out, journal);
}

void sg_stats_print(struct sg_buf *out, const struct sg_worker_stats *const *workers, size_t count,
                    const struct sg_journal_figures *journal, bool ready)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        uint64_t sum = 0;
        for (size_t w = 0; w < count; w++) {
            sum += atomic_load_explicit(&workers[w]->values[row->stat], memory_order_relaxed);
        }
        if (row->help != NULL) {
            sg_stats_print_head(out, row->name, row->type, row->help);
        }
        sg_buf_add_text(out, row->name);
        if (row->label != NULL) {
            sg_buf_printf(out, "{%s}", row->label);
        }
        sg_buf_add_char(out, ' ');
        sg_buf_add_u64(out, sum);
        sg_buf_add_char(out, '\n');
    }
    print_journal(out, journal);
    sg_stats_print_head(out, "signgate_ready", "gauge", "1 when /readyz says ready.");
    sg_buf_printf(out, "signgate_ready %d\n", ready);
}
