/*
 * Answers the gateway makes itself: header lines and problem body of a refusal. Everything a caller
 * sees of a refusal comes from here and from model/refusal's table; no internal error text does.
 */
#ifndef SG_EXCHANGE_REPLY_H
#define SG_EXCHANGE_REPLY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/problem.h"
#include "model/refusal.h"

/*
 * Append the header lines (Date, Content-Type, Signgate-Request-Id, X-Request-Id, Signgate-Error,
 * WWW-Authenticate, Retry-After) and the body. detail is one sentence for people; denial may be
 * NULL.
 */
void sg_reply_refusal(enum sg_refusal refusal, struct sg_str detail, struct sg_str request_id,
                      int64_t now_us, const struct sg_problem_denial *denial,
                      struct sg_buf *headers, struct sg_buf *body);

#endif
