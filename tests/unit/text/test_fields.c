/* Settings tables: every type good and bad, and that each mistake is said once, with its place. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "text/encode.h"
#include "text/fields.h"
#include "text/json_out.h"

struct inner {
    const struct sg_yaml_node *node;
    uint64_t bytes;
    const char *name;
};

struct outer {
    const struct sg_yaml_node *node;
    const char *text;
    const char *path;
    bool flag;
    uint64_t count;
    uint64_t one;
    int64_t span_ms;
    int word;
    struct sg_texts texts;
    struct sg_texts paths;
    struct inner object;
    struct sg_objects objects;
    const struct sg_yaml_node *any;
    const char *later;
    const char *never;
};

static const char *const words[] = {"enforce", "report", NULL};
static const char *const auto_words[] = {"auto", NULL};

static const struct sg_field inner_rows[] = {
    {.key = "bytes",
     .type = SG_FIELD_BYTES,
     .offset = offsetof(struct inner, bytes),
     .default_text = "16KiB",
     .min = 1024,
     .max = 1 << 20},
    {.key = "name",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct inner, name),
     .required = true,
     .summary = "a name"},
};
static const struct sg_fields inner_fields = {
    .name = "objects[]", .rows = inner_rows, .count = 2, .size = sizeof(struct inner)};

static const struct sg_field outer_rows[] = {
    {.key = "text",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct outer, text),
     .nullable = true},
    {.key = "path", .type = SG_FIELD_PATH, .offset = offsetof(struct outer, path)},
    {.key = "flag",
     .type = SG_FIELD_BOOL,
     .offset = offsetof(struct outer, flag),
     .default_text = "true"},
    {.key = "count",
     .type = SG_FIELD_COUNT,
     .offset = offsetof(struct outer, count),
     .default_text = "auto",
     .min = 1,
     .max = 10,
     .words = auto_words},
    {.key = "one",
     .type = SG_FIELD_COUNT,
     .offset = offsetof(struct outer, one),
     .default_text = "1",
     .min = 1,
     .max = 1},
    {.key = "span",
     .type = SG_FIELD_DURATION,
     .offset = offsetof(struct outer, span_ms),
     .default_text = "3s",
     .max = 60000},
    {.key = "word",
     .type = SG_FIELD_WORD,
     .offset = offsetof(struct outer, word),
     .default_text = "enforce",
     .words = words},
    {.key = "texts",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct outer, texts),
     .one_is_list = true,
     .not_empty = true},
    {.key = "paths", .type = SG_FIELD_PATHS, .offset = offsetof(struct outer, paths)},
    {.key = "object",
     .type = SG_FIELD_OBJECT,
     .offset = offsetof(struct outer, object),
     .object = &inner_fields},
    {.key = "objects",
     .type = SG_FIELD_OBJECTS,
     .offset = offsetof(struct outer, objects),
     .object = &inner_fields},
    {.key = "any", .type = SG_FIELD_NODE, .offset = offsetof(struct outer, any)},
    {.key = "later",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct outer, later),
     .default_text = "off",
     .pending = "it is not built"},
    {.key = "never",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct outer, never),
     .default_text = "none",
     .refused = "never is not built yet"},
};
static const struct sg_fields outer_fields = {.name = "",
                                              .rows = outer_rows,
                                              .count = sizeof outer_rows / sizeof *outer_rows,
                                              .size = sizeof(struct outer)};

struct bench {
    struct sg_arena arena;
    struct sg_diags *diags;
    struct outer got;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    sg_arena_init(&bench->arena, 1 << 20);
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

static void decode(struct bench *bench, const char *text)
{
    struct sg_yaml_documents documents;
    sg_diags_free(bench->diags);
    bench->diags = sg_diags_new();
    assert_non_null(bench->diags);
    assert_int_equal(sg_yaml_parse(&bench->arena, "dir/f.yaml", sg_str_from(text), SG_YAML_PLAIN,
                                   bench->diags, &documents),
                     SG_OK);
    sg_fields_decode(&outer_fields, documents.count > 0 ? documents.roots[0] : NULL, "",
                     &bench->arena, bench->diags, &bench->got);
}

/* Exactly these diagnostics: "line:column severity text (help)" a line each. */
static void expect(struct bench *bench, const char *text, const char *expected)
{
    struct sg_buf shown;
    struct sg_diag diag;
    decode(bench, text);
    sg_buf_init(&shown, 65536);
    for (size_t i = 0; sg_diags_get(bench->diags, i, &diag); i++) {
        sg_buf_printf(&shown, "%u:%u %s %s (%s)\n", diag.place.line, diag.place.column,
                      diag.severity == SG_SEVERITY_ERROR ? "error" : "warning", diag.text,
                      diag.help != NULL ? diag.help : "");
    }
    sg_buf_add_char(&shown, '\0');
    assert_string_equal(shown.p, expected);
    sg_buf_done(&shown);
}

