/*
 * After a crash: an outcome for each intent that was left without one, since nobody will ever write
 * it. What became of the call is not known. [supervisor, at start]
 */
#ifndef SG_AUDIT_CRASH_H
#define SG_AUDIT_CRASH_H

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

/* Gets the text of one outcome; SG_NO_MEMORY ends it. */
typedef enum sg_status sg_crash_take_fn(void *arg, struct sg_str text);

/*
 * Read the last run's segments and hand over an outcome "unknown" for each intent that is open, in
 * the order of the intents. Nothing is changed. SG_IO, SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_crash_outcomes(const char *directory, const struct sg_clock *clock,
                                               sg_crash_take_fn *take, void *arg,
                                               struct sg_error *reterr);

#endif
