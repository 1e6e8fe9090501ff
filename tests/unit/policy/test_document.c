#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support.h"

/* --- a vocabulary of few words ---------------------------------------------------------------- */

static bool has_action(const void *arg, struct sg_str pattern)
{
    (void)arg;
    return sg_str_equal(pattern, SG_STR("*")) || sg_str_equal(pattern, SG_STR("live:ott:*"));
}

static const char *nearest_action(const void *arg, struct sg_str text)
{
    (void)arg;
    return text.n > 4 ? "live:ott:*" : NULL;
}

static bool has_param(const void *arg, enum sg_param_place place, struct sg_str name,
                      bool *ret_multi)
{
    (void)arg;
    if (place == SG_PARAM_QUERY && sg_str_equal(name, SG_STR("tags"))) {
        *ret_multi = true;
        return true;
    }
    *ret_multi = false;
    return sg_str_equal(name, SG_STR("known"));
}

static bool has_team(const void *arg, struct sg_str name)
{
    (void)arg;
    return sg_str_equal(name, SG_STR("playout"));
}

static const struct sg_vocabulary words = {.has_action = has_action,
                                           .nearest_action = nearest_action,
                                           .has_param = has_param,
                                           .has_team = has_team,
                                           .has_caller = has_team};

/* Load and compare all messages; good tells whether a set must come out. */
static void assert_messages(const char *text, bool good, const char *expected)
{
    struct loaded loaded;
    char messages[4000];
    loaded_text(&loaded, text, &words);
    loaded_messages(&loaded, messages, sizeof messages);
    if (strcmp(messages, expected) != 0 || (loaded.set != NULL) != good) {
        print_error("--- text\n%s\n--- expected\n%s--- got\n%s", text, expected, messages);
        fail();
    }
    loaded_done(&loaded);
}

/* One statement, written as a flow mapping on line 6 from column 7 on. */
static void assert_statement(const char *statement, bool good, const char *expected)
{
    char text[2000];
    (void)snprintf(text, sizeof text,
                   "policy: a\nattach: {teams: [playout]}\ndocument:\n  Version: \"5.0\"\n"
                   "  Statement:\n    - %s\n",
                   statement);
    assert_messages(text, good, expected);
}

/* One condition, the value of which begins on line 6, column 49. */
static void assert_condition(const char *condition, bool good, const char *expected)
{
    char text[1000];
    (void)snprintf(text, sizeof text, "{Effect: Allow, Action: \"*\",           Condition: %s}",
                   condition);
    assert_statement(text, good, expected);
}

static void takes_what_the_language_has(void **state)
{
    (void)state;
    assert_statement("{Sid: A b, Effect: Allow, Action: [\"*\"], Resource: [\"*\", \"live:*\"], "
                     "Condition: {StringMatchIfExists: {\"signgate:Query/known\": [\"a*\", b, 1, "
                     "true]}, Null: {\"signgate:Query/tags\": false}}}",
                     true, "");
    assert_statement("{Effect: Deny, NotAction: \"*\", NotResource: \"*\"}", true, "");
    assert_statement("{\"Effect\": \"Allow\", \"Action\": [\"*\"], \"Condition\": {\"Bool\": "
                     "{\"g:SecureTransport\": [\"true\"]}}}",
                     true, "");
}

