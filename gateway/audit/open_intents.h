/*
 * The intents that have no outcome yet, by request id, in the order of their arrival. Memory grows
 * with what is open, not with what was read. Pure. [any, one thread at a time]
 */
#ifndef SG_AUDIT_OPEN_INTENTS_H
#define SG_AUDIT_OPEN_INTENTS_H

#include <stddef.h>

#include "base/status.h"
#include "base/str.h"

struct sg_open_intents;
struct sg_open_intent;

/* NULL: no memory. */
struct sg_open_intents *sg_open_intents_new(void);
void sg_open_intents_free(struct sg_open_intents *intents); /* NULL is fine */

/*
 * Called for each outcome with its intent's line, just before that is forgotten; the intent is
 * empty when it is not known (its segment was moved away). Both lines are borrowed for the call.
 */
typedef void sg_open_intents_hook(void *arg, struct sg_str intent, struct sg_str outcome);
void sg_open_intents_on_outcome(struct sg_open_intents *intents, sg_open_intents_hook *hook,
                                void *arg);

/*
 * Take a line of the log (without LF): an intent is copied and kept, an outcome removes its intent,
 * all others are ignored, and so is an intent whose request id is open already. SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_open_intents_take(struct sg_open_intents *intents,
                                                  struct sg_str line);

size_t sg_open_intents_count(const struct sg_open_intents *intents);

/* The oldest one (after: NULL), or the one that came after that one; NULL: no more. Borrowed until
 * the next take. */
const struct sg_open_intent *sg_open_intents_next(const struct sg_open_intents *intents,
                                                  const struct sg_open_intent *after);
struct sg_str sg_open_intent_line(const struct sg_open_intent *intent);

#endif
