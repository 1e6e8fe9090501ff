#include "identity/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/object.h"
#include "crypto/digest.h"

/*
 * The cache is a table of fixed size: a token's digest says in which of its rows of a few slots it
 * may be. In a full row the one that ends first gives way. So a caller with many tokens can push
 * out few of the others', and a look-up compares a handful of digests.
 *
 * Only good tokens are kept: who sends bad ones pays for each with a signature that is checked, as
 * does the gateway.
 */

enum { SLOTS = 8, ROWS = SG_TOKENS_CACHED / SLOTS };

struct slot {
    struct sg_jwt *jwt; /* NULL: free */
    size_t issuer;      /* index */
    unsigned char digest[SG_DIGEST_BYTES];
};

struct issuer {
    char *name;
    char *audience;
    struct sg_jwks *keys;
};

struct sg_tokens {
    struct sg_digest *sha256;
    struct slot rows[ROWS][SLOTS];
    size_t issuer_count;
    struct issuer issuers[];
};

struct sg_tokens *sg_tokens_new(const struct sg_issuers *issuers, struct sg_error *reterr)
{
    const size_t count = sg_issuers_count(issuers);
    struct sg_tokens *tokens = calloc(1, sizeof *tokens + count * sizeof tokens->issuers[0]);
    if (tokens == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    tokens->issuer_count = count;
    tokens->sha256 = sg_digest_new(SG_DIGEST_SHA256, reterr);
    bool good = tokens->sha256 != NULL;
    for (size_t i = 0; good && i < count; i++) {
        const struct sg_issuer from = sg_issuers_get(issuers, i);
        struct issuer *issuer = &tokens->issuers[i];
        issuer->name = strndup(from.name.p, from.name.n);
        issuer->audience = strndup(from.audience.p, from.audience.n);
        issuer->keys = sg_jwks_new(from.keys, NULL, NULL, reterr);
        good = issuer->name != NULL && issuer->audience != NULL && issuer->keys != NULL;
        if (!good && issuer->keys != NULL) {
            (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        }
    }
    if (!good) {
        sg_tokens_free(tokens);
        return NULL;
    }
    return tokens;
}

void sg_tokens_free(struct sg_tokens *tokens)
{
    if (tokens == NULL) {
        return;
    }
    for (size_t i = 0; i < SG_TOKENS_CACHED; i++) {
        sg_jwt_free(tokens->rows[i / SLOTS][i % SLOTS].jwt);
    }
    for (size_t i = 0; i < tokens->issuer_count; i++) {
        free(tokens->issuers[i].name);
        free(tokens->issuers[i].audience);
        sg_jwks_free(tokens->issuers[i].keys);
    }
    sg_digest_free(tokens->sha256);
    free(tokens);
}

/* The digest is a hash that nobody can aim: any of its bytes choose the row. */
static struct slot *row_of(struct sg_tokens *tokens, const unsigned char digest[SG_DIGEST_BYTES])
{
    return tokens->rows[(digest[0] | (unsigned)digest[1] << 8) % ROWS];
}

static struct slot *find(struct sg_tokens *tokens, const unsigned char digest[SG_DIGEST_BYTES])
{
    struct slot *row = row_of(tokens, digest);
    for (size_t i = 0; i < SLOTS; i++) {
        if (row[i].jwt != NULL && memcmp(row[i].digest, digest, SG_DIGEST_BYTES) == 0) {
            return &row[i];
        }
    }
    return NULL;
}

/* A free slot, or the one whose token ends first. */
static struct slot *make_room(struct sg_tokens *tokens, const unsigned char digest[SG_DIGEST_BYTES])
{
    struct slot *row = row_of(tokens, digest), *first = &row[0];
    for (size_t i = 0; i < SLOTS && first->jwt != NULL; i++) {
        if (row[i].jwt == NULL || sg_jwt_end_s(row[i].jwt) < sg_jwt_end_s(first->jwt)) {
            first = &row[i];
        }
    }
    sg_jwt_free(first->jwt);
    *first = (struct slot){.jwt = NULL};
    return first;
}

static enum sg_status find_issuer(const struct sg_tokens *tokens, const struct sg_jwt *jwt,
                                  size_t *ret, struct sg_error *reterr)
{
    for (size_t i = 0; i < tokens->issuer_count; i++) {
        if (sg_str_equal_text(sg_jwt_issuer(jwt), tokens->issuers[i].name)) {
            *ret = i;
            return SG_OK;
        }
    }
    return sg_error_set(reterr, SG_UNAUTHENTICATED, NULL,
                        "the bearer token is of an issuer that is not configured");
}

static enum sg_status check_claims(const struct sg_tokens *tokens, const struct slot *slot,
                                   int64_t now_s, struct sg_error *reterr)
{
    return sg_jwt_check_claims(slot->jwt, sg_str_from(tokens->issuers[slot->issuer].audience),
                               now_s, reterr);
}

/* Verify a token that is not in the cache, and put it there. */
static enum sg_status verify_new(struct sg_tokens *tokens, struct sg_str token, struct slot *fresh,
                                 int64_t now_s, struct sg_error *reterr)
{
    enum sg_status status = sg_jwt_read(token, &fresh->jwt, reterr);
    if (status != SG_OK) {
        return status;
    }
    status = find_issuer(tokens, fresh->jwt, &fresh->issuer, reterr);
    if (status == SG_OK) { /* before the signature, which costs more */
        status = check_claims(tokens, fresh, now_s, reterr);
    }
    if (status == SG_OK) {
        status = sg_jwt_verify(fresh->jwt, tokens->issuers[fresh->issuer].keys, reterr);
    }
    if (status != SG_OK) {
        sg_jwt_free(fresh->jwt);
    }
    return status;
}

enum sg_status sg_tokens_verify(struct sg_tokens *tokens, struct sg_str token, int64_t now_s,
                                const struct sg_jwt **ret, struct sg_error *reterr)
{
    struct slot fresh = {.jwt = NULL};
    if (sg_digest_run(tokens->sha256, token, fresh.digest) != SG_OK) {
        return sg_error_set(reterr, SG_INTERNAL, NULL, "the bearer token could not be looked up");
    }
    struct slot *slot = find(tokens, fresh.digest);
    enum sg_status status;
    if (slot != NULL) {
        status = check_claims(tokens, slot, now_s, reterr);
    } else {
        status = verify_new(tokens, token, &fresh, now_s, reterr);
        if (status == SG_OK) {
            slot = make_room(tokens, fresh.digest);
            *slot = fresh;
        }
    }
    if (status == SG_OK) {
        *ret = slot->jwt;
    }
    return status;
}
