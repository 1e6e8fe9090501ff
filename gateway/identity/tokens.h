/*
 * One worker's verifier of callers' tokens: its own copies of the issuers' keys, and a bounded
 * cache of tokens that it has verified. [worker]
 */
#ifndef SG_IDENTITY_TOKENS_H
#define SG_IDENTITY_TOKENS_H

#include <stdint.h>

#include "base/error.h"
#include "crypto/jwt.h"
#include "identity/issuers.h"

struct sg_tokens;

enum { SG_TOKENS_CACHED = 1024 };

/* issuers are read, not kept. NULL: *reterr says why. [supervisor: for the worker] */
struct sg_tokens *sg_tokens_new(const struct sg_issuers *issuers, struct sg_error *reterr);

/* NULL is fine. */
void sg_tokens_free(struct sg_tokens *tokens);

/*
 * Verify a bearer token at now_s, seconds since 1970: *ret is borrowed until the next call. A token
 * that was verified before is found by its SHA-256 for as long as it is valid; its times are judged
 * each time. SG_UNAUTHENTICATED: *reterr says why, without a word of the token.
 */
SG_MUST_CHECK enum sg_status sg_tokens_verify(struct sg_tokens *tokens, struct sg_str token,
                                              int64_t now_s, const struct sg_jwt **ret,
                                              struct sg_error *reterr);

#endif
