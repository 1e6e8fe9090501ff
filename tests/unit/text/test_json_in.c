#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/json_in.h"

static struct sg_json_value *parse(const char *text)
{
    struct sg_json_value *root = NULL;
    struct sg_error error;
    if (sg_json_parse(sg_str_from(text), &root, &error) != SG_OK) {
        fail_msg("%s: %s", text, error.text);
    }
    return root;
}

static void values_are_found_by_name_and_place(void **state)
{
    (void)state;
    struct sg_json_value *root =
        parse("{\"name\":\"f1\",\"list\":[1,{\"deep\":\"x\"},\"y\"],\"n\":-7,\"null\":null}");
    struct sg_str text;
    int64_t number;
    assert_true(sg_json_is_object(root));
    assert_false(sg_json_is_list(root));
    assert_true(sg_json_get_string(sg_json_member(root, "name"), &text));
    assert_true(sg_str_equal(text, SG_STR("f1")));
    assert_true(sg_json_get_i64(sg_json_member(root, "n"), &number));
    assert_int_equal(number, -7);
    const struct sg_json_value *list = sg_json_member(root, "list");
    assert_true(sg_json_is_list(list));
    assert_int_equal(sg_json_count(list), 3);
    assert_true(sg_json_get_string(sg_json_member(sg_json_item(list, 1), "deep"), &text));
    assert_true(sg_str_equal(text, SG_STR("x")));
    sg_json_free(root);
}

static void what_is_not_there_is_nothing_and_can_be_asked_further(void **state)
{
    (void)state;
    struct sg_json_value *root = parse("{\"a\":\"x\",\"n\":1,\"r\":1.5,\"l\":[]}");
    struct sg_str text = SG_STR("before");
    int64_t number = 42;
    assert_null(sg_json_member(root, "b"));
    assert_null(sg_json_member(sg_json_member(root, "b"), "c"));
    assert_null(sg_json_member(sg_json_member(root, "a"), "c"));
    assert_null(sg_json_item(sg_json_member(root, "l"), 0));
    assert_null(sg_json_item(root, 0));
    assert_null(sg_json_item(NULL, 0));
    assert_int_equal(sg_json_count(root), 0);
    assert_int_equal(sg_json_count(NULL), 0);
    assert_false(sg_json_is_object(NULL));
    assert_false(sg_json_is_list(NULL));
    assert_false(sg_json_get_string(NULL, &text));
    assert_false(sg_json_get_string(sg_json_member(root, "n"), &text));
    assert_false(sg_json_get_i64(NULL, &number));
    assert_false(sg_json_get_i64(sg_json_member(root, "a"), &number));
    assert_false(sg_json_get_i64(sg_json_member(root, "r"), &number));
    assert_true(sg_str_equal(text, SG_STR("before")));
    assert_int_equal(number, 42);
    sg_json_free(root);
    sg_json_free(NULL);
}

static void any_single_value_is_a_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"null", "true", "12", "\"s\"", "[]", "{}", " [ ] \n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sg_json_free(parse(texts[i]));
    }
}

static void what_is_no_json_is_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "[1]]",
        "[1] x",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"a\nb\"",
        "01",
        "+1",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "[1,2",
        "{\"a\"}",
        "{\"a\":}",
        "/**/1",
        "{\"a\":1,\"a\":2}",
        "99999999999999999999",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sg_json_value *root = (struct sg_json_value *)0x1;
        struct sg_error error = {.status = SG_OK};
        if (sg_json_parse(sg_str_from(bad[i]), &root, &error) != SG_MALFORMED) {
            fail_msg("not refused: %s", bad[i]);
        }
        assert_ptr_equal(root, (struct sg_json_value *)0x1); /* untouched */
        assert_int_equal(error.status, SG_MALFORMED);
        assert_true(error.text[0] != '\0');
    }
}

static void an_error_never_shows_the_text(void **state)
{
    (void)state;
    struct sg_json_value *root;
    struct sg_error error;
    assert_int_equal(sg_json_parse(SG_STR("{\"a\": swordfish}"), &root, &error), SG_MALFORMED);
    assert_null(strstr(error.text, "swordfish"));
    assert_int_equal(sg_json_parse(SG_STR("{\"swordfish\":1,\"swordfish\":2}"), &root, &error),
                     SG_MALFORMED);
    assert_null(strstr(error.text, "swordfish"));
}

/* depth opening brackets, as many closing ones. */
static enum sg_status parse_nested(size_t depth, char open, char close)
{
    struct sg_json_value *root = NULL;
    char *text = malloc(2 * depth);
    assert_non_null(text);
    memset(text, open, depth);
    memset(text + depth, close, depth);
    enum sg_status status = sg_json_parse((struct sg_str){.p = text, .n = 2 * depth}, &root, NULL);
    free(text);
    sg_json_free(root);
    return status;
}

static void nesting_ends_at_the_limit(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(SG_JSON_DEPTH_MAX, '[', ']'), SG_OK);
    assert_int_equal(parse_nested(SG_JSON_DEPTH_MAX + 1, '[', ']'), SG_TOO_LARGE);
    assert_int_equal(parse_nested(1000000, '[', ']'), SG_TOO_LARGE);
    assert_int_equal(parse_nested(1000000, '{', '}'), SG_TOO_LARGE);
    /* Brackets within strings do not count, escaped quotes do not end a string. */
    struct sg_json_value *root =
        parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[\"]");
    sg_json_free(root);
}

static void every_cut_is_malformed(void **state)
{
    (void)state;
    struct sg_str whole = SG_STR("{\"a\":[1,\"x\\u0041\",{\"b\":null}],\"c\":true}");
    for (size_t n = 0; n < whole.n; n++) {
        struct sg_json_value *root = NULL;
        char *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, whole.p, n);
        assert_int_equal(sg_json_parse((struct sg_str){.p = copy, .n = n}, &root, NULL),
                         SG_MALFORMED);
        free(copy);
    }
}

static void a_member_text_is_copied_or_empty(void **state)
{
    (void)state;
    struct sg_arena arena;
    sg_arena_init(&arena, 4096);
    struct sg_str code = sg_json_member_text(
        &arena, SG_STR("{\"error_code\":\"LIVE.100011001\",\"error_msg\":\"x\"}"), "error_code");
    assert_true(sg_str_equal(code, SG_STR("LIVE.100011001")));
    static const char *const none[] = {"",
                                       "<html>",
                                       "[]",
                                       "\"error_code\"",
                                       "{\"error_code\":7}",
                                       "{\"error_code\":null}",
                                       "{\"other\":\"x\"}",
                                       "{\"error_code\":\"x\""};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct sg_str text = sg_json_member_text(&arena, sg_str_from(none[i]), "error_code");
        assert_int_equal(text.n, 0);
    }
    assert_int_equal(sg_json_member_text(&arena, (struct sg_str){.p = NULL}, "error_code").n, 0);
    sg_arena_done(&arena);
    sg_arena_init(&arena, 1); /* no room: empty, too */
    assert_int_equal(
        sg_json_member_text(&arena, SG_STR("{\"error_code\":\"LIVE\"}"), "error_code").n, 0);
    sg_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_name_and_place),
        cmocka_unit_test(what_is_not_there_is_nothing_and_can_be_asked_further),
        cmocka_unit_test(any_single_value_is_a_text),
        cmocka_unit_test(what_is_no_json_is_malformed),
        cmocka_unit_test(an_error_never_shows_the_text),
        cmocka_unit_test(nesting_ends_at_the_limit),
        cmocka_unit_test(every_cut_is_malformed),
        cmocka_unit_test(a_member_text_is_copied_or_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
