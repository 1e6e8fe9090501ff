/*
 * What the operator sees of the workers: each publishes its plain counters once a tick, the admin
 * listener adds them up. Nothing here is on a request's way.
 */
#ifndef SG_SERVER_STATS_H
#define SG_SERVER_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/journal.h"
#include "base/buf.h"
#include "net/gate.h"

enum sg_stat {
    SG_STAT_CONNECTIONS = 0,
    SG_STAT_ACCEPTED,
    SG_STAT_IN_FLIGHT,
    SG_STAT_REQUESTS,
    SG_STAT_REFUSED,
    SG_STAT_LEFT,
    SG_STAT_PAUSED_BY_CONNECTIONS,
    SG_STAT_PAUSED_BY_MEMORY,
    SG_STAT_PAUSED_BY_DESCRIPTORS,
    SG_STAT_CROWDED,
    SG_STAT_HANDSHAKES,
    SG_STAT_HANDSHAKES_FAILED,
    SG_STATS,
};

/* One worker's, written by it alone. */
struct sg_worker_stats {
    _Atomic uint64_t values[SG_STATS];
};

/* Write the front's present figures. [worker] */
void sg_stats_publish(struct sg_worker_stats *stats, const struct sg_front *front);

/* Append what stands before a metric's samples. [any] */
void sg_stats_print_head(struct sg_buf *out, const char *name, const char *type, const char *help);

/*
 * Append the sums over count workers and the journal's figures in Prometheus' text format 0.0.4;
 * ready is what /readyz says. [any]
 */
void sg_stats_print(struct sg_buf *out, const struct sg_worker_stats *const *workers, size_t count,
                    const struct sg_journal_figures *journal, bool ready);

#endif
