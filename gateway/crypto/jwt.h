/*
 * JSON Web Tokens (RFC 7519) signed by a key of a JSON Web Key Set (RFC 7517): the only door to
 * libjose. What a token says of itself is believed as far as its signer's key allows: the algorithm
 * must be one of the key's own, the key is chosen from the set by us, and nothing in the token can
 * bring a key along. Pure: no files, no clock. [any; one struct by one thread at a time]
 *
 * Texts of errors never hold a token or a part of it.
 */
#ifndef SG_CRYPTO_JWT_H
#define SG_CRYPTO_JWT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct sg_jwks; /* a set of keys */
struct sg_jwt;  /* one token */

enum {
    SG_JWT_BYTES_MAX = 8 * 1024,
    SG_JWT_LEEWAY_S = 60, /* clocks of issuer and gateway may be so far apart */
};

/* Whether signatures can be verified: libjose was there when this was built. */
bool sg_jwt_is_built(void);

/*
 * Parse a set. Keys that can verify none of the algorithms below are skipped; on_note (may be NULL)
 * hears of each in a sentence. NULL: no JSON, no set, a private key, a damaged one or an RSA key
 * below 2048 bits in it, two keys of one kid, or no key that can be used; *reterr says which.
 */
struct sg_jwks *sg_jwks_new(struct sg_str json, void (*on_note)(void *arg, const char *text),
                            void *arg, struct sg_error *reterr);

/* NULL is fine. */
void sg_jwks_free(struct sg_jwks *keys);

/*
 * Read a token; nothing is verified yet. SG_UNAUTHENTICATED: it is longer than SG_JWT_BYTES_MAX, is
 * not three parts of canonical base64url (RFC 7515 section 7.1), its header or payload is no JSON
 * object without doubled members, its alg is none of RS, PS and ES with 256, 384 and 512, its
 * header has crit, b64, jwk, jku, x5u or x5c, its typ is neither JWT nor at+jwt, or it has no
 * issuer.
 */
SG_MUST_CHECK enum sg_status sg_jwt_read(struct sg_str token, struct sg_jwt **ret,
                                         struct sg_error *reterr);

/* NULL is fine. */
void sg_jwt_free(struct sg_jwt *jwt);

/*
 * Verify the signature by the key that has the token's kid; without a kid by the one key of the set
 * that fits the algorithm. SG_UNAUTHENTICATED: there is no such key, or it did not sign this.
 */
SG_MUST_CHECK enum sg_status sg_jwt_verify(const struct sg_jwt *jwt, const struct sg_jwks *keys,
                                           struct sg_error *reterr);

/*
 * Judge exp (required), nbf and iat at now_s, seconds since 1970, with the leeway; and that aud
 * (required) is the audience, or a list that holds it (RFC 7519 section 4.1).
 */
SG_MUST_CHECK enum sg_status sg_jwt_check_claims(const struct sg_jwt *jwt, struct sg_str audience,
                                                 int64_t now_s, struct sg_error *reterr);

/* iss; sub, or "" when there is none or it is no string. Borrowed from the token. */
struct sg_str sg_jwt_issuer(const struct sg_jwt *jwt);
struct sg_str sg_jwt_subject(const struct sg_jwt *jwt);

/* The second from which on the token is of no use: exp and leeway; INT64_MIN without a usable exp.
 */
int64_t sg_jwt_end_s(const struct sg_jwt *jwt);

/*
 * Whether a claim is this text: a string exactly, a number, true or false as JSON writes it, or a
 * list with a string that is exactly it.
 */
bool sg_jwt_claim_is(const struct sg_jwt *jwt, struct sg_str name, struct sg_str value);

#endif
