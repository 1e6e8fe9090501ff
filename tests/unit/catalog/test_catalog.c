/*
 * Loading: every mistake of a catalog at its place, and what the rest of the program may ask.
 * Matching and parameters are in tests/tables/route.table and live.table.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "catalog/catalog.h"

struct fixture {
    struct sg_arena arena;
    struct sg_diags *diags;
    struct sg_buf shown;
};

static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    sg_arena_init(&fixture.arena, 64 * 1024 * 1024);
    fixture.diags = sg_diags_new();
    sg_buf_init(&fixture.shown, 1024 * 1024);
    return fixture.diags == NULL;
}

static int teardown(void **state)
{
    (void)state;
    sg_buf_done(&fixture.shown);
    sg_diags_free(fixture.diags);
    sg_arena_done(&fixture.arena);
    return 0;
}

static const struct sg_catalog *load(const char *text)
{
    return sg_catalog_load_text("c.yaml", sg_str_from(text), &fixture.arena, fixture.diags);
}

static const struct sg_catalog *load_good(const char *text)
{
    const struct sg_catalog *catalog = load(text);
    if (catalog == NULL) {
        sg_diags_print_text(fixture.diags, &fixture.shown);
        fail_msg("%.*s", SG_STR_ARG(sg_buf_str(&fixture.shown)));
    }
    return catalog;
}

/* Load a bad catalog; expected is a line "line:column: text" for each mistake. */
static void check_mistakes(const char *text, const char *expected)
{
    struct sg_diag diag;
    if (load(text) != NULL) {
        fail_msg("it was taken");
    }
    for (size_t i = 0; sg_diags_get(fixture.diags, i, &diag); i++) {
        assert_string_equal(diag.place.file, "c.yaml");
        sg_buf_printf(&fixture.shown, "%u:%u: %s\n", diag.place.line, diag.place.column, diag.text);
    }
    sg_buf_add(&fixture.shown, "", 1);
    assert_string_equal(fixture.shown.p, expected);
}

#define HEAD "version: 1\nservice: live\noperations:\n"

static void test_rows(void **state)
{
    (void)state;
    const struct sg_catalog *catalog =
        load_good(HEAD "  - operation: B\n"
                       "    method: PUT\n"
                       "    path: /v1/{project_id}/b\n"
                       "    query: [{name: x, required: true, format: hex32, max_length: 32},"
                       " {name: y, multi: true}]\n"
                       "    body: optional\n"
                       "    action: live:b:put\n"
                       "    access_level: Write\n"
                       "    source: https://vendor.example/b\n"
                       "    resource: b:{x}/{project_id}\n"
                       "    summary: Put b\n"
                       "  - {operation: A, method: GET, path: /a, action: null,"
                       " access_level: null, resource: \"a:all\"}\n");
    assert_int_equal(sg_catalog_count(catalog), 2);
    const struct sg_operation *b = sg_catalog_at(catalog, 0), *a = sg_catalog_at(catalog, 1);
    assert_true(sg_str_equal_text(b->operation, "B"));
    assert_true(sg_str_equal_text(b->method, "PUT"));
    assert_true(sg_str_equal_text(b->path, "/v1/{project_id}/b"));
    assert_int_equal(b->body, SG_BODY_OPTIONAL);
    assert_true(sg_str_equal_text(b->action, "live:b:put"));
    assert_true(sg_str_equal_text(b->access_level, "Write"));
    assert_true(sg_str_equal_text(b->resource, "b:{x}/{project_id}"));
    assert_true(sg_str_equal_text(b->summary, "Put b"));
    assert_int_equal(b->place.line, 4);
    assert_int_equal(b->query_count, 2);
    assert_true(sg_str_equal_text(b->query[0].name, "x"));
    assert_true(b->query[0].required);
    assert_false(b->query[0].multi);
    assert_int_not_equal(b->query[0].format, 0);
    assert_int_equal(b->query[0].max_length, 32);
    assert_true(sg_str_equal_text(b->query[1].name, "y"));
    assert_false(b->query[1].required);
    assert_true(b->query[1].multi);
    assert_int_equal(b->query[1].format, 0);
    assert_int_equal(b->query[1].max_length, 0);
    assert_true(sg_str_equal_text(a->operation, "A"));
    assert_int_equal(a->body, SG_BODY_NONE);
    assert_int_equal(a->query_count, 0);
    assert_int_equal(a->action.n, 0);
    assert_int_equal(a->access_level.n, 0);
    assert_int_equal(a->place.line, 14);
}

