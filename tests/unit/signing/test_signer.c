/*
 * What the vectors (tests/vectors) do not say: inputs that are refused, and what is left in the
 * stages when a signer is used again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "signing/signer.h"

struct fixture {
    struct sg_signer *signer;
    struct sg_sign_stages stages;
    struct sg_error error;
};

static const struct sg_str date = {.p = "20260101T120000Z", .n = 16};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct sg_secret key = {.bytes = NULL};
    assert_non_null(fixture);
    assert_int_equal(sg_secret_set(&key, SG_STR("not-a-real-key")), SG_OK);
    fixture->signer =
        sg_signer_new(SG_SCHEME_SDK_HMAC_SHA256, SG_STR("AKIDEXAMPLE"), &key, &fixture->error);
    assert_non_null(fixture->signer);
    sg_secret_done(&key); /* the signer has its own copy */
    sg_sign_stages_init(&fixture->stages);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sg_sign_stages_done(&fixture->stages);
    sg_signer_free(fixture->signer);
    free(fixture);
    return 0;
}

/* Sign a GET of a path with headers. */
static enum sg_status sign(struct fixture *fixture, const char *path,
                           const struct sg_sign_header *headers, size_t count)
{
    const struct sg_sign_request request = {.method = SG_STR("GET"),
                                            .path = sg_str_from(path),
                                            .query = SG_STR(""),
                                            .headers = headers,
                                            .header_count = count};
    return sg_signer_sign(fixture->signer, &request, date, &fixture->stages, &fixture->error);
}

static const struct sg_sign_header usual[] = {
    {.name = {.p = "X-Sdk-Date", .n = 10}, .value = {.p = "20260101T120000Z", .n = 16}},
    {.name = {.p = "Host", .n = 4}, .value = {.p = "live.example", .n = 12}},
};

/* A line of the canonical request, counted from 0; the last line has no LF. */
static struct sg_str line_of(const struct fixture *fixture, size_t number)
{
    struct sg_str text = sg_buf_str(&fixture->stages.canonical_request);
    for (; number > 0; number--) {
        text = sg_str_slice(text, sg_str_find(text, '\n') + 1, text.n);
    }
    return sg_str_slice(text, 0, sg_str_find(text, '\n'));
}

static void assert_line(const struct fixture *fixture, size_t number, const char *expected)
{
    struct sg_str line = line_of(fixture, number);
    if (!sg_str_equal_text(line, expected)) {
        fail_msg("line %zu: \"%.*s\" is not \"%s\"", number, SG_STR_ARG(line), expected);
    }
}

/* --- the path --------------------------------------------------------------------------------- */

static void test_paths(void **state)
{
    static const struct {
        const char *path;
        const char *canonical;
    } cases[] = {
        {"", "/"},
        {"/", "/"},
        {"//", "//"},
        {"/a", "/a/"},
        {"/a/", "/a/"},
        {"/a//b", "/a//b/"},
        {"/a/../b/./c", "/a/../b/./c/"},
        {"/%61", "/a/"},
        {"/a%2Fb", "/a/b/"},
        {"/a%2F", "/a/"},
        {"/a%2", NULL},
        {"/%", NULL},
        {"/%zz", NULL},
        {"/%2", NULL},
        {"/a%252Fb", "/a%252Fb/"},
        {"/a b+c", "/a%20b%2Bc/"},
        {"/\xe6\xb5\x81", "/%E6%B5%81/"},
        {"/%e6%b5%81", "/%E6%B5%81/"},
        {"/%00%ff", "/%00%FF/"},
        {"/~._-", "/~._-/"},
        {"/a\nb", "/a%0Ab/"},
        {"a", NULL},
        {"*", NULL},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum sg_status status = sign(fixture, cases[i].path, usual, 2);
        if (cases[i].canonical == NULL) {
            assert_int_equal(status, SG_MALFORMED);
            assert_non_null(strstr(fixture->error.text, "path"));
        } else {
            assert_int_equal(status, SG_OK);
            assert_line(fixture, 1, cases[i].canonical);
        }
    }
}

/* --- headers ---------------------------------------------------------------------------------- */

static void test_headers_are_sorted_and_trimmed(void **state)
{
    struct fixture *fixture = *state;
    const struct sg_sign_header headers[] = {
        {.name = SG_STR("x-b"), .value = SG_STR(" \t two  words\t ")},
        {.name = SG_STR("X-Sdk-Date"), .value = date},
        {.name = SG_STR("X_A"), .value = SG_STR("")},
        {.name = SG_STR("X-A"), .value = SG_STR("1")},
        {.name = SG_STR("Host"), .value = SG_STR("live.example")},
    };
    assert_int_equal(sign(fixture, "/", headers, 5), SG_OK);
    assert_line(fixture, 3, "host:live.example");
    assert_line(fixture, 4, "x-a:1");
    assert_line(fixture, 5, "x-b:two  words");
    assert_line(fixture, 6, "x-sdk-date:20260101T120000Z");
    assert_line(fixture, 7, "x_a:");
    assert_line(fixture, 8, "");
    assert_line(fixture, 9, "host;x-a;x-b;x-sdk-date;x_a");
}

