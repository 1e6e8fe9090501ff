/* Entries: what an intent and its outcome say together, and that what is written of them is JSON.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "audit/entry.h"
#include "text/json_in.h"

static const char intent[] =
    "{\"schema\":1,\"stream\":\"s\",\"epoch\":1,\"seq\":7,\"prev\":\"00\",\"time\":\"T1\","
    "\"event\":\"intent\",\"request_id\":\"r\",\"caller\":\"c\",\"decision\":\"allow\","
    "\"reason\":\"allowed\",\"request_bytes\":0,\"only_here\":1,\"in_both\":1,\"crc\":\"x\"}";
static const char outcome[] =
    "{\"schema\":1,\"stream\":\"s\",\"epoch\":2,\"seq\":9,\"prev\":\"00\",\"time\":\"T2\","
    "\"event\":\"outcome\",\"request_id\":\"r\",\"caller\":\"c\",\"reason\":\"SIGNGATE.Upstream\","
    "\"status\":502,\"outcome\":\"unknown\",\"sent\":true,\"in_both\":2,\"crc\":\"y\"}";

static void assert_text(const struct sg_entry *entry, enum sg_entry_member member,
                        const char *expected)
{
    struct sg_str text = sg_entry_text(entry, member);
    if (!sg_str_equal_text(text, expected)) {
        fail_msg("%s is \"%.*s\", not \"%s\"", sg_entry_member_name(member), SG_STR_ARG(text),
                 expected);
    }
}

static void test_a_call_of_two_lines(void **state)
{
    struct sg_entry entry;
    uint64_t status = 0;
    (void)state;
    sg_entry_read(sg_str_from(intent), sg_str_from(outcome), &entry);
    assert_int_equal(entry.kind, SG_ENTRY_CALL);
    assert_true(entry.has_intent && entry.has_outcome);
    assert_text(&entry, SG_ENTRY_time, "T1");
    assert_text(&entry, SG_ENTRY_outcome_time, "T2");
    assert_text(&entry, SG_ENTRY_seq, "7");
    assert_text(&entry, SG_ENTRY_outcome_seq, "9");
    assert_text(&entry, SG_ENTRY_event, "outcome");
    assert_text(&entry, SG_ENTRY_decision, "allow");
    assert_text(&entry, SG_ENTRY_reason, "SIGNGATE.Upstream");
    assert_text(&entry, SG_ENTRY_team, "");
    assert_true(sg_entry_number(&entry, SG_ENTRY_status, &status));
    assert_int_equal(status, 502);
    assert_false(sg_entry_number(&entry, SG_ENTRY_caller, &status));
    assert_true(sg_entry_is_in_doubt(&entry));
    assert_int_equal(sg_entry_count(&entry), 1);
}

static void test_kinds(void **state)
{
    static const struct {
        const char *line;
        enum sg_entry_kind kind;
        bool in_doubt;
        uint64_t count;
    } rows[] = {
        {"{\"event\":\"intent\"}", SG_ENTRY_CALL, true, 1},
        {"{\"event\":\"outcome\",\"outcome\":\"success\"}", SG_ENTRY_CALL, false, 1},
        {"{\"event\":\"outcome\",\"outcome\":\"failure\"}", SG_ENTRY_CALL, false, 1},
        {"{\"event\":\"outcome\",\"outcome\":\"unknown\"}", SG_ENTRY_CALL, true, 1},
        {"{\"event\":\"denied\"}", SG_ENTRY_REFUSAL, false, 1},
        {"{\"event\":\"rejected\"}", SG_ENTRY_REFUSAL, false, 1},
        {"{\"event\":\"rejected\",\"count\":123}", SG_ENTRY_REFUSAL, false, 123},
        {"{\"event\":\"dry_run\"}", SG_ENTRY_REFUSAL, false, 1},
        {"{\"event\":\"recovered\",\"count\":5}", SG_ENTRY_EVENT, false, 0},
        {"{\"event\":\"start\"}", SG_ENTRY_EVENT, false, 0},
        {"{}", SG_ENTRY_EVENT, false, 0},
        {"", SG_ENTRY_EVENT, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_entry entry;
        sg_entry_read(SG_STR(""), sg_str_from(rows[i].line), &entry);
        assert_int_equal(entry.kind, rows[i].kind);
        assert_int_equal(sg_entry_is_in_doubt(&entry), rows[i].in_doubt);
        assert_int_equal(sg_entry_count(&entry), rows[i].count);
    }
}

static void write_json(const char *first, const char *second, struct sg_buf *out)
{
    struct sg_entry entry;
    sg_entry_read(sg_str_from(first), sg_str_from(second), &entry);
    sg_buf_init(out, 1 << 20);
    sg_buf_add_text(out, "{\"schema\":\"x\"");
    sg_entry_add_json(&entry, out);
    sg_buf_add_char(out, '}');
    assert_false(sg_buf_failed(out));
}

static void test_json_has_all_members_once(void **state)
{
    struct sg_buf out;
    (void)state;
    write_json(intent, outcome, &out);
    sg_buf_add_char(&out, '\0');
    assert_string_equal(
        out.p, "{\"schema\":\"x\",\"stream\":\"s\",\"epoch\":2,\"seq\":7,\"outcome_seq\":9,"
               "\"time\":\"T1\",\"outcome_time\":\"T2\",\"event\":\"outcome\","
               "\"request_id\":\"r\",\"caller\":\"c\",\"decision\":\"allow\","
               "\"reason\":\"SIGNGATE.Upstream\",\"status\":502,\"outcome\":\"unknown\","
               "\"sent\":true,\"request_bytes\":0,\"only_here\":1,\"in_both\":2}");
    sg_buf_done(&out);
}

/* Whatever a line holds, what is written is one JSON object without a byte that a terminal obeys.
 */