/* What a match says and what a check fills in. */
static void test_action_is_filled(void **state)
{
    (void)state;
    const struct sg_catalog *catalog = load_good(HEAD "  - operation: B\n"
                                                      "    method: PUT\n"
                                                      "    path: /v1/{project_id}/{b}\n"
                                                      "    query: [{name: x, required: true}]\n"
                                                      "    action: live:b:put\n"
                                                      "    access_level: Write\n"
                                                      "    resource: b:{x}\n");
    struct sg_target target;
    struct sg_route route;
    struct sg_action action;
    struct sg_error error;
    const struct sg_catalog_service service = {
        .name = SG_STR("live-prod"), .region = SG_STR("r"), .account = SG_STR("a")};
    assert_int_equal(
        sg_target_parse(&fixture.arena, SG_STR("/v1/p%31/z?x=%2A"), SG_STR("h"), &target, &error),
        SG_OK);
    assert_int_equal(sg_catalog_route(catalog, SG_STR("PUT"), &target, &route), SG_REFUSAL_NONE);
    assert_ptr_equal(route.operation, sg_catalog_at(catalog, 0));
    assert_int_equal(route.param_count, 2);
    assert_true(sg_str_equal_text(route.project_id, "p1"));
    assert_int_equal(
        sg_catalog_check(&route, &target, false, &service, &fixture.arena, &action, &error), SG_OK);
    assert_true(sg_str_equal_text(action.service, "live-prod"));
    assert_true(sg_str_equal_text(action.operation, "B"));
    assert_true(sg_str_equal_text(action.method, "PUT"));
    assert_true(sg_str_equal_text(action.name, "live:b:put"));
    assert_true(sg_str_equal_text(action.access_level, "Write"));
    assert_true(sg_str_equal_text(action.region, "r"));
    assert_true(sg_str_equal_text(action.account, "a"));
    assert_true(sg_str_equal_text(action.project_id, "p1"));
    assert_true(sg_str_equal_text(action.resource, "live:r:a:b:%2A"));
    assert_int_equal(action.param_count, 3);
    assert_int_equal(action.params[1].place, SG_PARAM_PATH);
    assert_true(sg_str_equal_text(action.params[1].name, "b"));
    assert_true(sg_str_equal_text(action.params[1].value, "z"));
    assert_int_equal(action.params[2].place, SG_PARAM_QUERY);

    /* A failed check leaves the result alone. */
    struct sg_action before = action;
    assert_int_equal(
        sg_catalog_check(&route, &target, true, &service, &fixture.arena, &action, &error),
        SG_MALFORMED);
    assert_memory_equal(&action, &before, sizeof action);
    struct sg_arena none;
    sg_arena_init(&none, 0);
    assert_int_equal(sg_catalog_check(&route, &target, false, &service, &none, &action, &error),
                     SG_NO_MEMORY);
    assert_memory_equal(&action, &before, sizeof action);
    sg_arena_done(&none);
}

/* --- mistakes --------------------------------------------------------------------------------- */

#define ROW(path, query, resource) \
    HEAD "  - operation: A\n"      \
         "    method: GET\n"       \
         "    path: " path "\n"    \
         "    query: " query "\n"  \
         "    action: null\n"      \
         "    resource: " resource "\n"

static void test_path_without_slash(void **state)
{
    (void)state;
    check_mistakes(ROW("a/b", "[]", "a:all"),
                   "6:11: path: expected a path that begins with \"/\"\n");
}

static void test_path_with_empty_segment(void **state)
{
    (void)state;
    check_mistakes(ROW("/a//b", "[]", "a:all"),
                   "6:14: path: an empty segment, which no request may have\n");
}

static void test_path_with_dot_segment(void **state)
{
    (void)state;
    check_mistakes(ROW("/a/../b", "[]", "a:all"),
                   "6:14: path: expected plain text, or one {name} as the whole segment\n");
}

static void test_path_with_encoded_segment(void **state)
{
    (void)state;
    check_mistakes(ROW("/a/b%20c", "[]", "a:all"),
                   "6:14: path: expected plain text, or one {name} as the whole segment\n");
}

static void test_path_with_half_a_parameter(void **state)
{
    (void)state;
    check_mistakes(ROW("/a/b{x}", "[]", "a:all"),
                   "6:14: path: expected plain text, or one {name} as the whole segment\n");
}

