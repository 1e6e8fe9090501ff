#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "catalog/format.h"

/* The index of a format by its name. */
static int format(const char *name)
{
    for (int i = 0; sg_format_names[i] != NULL; i++) {
        if (strcmp(sg_format_names[i], name) == 0) {
            return i;
        }
    }
    fail_msg("there is no format %s", name);
    return -1;
}

struct sample {
    const char *value;
    bool fits;
};

static void check(const char *name, const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sg_format_fits(format(name), sg_str_from(samples[i].value)) != samples[i].fits) {
            fail_msg("%s: \"%s\" %s fit", name, samples[i].value,
                     samples[i].fits ? "should" : "should not");
        }
    }
}

#define CHECK(name, samples) check((name), (samples), sizeof(samples) / sizeof *(samples))

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(format("any"), 0);
    for (int i = 0; sg_format_names[i] != NULL; i++) {
        assert_true(strlen(sg_format_wants(i)) > 0);
    }
}

static void test_any(void **state)
{
    (void)state;
    assert_true(sg_format_fits(0, SG_STR("")));
    assert_true(sg_format_fits(0, SG_STR("\xc3\xbc */:")));
}

static void test_hex32(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"0123456789abcdef0123456789abcdef", true},
        {"0123456789ABCDEF0123456789abcdef", true},
        {"0123456789abcdef0123456789abcde", false},
        {"0123456789abcdef0123456789abcdef0", false},
        {"0123456789abcdef0123456789abcdeg", false},
        {"0123456789abcdef0123456789abcde ", false},
        {"", false},
    };
    CHECK("hex32", samples);
}

static void test_uuid(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"018f6d3e-9c1a-7b42-8d55-0a1b2c3d4e5f", true},
        {"018F6D3E-9C1A-7B42-8D55-0A1B2C3D4E5F", true},
        {"018f6d3e9c1a7b428d550a1b2c3d4e5f", false},
        {"018f6d3e-9c1a-7b42-8d55-0a1b2c3d4e5", false},
        {"018f6d3e-9c1a-7b42-8d55-0a1b2c3d4e5f0", false},
        {"018f6d3e-9c1a-7b42-8d550-a1b2c3d4e5f", false},
        {"{18f6d3e-9c1a-7b42-8d55-0a1b2c3d4e5}", false},
        {"", false},
    };
    CHECK("uuid", samples);
}

static void test_name(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"playout-a", true}, {"A_b.9", true}, {"", false},         {"a b", false},
        {"a/b", false},      {"a*", false},   {"\xc3\xbc", false}, {"a@b", false},
    };
    CHECK("name", samples);
}

static void test_integer(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"0", true},
        {"10", true},
        {"007", true},
        {"-1", true},
        {"1732442400000", true},
        {"9223372036854775807", true},
        {"-9223372036854775807", true},
        {"9223372036854775808", false},
        {"", false},
        {"-", false},
        {"--1", false},
        {"+1", false},
        {"1.0", false},
        {"1e3", false},
        {"0x10", false},
        {" 1", false},
        {"1 ", false},
    };
    CHECK("integer", samples);
}

static void test_timestamp(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"2026-11-24T10:00:00Z", true},
        {"2026-11-24T10:00:00.5Z", true},
        {"2026-11-24T10:00:00.123456789Z", true},
        {"2026-11-24T10:00:00+08:00", true},
        {"2026-11-24T10:00:00.1-23:59", true},
        {"2024-02-29T00:00:00Z", true},
        {"2000-02-29T00:00:00Z", true},
        {"0000-12-31T23:59:59Z", true},
        {"2026-02-29T00:00:00Z", false},
        {"1900-02-29T00:00:00Z", false},
        {"2026-04-31T00:00:00Z", false},
        {"2026-00-01T00:00:00Z", false},
        {"2026-13-01T00:00:00Z", false},
        {"2026-11-00T00:00:00Z", false},
        {"2026-11-24T24:00:00Z", false},
        {"2026-11-24T10:60:00Z", false},
        {"2026-11-24T10:00:60Z", false},
        {"2026-11-24T10:00:00", false},
        {"2026-11-24T10:00:00.Z", false},
        {"2026-11-24T10:00:00.1234567890Z", false},
        {"2026-11-24T10:00:00z", false},
        {"2026-11-24t10:00:00Z", false},
        {"2026-11-24 10:00:00Z", false},
        {"2026-11-24T10:00Z", false},
        {"2026-11-24T10:00:00+0800", false},
        {"2026-11-24T10:00:00+24:00", false},
        {"2026-11-24T10:00:00+08:00Z", false},
        {"2026-11-24T10:00:00Zx", false},
        {"2026-11-24", false},
        {"26-11-24T10:00:00Z", false},
        {"20261124T100000Z", false},
        {"1732442400", false},
        {"now", false},
        {"", false},
    };
    CHECK("timestamp", samples);
}

/* A value is judged to its end, which no NUL makes. */
static void test_cut_values(void **state)
{
    (void)state;
    struct sg_str whole = SG_STR("2026-11-24T10:00:00.123456789+08:00");
    for (size_t n = 0; n < whole.n; n++) {
        assert_false(sg_format_fits(format("timestamp"), sg_str_slice(whole, 0, n)));
    }
    assert_true(sg_format_fits(format("timestamp"), whole));
    assert_false(sg_format_fits(format("integer"), SG_STR("1\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),     cmocka_unit_test(test_any),
        cmocka_unit_test(test_hex32),     cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_name),      cmocka_unit_test(test_integer),
        cmocka_unit_test(test_timestamp), cmocka_unit_test(test_cut_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
