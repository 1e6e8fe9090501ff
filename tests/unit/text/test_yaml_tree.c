/* YAML and JSON as a tree: places, and everything that a configuration must not have. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/yaml_tree.h"

struct bench {
    struct sg_arena arena;
    struct sg_diags *diags;
    struct sg_yaml_documents documents;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    sg_arena_init(&bench->arena, 64 << 20);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    sg_diags_free(bench->diags);
    sg_arena_done(&bench->arena);
    free(bench);
    return 0;
}

static enum sg_status parse_str(struct bench *bench, struct sg_str text, unsigned flags)
{
    sg_diags_free(bench->diags);
    bench->diags = sg_diags_new();
    assert_non_null(bench->diags);
    return sg_yaml_parse(&bench->arena, "f.yaml", text, flags, bench->diags, &bench->documents);
}

static const struct sg_yaml_node *parse(struct bench *bench, const char *text, unsigned flags)
{
    if (parse_str(bench, sg_str_from(text), flags) != SG_OK) {
        struct sg_buf shown;
        sg_buf_init(&shown, 65536);
        sg_diags_print_text(bench->diags, &shown);
        fail_msg("%s\n%.*s", text, SG_STR_ARG(sg_buf_str(&shown)));
    }
    assert_int_equal(bench->documents.count, 1);
    return bench->documents.roots[0];
}

/* The first mistake of a text must be there and say so. */
static void refused(struct bench *bench, struct sg_str text, unsigned flags, unsigned line,
                    unsigned column, const char *says)
{
    struct sg_diag diag;
    assert_int_equal(parse_str(bench, text, flags), SG_CONFIG);
    assert_true(sg_diags_get(bench->diags, 0, &diag));
    if (diag.place.line != line || diag.place.column != column || strstr(diag.text, says) == NULL) {
        fail_msg("\"%.*s\": %u:%u: %s", SG_STR_ARG(text), diag.place.line, diag.place.column,
                 diag.text);
    }
}

#define REFUSED(text, line, column, says) \
    refused(bench, SG_STR(text), SG_YAML_PLAIN, line, column, says)

static void test_nodes_know_their_places(void **state)
{
    struct bench *bench = *state;
    const struct sg_yaml_node *root = parse(
        bench, "a: 1\nb:\n  - x\n  - \"\xc3\xa9\xe6\xb5\x81\": 'y z'\n# end\n", SG_YAML_PLAIN);
    assert_int_equal(root->kind, SG_YAML_MAPPING);
    const struct sg_yaml_node *a = sg_yaml_get(root, "a"), *b = sg_yaml_get(root, "b");
    assert_int_equal(a->place.line, 1);
    assert_int_equal(a->place.column, 4);
    assert_int_equal(a->place.width, 1);
    assert_false(a->quoted);
    assert_int_equal(b->count, 2);
    const struct sg_yaml_pair *pair = &b->items[1]->pairs[0];
    assert_int_equal(pair->key->place.line, 4);
    assert_int_equal(pair->key->place.column, 5);
    assert_int_equal(pair->key->place.width, 4); /* characters, quotes included */
    assert_int_equal(pair->value->place.column, 11);
    assert_true(pair->value->quoted);
    assert_true(sg_str_equal(pair->value->text, SG_STR("y z")));
    assert_null(sg_yaml_get(root, "c"));
    assert_null(sg_yaml_get(a, "c"));
    assert_null(sg_yaml_get(NULL, "c"));
    struct sg_place place = sg_yaml_place(root, "c");
    assert_int_equal(place.line, 1); /* of the mapping */
    assert_string_equal(place.file, "f.yaml");
}

static void test_what_is_refused(void **state)
{
    struct bench *bench = *state;
    REFUSED("a: 1\na: 2\n", 2, 1, "stands twice, first in line 1");
    REFUSED("{\"a\": 1, \"\\u0061\": 2}", 1, 10, "stands twice");
    REFUSED("a: &x 1\n", 1, 4, "anchors");
    REFUSED("a: *x\n", 1, 4, "aliases");
    REFUSED("a: !!str 1\n", 1, 4, "tags");
    REFUSED("a: !x {b: c}\n", 1, 4, "tags");
    REFUSED("<<: {a: 1}\n", 1, 1, "merge keys");
    REFUSED("? [a]\n: b\n", 1, 3, "a key must be a text");
    REFUSED("a: \"\\0\"\n", 1, 4, "NUL");
    REFUSED("a: 1\n---\nb: 2\n", 2, 1, "second document");
    REFUSED("a: \xff\n", 1, 4, "UTF-8");
    REFUSED("b: \xc3\xa9\na: \xc3\n", 2, 4, "UTF-8");
    REFUSED("a:\n\t- b\n", 2, 1, "tab");
    REFUSED("a: [1, 2\n", 2, 1, "");
    REFUSED("a: b: c\n", 1, 5, "");
    REFUSED("a: \"x\n", 2, 1, "");
    REFUSED("a: \x01\n", 1, 4, "");
}