static void test_path_with_unclosed_parameter(void **state)
{
    (void)state;
    check_mistakes(ROW("/a/{x", "[]", "a:all"),
                   "6:14: path: expected {name}, of letters, digits, \"-\" and \"_\", as the whole "
                   "segment\n");
}

static void test_path_with_nameless_parameter(void **state)
{
    (void)state;
    check_mistakes(ROW("/a/{}", "[]", "a:all"),
                   "6:14: path: expected {name}, of letters, digits, \"-\" and \"_\", as the whole "
                   "segment\n");
}

static void test_path_with_parameter_twice(void **state)
{
    (void)state;
    check_mistakes(ROW("/{x}/b/{x}", "[]", "a:{x}"),
                   "6:18: path: the path has this parameter twice\n");
}

static void test_path_too_deep(void **state)
{
    (void)state;
    check_mistakes(
        ROW("/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3", "[]", "a:all"),
        "6:11: path: expected at most 32 segments and 16 parameters\n");
}

static void test_path_with_too_many_parameters(void **state)
{
    (void)state;
    check_mistakes(
        ROW("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}", "[]", "a:all"),
        "6:11: path: expected at most 32 segments and 16 parameters\n");
}

/* As deep as it may be, each the last that fits. */
static void test_deepest_path(void **state)
{
    (void)state;
    const struct sg_catalog *catalog = load_good(
        ROW("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/7/8/9/0/1/2/3/4/5/6/"
            "7/8/9/0/1/2",
            "[]", "a:{p}"));
    struct sg_target target;
    struct sg_route route;
    struct sg_error error;
    assert_int_equal(
        sg_target_parse(&fixture.arena,
                        SG_STR("/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2"),
                        SG_STR("h"), &target, &error),
        SG_OK);
    assert_int_equal(sg_catalog_route(catalog, SG_STR("GET"), &target, &route),
                     SG_REFUSAL_UNMAPPED_OPERATION);
    assert_int_equal(route.param_count, SG_ROUTE_PARAMS_MAX);
    target.trailing_slash = true;
    assert_int_equal(sg_catalog_route(catalog, SG_STR("GET"), &target, &route),
                     SG_REFUSAL_BAD_REQUEST);
}

static void test_quoted_path_is_blamed_as_a_whole(void **state)
{
    (void)state;
    check_mistakes(ROW("\"/a/\\u007bx\"", "[]", "a:all"),
                   "6:11: path: expected {name}, of letters, digits, \"-\" and \"_\", as the whole "
                   "segment\n");
}

static void test_template_of_unknown_parameter(void **state)
{
    (void)state;
    check_mistakes(ROW("/a", "[{name: x, required: true}]", "a:{x}/{y}"),
                   "9:21: resource: the operation has no such parameter\n");
}

static void test_template_of_optional_parameter(void **state)
{
    (void)state;
    check_mistakes(ROW("/a", "[{name: x}]", "a:{x}"),
                   "9:17: resource: a parameter that is not required may be missing\n");
}

static void test_template_of_multi_parameter(void **state)
{
    (void)state;
    check_mistakes(ROW("/a", "[{name: x, required: true, multi: true}]", "a:{x}"),
                   "9:17: resource: a parameter that may stand several times names no single "
                   "resource\n");
}

static void test_template_without_type(void **state)
{
    (void)state;
    check_mistakes(ROW("/{x}", "[]", "all"),
                   "9:15: resource: expected TYPE:PATH, like flow:{flow_id}\n");
}

static void test_template_without_path(void **state)
{
    (void)state;
    check_mistakes(ROW("/{x}", "[]", "\"a:\""),
                   "9:15: resource: expected TYPE:PATH, like flow:{flow_id}\n");
}

static void test_template_with_wildcard(void **state)
{
    (void)state;
    check_mistakes(ROW("/{x}", "[]", "a:{x}/*"),
                   "9:21: resource: expected letters, digits, \"-._~:/\" and {name}\n");
}

static void test_template_unclosed(void **state)
{
    (void)state;
    check_mistakes(ROW("/{x}", "[]", "a:b{x"),
                   "9:18: resource: expected {name}, of letters, digits, \"-\" and \"_\"\n");
}

static void test_query_name_twice(void **state)
{
    (void)state;
    check_mistakes(ROW("/a", "[{name: x}, {name: y}, {name: x}]", "a:all"),
                   "7:42: the query parameter \"x\" stands twice\n");
}

