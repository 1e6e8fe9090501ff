/*
 * Checking a request's parameters against its row, and naming the resource it acts on.
 *
 * Each pair of the query must be one the row knows, stand once, and have the value the row wants;
 * then each parameter the row requires must be there, and a body as the row says. Path parameters
 * need no check: the route has found them, and an empty one is no segment.
 *
 * Only then is the action written: the parameters in one list, those of the path first, and the
 * resource from the row's template. Error texts name the parameter, never its value.
 */

#include "base/object.h"
#include "catalog/format.h"
#include "catalog/row.h"
#include "text/encode.h"

/* A caller's text for an error: its beginning, not cut within a character. */
static struct sg_str shown(struct sg_str s)
{
    enum { SHOWN_BYTES = 64 };
    size_t end = s.n;
    if (end > SHOWN_BYTES) {
        end = SHOWN_BYTES;
        while (((unsigned char)s.p[end] & 0xc0) == 0x80) {
            end--;
        }
    }
    return sg_str_slice(s, 0, end);
}

/* An optional parameter may be empty whatever its format: clients write out what is not set. */
static enum sg_status check_value(const struct sg_query_rule *rule, struct sg_str value,
                                  struct sg_error *reterr)
{
    if (value.n == 0) {
        return !rule->required
                   ? SG_OK
                   : sg_error_set(reterr, SG_MALFORMED, NULL,
                                  "the query parameter \"%.*s\" is empty", SG_STR_ARG(rule->name));
    }
    if (rule->max_length > 0 && value.n > rule->max_length) {
        return sg_error_set(reterr, SG_MALFORMED, NULL,
                            "the query parameter \"%.*s\" is longer than %zu bytes",
                            SG_STR_ARG(rule->name), rule->max_length);
    }
    if (!sg_format_fits(rule->format, value)) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "the query parameter \"%.*s\" must be %s",
                            SG_STR_ARG(rule->name), sg_format_wants(rule->format));
    }
    return SG_OK;
}

/* The pairs are sorted by name, so a name that stands twice stands beside itself. */
static enum sg_status check_query(const struct sg_operation *operation,
                                  const struct sg_target *target, struct sg_error *reterr)
{
    for (size_t i = 0; i < target->pair_count; i++) {
        const struct sg_target_pair *pair = &target->pairs[i];
        const struct sg_query_rule *rule = sg_catalog_query_rule(operation, pair->name);
        if (rule == NULL) {
            return sg_error_set(reterr, SG_MALFORMED, NULL, "%.*s has no query parameter \"%.*s\"",
                                SG_STR_ARG(operation->operation), SG_STR_ARG(shown(pair->name)));
        }
        if (!rule->multi && i > 0 && sg_str_equal(pair->name, pair[-1].name)) {
            return sg_error_set(reterr, SG_MALFORMED, NULL,
                                "the query parameter \"%.*s\" stands twice",
                                SG_STR_ARG(rule->name));
        }
        enum sg_status status = check_value(rule, pair->value, reterr);
        if (status != SG_OK) {
            return status;
        }
    }
    return SG_OK;
}

static bool has_pair(const struct sg_target *target, struct sg_str name)
{
    for (size_t i = 0; i < target->pair_count; i++) {
        if (sg_str_equal(target->pairs[i].name, name)) {
            return true;
        }
    }
    return false;
}

static enum sg_status check_required(const struct sg_operation *operation,
                                     const struct sg_target *target, struct sg_error *reterr)
{
    for (size_t i = 0; i < operation->query_count; i++) {
        const struct sg_query_rule *rule = &operation->query[i];
        if (rule->required && !has_pair(target, rule->name)) {
            return sg_error_set(reterr, SG_MALFORMED, NULL,
                                "the query parameter \"%.*s\" is missing", SG_STR_ARG(rule->name));
        }
    }
    return SG_OK;
}

