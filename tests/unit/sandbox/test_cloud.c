#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "sandbox/cloud.h"

#define PROJECT "0123456789abcdef0123456789abcdef"
#define OUTPUTS "/v1/" PROJECT "/flows/outputs"
#define ACCESS  "AKSANDBOXTEST0000001"
#define SECRET  "sk-of-the-sandbox-test-0000000000000001"

static const int64_t now_us = INT64_C(1573789015) * 1000000; /* 20191115T033655Z */

static int64_t fixed_now(void *arg)
{
    (void)arg;
    return now_us;
}

static const struct sg_clock fixed_clock = {.monotonic_us = fixed_now, .realtime_us = fixed_now};

struct fixture {
    struct sg_sandbox_cloud *cloud;
    struct sg_sandbox_answer answer;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct sg_error error;
    assert_non_null(fixture);
    fixture->cloud =
        sg_sandbox_cloud_new(SG_STR(ACCESS), SG_STR(SECRET), PROJECT, &fixed_clock, &error);
    assert_non_null(fixture->cloud);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sg_sandbox_cloud_free(fixture->cloud);
    free(fixture);
    return 0;
}

/* Sign with secret and ask; project goes into X-Project-Id unless it is NULL. */
static unsigned ask_as(struct fixture *fixture, const char *method, const char *target,
                       struct sg_str body, const char *secret, const char *project)
{
    char text[256], authorization[512];
    unsigned char hash[32], mac[32];
    unsigned mac_bytes = sizeof mac;
    struct sg_str names =
        project != NULL ? SG_STR("host;x-project-id;x-sdk-date") : SG_STR("host;x-sdk-date");
    struct sg_sandbox_header headers[] = {
        {SG_STR("Host"), SG_STR("127.0.0.1:1")},
        {SG_STR("X-Sdk-Date"), SG_STR("20191115T033655Z")},
        {SG_STR("Authorization"), {authorization, 0}},
        {SG_STR("X-Project-Id"), sg_str_from(project)},
    };
    const struct sg_sandbox_request request = {
        .method = sg_str_from(method),
        .target = sg_str_from(target),
        .headers = headers,
        .header_count = project != NULL ? 4 : 3,
        .body = body,
    };
    struct sg_buf canonical, string_to_sign, value;
    sg_buf_init(&canonical, SG_SANDBOX_CANONICAL_BYTES_MAX);
    assert_int_equal(sg_sandbox_canonical_request(&request, names, &canonical),
                     SG_SANDBOX_ACCEPTED);
    assert_int_equal(EVP_Digest(canonical.p, canonical.n, hash, NULL, EVP_sha256(), NULL), 1);
    sg_buf_init_fixed(&string_to_sign, text, sizeof text);
    sg_buf_add_text(&string_to_sign, "SDK-HMAC-SHA256\n20191115T033655Z\n");
    sg_buf_add_hex(&string_to_sign, hash, sizeof hash);
    assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)text,
                         string_to_sign.n, mac, &mac_bytes));
    sg_buf_init_fixed(&value, authorization, sizeof authorization);
    sg_buf_printf(&value, "SDK-HMAC-SHA256 Access=%s, SignedHeaders=%.*s, Signature=", ACCESS,
                  SG_STR_ARG(names));
    sg_buf_add_hex(&value, mac, sizeof mac);
    assert_false(sg_buf_failed(&value));
    headers[2].value.n = value.n;
    sg_sandbox_cloud_answer(fixture->cloud, &request, &fixture->answer);
    sg_buf_done(&canonical);
    return fixture->answer.status;
}

static unsigned ask(struct fixture *fixture, const char *method, const char *target,
                    const char *body)
{
    return ask_as(fixture, method, target, sg_str_from(body), SECRET, PROJECT);
}

static void body_is(const struct fixture *fixture, const char *expected)
{
    if (!sg_str_equal_text(fixture->answer.body, expected)) {
        fail_msg("body is %.*s", SG_STR_ARG(fixture->answer.body));
    }
}

