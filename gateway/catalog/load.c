/*
 * Loading a catalog: from YAML over the field tables to rows that are ready for matching.
 *
 * The tables find what is wrong with single keys: unknown ones, missing ones, types, words. What is
 * left here is what a key means beside others: paths and templates are cut into pieces, a template
 * may name only what its route or its required parameters give, and names and routes must be
 * unique. Every mistake is shown at its place and loading goes on; a row with a mistake just takes
 * no part in what comes later. One mistake, and there is no catalog.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/pieces.h"
#include "catalog/row.h"
#include "catalog/tables.h"
#include "text/yaml_tree.h"

struct load {
    struct sg_arena *arena;
    struct sg_diags *diags;
    struct sg_catalog *catalog;
};

static void *out_of_memory(struct load *load)
{
    sg_diags_error(load->diags, NULL, NULL, "no memory for the catalog");
    return NULL;
}

/*
 * Show what the reading of a key's text said, at the bytes to blame; true when it was good. Quoted
 * texts may hold escapes: there the whole text is to blame.
 */
static bool note(struct load *load, const struct sg_catalog_row_fields *fields, const char *key,
                 enum sg_status status, const struct sg_catalog_mistake *mistake)
{
    struct sg_place place = sg_fields_place(fields, key);
    const struct sg_yaml_node *node = sg_yaml_get(fields->node, key);
    if (status == SG_OK) {
        return true;
    }
    if (status == SG_NO_MEMORY) {
        (void)out_of_memory(load);
        return false;
    }
    if (mistake->count > 0 && !node->quoted) {
        place.column += (unsigned)mistake->at;
        place.width = (unsigned)mistake->count;
    }
    sg_diags_error(load->diags, &place, NULL, "%s: %s", key, mistake->text);
    return false;
}

/* --- rows ------------------------------------------------------------------------------------- */

static const char *const access_levels[] = {"List", "Read", "Write", "Tagging",
                                            "Permission_management"};

static bool check_query_name(struct load *load, const struct sg_catalog_row_fields *fields,
                             const struct sg_catalog_query_fields *query,
                             const struct sg_catalog_row *row)
{
    struct sg_place place = sg_fields_place(query, "name");
    struct sg_str name = sg_str_from(query->name);
    if (name.n == 0) {
        sg_diags_error(load->diags, &place, "write the parameter's name, or leave the entry out",
                       "the name of a query parameter is empty");
        return false;
    }
    if (sg_catalog_has_path_param(row, name)) {
        sg_diags_error(load->diags, &place, NULL,
                       "\"%s\" is a parameter of the path \"%s\" already", query->name,
                       fields->path);
        return false;
    }
    if (sg_catalog_query_rule(&row->operation, name) != NULL) {
        sg_diags_error(load->diags, &place, NULL, "the query parameter \"%s\" stands twice",
                       query->name);
        return false;
    }
    return true;
}

static bool read_query(struct load *load, const struct sg_catalog_row_fields *fields,
                       struct sg_catalog_row *row)
{
    const struct sg_catalog_query_fields *items = fields->query.items;
    bool good = true;
    if (fields->query.count == 0) {
        return true;
    }
    struct sg_query_rule *rules =
        sg_arena_alloc_array(load->arena, fields->query.count, sizeof *rules);
    if (rules == NULL) {
        (void)out_of_memory(load);
        return false;
    }
    row->operation.query = rules;
    for (size_t i = 0; i < fields->query.count; i++) {
        if (items[i].name == NULL || !check_query_name(load, fields, &items[i], row)) {
            good = false;
            continue;
        }
        rules[row->operation.query_count++] = (struct sg_query_rule){
            .name = sg_str_from(items[i].name),
            .required = items[i].required,
            .multi = items[i].multi,
            .format = items[i].format,
            .max_length = (size_t)items[i].max_length,
        };
    }
    return good;
}

/* SERVICE:TYPE:NAME without wildcards. */
static bool is_action(struct sg_str action)
{
    size_t first = sg_str_find(action, ':');
    struct sg_str rest = sg_str_slice(action, first + 1, action.n);
    size_t second = sg_str_find(rest, ':');
    return sg_catalog_is_word(sg_str_slice(action, 0, first)) &&
           sg_catalog_is_word(sg_str_slice(rest, 0, second)) &&
           sg_catalog_is_word(sg_str_slice(rest, second + 1, rest.n));
}

