/* What the table of targets (tests/tables/target.table) does not show: parts, limits, memory. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "http/target.h"

static struct sg_arena arena;

static int setup(void **state)
{
    (void)state;
    sg_arena_init(&arena, 1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sg_arena_done(&arena);
    return 0;
}

#define assert_text(s, text)                                   \
    do {                                                       \
        struct sg_str text_got = (s);                          \
        assert_int_equal(text_got.n, strlen(text));            \
        assert_memory_equal(text_got.p, (text), strlen(text)); \
    } while (0)

static struct sg_target parse(const char *raw)
{
    struct sg_target target;
    struct sg_error error;
    enum sg_status status =
        sg_target_parse(&arena, sg_str_from(raw), SG_STR("gateway"), &target, &error);
    if (status != SG_OK) {
        fail_msg("%s: %s", raw, error.text);
    }
    return target;
}

static void test_segments_are_decoded(void **state)
{
    (void)state;
    struct sg_target target = parse("/v1/a%20b/%E6%B5%81/");
    assert_int_equal(target.segment_count, 3);
    assert_text(target.segments[0], "v1");
    assert_text(target.segments[1], "a b");
    assert_text(target.segments[2], "\xe6\xb5\x81");
    assert_true(target.trailing_slash);
    assert_text(target.path, "/v1/a%20b/%E6%B5%81/");
    assert_int_equal(target.query.n, 0);
    assert_int_equal(target.pair_count, 0);
}

static void test_trailing_slash(void **state)
{
    (void)state;
    assert_false(parse("/a").trailing_slash);
    assert_true(parse("/a/").trailing_slash);
    assert_true(parse("/a/?b=c").trailing_slash);
    assert_false(parse("/a?b=/").trailing_slash);
    struct sg_target root = parse("/");
    assert_false(root.trailing_slash);
    assert_int_equal(root.segment_count, 0);
    assert_int_equal(parse("http://gateway").segment_count, 0);
}

static void test_pairs_are_decoded_and_sorted(void **state)
{
    (void)state;
    struct sg_target target = parse("/x?b=%2b+&a%3d=2&a=%25&c&a=");
    assert_int_equal(target.pair_count, 5);
    static const char *const names[] = {"a", "a", "a=", "b", "c"};
    static const char *const values[] = {"", "%", "2", "++", ""};
    for (size_t i = 0; i < 5; i++) {
        assert_text(target.pairs[i].name, names[i]);
        assert_text(target.pairs[i].value, values[i]);
    }
    assert_text(target.query, "a=&a=%25&a%3D=2&b=%2B%2B&c=");
}

/* "/x?" and count pairs of two hex digits, each digit from a sequence that jumps about. */
static char *many_pairs(size_t count)
{
    char *raw = malloc(3 + count * 5 + 1);
    assert_non_null(raw);
    size_t n = 3;
    memcpy(raw, "/x?", 3);
    for (size_t i = 0; i < count; i++) {
        static const char digits[] = "0123456789abcdef";
        size_t value = (i * 167 + 13) % 256;
        raw[n++] = digits[value >> 4];
        raw[n++] = '=';
        raw[n++] = digits[value & 15];
        raw[n++] = '&';
    }
    raw[n - 1] = '\0';
    return raw;
}

static void test_most_pairs_are_sorted(void **state)
{
    (void)state;
    char *raw = many_pairs(SG_TARGET_PAIRS_MAX);
    struct sg_target target = parse(raw);
    assert_int_equal(target.pair_count, SG_TARGET_PAIRS_MAX);
    for (size_t i = 0; i < target.pair_count; i++) {
        assert_int_equal(target.pairs[i].name.p[0], "0123456789abcdef"[i / 16]);
        assert_int_equal(target.pairs[i].value.p[0], "0123456789abcdef"[i % 16]);
    }
    free(raw);
}

static void test_too_many_pairs(void **state)
{
    (void)state;
    char *raw = many_pairs(SG_TARGET_PAIRS_MAX + 1);
    struct sg_target target;
    struct sg_error error;
    assert_int_equal(sg_target_parse(&arena, sg_str_from(raw), SG_STR("gateway"), &target, &error),
                     SG_TOO_LARGE);
    assert_string_equal(error.text, "the query has more than 256 pairs");
    free(raw);
}

static void test_failure_leaves_result_alone(void **state)
{
    (void)state;
    struct sg_target target, before;
    struct sg_error error = {0};
    memset(&target, 0x5a, sizeof target);
    memcpy(&before, &target, sizeof target);
    assert_int_equal(sg_target_parse(&arena, SG_STR("/a?b=c&"), SG_STR("h"), &target, &error),
                     SG_MALFORMED);
    assert_memory_equal(&target, &before, sizeof target);
    assert_int_equal(error.status, SG_MALFORMED);
    assert_string_equal(error.text, "an empty query pair at byte 8 of the target");
    assert_int_equal(error.line, 0);
}

/* A NUL within the target must not end it. */
static void test_nul_is_a_control_byte(void **state)
{
    (void)state;
    struct sg_target target;
    struct sg_error error;
    assert_int_equal(sg_target_parse(&arena, SG_STR("/a\0/../b"), SG_STR("h"), &target, &error),
                     SG_MALFORMED);
    assert_string_equal(error.text, "a control byte at byte 3 of the target");
}