static void test_query_name_of_path(void **state)
{
    (void)state;
    check_mistakes(ROW("/{x}", "[{name: x}]", "a:all"),
                   "7:20: \"x\" is a parameter of the path \"/{x}\" already\n");
}

static void test_query_name_empty(void **state)
{
    (void)state;
    check_mistakes(ROW("/a", "[{name: \"\"}]", "a:all"),
                   "7:20: the name of a query parameter is empty\n");
}

#define ACTION(action, level)            \
    HEAD "  - operation: A\n"            \
         "    method: GET\n"             \
         "    path: /a\n"                \
         "    action: " action "\n"      \
         "    access_level: " level "\n" \
         "    resource: a:all\n"

static void test_action_with_two_parts(void **state)
{
    (void)state;
    check_mistakes(ACTION("live:a", "null"), "7:13: \"live:a\" is no action\n");
}

static void test_action_with_wildcard(void **state)
{
    (void)state;
    check_mistakes(ACTION("live:a:get*", "null"), "7:13: \"live:a:get*\" is no action\n");
}

static void test_unknown_access_level(void **state)
{
    (void)state;
    check_mistakes(ACTION("live:a:get", "read"), "8:19: \"read\" is no access level\n");
}

static void test_doubles(void **state)
{
    (void)state;
    check_mistakes(
        HEAD
        "  - {operation: A, method: GET, path: /a/b, action: null, resource: \"a:all\"}\n"
        "  - {operation: B, method: GET, path: \"/{x}/b\", action: null, resource: \"a:all\"}\n"
        "  - {operation: A, method: PUT, path: /a/b, action: null, resource: \"a:all\"}\n"
        "  - {operation: C, method: GET, path: \"/{y}/b\", action: null, resource: \"a:all\"}\n"
        "  - {operation: D, method: GET, path: /a/b/, action: null, resource: \"a:all\"}\n"
        "  - {operation: E, method: GET, path: /a/b, action: null, resource: \"a:all\"}\n",
        "6:5: the operation \"A\" stands on line 4 already\n"
        "7:5: GET /{y}/b is the route of \"B\" on line 5 already\n"
        "9:5: GET /a/b is the route of \"A\" on line 4 already\n");
}

/* One run shows all mistakes; a row's own do not make others of it. */
static void test_all_mistakes_at_once(void **state)
{
    (void)state;
    const char *text = HEAD
        "  - {operation: \"a b\", method: GET, path: /a, action: null, resource: \"a:all\"}\n"
        "  - {operation: B, method: HEAD, path: /b, action: null, resource: \"a:all\"}\n"
        "  - {operation: C, method: DELETE, path: /b, action: null, resource: \"a:all\"}\n"
        "  - {operation: D, method: GET, path: d, action: x, resource: \"a:all\"}\n"
        "  - {operation: E, method: GET, path: /e, action: null, resource: nothing}\n"
        "  - {operation: F, method: GET, path: /f, action: null, resource: \"a:all\","
        " query: [{name: q, format: hex31}]}\n"
        "  - {operation: G, method: GET, path: /g, action: null, resource: \"a:all\", sumary: x}\n"
        "  - {method: GET, path: /h, action: null, resource: \"a:all\"}\n"
        "  - nonsense\n"
        "  - {operation: I, method: GET, path: /i, action: null, resource: \"a:all\","
        " headers: [X-A]}\n";
    struct sg_diag diag;
    static const unsigned lines[] = {4, 5, 7, 7, 8, 9, 10, 11, 12, 13};
    assert_null(load(text));
    assert_int_equal(sg_diags_errors(fixture.diags), sizeof lines / sizeof *lines);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_true(sg_diags_get(fixture.diags, i, &diag));
        if (diag.place.line != lines[i]) {
            fail_msg("line %u: %s", diag.place.line, diag.text);
        }
    }
}

