/* Rows: the table's columns, what a spreadsheet gets, and what JSON has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>

#include "cli/audit_rows.h"
#include "cli/cells.h"

#define CALL_INTENT                                                                             \
    "{\"schema\":1,\"seq\":3,\"time\":\"2026-01-31T12:00:00.000000Z\",\"event\":\"intent\","    \
    "\"request_id\":\"01890000-0000-7000-8000-0123456789ab\",\"caller\":\"playout-scheduler\"," \
    "\"action\":\"live:ott:deleteFlowOutput\",\"decision\":\"allow\"}"

static int setup(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") != NULL ? 0 : -1;
}

/* A row without its line end. */
static void assert_row(const struct sg_audit_rows *rows, const char *intent, const char *line,
                       const char *expected)
{
    struct sg_entry entry;
    struct sg_buf out;
    sg_entry_read(sg_str_from(intent), sg_str_from(line), &entry);
    sg_buf_init(&out, 1 << 20);
    sg_audit_rows_add(rows, &entry, &out);
    assert_true(out.n > 0 && out.p[out.n - 1] == '\n');
    out.n--;
    sg_buf_add_char(&out, '\0');
    assert_string_equal(out.p, expected);
    if (rows->form == SG_AUDIT_ROWS_TEXT && !rows->colour) {
        assert_in_range(sg_cell_columns(sg_str_from(out.p)), 1, 100);
    }
    sg_buf_done(&out);
}

static void test_the_table(void **state)
{
    const struct sg_audit_rows rows = {.utc = true}, written = {.utc = true, .is_written = true};
    struct sg_buf head;
    (void)state;
    sg_buf_init(&head, 256);
    sg_audit_rows_add_head(&rows, &head);
    sg_buf_add_char(&head, '\0');
    assert_string_equal(head.p,
                        "TIME                 CALLER                  ACTION                  "
                        "  POLICY STATUS     MS REQUEST\n");
    sg_buf_done(&head);
    assert_row(
        &rows, CALL_INTENT,
        "{\"event\":\"outcome\",\"status\":200,\"outcome\":\"success\",\"duration_us\":1234}",
        "2026-01-31T12:00:00Z playout-scheduler       live:ott:deleteFlowOutput allow     "
        "200    1.2 456789ab");
    assert_row(
        &rows, CALL_INTENT,
        "{\"event\":\"outcome\",\"status\":502,\"outcome\":\"unknown\",\"duration_us\":99000}",
        "2026-01-31T12:00:00Z playout-scheduler       live:ott:deleteFlowOutput allow    "
        "502?     99 456789ab");
    assert_row(&rows, CALL_INTENT, "{\"event\":\"outcome\",\"outcome\":\"unknown\"}",
               "2026-01-31T12:00:00Z playout-scheduler       live:ott:deleteFlowOutput allow       "
               "in doubt 456789ab");
    assert_row(&rows, "", CALL_INTENT,
               "2026-01-31T12:00:00Z playout-scheduler       live:ott:deleteFlowOutput allow       "
               "in doubt 456789ab");
    assert_row(&written, "", CALL_INTENT,
               "2026-01-31T12:00:00Z playout-scheduler       live:ott:deleteFlowOutput allow      "
               "in flight 456789ab");
    assert_row(&rows, "",
               "{\"time\":\"2026-01-31T12:00:00.000000Z\",\"event\":\"denied\",\"caller\":\"c\","
               "\"action\":\"live:ott:modifyChannelTranscodings\",\"decision\":\"deny\",\"status\":"
               "403,\"request_id\":\"short\"}",
               "2026-01-31T12:00:00Z c                       \xe2\x80\xa6odifyChannelTranscodings "
               "deny      403      - short");
    assert_row(&rows, "",
               "{\"time\":\"2026-01-31T12:00:00.000000Z\",\"event\":\"rejected\",\"source_ip\":"
               "\"192.0.2.1\",\"reason\":\"SIGNGATE.UnknownCaller\",\"status\":401}",
               "2026-01-31T12:00:00Z (192.0.2.1)             (UnknownCaller)           -         "
               "401      -");
    assert_row(&rows, "",
               "{\"time\":\"2026-01-31T12:00:00.000000Z\",\"event\":\"rejected\",\"source_ip\":"
               "\"192.0.2.1\",\"count\":1234,\"reasons\":{\"SIGNGATE.UnknownCaller\":1234}}",
               "2026-01-31T12:00:00Z (192.0.2.1)             1234 refusals, summed     -           "
               "-      -");
    assert_row(
        &rows, "",
        "{\"seq\":1,\"time\":\"2026-01-31T12:00:00.000000Z\",\"event\":\"start\",\"version\":"
        "\"1.0\",\"new\":2}",
        "2026-01-31T12:00:00Z [start]                 version 1.0, new 2");
    assert_row(
        &rows, "",
        "{\"time\":\"\\u001b[2J\",\"event\":\"denied\",\"caller\":\"\\u001b[31m\\n\\u202ex\","
        "\"action\":\"\xff\xfe\"}",
        "\\u001b[2J            \xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbdx                "
        "\xef\xbf\xbd\xef\xbf\xbd                        -           -      -");
}

