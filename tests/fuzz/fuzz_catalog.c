/*
 * Any method and target against the shipped catalog: what is accepted has only parameters of its
 * row, all that are required, and a resource in which no value can look like structure. Input:
 * "METHOD TARGET".
 */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "catalog/catalog.h"
#include "text/encode.h"

static const struct sg_catalog *load(void)
{
    static struct sg_arena arena; /* as long as the process */
    static const struct sg_catalog *catalog;
    char path[4096];
    const char *source = getenv("SG_SOURCE_DIR"), *const paths[] = {path};
    if (catalog == NULL) {
        struct sg_diags *diags = sg_diags_new();
        (void)snprintf(path, sizeof path, "%s/config/catalog/live.yaml",
                       source != NULL ? source : SG_SOURCE_DIR);
        sg_arena_init(&arena, 64u << 20);
        catalog = sg_catalog_load(paths, 1, NULL, &arena, diags);
        HOLDS(catalog != NULL && sg_diags_errors(diags) == 0);
        sg_diags_free(diags);
    }
    return catalog;
}

static size_t count_of(const struct sg_operation *row, struct sg_str name, const bool **ret_multi)
{
    for (size_t i = 0; i < row->query_count; i++) {
        if (sg_str_equal(row->query[i].name, name)) {
            *ret_multi = &row->query[i].multi;
            return 1;
        }
    }
    return 0;
}

/* "live:region:account:type:..." : values hold no byte that separates. */
static void check_resource(const struct sg_action *action)
{
    size_t colons = 0;
    for (size_t i = 0; i < action->resource.n; i++) {
        char c = action->resource.p[i];
        colons += c == ':';
        HOLDS(sg_is_unreserved(c) || c == ':' || c == '/' || c == '%');
    }
    HOLDS(colons == 4);
}

static void check_action(const struct sg_operation *row, const struct sg_action *action)
{
    HOLDS(sg_str_equal(action->name, row->action) && action->name.n > 0);
    check_resource(action);
    for (size_t i = 0; i < action->param_count; i++) {
        const struct sg_param *param = &action->params[i];
        const bool *multi = NULL;
        if (param->place != SG_PARAM_QUERY) {
            continue;
        }
        HOLDS(count_of(row, param->name, &multi) == 1);
        for (size_t k = 0; k < i; k++) {
            HOLDS(*multi || action->params[k].place != SG_PARAM_QUERY ||
                  !sg_str_equal(action->params[k].name, param->name));
        }
    }
    for (size_t i = 0; i < row->query_count; i++) {
        bool found = !row->query[i].required;
        for (size_t k = 0; k < action->param_count; k++) {
            found = found || (action->params[k].place == SG_PARAM_QUERY &&
                              sg_str_equal(action->params[k].name, row->query[i].name) &&
                              action->params[k].value.n > 0);
        }
        HOLDS(found);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const struct sg_str input = {.p = (const char *)bytes, .n = count};
    const size_t space = sg_str_find(input, ' ');
    const struct sg_str method = sg_str_slice(input, 0, space);
    const struct sg_catalog *catalog = load();
    const struct sg_catalog_service service = {
        .name = SG_STR("live"), .region = SG_STR("cn-north-4"), .account = SG_STR("")};
    struct sg_arena arena;
    struct sg_target target;
    struct sg_error error;
    sg_arena_init(&arena, 1 << 20);
    if (sg_target_parse(&arena, sg_str_slice(input, space + 1, count), SG_STR("h"), &target,
                        &error) == SG_OK) {
        struct sg_route route;
        struct sg_action action;
        if (sg_catalog_route(catalog, method, &target, &route) == SG_REFUSAL_NONE) {
            HOLDS(sg_str_equal(route.operation->method, method));
            for (int has_body = 0; has_body < 2; has_body++) {
                if (sg_catalog_check(&route, &target, has_body, &service, &arena, &action,
                                     &error) == SG_OK) {
                    HOLDS(has_body ? route.operation->body != SG_BODY_NONE
                                   : route.operation->body != SG_BODY_REQUIRED);
                    check_action(route.operation, &action);
                }
            }
        }
    }
    sg_arena_done(&arena);
    return 0;
}
