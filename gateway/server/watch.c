#include "server/watch.h"

enum { JUMP_US = 1000000 }; /* what NTP slews stays far below this within a tick */

static int64_t offset_us(const struct sg_clock *clock)
{
    return sg_clock_realtime_us(clock) - sg_clock_monotonic_us(clock);
}

void sg_watch_init(struct sg_watch *watch, struct sg_journal *journal, struct sg_journal_port *port,
                   struct sg_log *log, const struct sg_clock *clock)
{
    *watch = (struct sg_watch){.journal = journal,
                               .port = port,
                               .log = log,
                               .clock = clock,
                               .clock_offset_us = offset_us(clock)};
}

static void look_at_journal(struct sg_watch *watch)
{
    const struct sg_journal_figures now = sg_journal_figures(watch->journal);
    if (now.failures != watch->failures) {
        char cause[SG_JOURNAL_CAUSE_BYTES];
        sg_journal_cause(watch->journal, cause);
        sg_log_event(watch->log, SG_LOG_ERROR,
                     now.state == SG_JOURNAL_FULL
                         ? "the audit log is full: no request is sent until there is room"
                         : "the audit log failed: no request is sent until it is recovered",
                     SG_LOG_TEXT_FIELD("cause", sg_str_from(cause)),
                     SG_LOG_NUMBER_FIELD("failures", now.failures));
    }
    if (now.recoveries != watch->recoveries) {
        sg_log_event(
            watch->log, now.lost > 0 ? SG_LOG_ERROR : SG_LOG_WARN,
            "the audit log was recovered in a new segment", SG_LOG_NUMBER_FIELD("epoch", now.epoch),
            SG_LOG_NUMBER_FIELD("replayed", now.replayed), SG_LOG_NUMBER_FIELD("lost", now.lost));
    }
    if (now.state != watch->state && now.state == SG_JOURNAL_STALLED) {
        sg_log_event(watch->log, SG_LOG_ERROR,
                     "the audit log's disk does not answer: no request is sent until it does",
                     SG_LOG_TEXT_FIELD("state", SG_STR("stalled")));
    } else if (now.state != watch->state && now.state == SG_JOURNAL_OK) {
        sg_log_event(watch->log, SG_LOG_INFO, "the audit log takes records again",
                     SG_LOG_TEXT_FIELD("before", sg_str_from(sg_journal_state_name(watch->state))));
    }
    watch->state = now.state;
    watch->failures = now.failures;
    watch->recoveries = now.recoveries;
}

static void look_at_clock(struct sg_watch *watch)
{
    int64_t now_us = offset_us(watch->clock);
    int64_t jump_us = now_us - watch->clock_offset_us;
    watch->clock_offset_us = now_us; /* a slewed clock is followed */
    if (jump_us < JUMP_US && jump_us > -JUMP_US) {
        return;
    }
    const struct sg_audit_record record = {.event = SG_AUDIT_CLOCK_JUMP,
                                           .time_us = sg_clock_realtime_us(watch->clock),
                                           .offset_us = jump_us};
    (void)sg_journal_submit(watch->port, &record, SG_JOURNAL_WAIT_NONE, 0);
    sg_journal_flush(watch->port);
    sg_log_event(watch->log, SG_LOG_WARN, "the clock was set",
                 SG_LOG_NUMBER_FIELD("milliseconds", jump_us / 1000));
}

void sg_watch_look(struct sg_watch *watch)
{
    look_at_journal(watch);
    look_at_clock(watch);
}
