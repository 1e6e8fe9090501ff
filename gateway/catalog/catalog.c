#include "catalog/catalog.h"

#include "catalog/row.h"
#include "text/wildcard.h"

size_t sg_catalog_count(const struct sg_catalog *catalog)
{
    return catalog->count;
}

const struct sg_operation *sg_catalog_at(const struct sg_catalog *catalog, size_t index)
{
    return &catalog->rows[index].operation;
}

bool sg_catalog_has_action(const struct sg_catalog *catalog, struct sg_str pattern)
{
    for (size_t i = 0; i < catalog->action_count; i++) {
        if (sg_wildcard_matches(pattern, sg_str_from(catalog->actions[i]), true)) {
            return true;
        }
    }
    return false;
}

bool sg_catalog_has_path_param(const struct sg_catalog_row *row, struct sg_str name)
{
    for (size_t i = 0; i < row->word_count; i++) {
        if (row->words[i].is_param && sg_str_equal(row->words[i].text, name)) {
            return true;
        }
    }
    return false;
}

const struct sg_query_rule *sg_catalog_query_rule(const struct sg_operation *operation,
                                                  struct sg_str name)
{
    for (size_t i = 0; i < operation->query_count; i++) {
        if (sg_str_equal(operation->query[i].name, name)) {
            return &operation->query[i];
        }
    }
    return NULL;
}

bool sg_catalog_has_param(const struct sg_catalog *catalog, enum sg_param_place place,
                          struct sg_str name, bool *ret_multi)
{
    bool found = false, multi = false;
    for (size_t i = 0; i < catalog->count; i++) {
        const struct sg_catalog_row *row = &catalog->rows[i];
        if (place == SG_PARAM_PATH) {
            found = found || sg_catalog_has_path_param(row, name);
            continue;
        }
        const struct sg_query_rule *rule = sg_catalog_query_rule(&row->operation, name);
        found = found || rule != NULL;
        multi = multi || (rule != NULL && rule->multi);
    }
    *ret_multi = multi;
    return found;
}

const char *sg_catalog_nearest_action(const struct sg_catalog *catalog, struct sg_str text)
{
    return sg_str_nearest(text, catalog->actions, catalog->action_count);
}