static void refuses_what_the_language_has_not(void **state)
{
    static const struct {
        const char *statement, *message;
    } rows[] = {
        {"{Effect: Allow}",
         "6:7: error: a statement needs Action or NotAction (write Action: [\"*\"] if every action "
         "is meant)\n"},
        {"{Effect: Allow, Action: \"*\", NotAction: \"*\"}",
         "6:47: error: \"Action\" and \"NotAction\" exclude each other (write one of them)\n"},
        {"{Effect: Allow, Action: \"*\", Resource: \"*\", NotResource: \"a\"}",
         "6:64: error: \"Resource\" and \"NotResource\" exclude each other (write one of them)\n"},
        {"{Effect: Allow, Action: \"\"}",
         "6:31: error: an empty pattern fits nothing (write \"*\" for all of them)\n"},
        {"{Effect: Allow, Action: \"*\", Sid: \"a\\nb\"}",
         "6:41: error: the Sid is too long or holds control characters (expected at most 128 bytes "
         "on one line)\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_statement(rows[i].statement, false, rows[i].message);
    }
}

/* Mistakes that the field tables report: that they are errors, not how they are worded. */
static void refuses_wrong_forms(void **state)
{
    static const char *const statements[] = {
        "{Action: \"*\"}",
        "{Effect: allow, Action: \"*\"}",
        "{Effect: ALLOW, Action: \"*\"}",
        "{Effect: , Action: \"*\"}",
        "{Effect: [Allow], Action: \"*\"}",
        "{Effect: Allow, Action: []}",
        "{Effect: Allow, Action: }",
        "{Effect: Allow, Action: {a: b}}",
        "{Effect: Allow, Action: [[\"*\"]]}",
        "{Effect: Allow, Action: [null]}",
        "{Effect: Allow, Action: \"*\", Resource: []}",
        "{Effect: Allow, Action: \"*\", Resource: }",
        "{Effect: Allow, Action: \"*\", NotResource: []}",
        "{Effect: Allow, action: \"*\"}",
        "{Effect: Allow, Action: \"*\", Principal: \"*\"}",
        "{Effect: Allow, Action: \"*\", Action: \"*\"}",
        "{Effect: Allow, Action: \"*\", Condition: }",
        "{Effect: Allow, Action: \"*\", Condition: []}",
        "{Effect: Allow, Action: \"*\", Condition: {}}",
        "{Effect: Allow, Action: \"*\", Condition: text}",
        "{}",
        "text",
        "[]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        struct loaded loaded;
        char text[1000];
        (void)snprintf(text, sizeof text,
                       "policy: a\nattach: {teams: [playout]}\ndocument:\n  Version: \"5.0\"\n"
                       "  Statement:\n    - %s\n",
                       statements[i]);
        loaded_text(&loaded, text, &words);
        if (loaded.set != NULL || sg_diags_errors(loaded.diags) == 0) {
            fail_msg("%s", statements[i]);
        }
        loaded_done(&loaded);
    }
}

static void refuses_wrong_conditions(void **state)
{
    static const struct {
        const char *condition, *message;
    } rows[] = {
        {"{StringEqual: {\"signgate:Method\": a}}",
         "6:58: error: unknown operator \"StringEqual\" (did you mean \"StringEquals\"?)\n"},
        {"{Something: {\"signgate:Method\": a}}",
         "6:58: error: unknown operator \"Something\" (expected an operator such as StringEquals, "
         "StringMatch, Bool, IpAddress, Null)\n"},
        {"{numberequals: {\"signgate:Query/known\": 1}}",
         "6:58: error: \"NumberEquals\" is not built yet\n"},
        {"{DateLessThanIfExists: {\"g:CurrentTime\": 1}}",
         "6:58: error: \"DateLessThan\" is not built yet\n"},
        {"{\"ForAllValues:StringEquals\": {\"signgate:Query/tags\": a}}",
         "6:58: error: \"ForAllValues:\" before an operator is not built yet\n"},
        {"{\"foranyvalue:stringequals\": {\"signgate:Query/tags\": a}}",
         "6:58: error: \"ForAnyValue:\" before an operator is not built yet\n"},
        {"{NullIfExists: {\"signgate:Method\": true}}",
         "6:58: error: \"Null\" takes no IfExists and no prefix (write \"Null\" alone)\n"},
        {"{\"ForAnyValue:Null\": {\"signgate:Method\": true}}",
         "6:58: error: \"Null\" takes no IfExists and no prefix (write \"Null\" alone)\n"},
        {"{Null: {\"signgate:Method\": yes}}",
         "6:84: error: \"yes\" is no value that \"Null\" compares with (expected true or "
         "false)\n"},
        {"{StringEquals: {\"g:SorceIp\": a}}",
         "6:73: error: unknown condition key \"g:SorceIp\" (did you mean \"g:SourceIp\"?)\n"},
        {"{StringEquals: {\"live:Flow\": a}}",
         "6:73: error: unknown condition key \"live:Flow\" (expected a key such as g:SourceIp, "
         "signgate:ProjectId, signgate:Query/NAME)\n"},
        {"{StringEquals: {\"signgate:Body/a\": a}}",
         "6:73: error: \"signgate:Body/a\": conditions on the body are not built yet\n"},
        {"{Null: {\"signgate:Body/a\": true}}",
         "6:65: error: \"signgate:Body/a\": conditions on the body are not built yet\n"},
        {"{StringEquals: {\"g:SourceIp\": \"10.0.0.1\"}}",
         "6:73: error: \"StringEquals\" reads text, but \"g:SourceIp\" is an address (expected "
         "under IpAddress, NotIpAddress, Null)\n"},
        {"{Bool: {\"signgate:Method\": true}}",
         "6:65: error: \"Bool\" reads true or false, but \"signgate:Method\" is text (expected "
         "under StringEquals, StringNotEquals, StringEqualsIgnoreCase, StringNotEqualsIgnoreCase, "
         "StringMatch, StringNotMatch, Null)\n"},
        {"{StringMatch: {\"g:CurrentTime\": \"2026*\"}}",
         "6:72: error: \"StringMatch\" reads text, but \"g:CurrentTime\" is a time (expected under "
         "DateLessThan, DateLessThanEquals, DateGreaterThan, DateGreaterThanEquals, Null)\n"},
        {"{StringEquals: {\"signgate:Query/tags\": a}}",
         "6:73: error: \"signgate:Query/tags\" may have several values: its operator needs "
         "ForAllValues: or ForAnyValue: before it (only Null takes it as it is; ForAllValues: and "
         "ForAnyValue: are not built yet)\n"},
        {"{IpAddress: {\"g:SourceIp\": [\"10.0.0.0/8\", \"10.0.0\"]}}",
         "6:99: error: \"10.0.0\" is no value that \"IpAddress\" compares with (expected an "
         "address or a prefix such as 10.0.0.0/8 or fd00::/8)\n"},
        {"{Bool: {\"g:SecureTransport\": True}}",
         "6:86: error: \"True\" is no value that \"Bool\" compares with (expected true or "
         "false)\n"},
        {"{StringEquals: {\"signgate:Method\": []}}",
         "6:92: error: an empty list of condition values (write the values, or leave the key "
         "out)\n"},
        {"{StringEquals: {\"signgate:Method\": ~}}",
         "6:92: error: a condition value cannot be null (expected text)\n"},
        {"{StringEquals: {}}",
         "6:72: error: an empty mapping in a Condition (expected keys and their values such as "
         "{\"signgate:ProjectId\": [\"...\"]})\n"},
        {"{StringEquals: {\"signgate:Method\": a}, stringEquals: {\"signgate:Team\": a}}",
         "6:96: error: the operator \"stringEquals\" is \"StringEquals\" of line 6 again (put the "
         "values into one list)\n"},
        {"{StringEquals: {\"signgate:Method\": a, \"SIGNGATE:method\": b}}",
         "6:95: error: the condition key \"SIGNGATE:method\" is \"signgate:Method\" of line 6 "
         "again (put the values into one list)\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_condition(rows[i].condition, false, rows[i].message);
    }
}

static void keeps_apart_what_only_looks_doubled(void **state)
{
    (void)state;
    assert_condition("{StringEquals: {\"signgate:Path/known\": a, \"signgate:Query/known\": a}, "
                     "StringEqualsIfExists: {\"signgate:Path/known\": a}}",
                     true, "");
}

static void warns_of_what_no_row_and_no_name_has(void **state)
{
    (void)state;
    assert_statement("{Effect: Allow, Action: [\"*\", \"live:ott:x\", \"no\"]}", true,
                     "6:37: warning: no catalog row has the action \"live:ott:x\" (nearest: "
                     "\"live:ott:*\")\n"
                     "6:51: warning: no catalog row has the action \"no\"\n");
    assert_statement("{Effect: Deny, NotAction: \"no\"}", true,
                     "6:33: warning: no catalog row has the action \"no\"\n");
    assert_condition("{StringEquals: {\"signgate:Path/tags\": a}}", true,
                     "6:73: warning: no catalog row has the path parameter \"tags\" (the key is "
                     "then always absent)\n");
    assert_condition("{StringEquals: {\"signgate:Query/Known\": a}}", true,
                     "6:73: warning: no catalog row has the query parameter \"Known\" (the key is "
                     "then always absent)\n");
    assert_condition("{Bool: {\"g:MFAPresent\": true}}", true,
                     "6:65: warning: signgate cannot know the key \"g:MFAPresent\" (only the cloud "
                     "can know it: here it is always absent)\n");
    assert_messages("policy: a\nattach: {teams: [vod], callers: [me]}\ndocument: {Version: "
                    "\"5.0\", Statement: [{Effect: Deny, Action: \"*\"}]}\n",
                    true,
                    "2:18: warning: no team is called \"vod\" (the policy does not concern anyone "
                    "by it)\n"
                    "2:34: warning: no caller is called \"me\" (the policy does not concern anyone "
                    "by it)\n");
    assert_messages("policy: a\nattach: {teams: [playout]}\ndocument: {Version: \"5.0\", "
                    "Statement: [{Sid: S, Effect: Deny, Action: \"*\"}, {Sid: S, Effect: Deny, "
                    "Action: \"*\"}]}\n",
                    true,
                    "3:83: warning: two statements of the policy go by \"S\" (records cannot tell "
                    "which of them decided)\n");
}

static void shows_every_mistake_of_a_statement(void **state)
{
    (void)state;
    assert_statement(
        "{Effect: Allow, Action: \"\", NotResource: \"\", Condition: {Bool: {\"g:X\": true}, "
        "NumberEquals: {\"g:SourceIp\": 1}}}",
        false,
        "6:31: error: an empty pattern fits nothing (write \"*\" for all of them)\n"
        "6:48: error: an empty pattern fits nothing (write \"*\" for all of them)\n"
        "6:71: error: unknown condition key \"g:X\" (expected a key such as g:SourceIp, "
        "signgate:ProjectId, signgate:Query/NAME)\n"
        "6:85: error: \"NumberEquals\" is not built yet\n"
        "6:100: error: \"NumberEquals\" reads a number, but \"g:SourceIp\" is an address (expected "
        "under IpAddress, NotIpAddress, Null)\n");
}

static void takes_one_version_only(void **state)
{
    static const struct {
        const char *version, *message;
    } rows[] = {
        {"\"5.0\"", ""},
        {"5.0", ""},
        {"\"1.1\"",
         "3:21: error: Version \"1.1\" is the old grammar, which is not read (to convert: write "
         "Version: \"5.0\", name each action as in the catalog (service:type:operation), write "
         "resources as a list of service:region:account:type:path, and use the operators of 5.0 "
         "(StringMatch with \"*\" for StringStartWith and StringEndWith))\n"},
        {"\"5\"", "3:21: error: the Version of a document is \"5.0\" (expected \"5.0\")\n"},
        {"5.00", "3:21: error: the Version of a document is \"5.0\" (expected \"5.0\")\n"},
        {"[5.0]", "3:21: error: the Version of a document is \"5.0\" (expected \"5.0\")\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[400];
        (void)snprintf(text, sizeof text,
                       "policy: a\nattach: {teams: [playout]}\ndocument: {Version: %s, Statement: "
                       "[{Effect: Deny, Action: \"*\"}]}\n",
                       rows[i].version);
        assert_messages(text, rows[i].message[0] == '\0', rows[i].message);
    }
}

static void a_document_needs_statements(void **state)
{
    static const struct {
        const char *statements, *found;
    } rows[] = {{"[]", "an empty list"}, {"{Effect: Allow}", "a mapping"}, {"~", "empty"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[400], expected[400];
        (void)snprintf(text, sizeof text,
                       "policy: a\nattach: {teams: [playout]}\ndocument: {Version: \"5.0\", "
                       "Statement: %s}\n",
                       rows[i].statements);
        (void)snprintf(expected, sizeof expected,
                       "3:39: error: \"Statement\" is %s (expected a list of statements such as "
                       "[{Effect: Allow, Action: [...]}])\n",
                       rows[i].found);
        assert_messages(text, false, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_the_language_has),
        cmocka_unit_test(refuses_what_the_language_has_not),
        cmocka_unit_test(refuses_wrong_forms),
        cmocka_unit_test(refuses_wrong_conditions),
        cmocka_unit_test(keeps_apart_what_only_looks_doubled),
        cmocka_unit_test(warns_of_what_no_row_and_no_name_has),
        cmocka_unit_test(shows_every_mistake_of_a_statement),
        cmocka_unit_test(takes_one_version_only),
        cmocka_unit_test(a_document_needs_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
