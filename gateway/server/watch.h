/*
 * What the supervisor looks at each tick: whether the audit log's state has changed, which is told
 * once, and whether somebody has set the clock, which is recorded. [supervisor]
 */
#ifndef SG_SERVER_WATCH_H
#define SG_SERVER_WATCH_H

#include <stdint.h>

#include "audit/journal.h"
#include "base/log.h"

struct sg_watch {
    struct sg_journal *journal;
    struct sg_journal_port *port;
    struct sg_log *log;
    const struct sg_clock *clock;
    /* as of the last look */
    enum sg_journal_state state;
    uint64_t failures;
    uint64_t recoveries;
    int64_t clock_offset_us; /* real minus monotonic time */
};

/* Begin to watch; all that is given outlives the watch. */
void sg_watch_init(struct sg_watch *watch, struct sg_journal *journal, struct sg_journal_port *port,
                   struct sg_log *log, const struct sg_clock *clock);

void sg_watch_look(struct sg_watch *watch);

#endif