static void assert_good_json(const char *line)
{
    struct sg_buf out;
    struct sg_json_value *root = NULL;
    struct sg_error error = {.text = ""};
    write_json("", line, &out);
    for (size_t i = 0; i < out.n; i++) {
        unsigned char c = (unsigned char)out.p[i];
        assert_true(c >= 0x20 && c != 0x7f);
        assert_false(c == 0xc2 && (unsigned char)out.p[i + 1] < 0xa0);
    }
    if (sg_json_parse(sg_buf_str(&out), &root, &error) != SG_OK) {
        fail_msg("%s: %s", error.text, out.p);
    }
    sg_json_free(root);
    sg_buf_done(&out);
}

static void test_json_of_hostile_lines(void **state)
{
    static const char *const lines[] = {
        "{\"caller\":\"\x1b[2J\"}",
        "{\"caller\":\"\\u001b[2J\\u009b\\u007f\"}",
        "{\"caller\":\"\xc2\x9b\x7f\xff\xfe\"}",
        "{\"caller\":\"\\q\\u12\\ud800\"}",
        "{\"caller\":\"\\\"quoted\\\" \\\\\"}",
        "{\"status\":\x1b}",
        "{\"status\":01}",
        "{\"status\":-}",
        "{\"status\":nonsense}",
        "{\"status\":99999999999999999999999}",
        "{\"reasons\":{\"a\":1,\"b\":[true,null]}}",
        "{\"reasons\":{\"a\":1,}}",
        "{\"reasons\":{\"a\":\"\x1b\"}}",
        "{\"reasons\":{\"a\":\"\xc2\x9b\"}}",
        "{\"twice\":1,\"twice\":2,\"schema\":3,\"caller\":\"a\",\"caller\":\"b\"}",
        "{\"ne\x1bw\":1,\"new\":2,\"q\\\"\":3}",
        "{\"offset_us\":-5000000}",
        "{\"caller\":\"cut",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_good_json(lines[i]);
    }
}

/* Every byte of a line changed, and every cut. */
static void test_json_of_changed_lines(void **state)
{
    static const unsigned char changes[] = {0x01, 0x02, 0x20, 0x22, 0x5c, 0x7f, 0x80, 0xff};
    char changed[sizeof outcome];
    (void)state;
    for (size_t i = 0; i < sizeof outcome - 1; i++) {
        for (size_t c = 0; c < sizeof changes; c++) {
            memcpy(changed, outcome, sizeof changed);
            changed[i] = (char)(changed[i] ^ (char)changes[c]);
            if (memmem(changed, sizeof changed, "schema", 6) == NULL || changed[i] == '\0') {
                continue; /* would be a member of its own beside ours */
            }
            assert_good_json(changed);
        }
        memcpy(changed, outcome, sizeof changed);
        changed[i] = '\0';
        assert_good_json(changed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_of_two_lines),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_json_has_all_members_once),
        cmocka_unit_test(test_json_of_hostile_lines),
        cmocka_unit_test(test_json_of_changed_lines),
    };
    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
