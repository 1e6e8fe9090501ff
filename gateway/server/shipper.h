/*
 * The shipper: what follows the audit log beside the gateway's work. One thread serves all sinks
 * and deletes segments whose time is over (audit.retain); the anchor has a thread of its own. The
 * files are the truth: nothing here is on a request's way, and nothing waits for it but the end of
 * the program, for a bounded time. Threads start when a configuration first asks for one of them.
 * [supervisor]
 */
#ifndef SG_SERVER_SHIPPER_H
#define SG_SERVER_SHIPPER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "snapshot/snapshot.h"

struct sg_resolver;
struct sg_shipper;
struct sg_shipper_change;

struct sg_shipper_options {
    struct sg_log *log;
    const struct sg_clock *clock;
    struct sg_resolver *resolver; /* must live until finish */
    const char *user_agent;
};

/* Begin with what a snapshot says; the journal has opened the log. NULL: *reterr says why. */
struct sg_shipper *sg_shipper_new(const struct sg_shipper_options *options,
                                  const struct sg_snapshot *snapshot, struct sg_error *reterr);

/*
 * Make ready for what a snapshot says, and nothing else yet; then take it, which cannot fail, or
 * free it. Sinks that stay the same go on undisturbed. NULL: *reterr says why.
 */
struct sg_shipper_change *sg_shipper_prepare(struct sg_shipper *shipper,
                                             const struct sg_snapshot *snapshot,
                                             struct sg_error *reterr);
void sg_shipper_commit(struct sg_shipper *shipper, struct sg_shipper_change *change);
void sg_shipper_change_free(struct sg_shipper_change *change); /* NULL is fine */

/*
 * Hand on what is in the log now, close in order, save the positions, free; five seconds at most
 * for receivers that do not take it. NULL is fine. [the journal is closed]
 */
void sg_shipper_finish(struct sg_shipper *shipper);

/* Append the figures of sinks and anchor in Prometheus' text format 0.0.4; NULL: nothing. */
void sg_shipper_print_metrics(const struct sg_shipper *shipper, struct sg_buf *out);

#endif
