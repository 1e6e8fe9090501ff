/*
 * Tokens and key sets (crypto/jwt): no token verifies, since no key of the set is the fuzzer's, and
 * none is read that a second reading would not read. The first byte chooses what the input is.
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
        HOLDS(set != NULL);
    }
    return set;
}

static void run_token(struct sg_str token)
{
    struct sg_jwt *jwt = NULL;
    struct sg_error error = {.status = SG_OK};
    if (sg_jwt_read(token, &jwt, &error) != SG_OK) {
        HOLDS(jwt == NULL && error.status == SG_UNAUTHENTICATED && error.text[0] != '\0');
        return;
    }
    HOLDS(token.n <= SG_JWT_BYTES_MAX && sg_jwt_issuer(jwt).n > 0);
    HOLDS(sg_jwt_verify(jwt, keys(), &error) == SG_UNAUTHENTICATED);
    (void)sg_jwt_subject(jwt);
    (void)sg_jwt_claim_is(jwt, SG_STR("env"), SG_STR("prod"));
    if (sg_jwt_check_claims(jwt, SG_STR("signgate"), 1000000, &error) == SG_OK) {
        HOLDS(sg_jwt_end_s(jwt) > 1000000);
    }
    sg_jwt_free(jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count == 0) {
        return 0;
    }
    const struct sg_str text = {.p = (const char *)bytes + 1, .n = count - 1};
    if (bytes[0] % 4 == 0) {
        struct sg_error error = {.status = SG_OK};
        struct sg_jwks *set = sg_jwks_new(text, NULL, NULL, &error);
        HOLDS(set != NULL || error.text[0] != '\0');
        sg_jwks_free(set);
    } else {
        run_token(text);
    }
    return 0;
}