static void test_defaults(void **state)
{
    struct bench *bench = *state;
    decode(bench, "");
    assert_int_equal(sg_diags_errors(bench->diags), 0);
    assert_null(bench->got.text);
    assert_true(bench->got.flag);
    assert_int_equal(bench->got.count, 0);
    assert_int_equal(bench->got.span_ms, 3000);
    assert_int_equal(bench->got.word, 0);
    assert_int_equal(bench->got.texts.count, 0);
    assert_null(bench->got.object.node);
    assert_int_equal(bench->got.object.bytes, 16384); /* below an absent object too */
}

static void test_values(void **state)
{
    struct bench *bench = *state;
    expect(bench,
           "text: \"\"\npath: ../a\nflag: false\ncount: 10\nspan: 1m\nword: report\n"
           "texts: one\npaths: [/b, c]\nobject: {name: n, bytes: 1MiB}\n"
           "objects:\n  - name: x\n  - {name: y, bytes: 2KiB}\nany: {z: [1]}\n",
           "");
    assert_string_equal(bench->got.text, "");
    assert_string_equal(bench->got.path, "dir/../a");
    assert_false(bench->got.flag);
    assert_int_equal(bench->got.count, 10);
    assert_int_equal(bench->got.span_ms, 60000);
    assert_int_equal(bench->got.word, 1);
    assert_int_equal(bench->got.texts.count, 1);
    assert_string_equal(bench->got.texts.items[0], "one");
    assert_string_equal(bench->got.paths.items[0], "/b");
    assert_string_equal(bench->got.paths.items[1], "dir/c");
    assert_int_equal(bench->got.object.bytes, 1 << 20);
    const struct inner *objects = bench->got.objects.items;
    assert_int_equal(bench->got.objects.count, 2);
    assert_string_equal(objects[1].name, "y");
    assert_int_equal(objects[1].bytes, 2048);
    assert_int_equal(bench->got.any->kind, SG_YAML_MAPPING);
    struct sg_place place = sg_fields_place(&objects[1], "name");
    assert_int_equal(place.line, 12);
    assert_int_equal(place.column, 12);
}

