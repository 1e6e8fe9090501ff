#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/jwt.h"
#include "tokens.h"

#define PAYLOAD  "{\"iss\":\"https://i\",\"sub\":\"one\",\"aud\":\"signgate\",\"exp\":2000}"
#define AUDIENCE SG_STR("signgate")

/* --- keys, made once -------------------------------------------------------------------------- */

struct keys {
    json_t *rsa, *p256, *p384, *p521;
};

static int setup(void **state)
{
    struct keys *keys = calloc(1, sizeof *keys);
    assert_non_null(keys);
    keys->rsa = key_new("{\"kty\":\"RSA\",\"bits\":2048,\"kid\":\"rsa\"}");
    keys->p256 = key_new("{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"p256\"}");
    keys->p384 = key_new("{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"p384\"}");
    keys->p521 = key_new("{\"kty\":\"EC\",\"crv\":\"P-521\",\"kid\":\"p521\"}");
    *state = keys;
    return 0;
}

static int teardown(void **state)
{
    struct keys *keys = *state;
    json_decref(keys->rsa);
    json_decref(keys->p256);
    json_decref(keys->p384);
    json_decref(keys->p521);
    free(keys);
    return 0;
}

/* The set of the public halves of all of them. */
static struct sg_jwks *all(const struct keys *keys)
{
    json_t *halves[] = {key_public(keys->rsa), key_public(keys->p256), key_public(keys->p384),
                        key_public(keys->p521)};
    char *text = set_from(halves, 4);
    struct sg_error error = {.status = SG_OK};
    struct sg_jwks *set = sg_jwks_new(sg_str_from(text), NULL, NULL, &error);
    if (set == NULL) {
        fail_msg("%s", error.text);
    }
    free(text);
    return set;
}

/* --- helpers ---------------------------------------------------------------------------------- */

/* Read and verify; the text of the error, "" when all is well. */
static const char *verdict(const char *token, const struct sg_jwks *set, struct sg_error *error)
{
    struct sg_jwt *jwt = NULL;
    *error = (struct sg_error){.status = SG_OK};
    enum sg_status status = sg_jwt_read(sg_str_from(token), &jwt, error);
    if (status == SG_OK) {
        status = sg_jwt_verify(jwt, set, error);
    }
    sg_jwt_free(jwt);
    assert_true(status == SG_OK || status == SG_UNAUTHENTICATED);
    return status == SG_OK ? "" : error->text;
}

static void assert_verdict(char *token, const struct sg_jwks *set, const char *expected)
{
    struct sg_error error;
    const char *got = verdict(token, set, &error);
    if (expected[0] == '\0' ? got[0] != '\0' : strstr(got, expected) == NULL) {
        fail_msg("expected \"%s\", got \"%s\"", expected, got);
    }
    free(token);
}

/* --- signatures ------------------------------------------------------------------------------- */

static void every_allowed_algorithm_verifies(void **state)
{
    const struct keys *keys = *state;
    const struct {
        const char *alg;
        const json_t *key;
    } rows[] = {
        {"RS256", keys->rsa},  {"RS384", keys->rsa},  {"RS512", keys->rsa},
        {"PS256", keys->rsa},  {"PS384", keys->rsa},  {"PS512", keys->rsa},
        {"ES256", keys->p256}, {"ES384", keys->p384}, {"ES512", keys->p521},
    };
    struct sg_jwks *set = all(keys);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char header[128];
        const char *kid = json_string_value(json_object_get(rows[i].key, "kid"));
        (void)snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
                       rows[i].alg, kid);
        assert_verdict(token_signed(header, PAYLOAD, rows[i].key), set, "");
    }
    sg_jwks_free(set);
}

