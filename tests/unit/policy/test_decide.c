#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support.h"

#define POLICY(name, attach, statements) \
    "policy: " name "\nattach: " attach  \
    "\ndocument:\n  Version: \"5.0\"\n  Statement: " statements "\n"
#define EVERYONE "{callers: [\"*\"]}"

static struct sg_decision decide(const char *text, const struct example *example)
{
    struct loaded loaded;
    struct sg_decision decision;
    loaded_text(&loaded, text, NULL);
    if (loaded.set == NULL) {
        char messages[2000];
        loaded_messages(&loaded, messages, sizeof messages);
        fail_msg("%s", messages);
    }
    sg_policy_decide(loaded.set, &example->request, &decision);
    /* The texts live in the set: copy what the tests compare. */
    static const char *const known[] = {"a", "b", "c", "1", "2", "3", "One", "Two", ""};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (sg_str_equal_text(decision.policy, known[i])) {
            decision.policy = sg_str_from(known[i]);
        }
        if (sg_str_equal_text(decision.statement, known[i])) {
            decision.statement = sg_str_from(known[i]);
        }
    }
    loaded_done(&loaded);
    return decision;
}

static void assert_decision(const char *text, const struct example *example, enum sg_reason reason,
                            const char *policy, const char *statement)
{
    struct sg_decision decision = decide(text, example);
    assert_int_equal(decision.reason, reason);
    assert_string_equal(decision.policy.p, policy);
    assert_string_equal(decision.statement.p, statement);
}

static void without_a_statement_nothing_is_allowed(void **state)
{
    struct example example;
    struct loaded loaded;
    struct sg_decision decision;
    (void)state;
    example_init(&example);
    loaded_init(&loaded);
    loaded.set = sg_policy_load(NULL, NULL, 0, NULL, &loaded.arena, loaded.diags);
    assert_non_null(loaded.set);
    sg_policy_decide(loaded.set, &example.request, &decision);
    assert_int_equal(decision.reason, SG_REASON_NO_MATCHING_ALLOW);
    assert_int_equal(decision.policy.n, 0);
    assert_int_equal(decision.statement.n, 0);
    assert_int_equal(sg_policy_count(loaded.set), 0);
    loaded_done(&loaded);
}

static void a_deny_beats_every_allow_wherever_it_stands(void **state)
{
    static const char *const texts[] = {
        POLICY("a", EVERYONE,
               "[{Effect: Allow, Action: \"*\"}, {Sid: Two, Effect: Deny, Action: \"*\"}]"),
        POLICY("a", EVERYONE,
               "[{Effect: Deny, Action: nothing}, {Sid: Two, Effect: Deny, Action: \"*\"}, "
               "{Effect: Allow, Action: \"*\"}]"),
        POLICY("b", EVERYONE, "[{Effect: Allow, Action: \"*\"}]") "---\n" POLICY(
            "a", EVERYONE,
            "[{Sid: Two, Effect: Deny, Action: \"*\"}, {Sid: One, Effect: Deny, Action: \"*\"}]"),
    };
    struct example example;
    (void)state;
    example_init(&example);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_decision(texts[i], &example, SG_REASON_EXPLICIT_DENY, "a", "Two");
    }
}

static void names_the_first_that_decides(void **state)
{
    struct example example;
    (void)state;
    example_init(&example);
    assert_decision(
        POLICY(
            "b", EVERYONE,
            "[{Effect: Allow, Action: other}, {Effect: Allow, Action: \"*\"}, "
            "{Effect: Allow, Action: \"*\"}]") "---\n" POLICY("a", EVERYONE,
                                                              "[{Effect: Allow, Action: \"*\"}]"),
        &example, SG_REASON_ALLOWED, "b", "2");
    assert_decision(POLICY("a", EVERYONE, "[{Sid: \"\", Effect: Allow, Action: \"*\"}]"), &example,
                    SG_REASON_ALLOWED, "a", "1");
}

static void concerns_only_whom_it_is_attached_to(void **state)
{
    static const struct {
        const char *attach;
        bool concerned;
    } rows[] = {
        {"{teams: [playout]}", true},
        {"{teams: [vod, playout]}", true},
        {"{teams: [Playout]}", false},
        {"{teams: [playou]}", false},
        {"{teams: [playout-scheduler]}", false},
        {"{callers: [playout-scheduler]}", true},
        {"{callers: [playout]}", false},
        {"{teams: [vod], callers: [playout-scheduler]}", true},
        {"{teams: [playout], callers: [other]}", true},
        {"{teams: [vod], callers: [other]}", false},
        {"{teams: [\"*\"]}", true},
        {"{callers: [\"*\"]}", true},
        {"{teams: [vod, \"*\"]}", true},
        {"{teams: [playout], callers: []}", true},
    };
    struct example example;
    (void)state;
    example_init(&example);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[400];
        (void)snprintf(text, sizeof text, POLICY("a", "%s", "[{Effect: Allow, Action: \"*\"}]"),
                       rows[i].attach);
        enum sg_reason reason = decide(text, &example).reason;
        if ((reason == SG_REASON_ALLOWED) != rows[i].concerned) {
            fail_msg("%s", rows[i].attach);
        }
    }
    example.principal.team = SG_STR("");
    assert_decision(POLICY("a", "{teams: [playout]}", "[{Effect: Allow, Action: \"*\"}]"), &example,
                    SG_REASON_NO_MATCHING_ALLOW, "", "");
}

