#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "sandbox/verify.h"

enum { HEADERS_MAX = 16 };

/* A vector as a request. The target and the body are copies, all else is borrowed. */
struct vector {
    const char *id;
    struct sg_sandbox_request request;
    struct sg_sandbox_header headers[HEADERS_MAX];
    char *target;
    char *body;
    struct sg_str access_key;
    struct sg_str secret_key;
    struct sg_str authorization;
    struct sg_str canonical;
    int64_t date;
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

static json_t *load_vectors(void)
{
    json_error_t error;
    json_t *list = json_load_file(SG_SOURCE_DIR "/tests/vectors/signing.json", 0, &error);
    if (list == NULL) {
        fail_msg("%s:%d: %s", error.source, error.line, error.text);
    }
    return list;
}

static void read_vector(const json_t *json, struct vector *ret)
{
    *ret = (struct vector){.id = text_of(json, "id")};
    const char *authority = strstr(text_of(json, "url"), "://");
    assert_non_null(authority);
    const char *path = strchr(authority + 3, '/');
    ret->target = strdup(path != NULL ? path : "/");
    assert_non_null(ret->target);

    const char *encoded = text_of(json, "body");
    size_t encoded_bytes = strlen(encoded);
    ret->body = calloc(1, encoded_bytes + 4);
    assert_non_null(ret->body);
    int decoded = EVP_DecodeBlock((unsigned char *)ret->body, (const unsigned char *)encoded,
                                  (int)encoded_bytes);
    assert_true(decoded >= 0);
    size_t body_bytes = (size_t)decoded;
    for (size_t i = encoded_bytes; i > 0 && encoded[i - 1] == '='; i--) {
        body_bytes--;
    }

    size_t count = 0;
    const json_t *pairs = json_object_get(json, "headers");
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        assert_true(count < HEADERS_MAX - 1);
        ret->headers[count++] = (struct sg_sandbox_header){
            .name = sg_str_from(json_string_value(json_array_get(pair, 0))),
            .value = sg_str_from(json_string_value(json_array_get(pair, 1)))};
    }
    ret->authorization = sg_str_from(text_of(json, "expected_authorization"));
    ret->headers[count++] =
        (struct sg_sandbox_header){.name = SG_STR("authorization"), .value = ret->authorization};
    ret->request = (struct sg_sandbox_request){
        .method = sg_str_from(text_of(json, "method")),
        .target = sg_str_from(ret->target),
        .headers = ret->headers,
        .header_count = count,
        .body = {.p = ret->body, .n = body_bytes},
    };
    ret->access_key = sg_str_from(text_of(json, "ak"));
    ret->secret_key = sg_str_from(text_of(json, "sk"));
    ret->canonical = sg_str_from(text_of(json, "canonical_request"));
    assert_true(sg_sandbox_parse_date(sg_str_from(text_of(json, "date")), &ret->date));
}

static void done_vector(struct vector *vector)
{
    free(vector->target);
    free(vector->body);
}

static enum sg_sandbox_verdict verify(const struct vector *vector)
{
    struct sg_buf canonical;
    sg_buf_init(&canonical, SG_SANDBOX_CANONICAL_BYTES_MAX);
    enum sg_sandbox_verdict verdict = sg_sandbox_verify(
        &vector->request, vector->access_key, vector->secret_key, vector->date, &canonical);
    sg_buf_done(&canonical);
    return verdict;
}

static bool is_ours(const json_t *json)
{
    return strcmp(text_of(json, "algorithm"), "SDK-HMAC-SHA256") == 0;
}

static void accepts_every_vector_and_rebuilds_its_canonical_request(void **state)
{
    (void)state;
    json_t *list = load_vectors();
    size_t seen = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *json = json_array_get(list, i);
        if (!is_ours(json)) {
            continue;
        }
        struct vector vector;
        struct sg_buf canonical;
        read_vector(json, &vector);
        sg_buf_init(&canonical, SG_SANDBOX_CANONICAL_BYTES_MAX);
        enum sg_sandbox_verdict verdict = sg_sandbox_verify(
            &vector.request, vector.access_key, vector.secret_key, vector.date, &canonical);
        if (!sg_str_equal(sg_buf_str(&canonical), vector.canonical)) {
            fail_msg("%s: canonical request is\n%.*s", vector.id, SG_STR_ARG(canonical));
        }
        if (verdict != SG_SANDBOX_ACCEPTED) {
            fail_msg("%s: verdict %d", vector.id, (int)verdict);
        }
        sg_buf_done(&canonical);
        done_vector(&vector);
        seen++;
    }
    assert_true(seen >= 30);
    json_decref(list);
}