static void test_wrong_values(void **state)
{
    struct bench *bench = *state;
    expect(bench, "flag: yes\n", "1:7 error \"flag\" cannot be \"yes\" (expected true or false)\n");
    expect(bench, "flag: \"true\"\n",
           "1:7 error \"flag\" cannot be \"true\" (expected true or false)\n");
    expect(bench, "count: 11\n", "1:8 error \"count\" cannot be 11 (expected 1 to 10)\n");
    expect(bench, "one: 2\n", "1:6 error \"one\" cannot be 2 (expected 1)\n");
    expect(bench, "count: \"1\"\n",
           "1:8 error \"count\" cannot be \"1\" (expected a whole number or auto, without "
           "quotes)\n");
    expect(bench, "count: -1\n",
           "1:8 error \"count\" cannot be \"-1\" (expected a whole number or auto)\n");
    expect(bench, "count: 99999999999999999999\n",
           "1:8 error \"count\" cannot be \"99999999999999999999\" (expected a whole number or "
           "auto)\n");
    expect(bench, "span: 60\n",
           "1:7 error \"60\" has no unit (expected a duration such as 250ms, 3s, 5m, 1h; write "
           "\"60s\")\n");
    expect(bench, "span: 1.5s\n",
           "1:7 error \"1.5s\" is no duration (expected a duration such as 250ms, 3s, 5m, 1h)\n");
    expect(bench, "span: 61s\n", "1:7 error \"span\" cannot be 61s (expected 0ms to 1m)\n");
    expect(bench, "span: 9999999999999999999d\n",
           "1:7 error \"9999999999999999999d\" is no duration (expected a duration such as 250ms, "
           "3s, 5m, 1h)\n");
    expect(bench, "word: reprot\n",
           "1:7 error \"word\" cannot be \"reprot\" (did you mean \"report\"?)\n");
    expect(bench, "word: x\n", "1:7 error \"word\" cannot be \"x\" (expected enforce or report)\n");
    expect(bench, "text: [a]\n", "1:7 error \"text\" is a list (expected one text)\n");
    expect(bench, "flag:\n", "1:6 error \"flag\" is empty (expected true or false)\n");
    expect(bench, "texts: []\n", "1:8 error \"texts\" is empty ()\n");
    expect(bench, "texts: {a: b}\n",
           "1:8 error \"texts\" is a mapping (expected a text or a list of texts)\n");
    expect(bench, "paths: a\n", "1:8 error \"paths\" is a text (expected a list of texts)\n");
    expect(bench, "paths: [\"\"]\n",
           "1:9 error \"paths\" is empty (expected a path, or leave the key out)\n");
    expect(bench, "object: a\n",
           "1:9 error \"object\" is a text (expected a mapping: key: value)\n");
    expect(bench, "object: {name: a, bytes: 16KB}\n",
           "1:26 error \"16KB\" is no size (expected a size such as 512B, 16KiB, 8MiB, 1GiB)\n");
    expect(bench, "object: {name: a, bytes: 1B}\n",
           "1:26 error \"object.bytes\" cannot be 1B (expected 1KiB to 1MiB)\n");
    expect(bench, "- a\n", "1:1 error the file is a list (expected a mapping: key: value)\n");
}

static void test_keys(void **state)
{
    struct bench *bench = *state;
    expect(bench, "txet: a\n", "1:1 error unknown key \"txet\" (did you mean \"text\"?)\n");
    expect(bench, "objects: [{bytes: 2KiB}]\n",
           "1:11 error \"objects[0].name\" is missing (a name)\n");
    /* A required key that is only misspelt is said once. */
    expect(bench, "objects: [{nmae: a}]\n",
           "1:12 error unknown key \"nmae\" in objects[0] (did you mean \"name\"?)\n");
    expect(bench, "object: {name: a, entirely: b}\n",
           "1:19 error unknown key \"entirely\" in object (known keys: bytes, name)\n");
}

static void test_what_does_nothing_yet(void **state)
{
    struct bench *bench = *state;
    expect(bench, "later: on\n",
           "1:8 warning \"later\" is read but does nothing yet (it is not built)\n");
    expect(bench, "later: off\n", "");
    expect(bench, "never: some\n", "1:8 error never is not built yet (leave it out)\n");
    expect(bench, "never: none\n", "");
    expect(bench, "never: null\n", "");
    expect(bench, "never: []\n", "");
}

static void test_every_mistake_in_one_run(void **state)
{
    struct bench *bench = *state;
    decode(bench, "flag: 1\ncount: x\nspan: 5\nword: y\nfoo: z\n");
    assert_int_equal(sg_diags_errors(bench->diags), 5);
    assert_true(bench->got.flag); /* what is wrong keeps its default */
    assert_int_equal(bench->got.span_ms, 3000);
}

static void test_units(void **state)
{
    int64_t ms;
    uint64_t bytes;
    (void)state;
    assert_true(sg_duration_parse(SG_STR("400d"), &ms));
    assert_int_equal(ms, INT64_C(400) * 86400000);
    assert_true(sg_duration_parse(SG_STR("0s"), &ms));
    assert_false(sg_duration_parse(SG_STR("s"), &ms));
    assert_false(sg_duration_parse(SG_STR(""), &ms));
    assert_false(sg_duration_parse(SG_STR("3 s"), &ms));
    assert_true(sg_bytes_parse(SG_STR("0"), &bytes));
    assert_true(sg_bytes_parse(SG_STR("1GiB"), &bytes));
    assert_int_equal(bytes, 1 << 30);
    assert_false(sg_bytes_parse(SG_STR("1kib"), &bytes));
    assert_false(sg_bytes_parse(SG_STR("18446744073709551615KiB"), &bytes));
}