static void what_was_changed_does_not_verify(void **state)
{
    const struct keys *keys = *state;
    struct sg_jwks *set = all(keys);
    char *good = token_signed("{\"alg\":\"ES256\",\"kid\":\"p256\"}", PAYLOAD, keys->p256);
    struct sg_error error;
    assert_string_equal(verdict(good, set, &error), "");
    const size_t length = strlen(good);
    for (size_t i = 0; i < length; i++) { /* each character of it */
        char *changed = strdup(good);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_string_not_equal(verdict(changed, set, &error), "");
        free(changed);
    }
    for (size_t i = 0; i < length; i++) { /* each shorter one */
        char *cut = strndup(good, i);
        assert_string_not_equal(verdict(cut, set, &error), "");
        free(cut);
    }
    free(good);
    sg_jwks_free(set);
}

static void the_key_decides_which_algorithms_there_are(void **state)
{
    const struct keys *keys = *state;
    struct sg_jwks *set = all(keys);
    static const char *const other = "an algorithm that its key does not have";
    assert_verdict(token_signed("{\"alg\":\"RS256\",\"kid\":\"p256\"}", PAYLOAD, keys->rsa), set,
                   other);
    assert_verdict(token_signed("{\"alg\":\"ES256\",\"kid\":\"rsa\"}", PAYLOAD, keys->p256), set,
                   other);
    assert_verdict(token_signed("{\"alg\":\"ES256\",\"kid\":\"p384\"}", PAYLOAD, keys->p256), set,
                   other);
    sg_jwks_free(set);
    /* A key that names its algorithm has that one alone. */
    json_t *half = key_public(keys->rsa);
    assert_int_equal(json_object_set_new(half, "alg", json_string("PS256")), 0);
    char *text = set_from(&half, 1);
    struct sg_error error;
    set = sg_jwks_new(sg_str_from(text), NULL, NULL, &error);
    assert_non_null(set);
    assert_verdict(token_signed("{\"alg\":\"RS256\",\"kid\":\"rsa\"}", PAYLOAD, keys->rsa), set,
                   other);
    assert_verdict(token_signed("{\"alg\":\"PS256\",\"kid\":\"rsa\"}", PAYLOAD, keys->rsa), set,
                   "");
    sg_jwks_free(set);
    free(text);
}

/* The public key as the secret of an HMAC: the classic. */
static void a_secret_made_of_a_public_key_signs_nothing(void **state)
{
    const struct keys *keys = *state;
    struct sg_jwks *set = all(keys);
    json_t *half = key_public(keys->rsa);
    json_t *secret =
        json_pack("{s:s, s:s}", "kty", "oct", "k", json_string_value(json_object_get(half, "n")));
    assert_verdict(token_signed("{\"alg\":\"HS256\",\"kid\":\"rsa\"}", PAYLOAD, secret), set,
                   "an algorithm that is not allowed");
    json_decref(secret);
    json_decref(half);
    sg_jwks_free(set);
}

static void a_key_is_chosen_by_its_kid_or_because_it_is_the_only_one(void **state)
{
    const struct keys *keys = *state;
    struct sg_jwks *set = all(keys);
    assert_verdict(token_signed("{\"alg\":\"ES384\"}", PAYLOAD, keys->p384), set, "");
    assert_verdict(token_signed("{\"alg\":\"ES384\",\"kid\":\"gone\"}", PAYLOAD, keys->p384), set,
                   "a key that its issuer does not have");
    assert_verdict(token_signed("{\"alg\":\"ES384\",\"kid\":\"\"}", PAYLOAD, keys->p384), set,
                   "a key that its issuer does not have");
    sg_jwks_free(set);
    json_t *second = key_new("{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"second\"}");
    json_t *halves[] = {key_public(keys->p384), key_public(second), key_public(keys->p256)};
    char *text = set_from(halves, 3);
    struct sg_error error;
    set = sg_jwks_new(sg_str_from(text), NULL, NULL, &error);
    assert_non_null(set);
    assert_verdict(token_signed("{\"alg\":\"ES384\"}", PAYLOAD, keys->p384), set, "has several");
    assert_verdict(token_signed("{\"alg\":\"RS256\"}", PAYLOAD, keys->rsa), set, "has none for");
    assert_verdict(token_signed("{\"alg\":\"ES384\",\"kid\":\"second\"}", PAYLOAD, second), set,
                   "");
    sg_jwks_free(set);
    free(text);
    json_decref(second);
}