static void check_action(struct load *load, const struct sg_catalog_row_fields *fields)
{
    if (fields->action != NULL && !is_action(sg_str_from(fields->action))) {
        struct sg_place place = sg_fields_place(fields, "action");
        sg_diags_error(load->diags, &place,
                       "expected SERVICE:TYPE:NAME, like live:ott:deleteFlowOutput, or null",
                       "\"%s\" is no action", fields->action);
    }
    if (fields->access_level == NULL) {
        return;
    }
    size_t count = sizeof access_levels / sizeof *access_levels;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(access_levels[i], fields->access_level) == 0) {
            return;
        }
    }
    struct sg_place place = sg_fields_place(fields, "access_level");
    sg_diags_error(load->diags, &place,
                   "expected List, Read, Write, Tagging, Permission_management or null",
                   "\"%s\" is no access level", fields->access_level);
}

/* Whether the row names a method; the table gives the first one where it shows a mistake. */
static bool has_method(const struct sg_catalog_row_fields *fields)
{
    const struct sg_yaml_node *node = sg_yaml_get(fields->node, "method");
    return node != NULL && sg_str_equal_text(node->text, sg_catalog_methods[fields->method]);
}

/* Compile one row. False: it must not take part in the matching. */
static bool read_row(struct load *load, const struct sg_catalog_row_fields *fields,
                     struct sg_catalog_row *row)
{
    struct sg_catalog_mistake mistake;
    if (fields->node == NULL) {
        return false; /* no mapping: the table said so */
    }
    *row = (struct sg_catalog_row){
        .operation = {.operation = sg_str_from(fields->operation),
                      .method = sg_str_from(sg_catalog_methods[fields->method]),
                      .path = sg_str_from(fields->path),
                      .body = (enum sg_body_rule)fields->body,
                      .action = sg_str_from(fields->action),
                      .access_level = sg_str_from(fields->access_level),
                      .resource = sg_str_from(fields->resource),
                      .summary = sg_str_from(fields->summary),
                      .place = fields->node->place},
        .service = load->catalog->service,
    };
    check_action(load, fields);
    if (fields->operation != NULL && !sg_catalog_is_word(row->operation.operation)) {
        struct sg_place place = sg_fields_place(fields, "operation");
        sg_diags_error(load->diags, &place, "expected letters, digits, \"-\" and \"_\"",
                       "\"%s\" is no name of an operation", fields->operation);
    }
    bool has_path =
        fields->path != NULL &&
        note(load, fields, "path", sg_catalog_read_path(row, load->arena, &mistake), &mistake);
    bool has_query = read_query(load, fields, row);
    if (has_path && has_query && fields->resource != NULL) {
        enum sg_status status = sg_catalog_read_resource(row, load->arena, &mistake);
        (void)note(load, fields, "resource", status, &mistake); /* the route is good all the same */
    }
    return has_path && has_method(fields);
}

/* --- what must be unique ---------------------------------------------------------------------- */

/* Rows lie in one array in the order of the file: of equals the earlier comes first. */
static int in_file_order(const struct sg_catalog_row *a, const struct sg_catalog_row *b)
{
    return a < b ? -1 : a > b;
}

static int by_route(const void *left, const void *right)
{
    const struct sg_catalog_row *const *a = left, *const *b = right;
    int order = sg_catalog_compare_routes(*a, *b);
    return order != 0 ? order : in_file_order(*a, *b);
}

static int by_name(const void *left, const void *right)
{
    const struct sg_catalog_row *const *a = left, *const *b = right;
    int order = sg_str_compare((*a)->operation.operation, (*b)->operation.operation);
    return order != 0 ? order : in_file_order(*a, *b);
}

static void check_unique(struct load *load, const struct sg_catalog_row **rows, size_t count)
{
    qsort(rows, count, sizeof *rows, by_name);
    for (size_t i = 1; i < count; i++) {
        const struct sg_operation *first = &rows[i - 1]->operation, *again = &rows[i]->operation;
        if (again->operation.n > 0 && sg_str_equal(first->operation, again->operation)) {
            sg_diags_error(load->diags, &again->place, NULL,
                           "the operation \"%.*s\" stands on line %u already",
                           SG_STR_ARG(again->operation), first->place.line);
        }
    }
    qsort(rows, count, sizeof *rows, by_route);
    for (size_t i = 1; i < count; i++) {
        const struct sg_operation *first = &rows[i - 1]->operation, *again = &rows[i]->operation;
        if (sg_catalog_compare_routes(rows[i - 1], rows[i]) == 0) {
            sg_diags_error(load->diags, &again->place, NULL,
                           "%.*s %.*s is the route of \"%.*s\" on line %u already",
                           SG_STR_ARG(again->method), SG_STR_ARG(again->path),
                           SG_STR_ARG(first->operation), first->place.line);
        }
    }
}