static void test_the_reference_names_every_key(void **state)
{
    struct sg_buf out;
    (void)state;
    sg_buf_init(&out, 65536);
    sg_fields_print_reference(&outer_fields, &out);
    sg_buf_add_char(&out, '\0');
    for (size_t i = 0; i < outer_fields.count; i++) {
        assert_non_null(strstr(out.p, outer_rows[i].key));
    }
    assert_non_null(strstr(out.p, "### `objects[]`"));
    sg_buf_done(&out);
}

/* --- the small ones beside ----------------------------------------------------------------------
 */

static void test_json_is_written_whole(void **state)
{
    struct sg_buf out;
    struct sg_json json;
    (void)state;
    sg_buf_init(&out, 4096);
    sg_json_init(&json, &out);
    sg_json_begin_object(&json, NULL);
    sg_json_string(&json, "a", SG_STR("q\"\\\n\t\x01\x7f\xc3\xa9\xff"));
    sg_json_begin_list(&json, "b");
    sg_json_u64(&json, NULL, UINT64_MAX);
    sg_json_i64(&json, NULL, INT64_MIN);
    sg_json_bool(&json, NULL, true);
    sg_json_end_list(&json);
    sg_json_begin_object(&json, "c");
    sg_json_end_object(&json);
    sg_json_text(&json, "d", NULL);
    sg_json_raw(&json, "e", SG_STR("[1]"));
    sg_json_end_object(&json);
    sg_buf_add_char(&out, '\0');
    assert_string_equal(out.p, "{\"a\":\"q\\\"\\\\\\n\\t\\u0001\\u007f\xc3\xa9\xef\xbf\xbd\","
                               "\"b\":[18446744073709551615,-9223372036854775808,true],\"c\":{},"
                               "\"d\":null,\"e\":[1]}");
    sg_buf_done(&out);
}

static void test_percent_encoding(void **state)
{
    struct bench *bench = *state;
    struct sg_buf out;
    struct sg_str decoded;
    unsigned char bytes[2];
    sg_buf_init(&out, 4096);
    sg_percent_encode(&out, SG_STR("aZ0-._~ /+%\xc3\xa9"));
    assert_true(sg_str_equal(sg_buf_str(&out), SG_STR("aZ0-._~%20%2F%2B%25%C3%A9")));
    assert_true(sg_percent_decode(&bench->arena, sg_buf_str(&out), &decoded));
    assert_true(sg_str_equal(decoded, SG_STR("aZ0-._~ /+%\xc3\xa9")));
    assert_true(sg_percent_decode(&bench->arena, SG_STR("%41%62%2b"), &decoded));
    assert_true(sg_str_equal(decoded, SG_STR("Ab+")));
    assert_false(sg_percent_decode(&bench->arena, SG_STR("%4"), &decoded));
    assert_false(sg_percent_decode(&bench->arena, SG_STR("a%"), &decoded));
    assert_false(sg_percent_decode(&bench->arena, SG_STR("%4g"), &decoded));
    assert_true(sg_hex_decode(SG_STR("fF00"), bytes, sizeof bytes));
    assert_int_equal(bytes[0], 255);
    assert_false(sg_hex_decode(SG_STR("ff0"), bytes, sizeof bytes));
    assert_false(sg_hex_decode(SG_STR("ff0g"), bytes, sizeof bytes));
    sg_buf_done(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_wrong_values),
        TEST(test_keys),
        TEST(test_what_does_nothing_yet),
        TEST(test_every_mistake_in_one_run),
        TEST(test_units),
        TEST(test_the_reference_names_every_key),
        TEST(test_json_is_written_whole),
        TEST(test_percent_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
