/* Floods: ten of a source in a second stand by themselves, the rest is counted, none is missing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "audit/flood.h"

#define TIME "2019-11-15T03:36:55.000000Z"

enum { SECOND = 1000000 };

static struct sg_flood_refusal refusal_of(const char *source, const char *reason, const char *time)
{
    return (struct sg_flood_refusal){.source_ip = sg_str_from(source),
                                     .caller = SG_STR("c"),
                                     .reason = sg_str_from(reason),
                                     .time = sg_str_from(time)};
}

static bool admits(struct sg_flood *flood, const char *source, int64_t now_us)
{
    const struct sg_flood_refusal refusal = refusal_of(source, "SIGNGATE.UnknownCaller", TIME);
    return sg_flood_admits(flood, &refusal, now_us);
}

/* The next sum's text, with a NUL. */
static bool take(struct sg_flood *flood, int64_t now_us, bool everything, struct sg_buf *out)
{
    sg_buf_clear(out);
    bool any = sg_flood_take(flood, now_us, everything, SG_STR(TIME), out);
    sg_buf_add_char(out, '\0');
    assert_false(sg_buf_failed(out));
    return any;
}

static void test_ten_stand_by_themselves(void **state)
{
    (void)state;
    struct sg_flood *flood = sg_flood_new();
    struct sg_buf text;
    assert_non_null(flood);
    sg_buf_init(&text, 4096);
    for (int i = 0; i < 10; i++) {
        assert_true(admits(flood, "10.0.0.1", i));
    }
    assert_int_equal(sg_flood_due_us(flood), INT64_MAX);
    for (int i = 0; i < 90; i++) {
        assert_false(admits(flood, "10.0.0.1", 500));
    }
    assert_true(admits(flood, "10.0.0.2", 500)); /* another source is not hurt */
    assert_int_equal(sg_flood_due_us(flood), SECOND);
    assert_false(take(flood, SECOND - 1, false, &text));
    assert_true(take(flood, SECOND, false, &text));
    assert_string_equal(text.p, "\"time\":\"" TIME "\",\"event\":\"rejected\",\"source_ip\":"
                                "\"10.0.0.1\",\"count\":90,\"first\":\"" TIME "\",\"last\":\"" TIME
                                "\",\"reasons\":{\"SIGNGATE.UnknownCaller\":90}");
    assert_false(take(flood, SECOND, true, &text));
    assert_true(admits(flood, "10.0.0.1", SECOND)); /* the next window */
    sg_buf_done(&text);
    sg_flood_free(flood);
}

static void test_a_window_counts_to_ten_anew(void **state)
{
    (void)state;
    struct sg_flood *flood = sg_flood_new();
    for (int window = 0; window < 5; window++) {
        for (int i = 0; i < 10; i++) {
            assert_true(admits(flood, "10.0.0.1", (int64_t)window * SECOND + i));
        }
    }
    assert_int_equal(sg_flood_due_us(flood), INT64_MAX);
    sg_flood_free(flood);
}

static void test_reasons_and_times(void **state)
{
    (void)state;
    struct sg_flood *flood = sg_flood_new();
    struct sg_buf text;
    sg_buf_init(&text, 4096);
    for (int i = 0; i < 10; i++) {
        assert_true(admits(flood, "10.0.0.1", 0));
    }
    for (int i = 0; i < 12; i++) { /* more reasons than are told apart */
        char reason[32], time[48];
        (void)snprintf(reason, sizeof reason, "reason-%d", i);
        (void)snprintf(time, sizeof time, "2019-11-15T03:36:%02d.000000Z", i + 10);
        const struct sg_flood_refusal refusal = refusal_of("10.0.0.1", reason, time);
        assert_false(sg_flood_admits(flood, &refusal, 1));
    }
    assert_true(take(flood, 1, true, &text));
    assert_non_null(strstr(text.p, "\"count\":12,\"first\":\"2019-11-15T03:36:10.000000Z\","
                                   "\"last\":\"2019-11-15T03:36:21.000000Z\""));
    assert_non_null(strstr(text.p, "\"reasons\":{\"reason-0\":1,"));
    assert_non_null(strstr(text.p, "\"reason-7\":1,\"other\":4}"));
    sg_buf_done(&text);
    sg_flood_free(flood);
}

static void test_callers_without_an_address_are_known_by_name(void **state)
{
    (void)state;
    struct sg_flood *flood = sg_flood_new();
    struct sg_buf text;
    sg_buf_init(&text, 4096);
    for (int i = 0; i < 10; i++) {
        assert_true(admits(flood, "", 0));
    }
    assert_false(admits(flood, "", 0));
    assert_true(admits(flood, "c", 0)); /* an address that looks like the name is another source */
    assert_true(take(flood, 0, true, &text));
    assert_non_null(strstr(text.p, "\"event\":\"rejected\",\"caller\":\"c\",\"count\":1,"));
    sg_buf_done(&text);
    sg_flood_free(flood);
}

/* Whatever an attacker does with his address: bounded records, and every refusal is counted. */
static void test_more_sources_than_there_are_places(void **state)
{
    (void)state;
    enum { SOURCES = 20000, EACH = 15 };
    struct sg_flood *flood = sg_flood_new();
    struct sg_buf text;
    uint64_t written = 0, counted = 0;
    sg_buf_init(&text, 4096);
    for (int round = 0; round < EACH; round++) {
        for (int i = 0; i < SOURCES; i++) {
            char source[64];
            (void)snprintf(source, sizeof source, "2001:db8::%x:%x", i / 256, i % 256);
            written += admits(flood, source, 0) ? 1 : 0;
        }
    }
    while (take(flood, SECOND, false, &text)) {
        const char *at = strstr(text.p, "\"count\":");
        uint64_t count = 0;
        struct sg_str rest = sg_str_from(at + strlen("\"count\":"));
        assert_true(
            sg_str_to_u64(sg_str_slice(rest, 0, sg_str_find(rest, ',')), UINT64_MAX, &count));
        counted += count;
    }
    assert_true(written <= 10 * (SG_FLOOD_SOURCES + 1));
    assert_int_equal(written + counted, (uint64_t)SOURCES * EACH);
    sg_buf_done(&text);
    sg_flood_free(flood);
}

static void test_texts_that_are_too_long(void **state)
{
    (void)state;
    struct sg_flood *flood = sg_flood_new();
    struct sg_buf text;
    char longest[600];
    sg_buf_init(&text, 4096);
    memset(longest, '\\', sizeof longest - 1); /* cut, it would leave half an escape */
    longest[sizeof longest - 1] = '\0';
    for (int i = 0; i < 11; i++) {
        const struct sg_flood_refusal refusal = refusal_of(longest, longest, longest);
        assert_int_equal(sg_flood_admits(flood, &refusal, 0), i < 10);
    }
    assert_true(take(flood, 0, true, &text));
    assert_null(strstr(text.p, "source_ip"));
    assert_non_null(strstr(text.p, "\"reasons\":{\"other\":1}"));
    sg_buf_done(&text);
    sg_flood_free(flood);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_stand_by_themselves),
        cmocka_unit_test(test_a_window_counts_to_ten_anew),
        cmocka_unit_test(test_reasons_and_times),
        cmocka_unit_test(test_callers_without_an_address_are_known_by_name),
        cmocka_unit_test(test_more_sources_than_there_are_places),
        cmocka_unit_test(test_texts_that_are_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
