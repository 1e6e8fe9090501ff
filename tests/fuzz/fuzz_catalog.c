/*
 * catalog: any method and target against the catalog of the product.
 *
 * What is accepted is spelled by its row: the row's path with the parameters put in is the path,
 * every parameter of the query is one of the row's, within its rules, and those that must be there
 * are. In the resource's name no byte of a value can be taken for its structure.
 *
 * Input: "b" when there is a body or another byte, the method, a blank, the target.
 */
#include "base/diags.h"
#include "catalog/catalog.h"
#include "fuzz.h"

enum { CATALOG_BYTES = 64 << 20, REQUEST_BYTES = 1 << 20 };

/* Values that would change a name's structure if they stood in it as they are. */
static const struct sg_catalog_service service = {
    .name = SG_STR("live"), .region = SG_STR("r:1/*"), .account = SG_STR("a?b")};

static const struct sg_catalog *load(void)
{
    static struct sg_arena arena; /* for as long as the program runs */
    const char *source = getenv("SG_SOURCE_DIR");
    char path[4096];
    const char *const paths[] = {path};
    const struct sg_place from = {.file = "fuzz_catalog"};
    struct sg_diags *diags = sg_diags_new();
    CHECK(diags != NULL);
    (void)snprintf(path, sizeof path, "%s/config/catalog/live.yaml",
                   source != NULL ? source : SG_SOURCE_DIR);
    sg_arena_init(&arena, CATALOG_BYTES);
    const struct sg_catalog *catalog = sg_catalog_load(paths, 1, &from, &arena, diags);
    CHECK(catalog != NULL);
    sg_diags_free(diags);
    return catalog;
}

static struct sg_str param_of(const struct sg_route *route, struct sg_str name)
{
    for (size_t i = 0; i < route->param_count; i++) {
        if (sg_str_equal(route->params[i].name, name)) {
            return route->params[i].value;
        }
    }
    return (struct sg_str){.p = NULL};
}

/* Each segment of the row's path is the target's: itself, or the value of its parameter. */
static void check_path(const struct sg_route *route, const struct sg_target *target)
{
    struct sg_str rest = route->operation->path;
    size_t params = 0, segments = 0;
    rest = sg_str_slice(rest, 1, rest.n);
    while (rest.n > 0) {
        struct sg_str piece = fuzz_take_until(&rest, '/');
        CHECK(segments < target->segment_count);
        if (piece.p[0] == '{') {
            struct sg_str name = sg_str_slice(piece, 1, piece.n - 1);
            CHECK(sg_str_equal(param_of(route, name), target->segments[segments]));
            params++;
        } else {
            CHECK(sg_str_equal(piece, target->segments[segments]));
        }
        segments++;
    }
    CHECK(segments == target->segment_count);
    CHECK(params == route->param_count);
}

static const struct sg_query_rule *rule_of(const struct sg_operation *operation, struct sg_str name)
{
    for (size_t i = 0; i < operation->query_count; i++) {
        if (sg_str_equal(operation->query[i].name, name)) {
            return &operation->query[i];
        }
    }
    return NULL;
}

static size_t count_params(const struct sg_action *action, struct sg_str name)
{
    size_t count = 0;
    for (size_t i = 0; i < action->param_count; i++) {
        count +=
            action->params[i].place == SG_PARAM_QUERY && sg_str_equal(action->params[i].name, name);
    }
    return count;
}

static void check_query(const struct sg_operation *operation, const struct sg_action *action)
{
    for (size_t i = 0; i < action->param_count; i++) {
        const struct sg_param *param = &action->params[i];
        if (param->place == SG_PARAM_QUERY) {
            const struct sg_query_rule *rule = rule_of(operation, param->name);
            CHECK(rule != NULL);
            CHECK(rule->max_length == 0 || param->value.n <= rule->max_length);
            CHECK(!rule->required || param->value.n > 0);
        }
    }
    for (size_t i = 0; i < operation->query_count; i++) {
        const struct sg_query_rule *rule = &operation->query[i];
        size_t count = count_params(action, rule->name);
        CHECK(!rule->required || count > 0);
        CHECK(rule->multi || count <= 1);
    }
}

static size_t count_of(struct sg_str s, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < s.n; i++) {
        count += s.p[i] == c;
    }
    return count;
}

/* SERVICE:REGION:ACCOUNT:TEMPLATE has as many separators as the template and the three. */
static void check_resource(const struct sg_operation *operation, const struct sg_action *action)
{
    CHECK(count_of(action->resource, ':') == count_of(operation->resource, ':') + 3);
    CHECK(count_of(action->resource, '/') == count_of(operation->resource, '/'));
    for (size_t i = 0; i < action->resource.n; i++) {
        char c = action->resource.p[i];
        char lower = sg_ascii_lower(c);
        CHECK((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("-._~%:/", c) != NULL));
    }
}

static void check_route(const struct sg_catalog *catalog, const struct sg_route *route,
                        struct sg_str method, const struct sg_target *target, bool has_body,
                        struct sg_arena *arena)
{
    const struct sg_operation *operation = route->operation;
    struct sg_action action;
    struct sg_error error = {.text = ""};
    bool ours = false;
    for (size_t i = 0; i < sg_catalog_count(catalog); i++) {
        ours = ours || sg_catalog_at(catalog, i) == operation;
    }
    CHECK(ours);
    CHECK(sg_str_equal(method, operation->method));
    check_path(route, target);
    enum sg_status status =
        sg_catalog_check(route, target, has_body, &service, arena, &action, &error);
    if (status != SG_OK) {
        CHECK(status == SG_MALFORMED && error.text[0] != '\0');
        return;
    }
    CHECK(action.param_count == route->param_count + target->pair_count);
    CHECK(sg_str_equal(action.name, operation->action));
    CHECK(operation->body == SG_BODY_OPTIONAL || has_body == (operation->body == SG_BODY_REQUIRED));
    check_query(operation, &action);
    check_resource(operation, &action);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sg_catalog *catalog;
    struct sg_str input = {.p = (const char *)data, .n = size};
    bool has_body = fuzz_take_byte(&input) == 'b';
    struct sg_str method = fuzz_take_until(&input, ' ');
    struct sg_target target;
    struct sg_route route = {.operation = NULL};
    struct sg_error error;
    struct sg_arena arena;
    catalog = catalog != NULL ? catalog : load();
    sg_arena_init(&arena, REQUEST_BYTES);
    if (sg_target_parse(&arena, input, SG_STR(""), &target, &error) == SG_OK) {
        switch (sg_catalog_route(catalog, method, &target, &route)) {
        case SG_REFUSAL_NONE:
            CHECK(route.operation->action.n > 0);
            check_route(catalog, &route, method, &target, has_body, &arena);
            break;
        case SG_REFUSAL_UNMAPPED_OPERATION:
            CHECK(route.operation->action.n == 0);
            check_route(catalog, &route, method, &target, has_body, &arena);
            break;
        case SG_REFUSAL_BAD_REQUEST:
            CHECK(target.trailing_slash);
            break;
        default:
            CHECK(route.operation == NULL);
            break;
        }
    }
    sg_arena_done(&arena);
    return 0;
}
