#include "text/json_in.h"

#include <jansson.h>

/* A value is jansson's own, under a name that says nothing of it. */
static const json_t *node_of(const struct sg_json_value *value)
{
    return (const json_t *)value;
}

static const struct sg_json_value *value_of(const json_t *node)
{
    return (const struct sg_json_value *)node;
}

/* The parser recurses, once a level: what is nested too deep never reaches it. */
static bool is_too_deep(struct sg_str text)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (quoted) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                quoted = false;
            }
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            depth++;
            if (depth > SG_JSON_DEPTH_MAX) {
                return true;
            }
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum sg_status sg_json_parse(struct sg_str text, struct sg_json_value **ret,
                             struct sg_error *reterr)
{
    json_error_t error = {.line = 0};
    if (is_too_deep(text)) {
        return sg_error_set(reterr, SG_TOO_LARGE, NULL, "JSON nested deeper than %d levels",
                            SG_JSON_DEPTH_MAX);
    }
    json_t *root = json_loadb(text.n > 0 ? text.p : "", text.n,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root == NULL) {
        if (json_error_code(&error) == json_error_out_of_memory) {
            return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        }
        if (json_error_code(&error) == json_error_duplicate_key) {
            return sg_error_set(reterr, SG_MALFORMED, NULL,
                                "a member stands twice in a JSON object (line %d, column %d)",
                                error.line, error.column);
        }
        return sg_error_set(reterr, SG_MALFORMED, NULL, "no valid JSON (line %d, column %d)",
                            error.line, error.column);
    }
    *ret = (struct sg_json_value *)root;
    return SG_OK;
}

void sg_json_free(struct sg_json_value *root)
{
    json_decref((json_t *)root);
}

bool sg_json_is_object(const struct sg_json_value *value)
{
    return json_is_object(node_of(value));
}

bool sg_json_is_list(const struct sg_json_value *value)
{
    return json_is_array(node_of(value));
}

const struct sg_json_value *sg_json_member(const struct sg_json_value *object, const char *name)
{
    return value_of(json_object_get(node_of(object), name));
}

size_t sg_json_count(const struct sg_json_value *list)
{
    return json_array_size(node_of(list));
}

const struct sg_json_value *sg_json_item(const struct sg_json_value *list, size_t index)
{
    return value_of(json_array_get(node_of(list), index));
}

bool sg_json_get_string(const struct sg_json_value *value, struct sg_str *ret)
{
    if (!json_is_string(node_of(value))) {
        return false;
    }
    *ret = (struct sg_str){.p = json_string_value(node_of(value)),
                           .n = json_string_length(node_of(value))};
    return true;
}

bool sg_json_get_i64(const struct sg_json_value *value, int64_t *ret)
{
    if (!json_is_integer(node_of(value))) {
        return false;
    }
    *ret = json_integer_value(node_of(value));
    return true;
}

struct sg_str sg_json_member_text(struct sg_arena *arena, struct sg_str json, const char *name)
{
    struct sg_json_value *root = NULL;
    struct sg_str text = {.p = NULL};
    if (sg_json_parse(json, &root, NULL) == SG_OK &&
        sg_json_get_string(sg_json_member(root, name), &text)) {
        text = sg_arena_copy(arena, text);
    }
    sg_json_free(root);
    return text.p != NULL ? text : (struct sg_str){.p = NULL};
}