struct statement_row {
    const char *statement;
    bool matches;
};

static void a_statement_needs_action_resource_and_condition(void **state)
{
    static const struct statement_row rows[] = {
        {"Action: \"live:ott:deleteFlowOutput\"", true},
        {"Action: [\"LIVE:OTT:DELETEFLOWOUTPUT\"]", true},
        {"Action: [\"live:ott:deleteFlow\"]", false},
        {"Action: [\"x\", \"live:ott:delete*\"]", true},
        {"NotAction: [\"x\"]", true},
        {"NotAction: [\"x\", \"live:ott:*\"]", false},
        {"NotAction: \"live:OTT:*\"", false},
        {"Action: \"*\", Resource: \"live:*:*:flowOutput:f1/playout-a\"", true},
        {"Action: \"*\", Resource: \"LIVE:*:*:flowOutput:f1/playout-a\"", false},
        {"Action: \"*\", Resource: \"live:*:*:flowOutput:f1\"", false},
        {"Action: \"*\", Resource: \"live:::flowOutput:*\"", false},
        {"Action: \"*\", Resource: \"live:cn-north-4::flowOutput:*\"", true},
        {"Action: \"*\", Resource: \"*\"", true},
        {"Action: \"*\", NotResource: \"live:*:*:flowOutput:*\"", false},
        {"Action: \"*\", NotResource: \"live:*:*:flow:*\"", true},
        {"Action: \"x\", Resource: \"*\"", false},
        {"Action: \"*\", Condition: {StringEquals: {\"signgate:Method\": DELETE}}", true},
        {"Action: \"*\", Condition: {StringEquals: {\"signgate:Method\": GET}}", false},
        {"Action: \"*\", Condition: {StringEquals: {\"signgate:Method\": [GET, DELETE]}}", true},
        {"Action: \"*\", Condition: {StringEquals: {\"signgate:Method\": DELETE, "
         "\"signgate:Team\": vod}}",
         false},
        {"Action: \"*\", Condition: {StringEquals: {\"signgate:Method\": DELETE}, Bool: "
         "{\"g:SecureTransport\": true}}",
         false},
        {"Action: \"*\", Condition: {StringEquals: {\"signgate:Method\": DELETE}, Bool: "
         "{\"g:SecureTransport\": \"false\"}}",
         true},
        {"Action: \"*\", Condition: {Null: {\"g:MFAPresent\": true}}", true},
    };
    struct example example;
    (void)state;
    example_init(&example);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const char *const effects[] = {"Allow", "Deny"};
        static const enum sg_reason matched[] = {SG_REASON_ALLOWED, SG_REASON_EXPLICIT_DENY};
        for (size_t k = 0; k < 2; k++) {
            char text[600];
            (void)snprintf(text, sizeof text, POLICY("a", EVERYONE, "[{Effect: %s, %s}]"),
                           effects[k], rows[i].statement);
            enum sg_reason expected = rows[i].matches ? matched[k] : SG_REASON_NO_MATCHING_ALLOW;
            if (decide(text, &example).reason != expected) {
                fail_msg("%s %s", effects[k], rows[i].statement);
            }
        }
    }
}

static void an_operation_without_action_is_never_allowed(void **state)
{
    struct example example;
    (void)state;
    example_init(&example);
    example.action.name = SG_STR("");
    assert_decision(POLICY("a", EVERYONE, "[{Effect: Allow, Action: \"*\"}]"), &example,
                    SG_REASON_NO_MATCHING_ALLOW, "", "");
    assert_decision(POLICY("a", EVERYONE, "[{Effect: Allow, NotAction: \"x\"}]"), &example,
                    SG_REASON_NO_MATCHING_ALLOW, "", "");
    assert_decision(POLICY("a", EVERYONE, "[{Effect: Deny, Action: \"*\"}]"), &example,
                    SG_REASON_EXPLICIT_DENY, "a", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_statement_nothing_is_allowed),
        cmocka_unit_test(a_deny_beats_every_allow_wherever_it_stands),
        cmocka_unit_test(names_the_first_that_decides),
        cmocka_unit_test(concerns_only_whom_it_is_attached_to),
        cmocka_unit_test(a_statement_needs_action_resource_and_condition),
        cmocka_unit_test(an_operation_without_action_is_never_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