static void refuses_other_algorithms(void **state)
{
    (void)state;
    json_t *list = load_vectors();
    size_t seen = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *json = json_array_get(list, i);
        struct vector vector;
        if (is_ours(json)) {
            continue;
        }
        read_vector(json, &vector);
        assert_int_equal(verify(&vector), SG_SANDBOX_BAD_AUTHORIZATION);
        done_vector(&vector);
        seen++;
    }
    assert_true(seen >= 1);
    json_decref(list);
}

/* Verify with one byte of *part changed, for each byte in turn. */
static void change_each_byte(const struct vector *vector, struct sg_str *part, const char *what)
{
    struct sg_str before = *part;
    char *copy = malloc(before.n + 1);
    assert_non_null(copy);
    for (size_t i = 0; i < before.n; i++) {
        memcpy(copy, before.p, before.n);
        copy[i] = (char)(copy[i] ^ 1);
        *part = (struct sg_str){.p = copy, .n = before.n};
        if (verify(vector) == SG_SANDBOX_ACCEPTED) {
            fail_msg("%s: accepted with byte %zu of %s changed: %.*s", vector->id, i, what,
                     SG_STR_ARG(*part));
        }
    }
    *part = before;
    free(copy);
}

static void refuses_every_vector_with_one_byte_changed(void **state)
{
    (void)state;
    json_t *list = load_vectors();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *json = json_array_get(list, i);
        struct vector vector;
        if (!is_ours(json)) {
            continue;
        }
        read_vector(json, &vector);
        bool unsigned_body = strcmp(vector.id, "unsigned-payload") == 0;
        change_each_byte(&vector, &vector.request.method, "the method");
        change_each_byte(&vector, &vector.request.target, "the target");
        change_each_byte(&vector, &vector.secret_key, "the secret key");
        if (!unsigned_body) {
            change_each_byte(&vector, &vector.request.body, "the body");
        }
        for (size_t k = 0; k < vector.request.header_count; k++) {
            change_each_byte(&vector, &vector.headers[k].value, "a header");
        }
        assert_int_equal(verify(&vector), SG_SANDBOX_ACCEPTED);
        done_vector(&vector);
    }
    json_decref(list);
}

/* --- one request, bent in many ways ----------------------------------------------------------- */

/* The vector of a DELETE with two query parameters. */
static json_t *load_one(struct vector *ret)
{
    json_t *list = load_vectors();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *json = json_array_get(list, i);
        if (strcmp(text_of(json, "id"), "seed-delete-no-content-type") == 0) {
            read_vector(json, ret);
            return list;
        }
    }
    fail_msg("the vector is not there");
    return NULL;
}

static struct sg_sandbox_header *header(struct vector *vector, const char *name)
{
    for (size_t i = 0; i < vector->request.header_count; i++) {
        if (sg_str_equal_fold(vector->headers[i].name, sg_str_from(name))) {
            return &vector->headers[i];
        }
    }
    fail_msg("no header %s", name);
    return NULL;
}

