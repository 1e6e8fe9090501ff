/* When a sink that failed tries again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "audit/sink_retry.h"

static void test_waits_grow_up_to_a_minute(void **state)
{
    static const int64_t most[] = {500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    (void)state;
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        int64_t least_seen = INT64_MAX, most_seen = 0;
        for (uint32_t random = 0; random < 200000; random += 7) {
            const int64_t ms = sg_sink_retry_ms(i + 1, random);
            least_seen = ms < least_seen ? ms : least_seen;
            most_seen = ms > most_seen ? ms : most_seen;
        }
        assert_int_equal(least_seen, most[i] / 2);
        assert_true(most_seen <= most[i] && most_seen >= most[i] - 7);
        assert_true(sg_sink_retry_ms(i + 1, UINT32_MAX) <= most[i]);
    }
    assert_true(sg_sink_retry_ms(UINT64_MAX, UINT32_MAX) <= SG_SINK_RETRY_MAX_MS);
    assert_true(sg_sink_retry_ms(0, 0) > 0);
}

static void test_retry_after(void **state)
{
    enum { NOW = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *value;
        int64_t ms; /* -1: not read */
    } rows[] = {
        {"0", 0},
        {"7", 7000},
        {"120", 120000},
        {"3600", 3600000},
        {"3601", 3600000},
        {"18446744073709551615", 3600000},
        {"18446744073709551616", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:50:37 GMT", 60000},
        {"Sun, 06 Nov 1994 08:48:37 GMT", 0},
        {"Tue, 29 Feb 2028 00:00:00 GMT", 3600000},
        {"Sun, 06 Xov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
        {"Sunday, 06-Nov-94 08:49:37 GMT", -1},
        {"Sun Nov  6 08:49:37 1994", -1},
        {"", -1},
        {"-1", -1},
        {"1.5", -1},
        {"soon", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = -2;
        const bool read = sg_sink_retry_after(sg_str_from(rows[i].value), NOW, &ms);
        assert_int_equal(read, rows[i].ms >= 0);
        assert_int_equal(ms, rows[i].ms >= 0 ? rows[i].ms : -2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_grow_up_to_a_minute),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