/* --- form ------------------------------------------------------------------------------------- */

static void a_header_may_not_say_everything(void **state)
{
    static const struct {
        const char *header, *expected; /* "": it may */
    } rows[] = {
        {"{\"alg\":\"ES256\"}", ""},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\"}", ""},
        {"{\"alg\":\"ES256\",\"typ\":\"jwt\"}", ""},
        {"{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", ""},
        {"{\"alg\":\"ES256\",\"typ\":\"application/at+jwt\"}", ""},
        {"{\"alg\":\"ES256\",\"x5t\":\"abc\",\"other\":1}", ""},
        {"{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\"}", "another type"},
        {"{\"alg\":\"ES256\",\"typ\":1}", "another type"},
        {"{\"alg\":\"ES256\",\"typ\":null}", "another type"},
        {"{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}", "\"crit\""},
        {"{\"alg\":\"ES256\",\"b64\":true}", "\"b64\""},
        {"{\"alg\":\"ES256\",\"jwk\":{}}", "\"jwk\""},
        {"{\"alg\":\"ES256\",\"jku\":\"https://x\"}", "\"jku\""},
        {"{\"alg\":\"ES256\",\"x5u\":\"https://x\"}", "\"x5u\""},
        {"{\"alg\":\"ES256\",\"x5c\":[]}", "\"x5c\""},
        {"{\"alg\":\"none\"}", "algorithm that is not allowed"},
        {"{\"alg\":\"None\"}", "algorithm that is not allowed"},
        {"{\"alg\":\"HS256\"}", "algorithm that is not allowed"},
        {"{\"alg\":\"es256\"}", "algorithm that is not allowed"},
        {"{\"alg\":\"ES256K\"}", "algorithm that is not allowed"},
        {"{\"alg\":[\"ES256\"]}", "algorithm that is not allowed"},
        {"{}", "algorithm that is not allowed"},
        {"{\"alg\":\"EdDSA\"}", "EdDSA: not supported"},
        {"{\"alg\":\"ES256\",\"kid\":7}", "kid that is no text"},
        {"{\"alg\":\"none\",\"alg\":\"ES256\"}", "no JSON object as its header"},
        {"[\"ES256\"]", "no JSON object as its header"},
        {"{\"alg\":\"ES256\"} x", "no JSON object as its header"},
        {"{\"alg\":\"ES256\\u0000\"}", "no JSON object as its header"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_jwt *jwt = NULL;
        struct sg_error error = {.status = SG_OK};
        char *token = token_from(rows[i].header, PAYLOAD, "AAAA");
        enum sg_status status = sg_jwt_read(sg_str_from(token), &jwt, &error);
        if ((status == SG_OK) != (rows[i].expected[0] == '\0') ||
            strstr(error.text, rows[i].expected) == NULL) {
            fail_msg("%s: %s", rows[i].header, error.text);
        }
        sg_jwt_free(jwt);
        free(token);
    }
}

static void only_three_parts_of_canonical_base64url_are_a_token(void **state)
{
    static const char *const wrong[] = {
        "",       "a",         "..",          "AAAA.AAAA.", "AAAA.AAAA",   "AAAA.AAAA.AAAA.AAAA",
        "AAAA..", ".AAAA.AAA", "AAAA.AAAA.A", " ",          "AAAA.AAAA.=",
    };
    static const char *const signatures[] = {"AA==", "AB",   "A",    "AAAAA",
                                             "A+AA", "A/AA", "AA A", "AA\n"};
    (void)state;
    struct sg_jwt *jwt = NULL;
    struct sg_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(sg_jwt_read(sg_str_from(wrong[i]), &jwt, &error), SG_UNAUTHENTICATED);
    }
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        char *token = token_from("{\"alg\":\"ES256\"}", PAYLOAD, signatures[i]);
        if (sg_jwt_read(sg_str_from(token), &jwt, &error) != SG_UNAUTHENTICATED) {
            fail_msg("%s", signatures[i]);
        }
        free(token);
    }
    assert_null(jwt);
}

