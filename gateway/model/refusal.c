#include "model/refusal.h"

#include "base/object.h"

static const struct sg_refusal_row rows[] = {
    [SG_REFUSAL_BAD_REQUEST] = {400, "SIGNGATE.BadRequest", "Malformed or ambiguous request", 0},
    [SG_REFUSAL_UNKNOWN_CALLER] = {401, "SIGNGATE.UnknownCaller", "Caller not identified", 0},
    [SG_REFUSAL_DENIED] = {403, "SIGNGATE.Denied", "Denied by policy", 0},
    [SG_REFUSAL_UNKNOWN_OPERATION] = {403, "SIGNGATE.UnknownOperation",
                                      "No operation of the catalog", 0},
    [SG_REFUSAL_UNMAPPED_OPERATION] = {403, "SIGNGATE.UnmappedOperation",
                                       "The operation's action is not known", 0},
    [SG_REFUSAL_PROJECT_NOT_SERVED] = {403, "SIGNGATE.ProjectNotServed",
                                       "The project is not served here", 0},
    [SG_REFUSAL_FROZEN] = {403, "SIGNGATE.Frozen", "Frozen by an operator", 0},
    [SG_REFUSAL_UNKNOWN_HOST] = {421, "SIGNGATE.UnknownHost", "The Host selects no service", 0},
    [SG_REFUSAL_REQUEST_TIMEOUT] = {408, "SIGNGATE.RequestTimeout", "The request came too slowly",
                                    0},
    [SG_REFUSAL_BODY_TOO_LARGE] = {413, "SIGNGATE.BodyTooLarge", "The body is too large", 0},
    [SG_REFUSAL_TARGET_TOO_LONG] = {414, "SIGNGATE.TargetTooLong", "The target is too long", 0},
    [SG_REFUSAL_HEADERS_TOO_LARGE] = {431, "SIGNGATE.HeadersTooLarge",
                                      "The headers are too large or too many", 0},
    [SG_REFUSAL_EXPECTATION_FAILED] = {417, "SIGNGATE.ExpectationFailed",
                                       "Expect other than 100-continue", 0},
    [SG_REFUSAL_HTTP_VERSION] = {505, "SIGNGATE.HttpVersion", "HTTP version other than 1.0 and 1.1",
                                 0},
    [SG_REFUSAL_QUOTA_EXCEEDED] = {429, "SIGNGATE.QuotaExceeded", "The caller is over its quota",
                                   1},
    [SG_REFUSAL_OVERLOADED] = {429, "SIGNGATE.Overloaded", "Too many requests are waiting", 1},
    [SG_REFUSAL_UPSTREAM] = {502, "SIGNGATE.Upstream",
                             "The cloud could not be reached or answered "
                             "badly",
                             0},
    [SG_REFUSAL_UPSTREAM_TIMEOUT] = {504, "SIGNGATE.UpstreamTimeout", "The cloud was too slow", 0},
    [SG_REFUSAL_AUDIT_UNAVAILABLE] = {503, "SIGNGATE.AuditUnavailable",
                                      "The audit log cannot be written", 5},
    [SG_REFUSAL_NO_CREDENTIAL] = {503, "SIGNGATE.NoCredential", "No usable credential", 5},
    [SG_REFUSAL_BREAKER_OPEN] = {503, "SIGNGATE.BreakerOpen", "The access key's breaker is open",
                                 60},
    [SG_REFUSAL_DRAINING] = {503, "SIGNGATE.Draining", "The gateway is shutting down", 1},
    [SG_REFUSAL_BUSY] = {503, "SIGNGATE.Busy", "No memory or no room for the body now", 1},
};

const struct sg_refusal_row *sg_refusal_row(enum sg_refusal refusal)
{
    SG_ASSERT(refusal > SG_REFUSAL_NONE && (size_t)refusal < sizeof rows / sizeof *rows);
    return &rows[refusal];
}