static void test_limits(void **state)
{
    struct bench *bench = *state;
    char deep[128];
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    refused(bench, (struct sg_str){.p = deep, .n = 66}, SG_YAML_PLAIN, 1, 33, "nested too deeply");
    assert_int_equal(parse_str(bench, (struct sg_str){.p = deep + 1, .n = 64}, SG_YAML_PLAIN),
                     SG_OK);
    size_t large = 4 * 1024 * 1024 + 1;
    char *text = malloc(large);
    assert_non_null(text);
    memset(text, '#', large);
    refused(bench, (struct sg_str){.p = text, .n = large}, SG_YAML_PLAIN, 0, 0, "4 MiB");
    size_t entries = 200001;
    for (size_t i = 0; i < entries; i++) {
        memcpy(text + 4 * i, "- a\n", 4);
    }
    assert_int_equal(parse_str(bench, (struct sg_str){.p = text, .n = 4 * entries}, SG_YAML_PLAIN),
                     SG_CONFIG);
    free(text);
}

static void test_documents_without_content_do_not_count(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(parse_str(bench, SG_STR(""), SG_YAML_PLAIN), SG_OK);
    assert_int_equal(bench->documents.count, 0);
    assert_int_equal(parse_str(bench, SG_STR("# only a comment\n"), SG_YAML_PLAIN), SG_OK);
    assert_int_equal(bench->documents.count, 0);
    assert_int_equal(
        parse_str(bench, SG_STR("---\na: 1\n---\n---\nb: 2\n"), SG_YAML_MANY_DOCUMENTS), SG_OK);
    assert_int_equal(bench->documents.count, 2);
    assert_non_null(sg_yaml_get(bench->documents.roots[1], "b"));
}

static void test_nulls(void **state)
{
    struct bench *bench = *state;
    const struct sg_yaml_node *root =
        parse(bench, "a: null\nb: ~\nc:\nd: \"null\"\ne: \"\"\nf: []\n", SG_YAML_PLAIN);
    assert_true(sg_yaml_is_null(sg_yaml_get(root, "a")));
    assert_true(sg_yaml_is_null(sg_yaml_get(root, "b")));
    assert_true(sg_yaml_is_null(sg_yaml_get(root, "c")));
    assert_false(sg_yaml_is_null(sg_yaml_get(root, "d")));
    assert_false(sg_yaml_is_null(sg_yaml_get(root, "e")));
    assert_false(sg_yaml_is_null(sg_yaml_get(root, "f")));
}

static void test_the_environment(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(setenv("SG_TEST_VALUE", "x: [y", 1), 0);
    assert_int_equal(setenv("SG_TEST_EMPTY", "", 1), 0);
    assert_int_equal(unsetenv("SG_TEST_MISSING"), 0);
    const struct sg_yaml_node *root =
        parse(bench, "${SG_TEST_VALUE}: \"a ${SG_TEST_VALUE} $$b\"\nc: d$$\n",
              SG_YAML_EXPAND_ENVIRONMENT);
    assert_true(sg_str_equal(root->pairs[0].key->text, SG_STR("${SG_TEST_VALUE}"))); /* no key */
    assert_true(sg_str_equal(root->pairs[0].value->text, SG_STR("a x: [y $b")));
    assert_true(sg_str_equal(root->pairs[1].value->text, SG_STR("d$")));
    root = parse(bench, "a: ${SG_TEST_VALUE}\n", SG_YAML_PLAIN);
    assert_true(sg_str_equal(root->pairs[0].value->text, SG_STR("${SG_TEST_VALUE}")));
    refused(bench, SG_STR("a: ${SG_TEST_MISSING}\n"), SG_YAML_EXPAND_ENVIRONMENT, 1, 4,
            "SG_TEST_MISSING is not set");
    refused(bench, SG_STR("a: ${SG_TEST_EMPTY}\n"), SG_YAML_EXPAND_ENVIRONMENT, 1, 4,
            "SG_TEST_EMPTY is empty");
    refused(bench, SG_STR("a: $HOME\n"), SG_YAML_EXPAND_ENVIRONMENT, 1, 4, "names no environment");
    refused(bench, SG_STR("a: ${a-b}\n"), SG_YAML_EXPAND_ENVIRONMENT, 1, 4, "names no environment");
    refused(bench, SG_STR("a: ${HOME\n"), SG_YAML_EXPAND_ENVIRONMENT, 1, 4, "names no environment");
}