static void test_bad_files(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "# nothing\n",
        "[]\n",
        "version: 1\nservice: live\n",
        "version: 1\nservice: live\noperations: []\n",
        "version: 1\nservice: live\noperations: {}\n",
        "version: 2\nservice: live\noperations:\n"
        "  - {operation: A, method: GET, path: /a, action: null, resource: \"a:all\"}\n",
        "service: live\noperations:\n"
        "  - {operation: A, method: GET, path: /a, action: null, resource: \"a:all\"}\n",
        "version: 1\noperations:\n"
        "  - {operation: A, method: GET, path: /a, action: null, resource: \"a:all\"}\n",
        "version: 1\nservice: \"live:x\"\noperations:\n"
        "  - {operation: A, method: GET, path: /a, action: null, resource: \"a:all\"}\n",
        "version: 1\nservice: live\noperation:\n"
        "  - {operation: A, method: GET, path: /a, action: null, resource: \"a:all\"}\n",
        "version: 1\nservice: live\noperations: [\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t before = sg_diags_errors(fixture.diags);
        if (load(texts[i]) != NULL || sg_diags_errors(fixture.diags) == before) {
            fail_msg("taken, or refused without a word:\n%s", texts[i]);
        }
    }
}

/* Mistakes of other files do not spoil a good catalog. */
static void test_earlier_errors_do_not_count(void **state)
{
    (void)state;
    sg_diags_error(fixture.diags, NULL, NULL, "something else");
    assert_non_null(load(ROW("/a", "[]", "a:all")));
    assert_int_equal(sg_diags_errors(fixture.diags), 1);
}

static void test_no_memory(void **state)
{
    (void)state;
    const struct sg_str text = SG_STR(ROW("/a/{x}", "[{name: q, required: true}]", "a:{q}/{x}"));
    for (size_t room = 0; room < 64 * 1024; room += 1024) {
        struct sg_arena arena;
        struct sg_diags *diags = sg_diags_new();
        sg_arena_init(&arena, room);
        const struct sg_catalog *catalog = sg_catalog_load_text("c.yaml", text, &arena, diags);
        assert_true((catalog == NULL) == (sg_diags_errors(diags) > 0));
        sg_diags_free(diags);
        sg_arena_done(&arena);
    }
}

/* --- files ------------------------------------------------------------------------------------ */

static void test_missing_file(void **state)
{
    (void)state;
    const char *const paths[] = {SG_SOURCE_DIR "/tests/no/such.yaml"};
    const struct sg_place from = {.file = "signgate.yaml", .line = 7, .column = 3};
    struct sg_diag diag;
    assert_null(sg_catalog_load(paths, 1, &from, &fixture.arena, fixture.diags));
    assert_int_equal(sg_diags_errors(fixture.diags), 1);
    assert_true(sg_diags_get(fixture.diags, 0, &diag));
    assert_string_equal(diag.place.file, "signgate.yaml");
    assert_int_equal(diag.place.line, 7);
}

static void test_overlays_are_refused(void **state)
{
    (void)state;
    const char *const paths[] = {SG_SOURCE_DIR "/config/catalog/live.yaml", "more.yaml"};
    const struct sg_place from = {.file = "signgate.yaml", .line = 7, .column = 3};
    struct sg_diag diag;
    assert_null(sg_catalog_load(paths, 2, &from, &fixture.arena, fixture.diags));
    assert_int_equal(sg_diags_errors(fixture.diags), 1);
    assert_true(sg_diags_get(fixture.diags, 0, &diag));
    assert_int_equal(diag.place.line, 7);
    assert_string_equal(diag.text, "overlays, files behind the first, are not built yet");
}

static const struct sg_catalog *load_live(void)
{
    const char *const paths[] = {SG_SOURCE_DIR "/config/catalog/live.yaml"};
    const struct sg_catalog *catalog =
        sg_catalog_load(paths, 1, NULL, &fixture.arena, fixture.diags);
    if (catalog == NULL) {
        sg_diags_print_text(fixture.diags, &fixture.shown);
        fail_msg("%.*s", SG_STR_ARG(sg_buf_str(&fixture.shown)));
    }
    return catalog;
}

static void test_live_catalog(void **state)
{
    (void)state;
    const struct sg_catalog *catalog = load_live();
    size_t mapped = 0, levels = 0, bodies = 0;
    assert_int_equal(sg_diags_warnings(fixture.diags), 0);
    assert_int_equal(sg_catalog_count(catalog), 132);
    for (size_t i = 0; i < sg_catalog_count(catalog); i++) {
        const struct sg_operation *operation = sg_catalog_at(catalog, i);
        mapped += operation->action.n > 0;
        levels += operation->access_level.n > 0;
        bodies += operation->body != SG_BODY_NONE;
        assert_true(operation->summary.n > 0);
    }
    assert_int_equal(mapped, 44);
    assert_int_equal(levels, 41);
    assert_int_equal(bodies, 53);
}