static void a_payload_is_an_object_with_an_issuer(void **state)
{
    static const char *const wrong[] = {
        "{}",
        "[]",
        "1",
        "{\"iss\":1}",
        "{\"iss\":\"\"}",
        "{\"iss\":\"a\",\"iss\":\"b\"}",
        "{\"iss\":\"a\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct sg_jwt *jwt = NULL;
        struct sg_error error;
        char *token = token_from("{\"alg\":\"ES256\"}", wrong[i], "AAAA");
        if (sg_jwt_read(sg_str_from(token), &jwt, &error) != SG_UNAUTHENTICATED) {
            fail_msg("%s", wrong[i]);
        }
        free(token);
    }
}

static void a_token_has_8_kib_at_most(void **state)
{
    (void)state;
    struct sg_error error;
    char *payload = calloc(1, 8192);
    assert_non_null(payload);
    for (size_t extra = 0; extra < 2; extra++) {
        size_t fill = 6000;
        char *token;
        for (;; fill++) { /* until it is as long as it may be, and a little longer */
            (void)snprintf(payload, 8192, "{\"iss\":\"i\",\"x\":\"%0*d\"}", (int)fill, 0);
            token = token_from("{\"alg\":\"ES256\"}", payload, "AAAA");
            if (strlen(token) >= SG_JWT_BYTES_MAX - 1 + 2 * extra) {
                break;
            }
            free(token);
        }
        struct sg_jwt *jwt = NULL;
        enum sg_status status = sg_jwt_read(sg_str_from(token), &jwt, &error);
        assert_int_equal(status == SG_OK, strlen(token) <= SG_JWT_BYTES_MAX);
        sg_jwt_free(jwt);
        free(token);
    }
    free(payload);
}

/* --- claims ----------------------------------------------------------------------------------- */

static struct sg_jwt *read_claims(const char *payload)
{
    struct sg_jwt *jwt = NULL;
    struct sg_error error = {.status = SG_OK};
    char *token = token_from("{\"alg\":\"ES256\"}", payload, "AAAA");
    if (sg_jwt_read(sg_str_from(token), &jwt, &error) != SG_OK) {
        fail_msg("%s: %s", payload, error.text);
    }
    free(token);
    return jwt;
}

