#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support.h"

static void suggest(const struct example *example, char *text, size_t size)
{
    struct sg_buf out;
    sg_buf_init(&out, size - 1);
    sg_policy_would_allow(&example->request, &out);
    assert_false(sg_buf_failed(&out));
    (void)snprintf(text, size, "%.*s", SG_STR_ARG(sg_buf_str(&out)));
    sg_buf_done(&out);
}

/* The decision with the suggestion as the one statement there is. */
static enum sg_reason decide_with(const char *suggestion, const struct example *example)
{
    char text[4000];
    struct loaded loaded;
    struct sg_decision decision;
    (void)snprintf(text, sizeof text,
                   "policy: a\nattach: {callers: [\"*\"]}\ndocument:\n  Version: \"5.0\"\n"
                   "  Statement:\n%s",
                   "");
    /* As a person would paste it: each line as deep as the list stands. */
    for (const char *line = suggestion; *line != '\0';) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, "    %.*s\n", (int)(end - line), line);
        line = end + 1;
    }
    loaded_text(&loaded, text, NULL);
    if (loaded.set == NULL) {
        char messages[2000];
        loaded_messages(&loaded, messages, sizeof messages);
        fail_msg("%s%s", text, messages);
    }
    sg_policy_decide(loaded.set, &example->request, &decision);
    loaded_done(&loaded);
    return decision.reason;
}

static void writes_the_statement_as_people_write_it(void **state)
{
    struct example example;
    char text[1000];
    (void)state;
    example_init(&example);
    example.action.resource = SG_STR("live:cn-north-4::flowOutput:f1/news-a");
    suggest(&example, text, sizeof text);
    assert_string_equal(text, "- Sid: AllowNewsA\n"
                              "  Effect: Allow\n"
                              "  Action: [\"live:ott:deleteFlowOutput\"]\n"
                              "  Resource: [\"live:cn-north-4::flowOutput:f1/news-a\"]\n"
                              "  Condition: {StringEquals: {\"signgate:ProjectId\": [\"" PROJECT
                              "\"]}}\n");
}

static void allows_this_request_and_no_other(void **state)
{
    static const char *const resources[] = {
        "live:cn-north-4::flowOutput:f1/news-a",
        "live:::flowOutput:f1/%2A",
        "live:cn-north-4:0123:domain:%E4%B8%AD.example.com",
        "live:cn-north-4::flow:---",
        "live:cn-north-4::project:" PROJECT,
        "live:cn-north-4::flow:"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    (void)state;
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
        struct example example, other;
        char text[1000];
        example_init(&example);
        example.action.resource = sg_str_from(resources[i]);
        suggest(&example, text, sizeof text);
        assert_int_equal(decide_with(text, &example), SG_REASON_ALLOWED);
        other = example;
        other.request.action = &other.action;
        other.action.name = SG_STR("live:ott:deleteFlow");
        assert_int_equal(decide_with(text, &other), SG_REASON_NO_MATCHING_ALLOW);
        other.action = example.action;
        other.action.resource = SG_STR("live:cn-north-4::flowOutput:f1/news-ab");
        assert_int_equal(decide_with(text, &other), SG_REASON_NO_MATCHING_ALLOW);
        other.action = example.action;
        other.action.project_id = SG_STR("fedcba9876543210fedcba9876543210");
        assert_int_equal(decide_with(text, &other), SG_REASON_NO_MATCHING_ALLOW);
    }
}

static void offers_nothing_that_would_allow_more(void **state)
{
    static const char *const resources[] = {"live:*::flow:f1", "live:::flow:f?", ""};
    struct example example;
    char text[1000];
    (void)state;
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
        example_init(&example);
        example.action.resource = sg_str_from(resources[i]);
        suggest(&example, text, sizeof text);
        assert_string_equal(text, "");
    }
    example_init(&example);
    example.action.name = SG_STR("");
    suggest(&example, text, sizeof text);
    assert_string_equal(text, "");
}

static void needs_no_condition_where_there_is_no_project(void **state)
{
    struct example example;
    char text[1000];
    (void)state;
    example_init(&example);
    example.action.project_id = SG_STR("");
    suggest(&example, text, sizeof text);
    assert_null(strstr(text, "Condition"));
    assert_int_equal(decide_with(text, &example), SG_REASON_ALLOWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_statement_as_people_write_it),
        cmocka_unit_test(allows_this_request_and_no_other),
        cmocka_unit_test(offers_nothing_that_would_allow_more),
        cmocka_unit_test(needs_no_condition_where_there_is_no_project),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