static void test_repeated_header(void **state)
{
    struct fixture *fixture = *state;
    const struct sg_sign_header headers[] = {
        {.name = SG_STR("X-Note"), .value = SG_STR("1")},
        {.name = SG_STR("Host"), .value = SG_STR("live.example")},
        {.name = SG_STR("x-nOTE"), .value = SG_STR("1")},
    };
    assert_int_equal(sign(fixture, "/", headers, 3), SG_MALFORMED);
    assert_non_null(strstr(fixture->error.text, "twice"));
    assert_int_equal(sign(fixture, "/", headers, 2), SG_OK);
}

static void test_bad_headers(void **state)
{
    static const struct {
        struct sg_str name;
        struct sg_str value;
    } cases[] = {
        {{"", 0}, {"x", 1}},     {{"X Note", 6}, {"x", 1}},     {{"X:", 2}, {"x", 1}},
        {{"X\n", 2}, {"x", 1}},  {{"X-\xc3\xa9", 4}, {"x", 1}}, {{"X", 1}, {"a\nb:c", 5}},
        {{"X", 1}, {"a\rb", 3}}, {{"X", 1}, {"a\0b", 3}},       {{"X", 1}, {"a\x7f", 2}},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct sg_sign_header header = {.name = cases[i].name, .value = cases[i].value};
        assert_int_equal(sign(fixture, "/", &header, 1), SG_MALFORMED);
        assert_null(strchr(fixture->error.text, '\n'));
    }
}

static void test_many_headers(void **state)
{
    struct fixture *fixture = *state;
    struct sg_sign_header headers[65];
    char names[65][8];
    for (size_t i = 0; i < 65; i++) {
        (void)snprintf(names[i], sizeof names[i], "x-%02zu", 64 - i);
        headers[i] = (struct sg_sign_header){.name = sg_str_from(names[i]), .value = SG_STR("v")};
    }
    assert_int_equal(sign(fixture, "/", headers, 65), SG_TOO_LARGE);
    assert_int_equal(sign(fixture, "/", headers, 64), SG_OK);
    assert_line(fixture, 3, "x-01:v");
    assert_line(fixture, 66, "x-64:v");
}

static void test_non_ascii_value(void **state)
{
    struct fixture *fixture = *state;
    const struct sg_sign_header header = {.name = SG_STR("X-Note"),
                                          .value = SG_STR("\xe6\xb5\x81")};
    assert_int_equal(sign(fixture, "/", &header, 1), SG_OK);
    assert_line(fixture, 3, "x-note:\xe6\xb5\x81");
}

