/*
 * A sink: one receiver of the audit log. It follows the files of the audit directory from a saved
 * position and hands every line on at least once, in the order of the log, for as long as it takes;
 * what is wrong with a receiver shows in its figures and, once for each change, in the log. Sinks
 * know nothing of each other. [shipper's thread, figures: any]
 */
#ifndef SG_SERVER_SINK_H
#define SG_SERVER_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/follow.h"
#include "audit/sink_frame.h"
#include "base/log.h"
#include "snapshot/snapshot.h"

struct sg_loop;
struct sg_resolver;
struct sg_sink;

/* What metrics show of a sink; lives as long as anybody counts it. */
struct sg_sink_figures {
    atomic_size_t references;
    _Atomic uint64_t lag_bytes; /* of the log, that it has not taken */
    _Atomic uint64_t seq;       /* of the last line that it took */
    _Atomic uint64_t records;   /* lines taken; one that was sent twice counts twice */
    _Atomic uint64_t failures;
    _Atomic uint64_t connected; /* 0 or 1 */
    char name[];
};

struct sg_sink_figures *sg_sink_figures_new(const char *name); /* NULL: no memory */
struct sg_sink_figures *sg_sink_figures_ref(struct sg_sink_figures *figures);
void sg_sink_figures_unref(struct sg_sink_figures *figures); /* NULL is fine */

/* What all sinks work with; outlives them. */
struct sg_sink_world {
    struct sg_loop *loop;
    struct sg_resolver *resolver;
    struct sg_log *log;
    const char *directory; /* of the audit log */
    const char *stream;    /* its id */
    struct sg_sink_sender sender;
    const char *user_agent;
};

/*
 * Make the sink that a snapshot's specification asks for; it holds the snapshot for as long as it
 * needs it. NULL: no memory.
 */
struct sg_sink *sg_sink_new(const struct sg_sink_world *world, const struct sg_snapshot *snapshot,
                            const struct sg_audit_sink *spec, struct sg_sink_figures *figures);

/* Close at once; the position is saved. NULL is fine. Never from a callback of the sink's own. */
void sg_sink_free(struct sg_sink *sink);

/*
 * A reload brought another specification of the same name. True: it is the same receiver, and the
 * sink goes on with the new certificates and token from its next connection or request on. False:
 * it is another one; the sink is as before.
 */
bool sg_sink_adopt(struct sg_sink *sink, const struct sg_snapshot *snapshot,
                   const struct sg_audit_sink *spec);

/* Go on with whatever there is to do; at each tick. */
void sg_sink_tick(struct sg_sink *sink);

/*
 * Hand on what is in the log now, then close in order; a receiver that fails is not tried again.
 * Over at the latest when so much time has passed.
 */
void sg_sink_finish(struct sg_sink *sink, int64_t within_ms);
bool sg_sink_is_finishing(const struct sg_sink *sink);
bool sg_sink_is_over(const struct sg_sink *sink); /* free it */

const char *sg_sink_name(const struct sg_sink *sink);

/* What its file says: lines before are taken. False: nothing is known yet. */
bool sg_sink_saved(const struct sg_sink *sink, struct sg_follow_position *ret);

#endif
