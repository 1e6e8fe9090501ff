/* The members of a line, whole and cut at every byte; and what escaped text stands for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "audit/members.h"
#include "text/json_out.h"

static const char line[] =
    "{\"schema\":1,\"a\":\"x\",\"q\":\"say \\\"hi\\\" \\\\\",\"e\":\"\",\"n\":-12.5e3,\"t\":true,"
    "\"o\":{\"k\":\"}\",\"l\":[1,[2,{}]]},\"z\":null,\"list\":[\"]\",\"\\\"]\"],\"crc\":\"0\"}";

static void assert_str(struct sg_str s, const char *expected)
{
    if (!sg_str_equal_text(s, expected)) {
        fail_msg("\"%.*s\" is not \"%s\"", SG_STR_ARG(s), expected);
    }
}

static void test_a_walk(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        bool is_string;
    } expected[] = {
        {"schema", "1", false},
        {"a", "x", true},
        {"q", "say \\\"hi\\\" \\\\", true},
        {"e", "", true},
        {"n", "-12.5e3", false},
        {"t", "true", false},
        {"o", "{\"k\":\"}\",\"l\":[1,[2,{}]]}", false},
        {"z", "null", false},
        {"list", "[\"]\",\"\\\"]\"]", false},
        {"crc", "0", true},
    };
    struct sg_str rest = sg_members_inside(sg_str_from(line));
    struct sg_member member;
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(sg_members_next(&rest, &member));
        assert_str(member.name, expected[i].name);
        assert_str(member.value, expected[i].value);
        assert_int_equal(member.is_string, expected[i].is_string);
    }
    assert_false(sg_members_next(&rest, &member));
    assert_int_equal(rest.n, 0);
}

static void test_find(void **state)
{
    uint64_t number = 7;
    (void)state;
    assert_str(sg_members_find(sg_str_from(line), "a"), "x");
    assert_str(sg_members_find(SG_STR("\"a\":\"x\",\"b\":2"), "b"), "2");
    assert_str(sg_members_find(SG_STR("\"a\":1,\"a\":2"), "a"), "1");
    assert_int_equal(sg_members_find(sg_str_from(line), "k").n, 0); /* within another value */
    assert_int_equal(sg_members_find(sg_str_from(line), "hi").n, 0);
    assert_int_equal(sg_members_find((struct sg_str){.p = NULL}, "a").n, 0);
    assert_str(sg_members_find_text(sg_str_from(line), "a"), "x");
    assert_int_equal(sg_members_find_text(SG_STR("\"a\":x,\"b\":2"), "a").n, 0); /* no string */
    assert_false(sg_members_find_u64(sg_str_from(line), "n", &number));
    assert_false(sg_members_find_u64(sg_str_from(line), "gone", &number));
    assert_int_equal(number, 7);
    assert_true(sg_members_find_u64(sg_str_from(line), "schema", &number));
    assert_int_equal(number, 1);
}

/* A copy of exactly its size, so that a sanitizer sees the first byte that is read too many. */
static void walk_copy(struct sg_str text, size_t *ret_members)
{
    char *copy = malloc(text.n > 0 ? text.n : 1);
    assert_non_null(copy);
    memcpy(copy, text.p, text.n);
    struct sg_str rest = sg_members_inside((struct sg_str){.p = copy, .n = text.n});
    struct sg_member member;
    *ret_members = 0;
    while (sg_members_next(&rest, &member)) {
        ++*ret_members;
        assert_true(member.name.p >= copy && member.value.p >= copy);
        assert_true(member.value.p + member.value.n <= copy + text.n);
    }
    assert_int_equal(rest.n, 0);
    free(copy);
}

static void test_every_cut_and_every_changed_byte(void **state)
{
    struct sg_str whole = sg_members_inside(sg_str_from(line));
    size_t before = 0, members;
    char changed[sizeof line];
    (void)state;
    for (size_t n = 0; n <= whole.n; n++) {
        walk_copy(sg_str_slice(whole, 0, n), &members);
        assert_true(members >= before || members + 1 == before); /* a number may be cut short */
        before = members;
        walk_copy(sg_str_slice(whole, n, whole.n), &members);
    }
    walk_copy(whole, &members);
    assert_int_equal(members, 10);
    for (size_t i = 0; i < whole.n; i++) {
        for (int c = 0; c < 256; c++) {
            memcpy(changed, whole.p, whole.n);
            changed[i] = (char)c;
            walk_copy((struct sg_str){.p = changed, .n = whole.n}, &members);
            assert_in_range(members, 0, 11);
        }
    }
}