static void test_colour_is_around_the_words(void **state)
{
    const struct sg_audit_rows rows = {.utc = true, .colour = true};
    (void)state;
    assert_row(
        &rows, CALL_INTENT,
        "{\"event\":\"outcome\",\"status\":502,\"outcome\":\"failure\",\"duration_us\":99000}",
        "\x1b[31m2026-01-31T12:00:00Z playout-scheduler       live:ott:deleteFlowOutput "
        "allow     502     99 456789ab\x1b[0m");
}

/* The cell of one member; all others are empty. */
static void assert_csv(const char *line, const char *expected)
{
    const struct sg_audit_rows rows = {.form = SG_AUDIT_ROWS_CSV};
    struct sg_entry entry;
    struct sg_buf out;
    sg_entry_read(SG_STR(""), sg_str_from(line), &entry);
    sg_buf_init(&out, 1 << 16);
    sg_audit_rows_add(&rows, &entry, &out);
    assert_true(sg_str_ends_with(sg_buf_str(&out), SG_STR("\r\n")));
    size_t from = 0, to = out.n - 2;
    while (from < to && out.p[from] == ',') {
        from++;
    }
    while (to > from && out.p[to - 1] == ',') {
        to--;
    }
    if (!sg_str_equal_text(sg_str_slice(sg_buf_str(&out), from, to), expected)) {
        fail_msg("%s became %.*s", line, (int)out.n, out.p);
    }
    sg_buf_done(&out);
}

static void test_csv(void **state)
{
    (void)state;
    assert_csv("{\"caller\":\"plain\"}", "plain");
    assert_csv("{\"caller\":\"a,b\"}", "\"a,b\"");
    assert_csv("{\"caller\":\"say \\\"hi\\\"\"}", "\"say \"\"hi\"\"\"");
    assert_csv("{\"caller\":\"\\\"\"}", "\"\"\"\"");
    assert_csv("{\"caller\":\"a\\nb\"}", "\"a\xef\xbf\xbd"
                                         "b\"");
    assert_csv("{\"caller\":\"=1+1\"}", "\"'=1+1\"");
    assert_csv("{\"caller\":\"+1\"}", "\"'+1\"");
    assert_csv("{\"caller\":\"-1\"}", "\"'-1\"");
    assert_csv("{\"caller\":\"@SUM(A1)\"}", "\"'@SUM(A1)\"");
    assert_csv("{\"caller\":\"\\t=1\"}", "\"'\xef\xbf\xbd=1\"");
    assert_csv("{\"caller\":\"1=1\"}", "1=1");
    assert_csv("{\"status\":403}", "403");
    assert_csv("{\"offset_us\":-5}", "-5");
    assert_csv("{\"offset_us\":-5+1}", "\"'-5+1\"");
    assert_csv("{\"caller\":\"\\u001b[31m\"}", "\xef\xbf\xbd[31m");
}

static void test_the_head_has_a_name_for_each_cell(void **state)
{
    const struct sg_audit_rows rows = {.form = SG_AUDIT_ROWS_CSV};
    struct sg_entry entry;
    struct sg_buf out;
    size_t commas = 0;
    (void)state;
    sg_entry_read(SG_STR(""), SG_STR("{\"event\":\"start\"}"), &entry);
    sg_buf_init(&out, 1 << 16);
    sg_audit_rows_add_head(&rows, &out);
    size_t head = out.n;
    sg_audit_rows_add(&rows, &entry, &out);
    for (size_t i = 0; i < out.n; i++) {
        commas += out.p[i] == ',';
    }
    assert_int_equal(commas, 2 * (SG_ENTRY_MEMBER_COUNT - 1));
    assert_true(sg_str_starts_with(sg_buf_str(&out), SG_STR("stream,epoch,seq,")));
    assert_int_equal(out.p[head - 1], '\n');
    sg_buf_done(&out);
}

static void test_json(void **state)
{
    const struct sg_audit_rows rows = {.form = SG_AUDIT_ROWS_JSON};
    (void)state;
    assert_row(&rows, "", "{\"event\":\"denied\",\"status\":403}",
               "{\"schema\":\"signgate.audit.show.1\",\"event\":\"denied\",\"status\":403}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table), cmocka_unit_test(test_colour_is_around_the_words),
        cmocka_unit_test(test_csv),       cmocka_unit_test(test_the_head_has_a_name_for_each_cell),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests_name("audit_rows", tests, setup, NULL);
}
