#include "catalog/pieces.h"

#include <string.h>

#include "text/encode.h"

bool sg_catalog_is_word(struct sg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!sg_is_unreserved(s.p[i]) || s.p[i] == '.' || s.p[i] == '~') {
            return false;
        }
    }
    return s.n > 0;
}

static enum sg_status mistake(struct sg_catalog_mistake *ret, const char *text, size_t at,
                              size_t count)
{
    *ret = (struct sg_catalog_mistake){.text = text, .at = at, .count = count};
    return SG_CONFIG;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* Whether a segment may stand literally: pchar of RFC 3986 without "%", and no dot segment. */
static bool is_literal_segment(struct sg_str segment)
{
    static const char others[] = "!$&'()*+,;=:@";
    for (size_t i = 0; i < segment.n; i++) {
        if (!sg_is_unreserved(segment.p[i]) &&
            memchr(others, segment.p[i], sizeof others - 1) == NULL) {
            return false;
        }
    }
    return !sg_str_equal(segment, SG_STR(".")) && !sg_str_equal(segment, SG_STR(".."));
}

/* Read the segment that begins at the byte at into the row's next word. */
static enum sg_status read_segment(struct sg_catalog_row *row, struct sg_str segment, size_t at,
                                   struct sg_catalog_mistake *ret_mistake)
{
    struct sg_catalog_piece *word = &row->words[row->word_count];
    if (segment.n == 0 || segment.p[0] != '{') {
        if (!is_literal_segment(segment)) {
            return mistake(ret_mistake, "expected plain text, or one {name} as the whole segment",
                           at, segment.n);
        }
        *word = (struct sg_catalog_piece){.text = segment};
        row->word_count++;
        return SG_OK;
    }
    struct sg_str name = sg_str_slice(segment, 1, segment.n - 1);
    if (segment.p[segment.n - 1] != '}' || !sg_catalog_is_word(name)) {
        return mistake(ret_mistake,
                       "expected {name}, of letters, digits, \"-\" and \"_\", as the whole segment",
                       at, segment.n);
    }
    if (sg_catalog_has_path_param(row, name)) {
        return mistake(ret_mistake, "the path has this parameter twice", at, segment.n);
    }
    *word = (struct sg_catalog_piece){.text = name, .is_param = true};
    row->word_count++;
    return SG_OK;
}

enum sg_status sg_catalog_read_path(struct sg_catalog_row *row, struct sg_arena *arena,
                                    struct sg_catalog_mistake *ret_mistake)
{
    struct sg_str path = row->operation.path;
    size_t slashes = 0, params = 0;
    for (size_t i = 0; i < path.n; i++) {
        slashes += path.p[i] == '/';
        params += path.p[i] == '{';
    }
    if (path.n == 0 || path.p[0] != '/') {
        return mistake(ret_mistake, "expected a path that begins with \"/\"", 0, 0);
    }
    if (slashes > SG_TARGET_SEGMENTS_MAX || params > SG_ROUTE_PARAMS_MAX) {
        return mistake(ret_mistake, "expected at most 32 segments and 16 parameters", 0, 0);
    }
    row->words = sg_arena_alloc_array(arena, slashes + 1, sizeof *row->words);
    if (row->words == NULL) {
        return SG_NO_MEMORY;
    }
    row->words[0] = (struct sg_catalog_piece){.text = row->operation.method};
    row->word_count = 1;
    for (size_t at = 1; path.n > 1 && at <= path.n;) {
        struct sg_str rest = sg_str_slice(path, at, path.n);
        size_t length = sg_str_find(rest, '/');
        if (length == 0 && rest.n > 0) {
            return mistake(ret_mistake, "an empty segment, which no request may have", at, 1);
        }
        enum sg_status status = read_segment(row, sg_str_slice(rest, 0, length), at, ret_mistake);
        if (status != SG_OK) {
            return status;
        }
        at += length + 1;
    }
    return SG_OK;
}

/* --- templates -------------------------------------------------------------------------------- */

/* What keeps a parameter from standing in the template, or NULL. */
static const char *judge_param(const struct sg_catalog_row *row, struct sg_str name)
{
    const struct sg_query_rule *rule = sg_catalog_query_rule(&row->operation, name);
    if (sg_catalog_has_path_param(row, name)) {
        return NULL;
    }
    if (rule == NULL) {
        return "the operation has no such parameter";
    }
    if (rule->multi) {
        return "a parameter that may stand several times names no single resource";
    }
    return rule->required ? NULL : "a parameter that is not required may be missing";
}

/* Read the literal text that begins at the byte at of the template. */
static enum sg_status read_text(struct sg_catalog_row *row, struct sg_str rest, size_t at,
                                struct sg_catalog_mistake *ret_mistake)
{
    struct sg_str text = sg_str_slice(rest, 0, sg_str_find(rest, '{'));
    for (size_t i = 0; i < text.n; i++) {
        if (!sg_is_unreserved(text.p[i]) && text.p[i] != ':' && text.p[i] != '/') {
            return mistake(ret_mistake, "expected letters, digits, \"-._~:/\" and {name}", at + i,
                           1);
        }
    }
    row->resource[row->resource_count++] = (struct sg_catalog_piece){.text = text};
    return SG_OK;
}

/* Read the "{name}" that begins at the byte at of the template. */
static enum sg_status read_name(struct sg_catalog_row *row, struct sg_str rest, size_t at,
                                struct sg_catalog_mistake *ret_mistake)
{
    size_t close = sg_str_find(rest, '}');
    struct sg_str name = sg_str_slice(rest, 1, close);
    if (close == rest.n || !sg_catalog_is_word(name)) {
        return mistake(ret_mistake, "expected {name}, of letters, digits, \"-\" and \"_\"", at, 1);
    }
    const char *wrong = judge_param(row, name);
    if (wrong != NULL) {
        return mistake(ret_mistake, wrong, at, close + 1);
    }
    row->resource[row->resource_count++] =
        (struct sg_catalog_piece){.text = name, .is_param = true};
    return SG_OK;
}

enum sg_status sg_catalog_read_resource(struct sg_catalog_row *row, struct sg_arena *arena,
                                        struct sg_catalog_mistake *ret_mistake)
{
    struct sg_str template = row->operation.resource;
    size_t most = 1; /* pieces there can be: each parameter and what is before it, and the rest */
    for (size_t i = 0; i < template.n; i++) {
        most += template.p[i] == '{' ? 2 : 0;
    }
    size_t colon = sg_str_find(template, ':');
    if (!sg_catalog_is_word(sg_str_slice(template, 0, colon)) || colon + 1 >= template.n) {
        return mistake(ret_mistake, "expected TYPE:PATH, like flow:{flow_id}", 0, 0);
    }
    row->resource = sg_arena_alloc_array(arena, most, sizeof *row->resource);
    if (row->resource == NULL) {
        return SG_NO_MEMORY;
    }
    for (size_t at = 0; at < template.n;) {
        struct sg_str rest = sg_str_slice(template, at, template.n);
        bool opens = rest.p[0] == '{';
        enum sg_status status =
            opens ? read_name(row, rest, at, ret_mistake) : read_text(row, rest, at, ret_mistake);
        if (status != SG_OK) {
            return status;
        }
        at += opens ? sg_str_find(rest, '}') + 1 : sg_str_find(rest, '{');
    }
    return SG_OK;
}