static void test_no_members(void **state)
{
    static const char *const texts[] = {
        "",         "a",          "\"",           "\"a",        "\"a\"",        "\"a\":",
        "\"a\":}",  "\"a\": 1",   "\"a\":\"b",    "\"a\":{",    "\"a\":[1,2",   "\"a\":{\"b\"",
        ",\"a\":1", "\"a\":\"\\", "\"a\":\"\\\"", "\"a\":1\"b", "\"a\":[\"]",   "{}",
        "{",        "}",          "\"a\\\":1",    "\"a\":,",    "\"a\":\"b\"x", "\"a\":[]]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t members;
        walk_copy(sg_str_from(texts[i]), &members);
        if (members != 0) {
            fail_msg("%s has %zu members", texts[i], members);
        }
    }
}

/* --- unescaping ------------------------------------------------------------------------------- */

static void assert_unescaped(const char *escaped, const char *expected, size_t n)
{
    struct sg_buf out;
    size_t length = strlen(escaped);
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, escaped, length);
    sg_buf_init(&out, 4096);
    sg_members_unescape((struct sg_str){.p = copy, .n = length}, &out);
    if (out.n != n || (n > 0 && memcmp(out.p, expected, n) != 0)) {
        fail_msg("%s became \"%.*s\"", escaped, (int)out.n, out.p);
    }
    sg_buf_done(&out);
    free(copy);
}

static void test_unescaping(void **state)
{
    static const struct {
        const char *escaped;
        const char *text;
    } good[] = {
        {"", ""},
        {"plain", "plain"},
        {"a\\\"b\\\\c\\/d", "a\"b\\c/d"},
        {"\\b\\f\\n\\r\\t", "\b\f\n\r\t"},
        {"\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac"},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
        {"\\uDBFF\\uDFFFx", "\xf4\x8f\xbf\xbfx"},
        {"\xc3\xa9", "\xc3\xa9"},
        /* what no JSON writer makes */
        {"\\ud83d", "\xef\xbf\xbd"},
        {"\\ud83dx", "\xef\xbf\xbdx"},
        {"\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\\ud83d\\u0041", "\xef\xbf\xbd"
                           "A"},
        {"\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\\ud83d\\ude0", "\xef\xbf\xbd\xef\xbf\xbd"
                          "de0"},
        {"\\u12", "\xef\xbf\xbd"
                  "12"},
        {"\\uzzzz", "\xef\xbf\xbdzzzz"},
        {"\\q", "\xef\xbf\xbd"},
        {"a\\", "a\xef\xbf\xbd"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_unescaped(good[i].escaped, good[i].text, strlen(good[i].text));
    }
    assert_unescaped("a\\u0000b", "a\0b", 3);
}

/* What the writer of lines escapes comes back; every cut of it harms nothing. */
static void test_what_is_written_comes_back(void **state)
{
    char bytes[256 + 8];
    struct sg_buf written, back;
    (void)state;
    for (int i = 0; i < 128; i++) {
        bytes[i] = (char)i;
    }
    memcpy(bytes + 128, "\xc3\xa9\xf0\x9f\x98\x80", 6);
    struct sg_str all = {.p = bytes, .n = 134};
    sg_buf_init(&written, 4096);
    sg_buf_init(&back, 4096);
    sg_json_add_string(&written, all);
    struct sg_str inside = sg_str_slice(sg_buf_str(&written), 1, written.n - 1);
    sg_members_unescape(inside, &back);
    assert_true(sg_str_equal(sg_buf_str(&back), all));
    for (size_t n = 0; n < inside.n; n++) {
        char *copy = malloc(n > 0 ? n : 1);
        assert_non_null(copy);
        memcpy(copy, inside.p, n);
        sg_buf_clear(&back);
        sg_members_unescape((struct sg_str){.p = copy, .n = n}, &back);
        assert_false(sg_buf_failed(&back));
        free(copy);
    }
    sg_buf_done(&written);
    sg_buf_done(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_walk),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_every_cut_and_every_changed_byte),
        cmocka_unit_test(test_no_members),
        cmocka_unit_test(test_unescaping),
        cmocka_unit_test(test_what_is_written_comes_back),
    };
    return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