/* --- files ------------------------------------------------------------------------------------ */

static bool read_rows(struct load *load, const struct sg_catalog_file_fields *fields)
{
    struct sg_catalog *catalog = load->catalog;
    const struct sg_catalog_row_fields *items = fields->operations.items;
    size_t count = fields->operations.count, good = 0;
    if (count == 0) {
        return false; /* the table said so */
    }
    catalog->rows = sg_arena_alloc_array(load->arena, count, sizeof *catalog->rows);
    catalog->routes = sg_arena_alloc_array(load->arena, count, sizeof *catalog->routes);
    catalog->actions = sg_arena_alloc_array(load->arena, count, sizeof *catalog->actions);
    if (catalog->rows == NULL || catalog->routes == NULL || catalog->actions == NULL) {
        (void)out_of_memory(load);
        return false;
    }
    catalog->count = count;
    for (size_t i = 0; i < count; i++) {
        if (read_row(load, &items[i], &catalog->rows[i])) {
            catalog->routes[good++] = &catalog->rows[i];
        }
        if (items[i].action != NULL) {
            catalog->actions[catalog->action_count++] = items[i].action;
        }
    }
    check_unique(load, catalog->routes, good);
    return good == count;
}

/* Compile a parsed file. NULL: its mistakes are in the diagnostics. */
static const struct sg_catalog *compile(const char *name, const struct sg_yaml_documents *documents,
                                        size_t errors_before, struct sg_arena *arena,
                                        struct sg_diags *diags)
{
    struct load load = {.arena = arena, .diags = diags};
    struct sg_catalog_file_fields fields;
    if (documents->count == 0) {
        if (sg_diags_errors(diags) == errors_before) {
            struct sg_place place = {.file = name};
            sg_diags_error(diags, &place, "expected version, service and operations",
                           "the catalog is empty");
        }
        return NULL;
    }
    load.catalog = sg_arena_alloc(arena, sizeof *load.catalog);
    if (load.catalog == NULL) {
        return out_of_memory(&load);
    }
    sg_fields_decode(&sg_catalog_file_table, documents->roots[0], "", arena, diags, &fields);
    if (fields.service != NULL && !sg_catalog_is_word(sg_str_from(fields.service))) {
        struct sg_place place = sg_fields_place(&fields, "service");
        sg_diags_error(diags, &place, "expected letters, digits, \"-\" and \"_\"",
                       "\"%s\" is no first part of a resource name", fields.service);
    }
    load.catalog->service = sg_str_from(fields.service);
    bool good = read_rows(&load, &fields);
    return good && sg_diags_errors(diags) == errors_before ? load.catalog : NULL;
}

const struct sg_catalog *sg_catalog_load(const char *const *paths, size_t count,
                                         const struct sg_place *from, struct sg_arena *arena,
                                         struct sg_diags *diags)
{
    struct sg_yaml_documents documents = {0};
    size_t errors_before = sg_diags_errors(diags);
    if (count != 1) {
        sg_diags_error(diags, from, "name one file",
                       count == 0 ? "no catalog file is named"
                                  : "overlays, files behind the first, are not built yet");
        return NULL;
    }
    if (sg_yaml_read(arena, paths[0], SG_YAML_PLAIN, from, diags, &documents) != SG_OK &&
        documents.count == 0) {
        return NULL;
    }
    return compile(paths[0], &documents, errors_before, arena, diags);
}

const struct sg_catalog *sg_catalog_load_text(const char *name, struct sg_str text,
                                              struct sg_arena *arena, struct sg_diags *diags)
{
    struct sg_yaml_documents documents = {0};
    size_t errors_before = sg_diags_errors(diags);
    if (sg_yaml_parse(arena, name, text, SG_YAML_PLAIN, diags, &documents) != SG_OK &&
        documents.count == 0) {
        return NULL;
    }
    return compile(name, &documents, errors_before, arena, diags);
}