/* The payload hash that a header gives is taken as it is, trimmed like every value. */
static void test_payload_header(void **state)
{
    struct fixture *fixture = *state;
    const struct sg_sign_header header = {.name = SG_STR("X-SDK-Content-SHA256"),
                                          .value = SG_STR(" UNSIGNED-PAYLOAD ")};
    assert_int_equal(sign(fixture, "/", &header, 1), SG_OK);
    assert_line(fixture, 6, "UNSIGNED-PAYLOAD");
    assert_int_equal(sign(fixture, "/", usual, 2), SG_OK);
    assert_line(fixture, 7, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* --- method, query, date ---------------------------------------------------------------------- */

static void test_bad_methods(void **state)
{
    static const char *const methods[] = {"", "get", "Get", "GET /", "GET\n", "G\xc3\x89T"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const struct sg_sign_request request = {.method = sg_str_from(methods[i]),
                                                .path = SG_STR("/"),
                                                .headers = usual,
                                                .header_count = 2};
        assert_int_equal(
            sg_signer_sign(fixture->signer, &request, date, &fixture->stages, &fixture->error),
            SG_MALFORMED);
        assert_non_null(strstr(fixture->error.text, "method"));
    }
}

static void test_line_breaks(void **state)
{
    struct fixture *fixture = *state;
    struct sg_sign_request request = {.method = SG_STR("GET"),
                                      .path = SG_STR("/"),
                                      .query = SG_STR("a=1\nhost:other"),
                                      .headers = usual,
                                      .header_count = 2};
    assert_int_equal(
        sg_signer_sign(fixture->signer, &request, date, &fixture->stages, &fixture->error),
        SG_MALFORMED);
    request.query = SG_STR("a=1");
    assert_int_equal(sg_signer_sign(fixture->signer, &request, SG_STR("2026\n"), &fixture->stages,
                                    &fixture->error),
                     SG_MALFORMED);
    assert_int_equal(
        sg_signer_sign(fixture->signer, &request, date, &fixture->stages, &fixture->error), SG_OK);
}

static void test_too_large(void **state)
{
    struct fixture *fixture = *state;
    const size_t length = 128 * 1024;
    char *path = malloc(length + 1);
    assert_non_null(path);
    memset(path, '\x01', length); /* each byte becomes three */
    path[0] = '/';
    path[length] = '\0';
    assert_int_equal(sign(fixture, path, usual, 2), SG_TOO_LARGE);
    free(path);
    assert_int_equal(sign(fixture, "/", usual, 2), SG_OK);
}

/* The same request gives the same signature after another one, whole or refused. */
static void test_used_again(void **state)
{
    struct fixture *fixture = *state;
    char first[64];
    assert_int_equal(sign(fixture, "/a", usual, 2), SG_OK);
    assert_int_equal(fixture->stages.signature.n, sizeof first);
    memcpy(first, fixture->stages.signature.p, sizeof first);
    assert_int_equal(sign(fixture, "/b", usual, 2), SG_OK);
    assert_memory_not_equal(fixture->stages.signature.p, first, sizeof first);
    assert_int_equal(sign(fixture, "/%", usual, 2), SG_MALFORMED);
    assert_int_equal(sign(fixture, "/a", usual, 2), SG_OK);
    assert_memory_equal(fixture->stages.signature.p, first, sizeof first);
}

/* --- the query -------------------------------------------------------------------------------- */

static void test_queries(void **state)
{
    static const struct {
        const char *raw;
        const char *canonical;
    } cases[] = {
        {"", ""},
        {"a", "a="},
        {"a=", "a="},
        {"=v", "=v"},
        {"=", "="},
        {"&&", ""},
        {"&a=1&", "a=1"},
        {"b=2&a=1", "a=1&b=2"},
        {"a=2&a=10&a=1", "a=1&a=10&a=2"},
        {"a=1&A=1", "A=1&a=1"},
        {"a~=1&a-=2", "a-=2&a~=1"},
        {"a=b=c", "a=b%3Dc"},
        {"a=1+2", "a=1%2B2"},
        {"a=%2b%41", "a=%2BA"},
        {"a=?/:", "a=%3F%2F%3A"},
        {"a=\xe6\xb5\x81", "a=%E6%B5%81"},
        {"a=%", NULL},
        {"a=%4", NULL},
        {"%4g=1", NULL},
        {"ok=1&a=%zz", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_buf out;
        sg_buf_init(&out, 4096);
        enum sg_status status = sg_sign_canonical_query(sg_str_from(cases[i].raw), &out);
        if (cases[i].canonical == NULL) {
            assert_int_equal(status, SG_MALFORMED);
            assert_int_equal(out.n, 0);
        } else {
            assert_int_equal(status, SG_OK);
            if (!sg_str_equal_text(sg_buf_str(&out), cases[i].canonical)) {
                fail_msg("\"%s\": \"%.*s\" is not \"%s\"", cases[i].raw,
                         SG_STR_ARG(sg_buf_str(&out)), cases[i].canonical);
            }
        }
        sg_buf_done(&out);
    }
}

static void test_large_queries(void **state)
{
    struct sg_buf raw, out;
    (void)state;
    sg_buf_init(&raw, 1 << 20);
    sg_buf_init(&out, 1 << 20);
    for (unsigned i = 0; i < 3000; i++) {
        sg_buf_printf(&raw, "%sk%04u=1", i > 0 ? "&" : "", 2999 - i);
    }
    assert_int_equal(sg_sign_canonical_query(sg_buf_str(&raw), &out), SG_OK);
    assert_true(sg_str_starts_with(sg_buf_str(&out), SG_STR("k0000=1&k0001=1&")));
    assert_int_equal(out.n, raw.n);
    sg_buf_done(&out);
    sg_buf_init(&out, 100);
    assert_int_equal(sg_sign_canonical_query(sg_buf_str(&raw), &out), SG_TOO_LARGE);
    sg_buf_clear(&raw);
    for (unsigned i = 0; i < 500000; i++) {
        sg_buf_add_char(&raw, '&');
    }
    assert_int_equal(sg_sign_canonical_query(sg_buf_str(&raw), &out), SG_TOO_LARGE);
    sg_buf_done(&raw);
    sg_buf_done(&out);
}

/* --- names of schemes ------------------------------------------------------------------------- */

static void test_schemes(void **state)
{
    enum sg_scheme scheme = SG_SCHEME_SDK_HMAC_SHA256;
    (void)state;
    assert_int_equal(sg_scheme_find(SG_STR("SDK-HMAC-SHA256"), &scheme), SG_OK);
    assert_int_equal(scheme, SG_SCHEME_SDK_HMAC_SHA256);
    assert_int_equal(sg_scheme_find(SG_STR("sdk-hmac-sha256"), &scheme), SG_NOT_FOUND);
    assert_int_equal(sg_scheme_find(SG_STR("SDK-HMAC-SHA25"), &scheme), SG_NOT_FOUND);
    assert_int_equal(sg_scheme_find(SG_STR(""), &scheme), SG_NOT_FOUND);
    assert_int_equal(sg_scheme_find(SG_STR("V11-HMAC-SHA256"), &scheme), SG_NOT_FOUND);
    sg_signer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers_are_sorted_and_trimmed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_repeated_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_non_ascii_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_payload_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_methods, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_line_breaks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_used_again, set_up, tear_down),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_large_queries),
        cmocka_unit_test(test_schemes),
    };
    return cmocka_run_group_tests_name("signing/signer", tests, NULL, NULL);
}
