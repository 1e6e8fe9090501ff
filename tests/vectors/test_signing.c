/*
 * The vendor's signers against ours, stage by stage (README.md tells the fields). Each vector is a
 * test of its own, named by its id. Those of a scheme that is not built are counted and must be
 * refused by name, so that they begin to be compared on the day the scheme is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "signing/signer.h"

enum { HEADERS_MAX = 64, STAGE_BYTES_MAX = 64 * 1024 };

static const char *text_of(const json_t *vector, const char *key)
{
    const char *text = json_string_value(json_object_get(vector, key));
    if (text == NULL) {
        fail_msg("the vector has no \"%s\"", key);
    }
    return text;
}

/* --- the request of a vector ------------------------------------------------------------------ */

struct request {
    struct sg_sign_request value;
    struct sg_sign_header headers[HEADERS_MAX];
    struct sg_buf query;
    unsigned char *body;
};

/* "https://host/path?query" without what stands before the path. */
static struct sg_str target_of(const char *url)
{
    const char *host = strstr(url, "://");
    assert_non_null(host);
    host += 3;
    return sg_str_from(host + strcspn(host, "/?"));
}

static void decode_body(struct request *request, struct sg_str base64)
{
    request->body = malloc(base64.n + 1);
    assert_non_null(request->body);
    int count = EVP_DecodeBlock(request->body, (const unsigned char *)base64.p, (int)base64.n);
    assert_int_equal(count, base64.n / 4 * 3);
    size_t padding = 0;
    while (padding < 2 && padding < base64.n && base64.p[base64.n - 1 - padding] == '=') {
        padding++;
    }
    request->value.body =
        (struct sg_str){.p = (const char *)request->body, .n = (size_t)count - padding};
}

static enum sg_status request_init(struct request *request, const json_t *vector)
{
    const json_t *headers = json_object_get(vector, "headers");
    struct sg_str target = target_of(text_of(vector, "url"));
    size_t mark = sg_str_find(target, '?');
    *request = (struct request){.value = {.method = sg_str_from(text_of(vector, "method")),
                                          .path = sg_str_slice(target, 0, mark),
                                          .headers = request->headers,
                                          .header_count = json_array_size(headers)}};
    assert_in_range(request->value.header_count, 1, HEADERS_MAX);
    for (size_t i = 0; i < request->value.header_count; i++) {
        const json_t *pair = json_array_get(headers, i);
        request->headers[i] = (struct sg_sign_header){
            .name = sg_str_from(json_string_value(json_array_get(pair, 0))),
            .value = sg_str_from(json_string_value(json_array_get(pair, 1)))};
    }
    decode_body(request, sg_str_from(text_of(vector, "body")));
    sg_buf_init(&request->query, STAGE_BYTES_MAX);
    enum sg_status status =
        sg_sign_canonical_query(sg_str_slice(target, mark + 1, target.n), &request->query);
    request->value.query = sg_buf_str(&request->query);
    return status;
}

static void request_done(struct request *request)
{
    sg_buf_done(&request->query);
    free(request->body);
}

/* --- comparing -------------------------------------------------------------------------------- */

static void compare(const json_t *vector, const char *stage, const char *key,
                    const struct sg_buf *got)
{
    const char *expected = text_of(vector, key);
    if (!sg_str_equal_text(sg_buf_str(got), expected)) {
        fail_msg("%s: the %s differs\n--- expected\n%s\n--- got\n%.*s", text_of(vector, "id"),
                 stage, expected, SG_STR_ARG(sg_buf_str(got)));
    }
}

static void test_equal(void **state)
{
    const json_t *vector = *state;
    enum sg_scheme scheme;
    struct sg_secret key = {.bytes = NULL};
    struct sg_error error = {.status = SG_OK};
    struct sg_sign_stages stages;
    struct request request;
    assert_int_equal(sg_scheme_find(sg_str_from(text_of(vector, "algorithm")), &scheme), SG_OK);
    assert_int_equal(sg_secret_set(&key, sg_str_from(text_of(vector, "sk"))), SG_OK);
    struct sg_signer *signer =
        sg_signer_new(scheme, sg_str_from(text_of(vector, "ak")), &key, &error);
    assert_non_null(signer);
    sg_sign_stages_init(&stages);

    enum sg_status status = request_init(&request, vector);
    if (status == SG_OK) {
        status = sg_signer_sign(signer, &request.value, sg_str_from(text_of(vector, "date")),
                                &stages, &error);
    }
    if (status == SG_OK) {
        compare(vector, "canonical request", "canonical_request", &stages.canonical_request);
        compare(vector, "string to sign", "string_to_sign", &stages.string_to_sign);
        compare(vector, "signature", "expected_signature", &stages.signature);
        compare(vector, "authorization", "expected_authorization", &stages.authorization);
    } else if (status != SG_MALFORMED || !json_is_true(json_object_get(vector, "ambiguous"))) {
        fail_msg("%s: refused (%s): %s", text_of(vector, "id"), sg_status_name(status), error.text);
    }
    request_done(&request);
    sg_sign_stages_done(&stages);
    sg_signer_free(signer);
    sg_secret_done(&key);
}

static void test_not_built(void **state)
{
    const json_t *vector = *state;
    enum sg_scheme scheme;
    const char *algorithm = text_of(vector, "algorithm");
    assert_int_equal(sg_scheme_find(sg_str_from(algorithm), &scheme), SG_NOT_FOUND);
    for (size_t i = 0; sg_scheme_names[i] != NULL; i++) {
        if (strcmp(sg_scheme_names[i], algorithm) == 0) {
            return;
        }
    }
    fail_msg("%s: \"%s\" is not even known by name", text_of(vector, "id"), algorithm);
}

/* --- all of them ------------------------------------------------------------------------------ */

int main(void)
{
    json_error_t error;
    json_t *vectors = json_load_file(SG_SOURCE_DIR "/tests/vectors/signing.json", 0, &error);
    size_t count = json_array_size(vectors), not_built = 0;
    struct CMUnitTest *tests = calloc(count + 1, sizeof *tests);
    if (count == 0 || tests == NULL) {
        (void)fprintf(stderr, "no vectors in tests/vectors/signing.json: %s\n", error.text);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        enum sg_scheme scheme;
        json_t *vector = json_array_get(vectors, i);
        const char *id = json_string_value(json_object_get(vector, "id"));
        const char *algorithm = json_string_value(json_object_get(vector, "algorithm"));
        bool built = sg_scheme_find(sg_str_from(algorithm), &scheme) == SG_OK;
        not_built += built ? 0 : 1;
        tests[i] = (struct CMUnitTest){.name = id != NULL ? id : "without an id",
                                       .test_func = built ? test_equal : test_not_built,
                                       .initial_state = vector};
    }
    int failed = _cmocka_run_group_tests("signing vectors", tests, count, NULL, NULL);
    (void)printf("%zu vectors compared, %zu of schemes that are not built\n", count - not_built,
                 not_built);
    free(tests);
    json_decref(vectors);
    return failed;
}
