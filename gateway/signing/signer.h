/*
 * Signing by a scheme of the vendor (shared names: SDK-HMAC-SHA256), in named stages, each of which
 * can be looked at. A struct sg_signer is keyed once for one credential and belongs to one thread.
 * Source: support.huaweicloud.com/devg-apisign/api-sign-algorithm-001 to -004.
 */
#ifndef SG_SIGNING_SIGNER_H
#define SG_SIGNING_SIGNER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/str.h"

enum sg_scheme { SG_SCHEME_SDK_HMAC_SHA256 = 0 };

/* All names an "algorithm:" may have, built or not, ended by NULL: for help and "did you mean". */
extern const char *const sg_scheme_names[];

/* The scheme with that name; SG_NOT_FOUND when it is not built. */
SG_MUST_CHECK enum sg_status sg_scheme_find(struct sg_str name, enum sg_scheme *ret);

/* Whether the vendor has a scheme of that name, built here or not. */
bool sg_scheme_is_known(struct sg_str name);

struct sg_sign_header {
    struct sg_str name;  /* any case */
    struct sg_str value; /* trimmed by the signer */
};

/* What is signed. All slices are borrowed for the call. */
struct sg_sign_request {
    struct sg_str method;
    struct sg_str path;  /* percent-encoded, as on the wire; empty means "/" */
    struct sg_str query; /* canonical already (sg_sign_canonical_query), without "?" */
    const struct sg_sign_header *headers; /* all of them are signed; x-sdk-date is among them */
    size_t header_count;
    struct sg_str body;
};

/* The stages. Init each buffer before, done after; the signer clears and fills them. */
struct sg_sign_stages {
    struct sg_buf canonical_request;
    struct sg_buf string_to_sign;
    struct sg_buf signature;     /* lower-case hex */
    struct sg_buf authorization; /* the header's value */
};

void sg_sign_stages_init(struct sg_sign_stages *stages);
void sg_sign_stages_done(struct sg_sign_stages *stages);

struct sg_signer;

/* Key a signer. access_key is copied. NULL: *reterr says why. */
struct sg_signer *sg_signer_new(enum sg_scheme scheme, struct sg_str access_key,
                                const struct sg_secret *secret_key, struct sg_error *reterr);
void sg_signer_free(struct sg_signer *signer);

/*
 * Sign. date is the value of X-Sdk-Date. SG_MALFORMED: a method that is no upper-case token, a path
 * without "/" first or with a bad %xx, a header name that repeats (in any case) or is no token,
 * control bytes in a value. SG_TOO_LARGE: more than 64 headers, a stage above 256 KiB, or no
 * memory. SG_INTERNAL if OpenSSL fails.
 */
SG_MUST_CHECK enum sg_status sg_signer_sign(struct sg_signer *signer,
                                            const struct sg_sign_request *request,
                                            struct sg_str date, struct sg_sign_stages *ret_stages,
                                            struct sg_error *reterr);

/*
 * Rewrite a raw query string (without "?") as the canonical one: decoded once, sorted by name then
 * value in byte order, encoded; "a" becomes "a=", empty pairs are dropped, "+" is a plus sign.
 * Appended to out. SG_MALFORMED for a bad %xx, SG_TOO_LARGE when it does not fit.
 */
SG_MUST_CHECK enum sg_status sg_sign_canonical_query(struct sg_str raw, struct sg_buf *out);

#endif