static bool body_has(const struct fixture *fixture, const char *piece)
{
    return memmem(fixture->answer.body.p, fixture->answer.body.n, piece, strlen(piece)) != NULL;
}

static void a_deleted_output_is_gone(void **state)
{
    struct fixture *f = *state;
    const char *target = OUTPUTS "?flow_id=f1&output_name=playout-a";
    assert_int_equal(ask(f, "GET", target, ""), 200);
    assert_true(body_has(f, "\"name\":\"playout-a\""));
    assert_int_equal(ask(f, "DELETE", target, ""), 200);
    body_is(f, "{\"flow_id\":\"f1\",\"output_name\":\"playout-a\"}");
    assert_int_equal(ask(f, "DELETE", target, ""), 400);
    body_is(f, "{\"error_code\":\"LIVE.100011001\",\"error_msg\":\"Invalid request parameter: "
               "output_name. The output does not exist.\"}");
    assert_int_equal(ask(f, "GET", target, ""), 400);
    assert_int_equal(ask(f, "GET", OUTPUTS "?flow_id=f1&output_name=playout-b", ""), 200);
    assert_int_equal(ask(f, "GET", OUTPUTS "?flow_id=f1&output_name=news-a", ""), 200);
}

static void parameters_are_looked_at(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        OUTPUTS,
        OUTPUTS "?flow_id=f1",
        OUTPUTS "?output_name=playout-a",
        OUTPUTS "?flow_id=&output_name=playout-a",
        OUTPUTS "?flow_id=f1&flow_id=f1&output_name=playout-a",
        OUTPUTS "?flow_id=f9&output_name=playout-a",
        OUTPUTS "?flow_id=F1&output_name=playout-a",
        OUTPUTS "?flow_id=f1&output_name=playout-z",
        OUTPUTS "?flow_id=f1&output_name=playout-a%00",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ask(f, "DELETE", bad[i], ""), 400);
        assert_true(body_has(f, "{\"error_code\":\"LIVE.100011001\",\"error_msg\":\""));
    }
    assert_int_equal(ask(f, "DELETE", OUTPUTS "?output_name=playout%2Da&flow_id=%661&more=1", ""),
                     200);
}

static void outputs_are_made_changed_and_shown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "POST", OUTPUTS "?flow_id=f1",
                         "[{\"name\":\"backup-a\",\"protocol\":\"srt-caller\",\"description\":"
                         "\"b\\u00fc\"},{\"name\":\"backup-b\",\"protocol\":\"srt-listener\"}]"),
                     200);
    assert_true(body_has(f, "\"name\":\"backup-b\""));
    assert_int_equal(ask(f, "POST", OUTPUTS "?flow_id=f1",
                         "[{\"name\":\"backup-c\",\"protocol\":\"srt-caller\"},"
                         "{\"name\":\"backup-a\",\"protocol\":\"srt-caller\"}]"),
                     400);
    assert_true(body_has(f, "LIVE.103011018"));
    /* All or nothing: backup-c was not made. */
    assert_int_equal(ask(f, "GET", OUTPUTS "?flow_id=f1&output_name=backup-c", ""), 400);
    assert_int_equal(ask(f, "PUT", OUTPUTS "?flow_id=f1&output_name=backup-a",
                         "{\"output_status\":\"DISABLED\",\"destination\":\"192.0.2.7\"}"),
                     200);
    assert_int_equal(ask(f, "GET", OUTPUTS "?flow_id=f1&output_name=backup-a", ""), 200);
    body_is(f, "{\"name\":\"backup-a\",\"protocol\":\"srt-caller\",\"destination\":\"192.0.2.7\","
               "\"description\":\"b\xc3\xbc\",\"output_status\":\"DISABLED\","
               "\"health_status\":\"DISCONNECTED\"}");
}