static enum sg_status check_body(const struct sg_operation *operation, bool has_body,
                                 struct sg_error *reterr)
{
    if (has_body && operation->body == SG_BODY_NONE) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "%.*s takes no body",
                            SG_STR_ARG(operation->operation));
    }
    if (!has_body && operation->body == SG_BODY_REQUIRED) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "%.*s needs a body",
                            SG_STR_ARG(operation->operation));
    }
    return SG_OK;
}

/* --- the resource ----------------------------------------------------------------------------- */

/* Of a parameter that stands once: loading saw to it that a template names no other. */
static struct sg_str value_of(const struct sg_param *params, size_t count, struct sg_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (sg_str_equal(params[i].name, name)) {
            return params[i].value;
        }
    }
    SG_ASSERT(false);
    return SG_STR("");
}

/*
 * Write SERVICE:REGION:ACCOUNT:TEMPLATE. Values are percent-encoded, so that none of them can look
 * like the structure around it.
 */
static bool write_resource(const struct sg_catalog_row *row,
                           const struct sg_catalog_service *service, struct sg_arena *arena,
                           struct sg_action *action)
{
    enum { ENCODED_MAX = 3 }; /* bytes that one byte can become */
    size_t plain = row->service.n + service->region.n + service->account.n + 3;
    for (size_t i = 0; i < row->resource_count; i++) {
        const struct sg_catalog_piece *piece = &row->resource[i];
        plain += piece->is_param ? value_of(action->params, action->param_count, piece->text).n
                                 : piece->text.n;
    }
    char *bytes = sg_arena_alloc(arena, plain * ENCODED_MAX);
    if (bytes == NULL) {
        return false;
    }
    struct sg_buf out;
    sg_buf_init_fixed(&out, bytes, plain * ENCODED_MAX);
    sg_buf_add_str(&out, row->service);
    sg_buf_add_char(&out, ':');
    sg_percent_encode(&out, service->region);
    sg_buf_add_char(&out, ':');
    sg_percent_encode(&out, service->account);
    sg_buf_add_char(&out, ':');
    for (size_t i = 0; i < row->resource_count; i++) {
        const struct sg_catalog_piece *piece = &row->resource[i];
        if (piece->is_param) {
            sg_percent_encode(&out, value_of(action->params, action->param_count, piece->text));
        } else {
            sg_buf_add_str(&out, piece->text);
        }
    }
    action->resource = sg_buf_str(&out);
    return true;
}

static bool copy_params(const struct sg_route *route, const struct sg_target *target,
                        struct sg_arena *arena, struct sg_action *action)
{
    size_t count = route->param_count + target->pair_count;
    struct sg_param *params = sg_arena_alloc_array(arena, count > 0 ? count : 1, sizeof *params);
    if (params == NULL) {
        return false;
    }
    for (size_t i = 0; i < route->param_count; i++) {
        params[i] = route->params[i];
    }
    for (size_t i = 0; i < target->pair_count; i++) {
        params[route->param_count + i] = (struct sg_param){.place = SG_PARAM_QUERY,
                                                           .name = target->pairs[i].name,
                                                           .value = target->pairs[i].value};
    }
    action->params = params;
    action->param_count = count;
    return true;
}

enum sg_status sg_catalog_check(const struct sg_route *route, const struct sg_target *target,
                                bool has_body, const struct sg_catalog_service *service,
                                struct sg_arena *arena, struct sg_action *ret,
                                struct sg_error *reterr)
{
    const struct sg_operation *operation = route->operation;
    enum sg_status status = check_query(operation, target, reterr);
    if (status == SG_OK) {
        status = check_required(operation, target, reterr);
    }
    if (status == SG_OK) {
        status = check_body(operation, has_body, reterr);
    }
    if (status != SG_OK) {
        return status;
    }
    struct sg_action action = {
        .service = service->name,
        .operation = operation->operation,
        .method = operation->method,
        .name = operation->action,
        .access_level = operation->access_level,
        .region = service->region,
        .account = service->account,
        .project_id = route->project_id,
    };
    if (!copy_params(route, target, arena, &action) ||
        !write_resource(sg_catalog_row_of(operation), service, arena, &action)) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "no memory for the parameters");
    }
    *ret = action;
    return SG_OK;
}
