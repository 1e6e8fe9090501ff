/* What policy says of a request. Texts are borrowed from the snapshot. Values only. */
#ifndef SG_MODEL_DECISION_H
#define SG_MODEL_DECISION_H

#include <stdbool.h>

#include "base/str.h"

enum sg_reason {
    SG_REASON_NO_MATCHING_ALLOW = 0,
    SG_REASON_ALLOWED,
    SG_REASON_EXPLICIT_DENY,
};

struct sg_decision {
    enum sg_reason reason;
    struct sg_str policy;    /* the deciding one; empty when nothing matched */
    struct sg_str statement; /* its Sid, or its number from 1 */
};

static inline bool sg_decision_allows(const struct sg_decision *decision)
{
    return decision->reason == SG_REASON_ALLOWED;
}

/* "no_matching_allow", "allowed", "explicit_deny". */
const char *sg_reason_name(enum sg_reason reason);

#endif