static void bad_bodies_change_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const bad_lists[] = {
        "",
        "{}",
        "[]",
        "[1]",
        "[null]",
        "[{\"name\":\"x\"}]",
        "[{\"protocol\":\"srt-caller\"}]",
        "[{\"name\":\"x\",\"protocol\":\"rtmp\"}]",
        "[{\"name\":\"9x\",\"protocol\":\"srt-caller\"}]",
        "[{\"name\":\"x/y\",\"protocol\":\"srt-caller\"}]",
        "[{\"name\":7,\"protocol\":\"srt-caller\"}]",
        "[{\"name\":\"x\",\"protocol\":\"srt-caller\",\"description\":7}]",
        "[{\"name\":\"x\",\"protocol\":\"srt-caller\"}",
        "\xff",
        "[{\"name\":\"x\",\"protocol\":\"srt-caller\",\"output_status\":\"MAYBE\"}]",
    };
    for (size_t i = 0; i < sizeof bad_lists / sizeof *bad_lists; i++) {
        assert_int_equal(ask(f, "POST", OUTPUTS "?flow_id=f1", bad_lists[i]), 400);
        assert_true(body_has(f, "LIVE.100011001"));
    }
    assert_int_equal(ask(f, "GET", OUTPUTS "?flow_id=f1&output_name=x", ""), 400);
    static const char *const bad_changes[] = {
        "", "[]", "7", "{\"protocol\":\"rtmp\"}", "{\"description\":[]}", "{"};
    for (size_t i = 0; i < sizeof bad_changes / sizeof *bad_changes; i++) {
        assert_int_equal(ask(f, "PUT", OUTPUTS "?flow_id=f1&output_name=news-a", bad_changes[i]),
                         400);
    }
    assert_int_equal(ask(f, "GET", OUTPUTS "?flow_id=f1&output_name=news-a", ""), 200);
    assert_true(body_has(f, "\"protocol\":\"srt-caller\""));
}

static void flows_are_made_listed_switched_and_removed(void **state)
{
    struct fixture *f = *state;
    const char *flows = "/v1/" PROJECT "/flows";
    assert_int_equal(ask(f, "GET", flows, ""), 200);
    body_is(f, "{\"total\":1,\"flows\":[{\"name\":\"evening-show\",\"region\":\"cn-north-4\","
               "\"flow_id\":\"f1\",\"status\":\"ACTIVE\",\"protocol\":\"srt-caller\"}]}");
    assert_int_equal(
        ask(f, "POST", flows, "{\"name\":\"morning\",\"region\":\"cn-north-4\",\"sources\":[]}"),
        200);
    body_is(f, "{\"flow\":{\"flow_id\":\"f2\",\"name\":\"morning\",\"region\":\"cn-north-4\","
               "\"status\":\"STANDBY\",\"outputs\":[]}}");
    assert_int_equal(ask(f, "PUT", "/v1/" PROJECT "/flows/start?flow_id=f2", ""), 200);
    body_is(f, "{\"status\":\"ACTIVE\",\"flow_id\":\"f2\"}");
    assert_int_equal(ask(f, "PUT", "/v1/" PROJECT "/flows/stop?flow_id=f2", ""), 200);
    body_is(f, "{\"status\":\"STANDBY\",\"flow_id\":\"f2\"}");
    assert_int_equal(ask(f, "GET", "/v1/" PROJECT "/flows?limit=1&offset=1", ""), 200);
    assert_true(body_has(f, "\"flow_id\":\"f2\""));
    assert_false(body_has(f, "\"flow_id\":\"f1\""));
    assert_int_equal(ask(f, "GET", "/v1/" PROJECT "/flows?limit=0", ""), 400);
    assert_int_equal(ask(f, "GET", "/v1/" PROJECT "/flows?limit=x", ""), 400);
    assert_int_equal(ask(f, "GET", "/v1/" PROJECT "/flows?offset=-1", ""), 400);
    assert_int_equal(ask(f, "GET", "/v1/" PROJECT "/flows/detail?flow_id=f1", ""), 200);
    assert_true(body_has(f, "\"name\":\"playout-e\""));
    assert_int_equal(ask(f, "DELETE", "/v1/" PROJECT "/flows?flow_id=f1", ""), 200);
    body_is(f, "{\"flow_id\":\"f1\"}");
    assert_int_equal(ask(f, "GET", "/v1/" PROJECT "/flows/detail?flow_id=f1", ""), 400);
    assert_int_equal(ask(f, "POST", flows, "{\"name\":\"x\",\"region\":\"y\"}"), 400);
    assert_int_equal(ask(f, "POST", flows, "{\"name\":\"x\",\"sources\":[]}"), 400);
    assert_int_equal(ask(f, "POST", flows, "[]"), 400);
}

