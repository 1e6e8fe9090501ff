/* Filters: what the words of the command line mean, and which entries they let through. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "audit/filter.h"

static bool matches(const struct sg_filter *filter, const char *first, const char *second)
{
    struct sg_entry entry;
    sg_entry_read(sg_str_from(first), sg_str_from(second), &entry);
    return sg_filter_matches(filter, &entry);
}

static void test_statuses(void **state)
{
    static const char *const good[] = {"403", "4xx", "4XX", "200-299", "599", "100-599"};
    static const char *const bad[] = {"",    "4",   "99", "600",     "0xx",  "6xx",  "4xxx", "xxx",
                                      "40x", "2--", "-1", "299-200", "200-", "-299", " 403", "4x"};
    struct sg_filter filter = {.has_since = false};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!sg_filter_add_status(&filter.statuses, sg_str_from(good[i]))) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (sg_filter_add_status(&filter.statuses, sg_str_from(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
    struct sg_filter one = {.has_since = false};
    assert_true(sg_filter_add_status(&one.statuses, SG_STR("4xx")));
    assert_true(sg_filter_add_status(&one.statuses, SG_STR("201-202")));
    assert_true(matches(&one, "", "{\"event\":\"denied\",\"status\":400}"));
    assert_true(matches(&one, "", "{\"event\":\"denied\",\"status\":499}"));
    assert_true(matches(&one, "", "{\"event\":\"denied\",\"status\":202}"));
    assert_false(matches(&one, "", "{\"event\":\"denied\",\"status\":500}"));
    assert_false(matches(&one, "", "{\"event\":\"denied\",\"status\":200}"));
    assert_false(matches(&one, "", "{\"event\":\"intent\"}"));
    while (one.statuses.count < SG_FILTER_MAX) {
        assert_true(sg_filter_add_status(&one.statuses, SG_STR("200")));
    }
    assert_false(sg_filter_add_status(&one.statuses, SG_STR("200")));
}

static void test_times(void **state)
{
    const int64_t now = (int64_t)1573788995 * 1000000; /* 2019-11-15T03:36:35Z */
    static const struct {
        const char *text;
        int64_t seconds_before;
    } spans[] = {{"0s", 0},
                 {"90s", 90},
                 {"15m", 900},
                 {"2h", 7200},
                 {"1d", 86400},
                 {"1w", 604800},
                 {"2019-11-15T03:36:35Z", 0},
                 {"2019-11-15T11:36:34+08:00", 1},
                 {"2019-11-14 22:36:35-05:00", 0}};
    static const char *const bad[] = {"",
                                      "s",
                                      "15",
                                      "-1h",
                                      "1y",
                                      "1 h",
                                      "1.5h",
                                      "m15",
                                      "now",
                                      "2019-11-15",
                                      "2019-11-15T03:36:35",
                                      "2019-02-30T00:00:00Z",
                                      "999999999999d"};
    int64_t us = 0;
    (void)state;
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        if (!sg_filter_parse_time(sg_str_from(spans[i].text), now, &us)) {
            fail_msg("%s", spans[i].text);
        }
        assert_int_equal(us, now - spans[i].seconds_before * 1000000);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (sg_filter_parse_time(sg_str_from(bad[i]), now, &us)) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_true(sg_filter_parse_time(SG_STR("100000w"), now, &us)); /* before 1970 */
    assert_int_equal(us, 0);
    assert_true(sg_filter_parse_time(SG_STR("2019-11-15T03:36:35.25Z"), now, &us));
    assert_int_equal(us, now + 250000);
}

static void test_since_and_until(void **state)
{
    struct sg_filter filter = {.has_since = true, .has_until = true};
    (void)state;
    memcpy(filter.since, "2026-01-01T00:00:00.000000Z", sizeof filter.since);
    memcpy(filter.until, "2026-01-02T00:00:00.000000Z", sizeof filter.until);
    assert_true(
        matches(&filter, "", "{\"event\":\"denied\",\"time\":\"2026-01-01T00:00:00.000000Z\"}"));
    assert_true(
        matches(&filter, "", "{\"event\":\"denied\",\"time\":\"2026-01-01T23:59:59.999999Z\"}"));
    assert_false(
        matches(&filter, "", "{\"event\":\"denied\",\"time\":\"2026-01-02T00:00:00.000000Z\"}"));
    assert_false(
        matches(&filter, "", "{\"event\":\"denied\",\"time\":\"2025-12-31T23:59:59.999999Z\"}"));
    /* A call counts by when it was asked for. */
    assert_true(matches(&filter, "{\"event\":\"intent\",\"time\":\"2026-01-01T23:59:59.000000Z\"}",
                        "{\"event\":\"outcome\",\"time\":\"2026-01-02T00:00:09.000000Z\"}"));
}

