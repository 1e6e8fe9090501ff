/*
 * Refusals: one value for each code of the product's table, with what every caller sees of it.
 * Values only: the body is rendered by http/problem.
 */
#ifndef SG_MODEL_REFUSAL_H
#define SG_MODEL_REFUSAL_H

#include <stdbool.h>

#include "base/str.h"

enum sg_refusal {
    SG_REFUSAL_NONE = 0,
    SG_REFUSAL_BAD_REQUEST,
    SG_REFUSAL_UNKNOWN_CALLER,
    SG_REFUSAL_DENIED,
    SG_REFUSAL_UNKNOWN_OPERATION,
    SG_REFUSAL_UNMAPPED_OPERATION,
    SG_REFUSAL_PROJECT_NOT_SERVED,
    SG_REFUSAL_FROZEN,
    SG_REFUSAL_UNKNOWN_HOST,
    SG_REFUSAL_REQUEST_TIMEOUT,
    SG_REFUSAL_BODY_TOO_LARGE,
    SG_REFUSAL_TARGET_TOO_LONG,
    SG_REFUSAL_HEADERS_TOO_LARGE,
    SG_REFUSAL_EXPECTATION_FAILED,
    SG_REFUSAL_HTTP_VERSION,
    SG_REFUSAL_QUOTA_EXCEEDED,
    SG_REFUSAL_OVERLOADED,
    SG_REFUSAL_UPSTREAM,
    SG_REFUSAL_UPSTREAM_TIMEOUT,
    SG_REFUSAL_AUDIT_UNAVAILABLE,
    SG_REFUSAL_NO_CREDENTIAL,
    SG_REFUSAL_BREAKER_OPEN,
    SG_REFUSAL_DRAINING,
    SG_REFUSAL_BUSY,
};

struct sg_refusal_row {
    unsigned status;      /* HTTP status */
    const char *code;     /* "SIGNGATE.BadRequest": Signgate-Error and error_code */
    const char *title;    /* one line for people, problem+json's title */
    unsigned retry_after; /* seconds, 0: no Retry-After */
};

/* The row of a refusal; SG_REFUSAL_NONE has none (assertion). [any] */
const struct sg_refusal_row *sg_refusal_row(enum sg_refusal refusal);

#endif