static void numbers_of_things_are_bounded(void **state)
{
    struct fixture *f = *state;
    char body[128];
    unsigned status = 200;
    size_t made = 0;
    for (; made < 1000 && status == 200; made++) {
        (void)snprintf(body, sizeof body,
                       "{\"name\":\"n%zu\",\"region\":\"cn-north-4\",\"sources\":[]}", made);
        status = ask(f, "POST", "/v1/" PROJECT "/flows", body);
    }
    assert_int_equal(status, 400);
    assert_true(body_has(f, "upper limit"));
    for (made = 0, status = 200; made < 1000 && status == 200; made++) {
        (void)snprintf(body, sizeof body, "[{\"name\":\"o%zu\",\"protocol\":\"srt-caller\"}]",
                       made);
        status = ask(f, "POST", OUTPUTS "?flow_id=f1", body);
    }
    assert_int_equal(status, 400);
    assert_true(body_has(f, "upper limit"));
}

static void what_is_not_simulated_does_not_exist(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *method, *target;
    } rows[] = {
        {"GET", "/v1/" PROJECT "/domain"},
        {"PUT", "/v1/" PROJECT "/flows/sources?flow_id=f1"},
        {"DELETE", "/v1/" PROJECT "/flows/"},
        {"DELETE", "/v2/" PROJECT "/flows/outputs"},
        {"PATCH", OUTPUTS},
        {"GET", "/"},
        {"GET", "/v1/"},
        {"GET", "/v1//flows"},
        {"GET", "/v1/" PROJECT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ask(f, rows[i].method, rows[i].target, ""), 404);
        assert_true(body_has(f, "\"error_code\":\"APIGW.0101\",\"request_id\":\""));
    }
}

static void the_project_must_be_the_same_everywhere(void **state)
{
    struct fixture *f = *state;
    const char *target = OUTPUTS "?flow_id=f1&output_name=playout-a";
    const char *other = "fedcba9876543210fedcba9876543210";
    assert_int_equal(ask_as(f, "DELETE", target, SG_STR(""), SECRET, other), 401);
    assert_true(body_has(f, "LIVE.100011015"));
    assert_int_equal(ask_as(f, "DELETE", target, SG_STR(""), SECRET, NULL), 401);
    assert_true(body_has(f, "LIVE.100011015"));
    assert_int_equal(ask_as(f, "DELETE",
                            "/v1/fedcba9876543210fedcba9876543210/flows/outputs?flow_id=f1"
                            "&output_name=playout-a",
                            SG_STR(""), SECRET, other),
                     403);
    assert_true(body_has(f, "APIGW.0310"));
    assert_int_equal(ask(f, "GET", target, ""), 200); /* still there */
}

static void a_wrong_signature_gets_the_canonical_request_back(void **state)
{
    struct fixture *f = *state;
    const char *target = OUTPUTS "?output_name=playout-a&flow_id=f1";
    assert_int_equal(ask_as(f, "DELETE", target, SG_STR(""), "another key", PROJECT), 401);
    assert_true(body_has(
        f, "{\"error_msg\":\"Incorrect IAM authentication information: verify aksk signature fail, "
           "canonicalRequest:DELETE|/v1/" PROJECT
           "/flows/outputs/|flow_id=f1&output_name=playout-a|host:127.0.0.1:1|x-project-id:" PROJECT
           "|x-sdk-date:20191115T033655Z||host;x-project-id;x-sdk-date|"
           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
           "\"error_code\":\"APIGW.0301\",\"request_id\":\""));
    assert_false(body_has(f, SECRET));
    assert_int_equal(ask(f, "GET", target, ""), 200); /* nothing was done */
}

