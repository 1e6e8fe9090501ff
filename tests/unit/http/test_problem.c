#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "http/problem.h"

static const char request_id[] = "019a4f3e-9c1a-7b42-8d55-0a1b2c3d4e5f";

/* Render and read back; the caller drops the result. */
static json_t *render(enum sg_refusal refusal, const char *detail,
                      const struct sg_problem_denial *denial)
{
    struct sg_buf out;
    json_error_t error;
    sg_buf_init(&out, 64 * 1024);
    sg_problem_render(&out, refusal, sg_str_from(detail), sg_str_from(request_id), denial);
    assert_false(sg_buf_failed(&out));
    json_t *body = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, &error);
    sg_buf_done(&out);
    if (body == NULL) {
        fail_msg("%s", error.text);
    }
    return body;
}

static const char *text(const json_t *body, const char *name)
{
    return json_string_value(json_object_get(body, name));
}

static void test_members(void **state)
{
    (void)state;
    json_t *body =
        render(SG_REFUSAL_BAD_REQUEST, "the query parameter \"flow_id\" is missing", NULL);
    assert_int_equal(json_object_size(body), 8);
    assert_string_equal(text(body, "type"), "urn:signgate:problem:BadRequest");
    assert_string_equal(text(body, "title"), "Malformed or ambiguous request");
    assert_int_equal(json_integer_value(json_object_get(body, "status")), 400);
    assert_string_equal(text(body, "detail"), "the query parameter \"flow_id\" is missing");
    assert_string_equal(text(body, "instance"), "urn:uuid:019a4f3e-9c1a-7b42-8d55-0a1b2c3d4e5f");
    assert_string_equal(text(body, "error_code"), "SIGNGATE.BadRequest");
    assert_string_equal(text(body, "error_msg"), "the query parameter \"flow_id\" is missing");
    assert_string_equal(text(body, "request_id"), request_id);
    json_decref(body);
}

/* Clients show error_msg: it is never empty. */
static void test_title_stands_in_for_detail(void **state)
{
    (void)state;
    json_t *body = render(SG_REFUSAL_BUSY, "", NULL);
    assert_string_equal(text(body, "detail"), text(body, "title"));
    assert_string_equal(text(body, "error_msg"), text(body, "title"));
    json_decref(body);
}

static void test_every_refusal(void **state)
{
    (void)state;
    for (int refusal = SG_REFUSAL_NONE + 1; refusal <= SG_REFUSAL_BUSY; refusal++) {
        const struct sg_refusal_row *row = sg_refusal_row((enum sg_refusal)refusal);
        json_t *body = render((enum sg_refusal)refusal, "", NULL);
        assert_int_equal(json_integer_value(json_object_get(body, "status")), row->status);
        assert_string_equal(text(body, "error_code"), row->code);
        assert_int_equal(strncmp(text(body, "type"), "urn:signgate:problem:", 21), 0);
        assert_string_equal(text(body, "type") + 21, strchr(row->code, '.') + 1);
        json_decref(body);
    }
}

static void test_denial(void **state)
{
    (void)state;
    const struct sg_problem_denial denial = {
        .caller = SG_STR("playout-scheduler"),
        .action = SG_STR("live:ott:deleteFlowOutput"),
        .resource = SG_STR("live:cn-north-4::flowOutput:f1/playout%2Da"),
        .policy = SG_STR("playout-outputs"),
        .statement = SG_STR("DeleteOwnOutputs"),
        .reason = SG_STR("explicit_deny"),
        .would_allow = SG_STR("- Effect: Allow\n  Action: [\"live:ott:deleteFlowOutput\"]\n"),
    };
    json_t *body = render(SG_REFUSAL_DENIED, "no", &denial);
    assert_int_equal(json_object_size(body), 15);
    assert_string_equal(text(body, "caller"), "playout-scheduler");
    assert_string_equal(text(body, "action"), "live:ott:deleteFlowOutput");
    assert_string_equal(text(body, "resource"), "live:cn-north-4::flowOutput:f1/playout%2Da");
    assert_string_equal(text(body, "policy"), "playout-outputs");
    assert_string_equal(text(body, "statement"), "DeleteOwnOutputs");
    assert_string_equal(text(body, "reason"), "explicit_deny");
    assert_string_equal(text(body, "would_allow"),
                        "- Effect: Allow\n  Action: [\"live:ott:deleteFlowOutput\"]\n");
    json_decref(body);
}

static void test_empty_members_of_a_denial_are_left_out(void **state)
{
    (void)state;
    const struct sg_problem_denial denial = {
        .caller = SG_STR("vip"), .action = SG_STR("a:b:c"), .reason = SG_STR("no_matching_allow")};
    json_t *body = render(SG_REFUSAL_DENIED, "no", &denial);
    assert_int_equal(json_object_size(body), 11);
    assert_null(json_object_get(body, "policy"));
    assert_null(json_object_get(body, "would_allow"));
    json_decref(body);
}

/* Whatever a caller put into a value, the body stays one JSON text on one line. */
static void test_hostile_texts(void **state)
{
    (void)state;
    const struct sg_problem_denial denial = {.resource =
                                                 SG_STR("\"},{\"x\":\"\\\r\n\x01\x7f\xff\xc3\xbc")};
    struct sg_buf out;
    sg_buf_init(&out, 4096);
    sg_problem_render(&out, SG_REFUSAL_DENIED, SG_STR("a\"b\nc"), sg_str_from(request_id), &denial);
    assert_false(sg_buf_failed(&out));
    assert_null(memchr(out.p, '\n', out.n));
    assert_null(memchr(out.p, '\r', out.n));
    json_error_t error;
    json_t *body = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(body);
    assert_string_equal(text(body, "detail"), "a\"b\nc");
    assert_string_equal(text(body, "resource"), "\"},{\"x\":\"\\\r\n\x01\x7f\xef\xbf\xbd\xc3\xbc");
    json_decref(body);
    sg_buf_done(&out);
}

static void test_body_that_does_not_fit(void **state)
{
    (void)state;
    struct sg_buf out;
    sg_buf_init(&out, 64);
    sg_problem_render(&out, SG_REFUSAL_DENIED, SG_STR("no"), sg_str_from(request_id), NULL);
    assert_true(sg_buf_failed(&out));
    sg_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_title_stands_in_for_detail),
        cmocka_unit_test(test_every_refusal),
        cmocka_unit_test(test_denial),
        cmocka_unit_test(test_empty_members_of_a_denial_are_left_out),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_body_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
