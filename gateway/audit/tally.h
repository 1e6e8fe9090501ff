/*
 * Counting entries: how many, with what end, how long they took; for all together and for each
 * group of those that agree in some members. Latencies go into buckets that are a 64th of their
 * value wide, so a percentile is at most 1.6 % too high, and never too low. Memory grows with the
 * groups, not with the entries. Pure. [any, one thread at a time]
 */
#ifndef SG_AUDIT_TALLY_H
#define SG_AUDIT_TALLY_H

#include "audit/entry.h"
#include "base/status.h"

enum { SG_TALLY_BY_MAX = 5 };

struct sg_tally;
struct sg_tally_group;

/* What was counted. requests = calls + denied + rejected + dry_runs. */
struct sg_tally_figures {
    uint64_t requests;
    uint64_t calls; /* allowed: succeeded + failed + unknown + open */
    uint64_t succeeded;
    uint64_t failed; /* answered with 400 and above, or not sent */
    uint64_t unknown;
    uint64_t open; /* no outcome */
    uint64_t denied;
    uint64_t rejected;
    uint64_t dry_runs;
    uint64_t timed; /* entries that say how long they took */
    uint64_t max_us;
};

/* Group by these members (none: all are one). NULL: no memory. */
struct sg_tally *sg_tally_new(const enum sg_entry_member *by, size_t by_count);
void sg_tally_free(struct sg_tally *tally); /* NULL is fine */

/* Count an entry; events of the gateway are not counted. SG_NO_MEMORY. */
SG_MUST_CHECK enum sg_status sg_tally_add(struct sg_tally *tally, const struct sg_entry *entry);

/* All together. */
const struct sg_tally_group *sg_tally_total(const struct sg_tally *tally);

/* Sort the groups: most requests first, equals by their values. */
void sg_tally_sort(struct sg_tally *tally);
size_t sg_tally_count(const struct sg_tally *tally);
const struct sg_tally_group *sg_tally_group(const struct sg_tally *tally, size_t index);

/* The value, as it stands in the log (escaped), that a group has for by[index]; "-": none. */
struct sg_str sg_tally_value(const struct sg_tally_group *group, size_t index);
const struct sg_tally_figures *sg_tally_figures(const struct sg_tally_group *group);

/* The latency that so many of a thousand did not exceed; 0 when none was timed. */
uint64_t sg_tally_percentile_us(const struct sg_tally_group *group, unsigned permille);

/* Parts of a million of the ended calls that did not succeed, or whose fate is unknown. */
uint64_t sg_tally_error_ppm(const struct sg_tally_group *group);

#endif