/* Only the bytes given count, whatever stands behind them. */
static void test_slices_end_where_they_end(void **state)
{
    (void)state;
    struct sg_target target;
    struct sg_error error;
    struct sg_str all = SG_STR("/a%20b");
    assert_int_equal(sg_target_parse(&arena, sg_str_slice(all, 0, 4), SG_STR("h"), &target, &error),
                     SG_MALFORMED);
    assert_int_equal(sg_target_parse(&arena, sg_str_slice(all, 0, 2), SG_STR("h"), &target, &error),
                     SG_OK);
    assert_text(target.path, "/a");
}

static void test_no_memory(void **state)
{
    (void)state;
    struct sg_arena none;
    struct sg_target target;
    struct sg_error error;
    sg_arena_init(&none, 0);
    assert_int_equal(sg_target_parse(&none, SG_STR("/a?b=c"), SG_STR("h"), &target, &error),
                     SG_NO_MEMORY);
    assert_int_equal(sg_target_parse(&none, SG_STR("/a"), SG_STR("h"), &target, &error),
                     SG_NO_MEMORY);
    assert_int_equal(sg_target_parse(&none, SG_STR("/%41"), SG_STR("h"), &target, &error),
                     SG_NO_MEMORY);
    sg_arena_done(&none);
}

/* The worst growth: each byte becomes three, and each pair gains a "=". */
static void test_longest_forms_fit(void **state)
{
    (void)state;
    struct sg_target target = parse("/!!!!!!!!/;?*&+&(&)&,&;");
    assert_text(target.path, "/%21%21%21%21%21%21%21%21/%3B");
    assert_text(target.query, "%28=&%29=&%2A=&%2B=&%2C=&%3B=");
    assert_text(parse("/?*").query, "%2A=");
}

/* What is canonical already comes out as it went in. */
static void test_canonical_stays(void **state)
{
    (void)state;
    struct sg_target once = parse("/v1/%e6%b5%81/a:b/?z=+&a=%2f%3d&m");
    char again[256];
    assert_true(once.path.n + 1 + once.query.n < sizeof again);
    memcpy(again, once.path.p, once.path.n);
    again[once.path.n] = '?';
    memcpy(again + once.path.n + 1, once.query.p, once.query.n);
    again[once.path.n + 1 + once.query.n] = '\0';
    struct sg_target twice = parse(again);
    assert_true(sg_str_equal(once.path, twice.path));
    assert_true(sg_str_equal(once.query, twice.query));
}

static void test_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *name; /* NULL: no host */
    } cases[] = {
        {"gateway.internal", "gateway.internal"},
        {"Gateway.Internal:8080", "Gateway.Internal"},
        {"gateway.internal.", "gateway.internal"},
        {"gateway.internal.:80", "gateway.internal"},
        {"localhost", "localhost"},
        {"a_b-c.d", "a_b-c.d"},
        {"10.0.0.1:65535", "10.0.0.1"},
        {"[::1]", "[::1]"},
        {"[2001:db8::1]:443", "[2001:db8::1]"},
        {"[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]"},
        {"", NULL},
        {".", NULL},
        {"..", NULL},
        {"a..b", NULL},
        {"a..", NULL},
        {".a", NULL},
        {":80", NULL},
        {"a:", "a"},
        {"a.:", "a"},
        {"a:x", NULL},
        {"a:-1", NULL},
        {"a:+1", NULL},
        {"a:65536", NULL},
        {"a:000080", "a"},
        {"a:80:80", NULL},
        {"a b", NULL},
        {" a", NULL},
        {"a/b", NULL},
        {"a?b", NULL},
        {"a#b", NULL},
        {"a,b", NULL},
        {"a;x", NULL},
        {"u@a", NULL},
        {"u:p@a:80", NULL},
        {"a%2eb", NULL},
        {"a\\b", NULL},
        {"\xc3\xbc", NULL},
        {"a\x01", NULL},
        {"[::1", NULL},
        {"::1", NULL},
        {"[]", NULL},
        {"[10.0.0.1]", NULL},
        {"[::1%25eth0]", NULL},
        {"[::1]x", NULL},
        {"[::1]:", "[::1]"},
        {"[::1].", NULL},
        {"[v1.x]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_str name = SG_STR("untouched");
        bool good = sg_host_name(sg_str_from(cases[i].host), &name);
        if (good != (cases[i].name != NULL)) {
            fail_msg("\"%s\" is %s", cases[i].host, good ? "taken" : "refused");
        }
        assert_text(name, good ? cases[i].name : "untouched");
    }
}

static void test_host_lengths(void **state)
{
    (void)state;
    struct sg_str name;
    char host[256];
    memset(host, 'a', sizeof host);
    assert_true(sg_host_name((struct sg_str){host, 63}, &name));
    assert_false(sg_host_name((struct sg_str){host, 64}, &name));
    for (size_t i = 63; i < sizeof host; i += 64) {
        host[i] = '.';
    }
    assert_true(sg_host_name((struct sg_str){host, 253}, &name));
    assert_false(sg_host_name((struct sg_str){host, 254}, &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_are_decoded),
        cmocka_unit_test(test_trailing_slash),
        cmocka_unit_test(test_pairs_are_decoded_and_sorted),
        cmocka_unit_test(test_most_pairs_are_sorted),
        cmocka_unit_test(test_too_many_pairs),
        cmocka_unit_test(test_failure_leaves_result_alone),
        cmocka_unit_test(test_nul_is_a_control_byte),
        cmocka_unit_test(test_slices_end_where_they_end),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_longest_forms_fit),
        cmocka_unit_test(test_canonical_stays),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_host_lengths),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
