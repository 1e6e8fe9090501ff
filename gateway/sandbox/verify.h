/*
 * The simulated cloud's judgement of a signature (SDK-HMAC-SHA256), written from the vendor's
 * signing guide and apart from the signer: it shares no code with gateway/signing, text/encode or
 * gateway/crypto, so that a mistake in one cannot hide in the other. Pure functions over the raw
 * request as it was received. [any]
 */
#ifndef SG_SANDBOX_VERIFY_H
#define SG_SANDBOX_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct sg_sandbox_header {
    struct sg_str name;
    struct sg_str value;
};

/* A request as it stands on the wire. All slices are borrowed. */
struct sg_sandbox_request {
    struct sg_str method;
    struct sg_str target; /* raw: path, perhaps "?" and a query */
    const struct sg_sandbox_header *headers;
    size_t header_count;
    struct sg_str body;
};

enum sg_sandbox_verdict {
    SG_SANDBOX_ACCEPTED = 0,
    SG_SANDBOX_NO_AUTHORIZATION,   /* no Authorization header */
    SG_SANDBOX_BAD_AUTHORIZATION,  /* it breaks its grammar, or stands twice */
    SG_SANDBOX_NO_DATE,            /* X-Sdk-Date is missing, not signed, or no date */
    SG_SANDBOX_EXPIRED,            /* more than 15 minutes from now, either way */
    SG_SANDBOX_UNKNOWN_KEY,        /* the access key is another */
    SG_SANDBOX_HEADER_MISSING,     /* a signed header is not there, or stands twice */
    SG_SANDBOX_BAD_TARGET,         /* the target is no path, or has a bad %xx */
    SG_SANDBOX_SIGNATURE_MISMATCH, /* all there, but not signed with our secret key */
    SG_SANDBOX_TOO_LARGE,          /* beyond what is looked at, or no memory */
};

enum {
    SG_SANDBOX_SKEW_SECONDS = 15 * 60,
    SG_SANDBOX_CANONICAL_BYTES_MAX = 256 * 1024,
    SG_SANDBOX_PAIRS_MAX = 256, /* pairs of a query */
    SG_SANDBOX_SIGNED_MAX = 64, /* signed headers */
};

/* The value of an Authorization header in its parts, borrowed from it. */
struct sg_sandbox_authorization {
    struct sg_str access_key;
    struct sg_str signed_headers;
    struct sg_str signature;
};

/*
 * Read "SDK-HMAC-SHA256 Access=AK, SignedHeaders=a;b, Signature=HEX", in exactly this form: names
 * in lower case, ascending, x-sdk-date among them; 64 lower-case hex digits.
 */
bool sg_sandbox_parse_authorization(struct sg_str value, struct sg_sandbox_authorization *ret);

/* Read "20191115T033655Z" as seconds since 1970; false for what is no such date. */
bool sg_sandbox_parse_date(struct sg_str value, int64_t *ret_seconds);

/* One decoded pair of a query. */
struct sg_sandbox_pair {
    struct sg_str name;
    struct sg_str value;
};

/*
 * Decode the query of a target into pairs, in their order; "a" is a with an empty value, empty
 * pairs are left out, "+" is a plus sign. False for a bad %xx, too many pairs or no memory.
 */
bool sg_sandbox_parse_query(struct sg_arena *arena, struct sg_str target,
                            struct sg_sandbox_pair ret[SG_SANDBOX_PAIRS_MAX], size_t *ret_count);

/* The one header of that name (any case); false when there is none, or more than one. */
bool sg_sandbox_find_header(const struct sg_sandbox_request *request, struct sg_str name,
                            struct sg_str *ret);

/*
 * Write the canonical request. ACCEPTED, HEADER_MISSING, BAD_TARGET or TOO_LARGE; the buffer holds
 * a whole text only with the first.
 */
enum sg_sandbox_verdict sg_sandbox_canonical_request(const struct sg_sandbox_request *request,
                                                     struct sg_str signed_headers,
                                                     struct sg_buf *out);

/*
 * Judge a request. canonical gets the canonical request where the judgement came so far (its cap is
 * the caller's: SG_SANDBOX_CANONICAL_BYTES_MAX), else it is left empty.
 */
enum sg_sandbox_verdict sg_sandbox_verify(const struct sg_sandbox_request *request,
                                          struct sg_str access_key, struct sg_str secret_key,
                                          int64_t now_seconds, struct sg_buf *canonical);

#endif