static void test_words(void **state)
{
    static const char line[] =
        "{\"event\":\"denied\",\"caller\":\"play\\u006fut\",\"team\":\"vod\","
        "\"action\":\"live:ott:deleteFlow\",\"decision\":\"deny\"}";
    static const struct {
        size_t offset;
        const char *word;
        bool matches;
    } rows[] = {
        {offsetof(struct sg_filter, callers), "playout", true},
        {offsetof(struct sg_filter, callers), "play*", true},
        {offsetof(struct sg_filter, callers), "playou?", true},
        {offsetof(struct sg_filter, callers), "Playout", false},
        {offsetof(struct sg_filter, callers), "play", false},
        {offsetof(struct sg_filter, teams), "vod", true},
        {offsetof(struct sg_filter, teams), "playout", false},
        {offsetof(struct sg_filter, actions), "live:ott:*", true},
        {offsetof(struct sg_filter, actions), "LIVE:OTT:DeleteFlow", true},
        {offsetof(struct sg_filter, actions), "live:ott:deleteFlowOutput", false},
        {offsetof(struct sg_filter, decisions), "deny", true},
        {offsetof(struct sg_filter, decisions), "allow", false},
        {offsetof(struct sg_filter, events), "denied", true},
        {offsetof(struct sg_filter, events), "rejected", false},
        {offsetof(struct sg_filter, outcomes), "success", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_filter filter = {.has_since = false};
        struct sg_filter_words *words =
            (struct sg_filter_words *)(void *)((char *)&filter + rows[i].offset);
        assert_true(sg_filter_add(words, rows[i].word));
        if (matches(&filter, "", line) != rows[i].matches) {
            fail_msg("row %zu, %s", i, rows[i].word);
        }
        /* Of one kind one is enough; of another one more is wanted. */
        assert_true(sg_filter_add(words, "*"));
        assert_true(sg_filter_add(&filter.request_ids, "none"));
        assert_false(matches(&filter, "", line));
    }
}

static void test_events_of_the_gateway(void **state)
{
    struct sg_filter filter = {.has_since = false};
    (void)state;
    assert_false(matches(&filter, "", "{\"event\":\"start\"}"));
    assert_true(matches(&filter, "", "{\"event\":\"denied\"}"));
    filter.with_gateway_events = true;
    assert_true(matches(&filter, "", "{\"event\":\"start\"}"));
    filter.with_gateway_events = false;
    assert_true(sg_filter_add(&filter.events, "start"));
    assert_true(matches(&filter, "", "{\"event\":\"start\"}"));
    assert_false(matches(&filter, "", "{\"event\":\"denied\"}"));
}

static void test_outcomes_and_intents(void **state)
{
    struct sg_filter filter = {.has_since = false};
    (void)state;
    assert_true(sg_filter_add(&filter.outcomes, "open"));
    assert_true(matches(&filter, "", "{\"event\":\"intent\"}"));
    assert_false(matches(&filter, "", "{\"event\":\"denied\"}"));
    assert_false(matches(&filter, "{\"event\":\"intent\"}",
                         "{\"event\":\"outcome\",\"outcome\":\"unknown\"}"));
    assert_true(sg_filter_add(&filter.outcomes, "unknown"));
    assert_true(matches(&filter, "{\"event\":\"intent\"}",
                        "{\"event\":\"outcome\",\"outcome\":\"unknown\"}"));
    assert_true(sg_filter_add(&filter.events, "intent"));
    assert_true(matches(&filter, "{\"event\":\"intent\"}",
                        "{\"event\":\"outcome\",\"outcome\":\"unknown\"}"));
    assert_false(matches(&filter, "", "{\"event\":\"outcome\",\"outcome\":\"unknown\"}"));
}

static void test_request_ids(void **state)
{
    static const char line[] =
        "{\"event\":\"denied\",\"request_id\":\"01890000-0000-7000-8000-0123456789ab\","
        "\"client_request_id\":\"mine\",\"trace_id\":\"trace\",\"upstream_request_id\":\"cloud\"}";
    static const struct {
        const char *id;
        bool matches;
    } rows[] = {{"01890000-0000-7000-8000-0123456789ab", true},
                {"mine", true},
                {"trace", true},
                {"cloud", true},
                {"456789ab", true}, /* what the table shows */
                {"56789ab", false},
                {"clou", false},
                {"loud", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_filter filter = {.has_since = false};
        assert_true(sg_filter_add(&filter.request_ids, rows[i].id));
        if (matches(&filter, "", line) != rows[i].matches) {
            fail_msg("%s", rows[i].id);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_since_and_until),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_events_of_the_gateway),
        cmocka_unit_test(test_outcomes_and_intents),
        cmocka_unit_test(test_request_ids),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