static void test_json_is_read_with_its_places(void **state)
{
    struct bench *bench = *state;
    const struct sg_yaml_node *root = parse(
        bench, "{\n\t\"a\":\t[1, \"\\ud83d\\ude00\\/\\u00e9\"],\n\t\"b\": null\n}\n", SG_YAML_JSON);
    const struct sg_yaml_node *list = sg_yaml_get(root, "a");
    assert_int_equal(list->place.line, 2);
    assert_int_equal(list->count, 2);
    assert_true(sg_str_equal(list->items[1]->text, SG_STR("\xf0\x9f\x98\x80/\xc3\xa9")));
    assert_true(sg_yaml_is_null(sg_yaml_get(root, "b")));
    refused(bench, SG_STR("{\"a\": 1, \"a\": 2}"), SG_YAML_JSON, 1, 12, "duplicate");
    refused(bench, SG_STR("{a: 1}"), SG_YAML_JSON, 1, 2, "");
    refused(bench, SG_STR("{\"a\": 1} # no comments"), SG_YAML_JSON, 1, 10, "");
    refused(bench, SG_STR("{\"a\": \"\\ud83d\"}"), SG_YAML_JSON, 1, 14, "");
}

static void test_pasted_json_in_yaml(void **state)
{
    struct bench *bench = *state;
    const struct sg_yaml_node *root =
        parse(bench, "{\n\t\"a\": \"\\ud83d\\ude00 \\\\ud83d\"\n}\n", SG_YAML_PLAIN);
    assert_true(sg_str_equal(sg_yaml_get(root, "a")->text, SG_STR("\xf0\x9f\x98\x80 \\ud83d")));
    root = parse(bench,
                 "policy: a\ndocument: {\n\t\"Statement\":\t[{\"Sid\": \"\\ud83d\\ude00\"}]\n\t}\n",
                 SG_YAML_PLAIN);
    const struct sg_yaml_node *statement = sg_yaml_get(sg_yaml_get(root, "document"), "Statement");
    assert_true(
        sg_str_equal(sg_yaml_get(statement->items[0], "Sid")->text, SG_STR("\xf0\x9f\x98\x80")));
    REFUSED("a: \"\\ud83d\"\n", 1, 7, ""); /* half a pair is no character */
}

static void test_files(void **state)
{
    struct bench *bench = *state;
    struct sg_str text;
    struct sg_error error;
    char path[] = "/tmp/signgate-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    assert_true(fputs("a: 1\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(sg_text_read_file(&bench->arena, path, 5, &text, &error), SG_OK);
    assert_true(sg_str_equal(text, SG_STR("a: 1\n")));
    assert_int_equal(sg_text_read_file(&bench->arena, path, 4, &text, &error), SG_TOO_LARGE);
    assert_int_equal(sg_text_read_file(&bench->arena, "/tmp", 100, &text, &error), SG_IO);
    assert_int_equal(sg_text_read_file(&bench->arena, "/nonexistent", 100, &text, &error), SG_IO);
    assert_int_equal(remove(path), 0);
    bench->diags = sg_diags_new();
    assert_int_equal(sg_yaml_read(&bench->arena, "/nonexistent", SG_YAML_PLAIN, NULL, bench->diags,
                                  &bench->documents),
                     SG_CONFIG);
    assert_int_equal(bench->documents.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_nodes_know_their_places),
        TEST(test_what_is_refused),
        TEST(test_limits),
        TEST(test_documents_without_content_do_not_count),
        TEST(test_nulls),
        TEST(test_the_environment),
        TEST(test_json_is_read_with_its_places),
        TEST(test_pasted_json_in_yaml),
        TEST(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