/* --- what policies ask ------------------------------------------------------------------------ */

static void test_has_action(void **state)
{
    (void)state;
    const struct sg_catalog *catalog = load_live();
    static const char *const known[] = {
        "live:ott:deleteFlowOutput",
        "LIVE:OTT:DELETEFLOWOUTPUT",
        "live:*",
        "*",
        "**",
        "live:ott:*Output",
        "live:?tt:deleteFlow",
        "l*e:*:*e*w",
        "*:deleteFlowOutput",
        "live:ott:deleteFlowOutput*",
    };
    static const char *const unknown[] = {
        "",
        "live:ott:deleteFlowOutputs",
        "live:ott:?deleteFlowOutput",
        "ecs:*",
        "?",
        "live:ott",
        "live:ott:deleteFlowOutpu",
        "live:*:*:*",
        "live:ott:*x*",
        "ott:deleteFlowOutput",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!sg_catalog_has_action(catalog, sg_str_from(known[i]))) {
            fail_msg("%s fits none", known[i]);
        }
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        if (sg_catalog_has_action(catalog, sg_str_from(unknown[i]))) {
            fail_msg("%s fits one", unknown[i]);
        }
    }
}

static void test_nearest_action(void **state)
{
    (void)state;
    const struct sg_catalog *catalog = load_live();
    assert_string_equal(sg_catalog_nearest_action(catalog, SG_STR("live:ott:deleteFlowOutputs")),
                        "live:ott:deleteFlowOutput");
    assert_null(sg_catalog_nearest_action(catalog, SG_STR("ecs:servers:delete")));
}

static void test_has_param(void **state)
{
    (void)state;
    const struct sg_catalog *catalog = load_live();
    bool multi = true;
    assert_true(sg_catalog_has_param(catalog, SG_PARAM_QUERY, SG_STR("flow_id"), &multi));
    assert_false(multi);
    assert_true(sg_catalog_has_param(catalog, SG_PARAM_QUERY, SG_STR("ip"), &multi));
    assert_true(multi);
    assert_true(sg_catalog_has_param(catalog, SG_PARAM_PATH, SG_STR("project_id"), &multi));
    assert_false(multi);
    assert_true(sg_catalog_has_param(catalog, SG_PARAM_PATH, SG_STR("id"), &multi));
    assert_false(sg_catalog_has_param(catalog, SG_PARAM_PATH, SG_STR("flow_id"), &multi));
    assert_false(sg_catalog_has_param(catalog, SG_PARAM_PATH, SG_STR("v1"), &multi));
    assert_false(sg_catalog_has_param(catalog, SG_PARAM_QUERY, SG_STR("project_id"), &multi));
    assert_false(sg_catalog_has_param(catalog, SG_PARAM_QUERY, SG_STR("Flow_id"), &multi));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows),
        TEST(test_action_is_filled),
        TEST(test_path_without_slash),
        TEST(test_path_with_empty_segment),
        TEST(test_path_with_dot_segment),
        TEST(test_path_with_encoded_segment),
        TEST(test_path_with_half_a_parameter),
        TEST(test_path_with_unclosed_parameter),
        TEST(test_path_with_nameless_parameter),
        TEST(test_path_with_parameter_twice),
        TEST(test_path_too_deep),
        TEST(test_path_with_too_many_parameters),
        TEST(test_deepest_path),
        TEST(test_quoted_path_is_blamed_as_a_whole),
        TEST(test_template_of_unknown_parameter),
        TEST(test_template_of_optional_parameter),
        TEST(test_template_of_multi_parameter),
        TEST(test_template_without_type),
        TEST(test_template_without_path),
        TEST(test_template_with_wildcard),
        TEST(test_template_unclosed),
        TEST(test_query_name_twice),
        TEST(test_query_name_of_path),
        TEST(test_query_name_empty),
        TEST(test_action_with_two_parts),
        TEST(test_action_with_wildcard),
        TEST(test_unknown_access_level),
        TEST(test_doubles),
        TEST(test_all_mistakes_at_once),
        TEST(test_bad_files),
        TEST(test_earlier_errors_do_not_count),
        TEST(test_no_memory),
        TEST(test_missing_file),
        TEST(test_overlays_are_refused),
        TEST(test_live_catalog),
        TEST(test_has_action),
        TEST(test_nearest_action),
        TEST(test_has_param),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
