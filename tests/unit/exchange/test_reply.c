#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exchange/reply.h"

struct answer {
    struct sg_buf headers, body;
};

static void make(struct answer *answer, enum sg_refusal refusal, int64_t now_us)
{
    sg_buf_init(&answer->headers, 4096);
    sg_buf_init(&answer->body, 4096);
    sg_reply_refusal(refusal, SG_STR("why \"so\""), SG_STR("id-1"), now_us, NULL, &answer->headers,
                     &answer->body);
    assert_false(sg_buf_failed(&answer->headers));
    assert_false(sg_buf_failed(&answer->body));
    sg_buf_add_char(&answer->headers, '\0');
    sg_buf_add_char(&answer->body, '\0');
}

static void done(struct answer *answer)
{
    sg_buf_done(&answer->headers);
    sg_buf_done(&answer->body);
}

/* The product's table, written down a second time. */
static void every_refusal_has_its_status_code_and_wait(void **state)
{
    (void)state;
    static const struct {
        enum sg_refusal refusal;
        unsigned status;
        const char *code;
        bool waits;
    } rows[] = {
        {SG_REFUSAL_BAD_REQUEST, 400, "BadRequest", false},
        {SG_REFUSAL_UNKNOWN_CALLER, 401, "UnknownCaller", false},
        {SG_REFUSAL_DENIED, 403, "Denied", false},
        {SG_REFUSAL_UNKNOWN_OPERATION, 403, "UnknownOperation", false},
        {SG_REFUSAL_UNMAPPED_OPERATION, 403, "UnmappedOperation", false},
        {SG_REFUSAL_PROJECT_NOT_SERVED, 403, "ProjectNotServed", false},
        {SG_REFUSAL_FROZEN, 403, "Frozen", false},
        {SG_REFUSAL_UNKNOWN_HOST, 421, "UnknownHost", false},
        {SG_REFUSAL_REQUEST_TIMEOUT, 408, "RequestTimeout", false},
        {SG_REFUSAL_BODY_TOO_LARGE, 413, "BodyTooLarge", false},
        {SG_REFUSAL_TARGET_TOO_LONG, 414, "TargetTooLong", false},
        {SG_REFUSAL_HEADERS_TOO_LARGE, 431, "HeadersTooLarge", false},
        {SG_REFUSAL_EXPECTATION_FAILED, 417, "ExpectationFailed", false},
        {SG_REFUSAL_HTTP_VERSION, 505, "HttpVersion", false},
        {SG_REFUSAL_QUOTA_EXCEEDED, 429, "QuotaExceeded", true},
        {SG_REFUSAL_OVERLOADED, 429, "Overloaded", true},
        {SG_REFUSAL_UPSTREAM, 502, "Upstream", false},
        {SG_REFUSAL_UPSTREAM_TIMEOUT, 504, "UpstreamTimeout", false},
        {SG_REFUSAL_AUDIT_UNAVAILABLE, 503, "AuditUnavailable", true},
        {SG_REFUSAL_NO_CREDENTIAL, 503, "NoCredential", true},
        {SG_REFUSAL_BREAKER_OPEN, 503, "BreakerOpen", true},
        {SG_REFUSAL_DRAINING, 503, "Draining", true},
        {SG_REFUSAL_BUSY, 503, "Busy", true},
    };
    assert_int_equal(sizeof rows / sizeof *rows, SG_REFUSAL_BUSY); /* all of them */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer answer;
        make(&answer, rows[i].refusal, 0);
        assert_int_equal(sg_refusal_row(rows[i].refusal)->status, rows[i].status);
        const char *line = strstr(answer.headers.p, "Signgate-Error: SIGNGATE.");
        assert_non_null(line);
        line += strlen("Signgate-Error: SIGNGATE.");
        assert_int_equal(strncmp(line, rows[i].code, strlen(rows[i].code)), 0);
        assert_int_equal(strncmp(line + strlen(rows[i].code), "\r\n", 2), 0);
        assert_true((strstr(answer.headers.p, "\r\nRetry-After: ") != NULL) == rows[i].waits);
        done(&answer);
    }
}

static void an_answer_has_its_fields_and_ends_each_line(void **state)
{
    (void)state;
    struct answer answer;
    make(&answer, SG_REFUSAL_BUSY, INT64_C(784111777) * 1000000); /* RFC 9110 section 5.6.7 */
    assert_string_equal(answer.headers.p, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                          "Content-Type: application/problem+json\r\n"
                                          "Signgate-Request-Id: id-1\r\n"
                                          "X-Request-Id: id-1\r\n"
                                          "Signgate-Error: SIGNGATE.Busy\r\n"
                                          "Retry-After: 1\r\n");
    assert_non_null(strstr(answer.body.p, "\"error_code\":\"SIGNGATE.Busy\""));
    assert_non_null(strstr(answer.body.p, "why \\\"so\\\""));
    done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_has_its_status_code_and_wait),
        cmocka_unit_test(an_answer_has_its_fields_and_ends_each_line),
    };
    return cmocka_run_group_tests_name("exchange/reply", tests, NULL, NULL);
}
