/* Counting: what adds up, groups and their order, percentiles against sorted values. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/tally.h"

static void add(struct sg_tally *tally, const char *line)
{
    struct sg_entry entry;
    sg_entry_read(SG_STR(""), sg_str_from(line), &entry);
    assert_int_equal(sg_tally_add(tally, &entry), SG_OK);
}

static void test_what_is_counted(void **state)
{
    struct sg_tally *tally = sg_tally_new(NULL, 0);
    (void)state;
    assert_non_null(tally);
    add(tally, "{\"event\":\"start\"}");
    add(tally, "{\"event\":\"intent\"}");
    add(tally, "{\"event\":\"outcome\",\"outcome\":\"success\",\"duration_us\":10}");
    add(tally, "{\"event\":\"outcome\",\"outcome\":\"success\",\"duration_us\":30}");
    add(tally, "{\"event\":\"outcome\",\"outcome\":\"failure\"}");
    add(tally, "{\"event\":\"outcome\",\"outcome\":\"unknown\"}");
    add(tally, "{\"event\":\"denied\"}");
    add(tally, "{\"event\":\"rejected\"}");
    add(tally, "{\"event\":\"rejected\",\"count\":1000}");
    add(tally, "{\"event\":\"dry_run\"}");
    const struct sg_tally_group *total = sg_tally_total(tally);
    const struct sg_tally_figures *f = sg_tally_figures(total);
    assert_int_equal(f->calls, 5);
    assert_int_equal(f->succeeded, 2);
    assert_int_equal(f->failed, 1);
    assert_int_equal(f->unknown, 1);
    assert_int_equal(f->open, 1);
    assert_int_equal(f->denied, 1);
    assert_int_equal(f->rejected, 1001);
    assert_int_equal(f->dry_runs, 1);
    assert_int_equal(f->requests, f->calls + f->denied + f->rejected + f->dry_runs);
    assert_int_equal(f->timed, 2);
    assert_int_equal(f->max_us, 30);
    assert_int_equal(sg_tally_error_ppm(total), 500000);
    assert_int_equal(sg_tally_count(tally), 0);
    sg_tally_free(tally);
}

static void test_groups(void **state)
{
    static const enum sg_entry_member by[] = {SG_ENTRY_caller, SG_ENTRY_status};
    struct sg_tally *tally = sg_tally_new(by, 2);
    char line[128];
    (void)state;
    assert_non_null(tally);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof line,
                       "{\"event\":\"denied\",\"caller\":\"c%d\",\"status\":403}", i);
        add(tally, line);
    }
    add(tally, "{\"event\":\"denied\",\"caller\":\"c7\",\"status\":403}");
    add(tally, "{\"event\":\"denied\",\"caller\":\"c7\",\"status\":404}");
    add(tally, "{\"event\":\"rejected\"}");
    sg_tally_sort(tally);
    assert_int_equal(sg_tally_count(tally), 1002);
    assert_int_equal(sg_tally_figures(sg_tally_total(tally))->requests, 1003);
    const struct sg_tally_group *most = sg_tally_group(tally, 0);
    assert_true(sg_str_equal_text(sg_tally_value(most, 0), "c7"));
    assert_true(sg_str_equal_text(sg_tally_value(most, 1), "403"));
    assert_int_equal(sg_tally_figures(most)->denied, 2);
    const struct sg_tally_group *none = sg_tally_group(tally, 1);
    assert_true(sg_str_equal_text(sg_tally_value(none, 0), "-"));
    assert_true(sg_str_equal_text(sg_tally_value(none, 1), "-"));
    assert_int_equal(sg_tally_percentile_us(none, 500), 0);
    for (size_t i = 2; i < 1002; i++) { /* equals by their values */
        assert_true(i == 2 || strncmp(sg_tally_value(sg_tally_group(tally, i - 1), 0).p,
                                      sg_tally_value(sg_tally_group(tally, i), 0).p, 5) <= 0);
    }
    sg_tally_free(tally);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Never too low, at most a 64th too high; exact below 64 us and at the top. */
static void test_percentiles(void **state)
{
    enum { COUNT = 5000 };
    static uint64_t values[COUNT];
    static const unsigned permille[] = {1, 10, 500, 900, 990, 999, 1000};
    struct sg_tally *tally = sg_tally_new(NULL, 0);
    uint64_t random = 88172645463325252u;
    char line[128];
    (void)state;
    assert_non_null(tally);
    for (size_t i = 0; i < COUNT; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        values[i] = random >> (24 + random % 40);
        (void)snprintf(line, sizeof line, "{\"event\":\"outcome\",\"duration_us\":%llu}",
                       (unsigned long long)values[i]);
        add(tally, line);
    }
    qsort(values, COUNT, sizeof *values, by_size);
    const struct sg_tally_group *total = sg_tally_total(tally);
    for (size_t i = 0; i < sizeof permille / sizeof *permille; i++) {
        uint64_t exact = values[(COUNT * permille[i] + 999) / 1000 - 1];
        uint64_t told = sg_tally_percentile_us(total, permille[i]);
        assert_in_range(told, exact, exact + exact / 64);
    }
    assert_int_equal(sg_tally_figures(total)->max_us, values[COUNT - 1]);
    /* Longer than any call lasts: counted, and told no lower than the last bucket. */
    add(tally, "{\"event\":\"outcome\",\"duration_us\":18446744073709551615}");
    assert_true(sg_tally_percentile_us(total, 1000) >= values[COUNT - 1]);
    assert_int_equal(sg_tally_figures(total)->max_us, UINT64_MAX);
    sg_tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_counted),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_percentiles),
    };
    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