static void ask_with(struct fixture *f, const char *authorization, const char *date)
{
    struct sg_sandbox_header headers[] = {
        {SG_STR("Host"), SG_STR("127.0.0.1:1")},
        {SG_STR("Authorization"), sg_str_from(authorization)},
        {SG_STR("X-Sdk-Date"), sg_str_from(date)},
    };
    const struct sg_sandbox_request request = {
        .method = SG_STR("GET"),
        .target = SG_STR("/v1/" PROJECT "/flows"),
        .headers = headers,
        .header_count = 3,
    };
    sg_sandbox_cloud_answer(f->cloud, &request, &f->answer);
    assert_int_equal(f->answer.status, 401);
    assert_true(body_has(f, "\"error_code\":\"APIGW.0301\""));
}

static void other_wrongs_are_named(void **state)
{
    struct fixture *f = *state;
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
    ask_with(f, "SDK-HMAC-SHA256 Access=NOBODY, SignedHeaders=host;x-sdk-date, Signature=" ZEROS,
             "20191115T033655Z");
    assert_true(body_has(f, "Get secretKey failed,ak:NOBODY,err:ak not exist"));
    ask_with(f,
             "SDK-HMAC-SHA256 Access=" ACCESS ", SignedHeaders=host;x-sdk-date, Signature=" ZEROS,
             "20191115T035156Z");
    assert_true(body_has(
        f, "signature expired, signature time:20191115T035156Z,server time:20191115T033655Z"));
    ask_with(f, "Bearer abc", "20191115T033655Z");
    assert_true(body_has(f, "authorization header format error"));
    ask_with(f,
             "SDK-HMAC-SHA256 Access=" ACCESS ", SignedHeaders=host;x-sdk-date, Signature=" ZEROS,
             "yesterday");
    assert_true(body_has(f, "x-sdk-date"));
    const struct sg_sandbox_request none = {.method = SG_STR("GET"), .target = SG_STR("/")};
    sg_sandbox_cloud_answer(f->cloud, &none, &f->answer);
    assert_int_equal(f->answer.status, 401);
    assert_true(body_has(f, "x-auth-token not found"));
}

static void each_answer_has_an_id_of_its_own(void **state)
{
    struct fixture *f = *state;
    char first[SG_SANDBOX_REQUEST_ID_BYTES];
    assert_int_equal(ask(f, "GET", "/v1/" PROJECT "/flows", ""), 200);
    memcpy(first, f->answer.request_id, sizeof first);
    assert_int_equal(ask(f, "GET", "/v1/" PROJECT "/flows", ""), 200);
    assert_memory_not_equal(first, f->answer.request_id, sizeof first);
}

static void a_project_id_that_does_not_fit_is_refused(void **state)
{
    struct sg_error error;
    char project[80];
    (void)state;
    memset(project, 'a', sizeof project);
    project[sizeof project - 1] = '\0';
    assert_null(sg_sandbox_cloud_new(SG_STR("a"), SG_STR("b"), project, &fixed_clock, &error));
    assert_int_equal(error.status, SG_CONFIG);
    assert_null(sg_sandbox_cloud_new(SG_STR("a"), SG_STR("b"), "", &fixed_clock, &error));
    assert_int_equal(error.status, SG_CONFIG);
    sg_sandbox_cloud_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deleted_output_is_gone),
        TEST(parameters_are_looked_at),
        TEST(outputs_are_made_changed_and_shown),
        TEST(bad_bodies_change_nothing),
        TEST(flows_are_made_listed_switched_and_removed),
        TEST(numbers_of_things_are_bounded),
        TEST(what_is_not_simulated_does_not_exist),
        TEST(the_project_must_be_the_same_everywhere),
        TEST(a_wrong_signature_gets_the_canonical_request_back),
        TEST(other_wrongs_are_named),
        TEST(each_answer_has_an_id_of_its_own),
        cmocka_unit_test(a_project_id_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
