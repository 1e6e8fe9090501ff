/*
 * The anchor: each note of the audit log copied, durably, to a folder that is best on another
 * machine, so that what the log was cannot be changed here alone. That folder may hang, vanish and
 * come back; so a thread of its own writes there, and nobody ever waits for it but for a bounded
 * time at the end.
 */
#ifndef SG_SERVER_ANCHOR_H
#define SG_SERVER_ANCHOR_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/note_walk.h"
#include "base/error.h"
#include "base/log.h"

struct sg_anchor;

struct sg_anchor_options {
    const char *directory; /* of the audit log */
    const char *stream;    /* its id: the file is <folder>/<stream>.note */
    const char *folder;
    struct sg_log *log; /* until finish or give_up */
};

/* Start it. NULL: *reterr says why; that the folder is not there is no reason. [supervisor] */
struct sg_anchor *sg_anchor_new(const struct sg_anchor_options *options, struct sg_error *reterr);

/*
 * Copy what notes there are, wait for that so long at most, end. NULL is fine; within_ms 0: do not
 * wait. It may not be named any more, unless it was counted. [supervisor]
 */
void sg_anchor_finish(struct sg_anchor *anchor, int64_t within_ms);

/* Count one more who looks at it, and one less; NULL is fine. [any] */
struct sg_anchor *sg_anchor_ref(struct sg_anchor *anchor);
void sg_anchor_unref(struct sg_anchor *anchor);

const char *sg_anchor_folder(const struct sg_anchor *anchor);

/* How many notes there are in the log, for the lag. [shipper's thread] */
void sg_anchor_set_notes(struct sg_anchor *anchor, uint64_t notes);

/* All notes of segments before this one stand in the anchor. [any] */
struct sg_note_head sg_anchor_passed(const struct sg_anchor *anchor);

uint64_t sg_anchor_lag_notes(const struct sg_anchor *anchor); /* [any] */
uint64_t sg_anchor_failures(const struct sg_anchor *anchor);

#endif
