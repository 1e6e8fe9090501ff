/* Traces of the cloud's trail in every form in which they are exported, and what is none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/trail.h"

#define TRACE                                                                                \
    "{\"trace_id\":\"t1\",\"trace_name\":\"deleteFlowOutput\",\"service_type\":\"LIVE\","    \
    "\"time\":1718777931170,\"code\":\"200\",\"source_ip\":\"198.51.100.7\",\"request_id\":" \
    "\"q1\",\"project_id\":\"p\",\"operation_id\":\"DeleteFlowOutput\",\"trace_type\":"      \
    "\"ApiCall\",\"user\":{\"name\":\"gate\",\"access_key_id\":\"AKIDEXAMPLE\"}}"

static struct sg_trail *read_good(const char *text)
{
    struct sg_error error = {.text = ""};
    struct sg_trail *trail = sg_trail_new(&error);
    assert_non_null(trail);
    if (sg_trail_read(trail, sg_str_from(text), &error) != SG_OK) {
        fail_msg("%s: %s", text, error.text);
    }
    sg_trail_sort(trail);
    return trail;
}

static void test_forms(void **state)
{
    static const struct {
        const char *text;
        size_t count;
    } rows[] = {
        {"{\"traces\":[" TRACE "," TRACE "],\"meta_data\":{\"count\":2}}", 2},
        {"[" TRACE "]", 1},
        {"[]", 0},
        {"{\"traces\":[]}", 0},
        {TRACE, 1},
        {TRACE "\n" TRACE "\r\n\n" TRACE, 3},
        {"[" TRACE "]\n{\"traces\":[" TRACE "]}\n", 2},
        {"[{\"cts\":" TRACE "}]", 1},
        {"\n [\n" TRACE "\n]\n", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_trail *trail = read_good(rows[i].text);
        assert_int_equal(sg_trail_count(trail), rows[i].count);
        if (rows[i].count > 0) {
            const struct sg_trace *trace = sg_trail_trace(trail, 0);
            assert_int_equal(trace->time_ms, 1718777931170);
            assert_true(sg_str_equal_text(trace->name, "deleteFlowOutput"));
            assert_true(sg_str_equal_text(trace->operation_id, "DeleteFlowOutput"));
            assert_true(sg_str_equal_text(trace->code, "200"));
            assert_true(sg_str_equal_text(trace->request_id, "q1"));
            assert_true(sg_str_equal_text(trace->user, "gate"));
            /* printf AKIDEXAMPLE | sha256sum */
            assert_string_equal(trace->fingerprint, "7a898e50dbd5b830");
            assert_false(trace->by_hand);
        }
        sg_trail_free(trail);
    }
}

static void test_users_and_types(void **state)
{
    static const struct {
        const char *user;
        const char *name;
        bool has_key;
    } rows[] = {
        {"\"operator\"", "operator", false},
        {"\"{\\\"name\\\":\\\"inner\\\",\\\"access_key_id\\\":\\\"AKIDEXAMPLE\\\"}\"", "inner",
         true},
        {"{\"user_name\":\"u\",\"name\":\"n\"}", "u", false},
        {"{\"name\":\"n\",\"access_key_id\":\"\"}", "n", false},
        {"null", "", false},
        {"\"{broken\"", "{broken", false},
        {"[1]", "", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "{\"trace_name\":\"n\",\"time\":1718777931170,\"code\":403,"
                       "\"trace_type\":\"consoleAction\",\"user\":%s}",
                       rows[i].user);
        struct sg_trail *trail = read_good(text);
        const struct sg_trace *trace = sg_trail_trace(trail, 0);
        assert_true(sg_str_equal_text(trace->user, rows[i].name));
        assert_int_equal(trace->fingerprint[0] != '\0', rows[i].has_key);
        assert_true(sg_str_equal_text(trace->code, "403"));
        assert_true(trace->by_hand);
        sg_trail_free(trail);
    }
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1718777931170", 1718777931170},
        {"1718777931", 1718777931000},
        {"2024-06-19T06:18:51Z", 1718777931000},
        {"2024-06-19T06:18:51.170Z", 1718777931170},
        {"2024-06-19 14:18:51 GMT+08:00", 1718777931000},
        {"2024/06/19 14:18:51 GMT+08:00", 1718777931000},
    };
    static const char *const bad[] = {
        "", "yesterday", "-5", "2024-06-19", "12/08/2016 11:24:04", "1e12", "99999999999999999999"};
    int64_t ms = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!sg_trail_parse_time(sg_str_from(good[i].text), &ms) || ms != good[i].ms) {
            fail_msg("%s became %lld", good[i].text, (long long)ms);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (sg_trail_parse_time(sg_str_from(bad[i]), &ms)) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void test_what_is_no_trail(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"", "it is empty"},
        {"\x1f\x8b\x08", "gunzip it first"},
        {"nonsense", "no valid JSON"},
        {"{\"traces\":[" TRACE, "no valid JSON"},
        {"[1]", "has no \"trace_name\""},
        {"{\"a\":1}", "has no \"trace_name\""},
        {"5", "expected traces"},
        {"[{\"trace_name\":\"x\"}]", "trace 1 has no \"time\""},
        {"[{\"trace_name\":\"x\",\"time\":\"soon\"}]", "trace 1 has no \"time\""},
        {TRACE "\n{\"trace_name\":", "line 2: "},
        {TRACE "\n5\n", "line 2: expected traces"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_error error = {.text = ""};
        struct sg_trail *trail = sg_trail_new(&error);
        assert_non_null(trail);
        assert_int_equal(sg_trail_read(trail, sg_str_from(rows[i].text), &error), SG_MALFORMED);
        if (strstr(error.text, rows[i].why) == NULL) {
            fail_msg("%s: %s", rows[i].text, error.text);
        }
        sg_trail_free(trail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_users_and_types),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_what_is_no_trail),
    };
    return cmocka_run_group_tests_name("trail", tests, NULL, NULL);
}