static void times_and_audience_are_judged(void **state)
{
    static const struct {
        const char *claims;
        int64_t now_s;
        const char *expected;
    } rows[] = {
        {"\"aud\":\"signgate\",\"exp\":2000", 1000, ""},
        {"\"aud\":\"signgate\",\"exp\":2000", 2059, ""},
        {"\"aud\":\"signgate\",\"exp\":2000", 2060, "has expired"},
        {"\"aud\":\"signgate\",\"exp\":2000.9", 2059, ""},
        {"\"aud\":\"signgate\",\"exp\":2000.9", 2060, "has expired"},
        {"\"aud\":\"signgate\",\"exp\":2e3", 1000, ""},
        {"\"aud\":\"signgate\",\"exp\":253402300799", 1000, ""},
        {"\"aud\":\"signgate\"", 1000, "when it ends"},
        {"\"aud\":\"signgate\",\"exp\":\"2000\"", 1000, "when it ends"},
        {"\"aud\":\"signgate\",\"exp\":null", 1000, "when it ends"},
        {"\"aud\":\"signgate\",\"exp\":-1", 1000, "when it ends"},
        {"\"aud\":\"signgate\",\"exp\":1e300", 1000, "when it ends"},
        {"\"aud\":\"signgate\",\"exp\":9223372036854775807", 1000, "when it ends"},
        {"\"aud\":\"signgate\",\"exp\":2000,\"nbf\":1060", 1000, ""},
        {"\"aud\":\"signgate\",\"exp\":2000,\"nbf\":1061", 1000, "not valid yet (nbf)"},
        {"\"aud\":\"signgate\",\"exp\":2000,\"nbf\":\"1\"", 1000, "nbf that is no time"},
        {"\"aud\":\"signgate\",\"exp\":2000,\"iat\":1060", 1000, ""},
        {"\"aud\":\"signgate\",\"exp\":2000,\"iat\":1061", 1000, "not valid yet (iat)"},
        {"\"aud\":\"signgate\",\"exp\":2000,\"iat\":true", 1000, "iat that is no time"},
        {"\"aud\":[\"a\",\"signgate\"],\"exp\":2000", 1000, ""},
        {"\"aud\":[],\"exp\":2000", 1000, "another audience"},
        {"\"aud\":[\"a\",7],\"exp\":2000", 1000, "another audience"},
        {"\"aud\":\"signgate2\",\"exp\":2000", 1000, "another audience"},
        {"\"aud\":\"Signgate\",\"exp\":2000", 1000, "another audience"},
        {"\"aud\":7,\"exp\":2000", 1000, "another audience"},
        {"\"exp\":2000", 1000, "another audience"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char payload[256];
        (void)snprintf(payload, sizeof payload, "{\"iss\":\"i\",%s}", rows[i].claims);
        struct sg_jwt *jwt = read_claims(payload);
        struct sg_error error = {.status = SG_OK};
        enum sg_status status = sg_jwt_check_claims(jwt, AUDIENCE, rows[i].now_s, &error);
        if ((status == SG_OK) != (rows[i].expected[0] == '\0') ||
            strstr(error.text, rows[i].expected) == NULL) {
            fail_msg("%s at %lld: %s", rows[i].claims, (long long)rows[i].now_s, error.text);
        }
        sg_jwt_free(jwt);
    }
}

static void claims_are_compared_as_text(void **state)
{
    static const struct {
        const char *name, *value;
        bool is;
    } rows[] = {
        {"s", "text", true},   {"s", "Text", false}, {"s", "tex", false},
        {"n", "7", true},      {"n", "7.0", false},  {"b", "true", true},
        {"b", "false", false}, {"l", "x", true},     {"l", "y", true},
        {"l", "7", false},     {"l", "", false},     {"o", "{}", false},
        {"z", "null", false},  {"gone", "", false},  {"kubernetes.io/x", "p", true},
    };
    (void)state;
    struct sg_jwt *jwt = read_claims("{\"iss\":\"i\",\"sub\":7,\"s\":\"text\",\"n\":7,\"b\":true,"
                                     "\"l\":[\"x\",\"y\",7],\"o\":{},\"z\":null,"
                                     "\"kubernetes.io/x\":\"p\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (sg_jwt_claim_is(jwt, sg_str_from(rows[i].name), sg_str_from(rows[i].value)) !=
            rows[i].is) {
            fail_msg("%s %s", rows[i].name, rows[i].value);
        }
    }
    assert_int_equal(sg_jwt_subject(jwt).n, 0); /* no string */
    assert_true(sg_str_equal_text(sg_jwt_issuer(jwt), "i"));
    assert_true(sg_jwt_end_s(jwt) == INT64_MIN);
    sg_jwt_free(jwt);
    sg_jwt_free(NULL);
}

/* --- key sets --------------------------------------------------------------------------------- */

/* A key as JSON, which is taken; the text is the caller's. */
static char *dump(json_t *key)
{
    char *text = json_dumps(key, JSON_COMPACT);
    assert_non_null(text);
    json_decref(key);
    return text;
}

static void count_note(void *arg, const char *text)
{
    unsigned *count = arg;
    assert_true(strlen(text) > 0);
    (*count)++;
}