static void a_date_is_good_for_fifteen_minutes_either_way(void **state)
{
    struct vector vector;
    (void)state;
    json_t *list = load_one(&vector);
    int64_t date = vector.date;
    static const struct {
        int64_t offset;
        enum sg_sandbox_verdict verdict;
    } rows[] = {
        {0, SG_SANDBOX_ACCEPTED},     {900, SG_SANDBOX_ACCEPTED}, {-900, SG_SANDBOX_ACCEPTED},
        {901, SG_SANDBOX_EXPIRED},    {-901, SG_SANDBOX_EXPIRED}, {86400, SG_SANDBOX_EXPIRED},
        {-86400, SG_SANDBOX_EXPIRED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vector.date = date + rows[i].offset;
        assert_int_equal(verify(&vector), rows[i].verdict);
    }
    done_vector(&vector);
    json_decref(list);
}

static void each_missing_or_doubled_piece_has_its_own_verdict(void **state)
{
    struct vector vector;
    (void)state;
    json_t *list = load_one(&vector);
    size_t count = vector.request.header_count;

    struct sg_sandbox_header *found = header(&vector, "Authorization");
    found->name = SG_STR("X-Other");
    assert_int_equal(verify(&vector), SG_SANDBOX_NO_AUTHORIZATION);
    found->name = SG_STR("AUTHORIZATION");
    assert_int_equal(verify(&vector), SG_SANDBOX_ACCEPTED);

    vector.headers[count] = *found;
    vector.request.header_count = count + 1;
    assert_int_equal(verify(&vector), SG_SANDBOX_BAD_AUTHORIZATION);
    vector.headers[count] = *header(&vector, "X-Sdk-Date");
    assert_int_equal(verify(&vector), SG_SANDBOX_NO_DATE);
    vector.headers[count] = *header(&vector, "Host");
    assert_int_equal(verify(&vector), SG_SANDBOX_HEADER_MISSING);
    vector.request.header_count = count;

    found = header(&vector, "X-Sdk-Date");
    found->name = SG_STR("X-Other");
    assert_int_equal(verify(&vector), SG_SANDBOX_NO_DATE);
    found->name = SG_STR("x-sdk-date");
    found = header(&vector, "X-Project-Id");
    found->name = SG_STR("X-Other");
    assert_int_equal(verify(&vector), SG_SANDBOX_HEADER_MISSING);
    found->name = SG_STR("x-project-id");
    assert_int_equal(verify(&vector), SG_SANDBOX_ACCEPTED);

    struct sg_str key = vector.access_key;
    vector.access_key = SG_STR("ANOTHERACCESSKEY");
    assert_int_equal(verify(&vector), SG_SANDBOX_UNKNOWN_KEY);
    vector.access_key = sg_str_slice(key, 0, key.n - 1);
    assert_int_equal(verify(&vector), SG_SANDBOX_UNKNOWN_KEY);
    vector.access_key = key;

    static const char *const targets[] = {"",       "v1/x",  "http://live/v1/x", "*",    "/v1/%zz",
                                          "/v1/%4", "/v1/%", "/?a=%g1",          "/?%=1"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        vector.request.target = sg_str_from(targets[i]);
        assert_int_equal(verify(&vector), SG_SANDBOX_BAD_TARGET);
    }
    done_vector(&vector);
    json_decref(list);
}

static void a_declared_hash_of_another_body_does_not_match(void **state)
{
    struct vector vector;
    (void)state;
    json_t *list = load_one(&vector);
    size_t count = vector.request.header_count;
    vector.request.body = SG_STR("{\"smuggled\":true}");
    vector.headers[count] = (struct sg_sandbox_header){
        .name = SG_STR("X-Sdk-Content-Sha256"),
        .value = SG_STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")};
    vector.request.header_count = count + 1;
    assert_int_equal(verify(&vector), SG_SANDBOX_SIGNATURE_MISMATCH);
    done_vector(&vector);
    json_decref(list);
}

static void a_query_beyond_the_limit_is_refused(void **state)
{
    struct vector vector;
    char target[4 * SG_SANDBOX_PAIRS_MAX];
    (void)state;
    json_t *list = load_one(&vector);
    size_t n = 0;
    memcpy(target, "/x?", 3);
    n = 3;
    for (size_t i = 0; i <= SG_SANDBOX_PAIRS_MAX; i++) {
        memcpy(&target[n], "a&", 2);
        n += 2;
    }
    vector.request.target = (struct sg_str){.p = target, .n = n};
    assert_int_equal(verify(&vector), SG_SANDBOX_BAD_TARGET);
    vector.request.target.n = n - 2; /* one pair less: only the signature is wrong */
    assert_int_equal(verify(&vector), SG_SANDBOX_SIGNATURE_MISMATCH);
    done_vector(&vector);
    json_decref(list);
}

/* --- the grammar of Authorization, and dates -------------------------------------------------- */

#define HEX64 "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"

static void authorization_is_read_in_one_form_only(void **state)
{
    (void)state;
    struct sg_sandbox_authorization parts;
    assert_true(sg_sandbox_parse_authorization(
        SG_STR("SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=" HEX64),
        &parts));
    assert_true(sg_str_equal(parts.access_key, SG_STR("AK")));
    assert_true(sg_str_equal(parts.signed_headers, SG_STR("host;x-sdk-date")));
    assert_true(sg_str_equal(parts.signature, SG_STR(HEX64)));

    static const char *const bad[] = {
        "",
        "SDK-HMAC-SHA256",
        "SDK-HMAC-SHA256 ",
        "sdk-hmac-sha256 Access=AK, SignedHeaders=x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SHA256  Access=AK, SignedHeaders=x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SM3 Access=AK, SignedHeaders=x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SHA256 Credential=AK, SignedHeaders=x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=, SignedHeaders=x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=A K, SignedHeaders=x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK,SignedHeaders=x-sdk-date,Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=X-Sdk-Date, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date;host, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;host;x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;;x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date;, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=ho st;x-sdk-date, Signature=" HEX64,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature=" HEX64 "0",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature=",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature="
        "7BE6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature="
        "zbe6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature=" HEX64 ", More=1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (sg_sandbox_parse_authorization(sg_str_from(bad[i]), &parts)) {
            fail_msg("read: %s", bad[i]);
        }
    }
}

static void every_cut_of_an_authorization_is_refused(void **state)
{
    (void)state;
    struct sg_str whole =
        SG_STR("SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=" HEX64);
    struct sg_sandbox_authorization parts;
    for (size_t n = 0; n < whole.n; n++) {
        char *copy = malloc(n + 1); /* its own block: reading beyond is seen by the sanitizer */
        assert_non_null(copy);
        memcpy(copy, whole.p, n);
        assert_false(sg_sandbox_parse_authorization((struct sg_str){.p = copy, .n = n}, &parts));
        free(copy);
    }
}

static void dates_are_read_exactly(void **state)
{
    (void)state;
    int64_t seconds = -1;
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"19700101T000000Z", 0},          {"19700102T000001Z", 86401},
        {"20191115T033655Z", 1573789015}, {"20000229T120000Z", 951825600},
        {"20000301T000000Z", 951868800},  {"20231231T235959Z", 1704067199},
        {"20240101T000000Z", 1704067200}, {"21000228T000000Z", 4107456000},
        {"21000301T000000Z", 4107542400}, {"99991231T235959Z", 253402300799},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(sg_sandbox_parse_date(sg_str_from(good[i].text), &seconds));
        assert_int_equal(seconds, good[i].seconds);
    }
    static const char *const bad[] = {
        "",
        "20191115T033655",
        "20191115T033655z",
        "20191115 033655Z",
        "2019-11-15T03:36",
        "20191115T033655Z ",
        "20190229T000000Z",
        "21000229T000000Z",
        "20191315T000000Z",
        "20190015T000000Z",
        "20190100T000000Z",
        "20190132T000000Z",
        "20190101T240000Z",
        "20190101T006000Z",
        "20190101T000060Z",
        "19691231T235959Z",
        "+0191115T033655Z",
        "2019111aT033655Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (sg_sandbox_parse_date(sg_str_from(bad[i]), &seconds)) {
            fail_msg("read: %s", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_every_vector_and_rebuilds_its_canonical_request),
        cmocka_unit_test(refuses_other_algorithms),
        cmocka_unit_test(refuses_every_vector_with_one_byte_changed),
        cmocka_unit_test(a_date_is_good_for_fifteen_minutes_either_way),
        cmocka_unit_test(each_missing_or_doubled_piece_has_its_own_verdict),
        cmocka_unit_test(a_declared_hash_of_another_body_does_not_match),
        cmocka_unit_test(a_query_beyond_the_limit_is_refused),
        cmocka_unit_test(authorization_is_read_in_one_form_only),
        cmocka_unit_test(every_cut_of_an_authorization_is_refused),
        cmocka_unit_test(dates_are_read_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
