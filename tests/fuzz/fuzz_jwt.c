/*
 * Tokens and key sets (crypto/jwt): any bytes are told good or bad with a reason, and no token
 * verifies, since nobody has the keys of the set. The first byte is "s" for a set, anything else
 * for a token.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "crypto/jwt.h"

/* Public keys whose private halves nobody has. */
static const char set_text[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":"
    "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0"
    "Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5"
    "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7a"
    "GhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}]}";

static const struct sg_jwks *keys(void)
{
    static struct sg_jwks *set;
    struct sg_error error;
    if (set == NULL) {
        set = sg_jwks_new(sg_str_from(set_text), NULL, NULL, &error);
        CHECK(set != NULL);
    }
    return set;
}

static void run_token(struct sg_str token)
{
    struct sg_jwt *jwt = NULL;
    struct sg_error error = {.status = SG_OK};
    if (sg_jwt_read(token, &jwt, &error) != SG_OK) {
        CHECK(jwt == NULL && error.status == SG_UNAUTHENTICATED && error.text[0] != '\0');
        return;
    }
    CHECK(token.n <= SG_JWT_BYTES_MAX && sg_jwt_issuer(jwt).n > 0);
    CHECK(sg_jwt_verify(jwt, keys(), &error) == SG_UNAUTHENTICATED);
    (void)sg_jwt_subject(jwt);
    (void)sg_jwt_claim_is(jwt, SG_STR("env"), SG_STR("prod"));
    if (sg_jwt_check_claims(jwt, SG_STR("signgate"), 1000000, &error) == SG_OK) {
        CHECK(sg_jwt_end_s(jwt) > 1000000);
    }
    sg_jwt_free(jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_str input = {.p = (const char *)data, .n = size};
    const bool is_set = fuzz_take_byte(&input) == 's';
    if (is_set) {
        struct sg_error error = {.status = SG_OK};
        struct sg_jwks *set = sg_jwks_new(input, NULL, NULL, &error);
        CHECK(set != NULL || error.text[0] != '\0');
        sg_jwks_free(set);
    } else {
        run_token(input);
    }
    return 0;
}