static void a_bad_set_is_refused_whole(void **state)
{
    const struct keys *keys = *state;
    /* A modulus of 2047 bits: 256 bytes, the first 0x7f. */
    char weak_half[512] = "";
    char modulus[257] = "\x7f";
    memset(modulus + 1, 'x', 255);
    strcat(weak_half, "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
    add_base64url(weak_half, modulus);
    strcat(weak_half, "\"}");
    char *half = dump(key_public(keys->p256));
    char *private_half = dump(json_incref(keys->p256));
    const struct {
        const char *before, *key, *after, *expected;
    } rows[] = {
        {"", "", "", "no JSON: line 1"},
        {"{", "", "", "no JSON"},
        {"[]", "", "", "no key set"},
        {"{}", "", "", "no key set"},
        {"{\"keys\":{}}", "", "", "no key set"},
        {"{\"keys\":[]}", "", "", "no key of the set can be used"},
        {"{\"keys\":[7]}", "", "", "no object"},
        {"{\"keys\":[],\"keys\":[", half, "]}", "no JSON"},
        {"{\"keys\":[", private_half, "]}", "a private key"},
        {"{\"keys\":[", weak_half, "]}", "less than 2048 bits"},
        {"{\"keys\":[", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}", "]}",
         "damaged"},
        {"{\"keys\":[", "{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "]}", "damaged"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[4096];
        struct sg_error error = {.status = SG_OK};
        (void)snprintf(text, sizeof text, "%s%s%s", rows[i].before, rows[i].key, rows[i].after);
        assert_null(sg_jwks_new(sg_str_from(text), NULL, NULL, &error));
        if (error.status != SG_CONFIG || strstr(error.text, rows[i].expected) == NULL) {
            fail_msg("%s: %s", rows[i].expected, error.text);
        }
    }
    json_t *twice[] = {key_public(keys->p256), key_public(keys->p384)};
    assert_int_equal(json_object_set_new(twice[1], "kid", json_string("p256")), 0);
    char *text = set_from(twice, 2);
    struct sg_error error = {.status = SG_OK};
    assert_null(sg_jwks_new(sg_str_from(text), NULL, NULL, &error));
    assert_non_null(strstr(error.text, "same kid"));
    free(text);
    free(half);
    free(private_half);
    sg_jwks_free(NULL);
}

static void keys_of_no_use_are_skipped_with_a_note(void **state)
{
    const struct keys *keys = *state;
    char *half = dump(key_public(keys->p256));
    char text[4096];
    unsigned notes = 0;
    struct sg_error error = {.status = SG_OK};
    (void)snprintf(
        text, sizeof text,
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"},"
        "{\"kty\":\"oct\",\"k\":\"AAAA\"},"
        "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"AAAA\",\"e\":\"AQAB\"},"
        "{\"kty\":\"RSA\",\"key_ops\":[\"wrapKey\"],\"n\":\"AAAA\",\"e\":\"AQAB\"},"
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AAAA\",\"y\":\"AAAA\"},"
        "{\"kty\":\"RSA\",\"alg\":\"RSA-OAEP\",\"n\":\"AAAA\",\"e\":\"AQAB\"},"
        "{\"kty\":\"EC\",\"kid\":7,\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"},%s]}",
        half);
    struct sg_jwks *set = sg_jwks_new(sg_str_from(text), count_note, &notes, &error);
    if (set == NULL) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(notes, 7);
    assert_verdict(token_signed("{\"alg\":\"ES256\"}", PAYLOAD, keys->p256), set, "");
    sg_jwks_free(set);
    free(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allowed_algorithm_verifies),
        cmocka_unit_test(what_was_changed_does_not_verify),
        cmocka_unit_test(the_key_decides_which_algorithms_there_are),
        cmocka_unit_test(a_secret_made_of_a_public_key_signs_nothing),
        cmocka_unit_test(a_key_is_chosen_by_its_kid_or_because_it_is_the_only_one),
        cmocka_unit_test(a_header_may_not_say_everything),
        cmocka_unit_test(only_three_parts_of_canonical_base64url_are_a_token),
        cmocka_unit_test(a_payload_is_an_object_with_an_issuer),
        cmocka_unit_test(a_token_has_8_kib_at_most),
        cmocka_unit_test(times_and_audience_are_judged),
        cmocka_unit_test(claims_are_compared_as_text),
        cmocka_unit_test(a_bad_set_is_refused_whole),
        cmocka_unit_test(keys_of_no_use_are_skipped_with_a_note),
    };
    assert_true(sg_jwt_is_built());
    return cmocka_run_group_tests_name("crypto/jwt", tests, setup, teardown);
}
