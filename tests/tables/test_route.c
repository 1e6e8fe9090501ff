/*
 * Routes and parameters: "METHOD TARGET" or "METHOD TARGET +body" leads to
 *
 *     OPERATION ACTION RESOURCE
 *     refused: CODE               by the route; an unmapped one is named behind it
 *     malformed: TEXT             by the target or the parameters
 *
 * and, where @params is "yes", to the decoded parameters behind that. @catalog is a file below the
 * source directory; @region and @account go into resources.
 */
#include <stdio.h>
#include <string.h>

#include "catalog/catalog.h"
#include "table.h"

/* The catalog of the cases before, since most share theirs. */
struct loaded {
    char path[4096];
    struct sg_arena arena;
    const struct sg_catalog *catalog;
};

/* NULL: *got says why. */
static const struct sg_catalog *load(struct loaded *loaded, const struct table_case *test,
                                     struct sg_buf *got)
{
    char path[sizeof loaded->path];
    const char *const paths[] = {path};
    (void)snprintf(path, sizeof path, "%s/%.*s", SG_SOURCE_DIR,
                   SG_STR_ARG(table_setting(test, "catalog")));
    if (loaded->catalog != NULL && strcmp(loaded->path, path) == 0) {
        return loaded->catalog;
    }
    struct sg_diags *diags = sg_diags_new();
    sg_arena_done(&loaded->arena);
    loaded->catalog = sg_catalog_load(paths, 1, NULL, &loaded->arena, diags);
    memcpy(loaded->path, path, sizeof path);
    if (loaded->catalog == NULL) {
        sg_diags_print_text(diags, got);
    }
    sg_diags_free(diags);
    return loaded->catalog;
}

static void add_params(struct sg_buf *got, const struct sg_action *action)
{
    for (size_t i = 0; i < action->param_count; i++) {
        const struct sg_param *param = &action->params[i];
        sg_buf_printf(got, " %s:%.*s=%.*s", param->place == SG_PARAM_PATH ? "path" : "query",
                      SG_STR_ARG(param->name), SG_STR_ARG(param->value));
    }
}

static void judge(void *arg, const struct table_case *test, struct sg_buf *got)
{
    const struct sg_catalog *catalog = load(arg, test, got);
    size_t blank = sg_str_find(test->input, ' ');
    struct sg_str method = sg_str_slice(test->input, 0, blank);
    struct sg_str raw = sg_str_slice(test->input, blank + 1, test->input.n);
    bool has_body = sg_str_ends_with(raw, SG_STR(" +body"));
    const struct sg_catalog_service service = {.name = SG_STR("live"),
                                               .region = table_setting(test, "region"),
                                               .account = table_setting(test, "account")};
    struct sg_target target;
    struct sg_route route;
    struct sg_action action;
    struct sg_error error;
    if (catalog == NULL) {
        return;
    }
    if (has_body) {
        raw.n -= SG_STR(" +body").n;
    }
    if (sg_target_parse(test->arena, raw, SG_STR("h"), &target, &error) != SG_OK) {
        sg_buf_printf(got, "malformed: %s", error.text);
        return;
    }
    enum sg_refusal refusal = sg_catalog_route(catalog, method, &target, &route);
    if (refusal == SG_REFUSAL_UNMAPPED_OPERATION) {
        sg_buf_printf(got, "refused: %s %.*s", sg_refusal_row(refusal)->code,
                      SG_STR_ARG(route.operation->operation));
        return;
    }
    if (refusal != SG_REFUSAL_NONE) {
        sg_buf_printf(got, "refused: %s", sg_refusal_row(refusal)->code);
        return;
    }
    if (sg_catalog_check(&route, &target, has_body, &service, test->arena, &action, &error) !=
        SG_OK) {
        sg_buf_printf(got, "malformed: %s", error.text);
        return;
    }
    sg_buf_printf(got, "%.*s %.*s %.*s", SG_STR_ARG(action.operation), SG_STR_ARG(action.name),
                  SG_STR_ARG(action.resource));
    if (sg_str_equal(table_setting(test, "params"), SG_STR("yes"))) {
        add_params(got, &action);
    }
}

int main(void)
{
    static const char *const files[] = {"tests/tables/route.table", "tests/tables/live.table"};
    struct loaded loaded = {0};
    sg_arena_init(&loaded.arena, 64 * 1024 * 1024);
    int status = table_run(files, sizeof files / sizeof *files, judge, &loaded);
    sg_arena_done(&loaded.arena);
    return status;
}
