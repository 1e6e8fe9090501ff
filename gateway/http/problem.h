/*
 * Bodies of answers the gateway makes itself: application/problem+json (RFC 9457) with the
 * vendor's error_code, error_msg and request_id beside, so that Live clients read them too.
 */
#ifndef SG_HTTP_PROBLEM_H
#define SG_HTTP_PROBLEM_H

#include "base/buf.h"
#include "base/str.h"
#include "model/refusal.h"

/* What a denial says besides. Empty texts are left out. */
struct sg_problem_denial {
    struct sg_str caller;
    struct sg_str identity; /* how the caller was found */
    struct sg_str action;
    struct sg_str resource;
    struct sg_str policy;
    struct sg_str statement;
    struct sg_str reason;
    struct sg_str would_allow; /* YAML */
};

/* Append the JSON body. detail is for people and never holds internal texts; denial may be NULL. */
void sg_problem_render(struct sg_buf *out, enum sg_refusal refusal, struct sg_str detail,
                       struct sg_str request_id, const struct sg_problem_denial *denial);

#endif
