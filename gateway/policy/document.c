#include "policy/document.h"

#include <stdio.h>
#include <string.h>

#include "policy/set.h"
#include "text/fields.h"
#include "text/yaml_tree.h"

/*
 * The document's own grammar is two field tables (the document, a statement); what a table cannot
 * say follows by hand: the version, pairs that exclude each other, patterns, labels. A statement
 * with a mistake is still read to its end, so that one run shows all of them.
 */

enum { SID_BYTES_MAX = 128, NUMBER_BYTES = 24 };

struct document_settings {
    const struct sg_yaml_node *node;
    const struct sg_yaml_node *version;
    const struct sg_yaml_node *statement;
};

static const struct sg_field document_rows[] = {
    {.key = "Version",
     .type = SG_FIELD_NODE,
     .offset = offsetof(struct document_settings, version),
     .required = true,
     .summary = "\"5.0\""},
    {.key = "Statement",
     .type = SG_FIELD_NODE,
     .offset = offsetof(struct document_settings, statement),
     .required = true,
     .summary = "the list of statements"},
};

static const struct sg_fields document_fields = {
    .name = "document",
    .rows = document_rows,
    .count = sizeof document_rows / sizeof *document_rows,
    .size = sizeof(struct document_settings),
};

struct statement_settings {
    const struct sg_yaml_node *node;
    const char *sid;
    int effect;
    struct sg_texts action, not_action, resource, not_resource;
    const struct sg_yaml_node *condition;
};

enum { EFFECT_ALLOW = 0, EFFECT_DENY };
static const char *const effects[] = {"Allow", "Deny", NULL};

static const struct sg_field statement_rows[] = {
    {.key = "Sid",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct statement_settings, sid),
     .summary = "name of the statement in records; default: its number from 1"},
    {.key = "Effect",
     .type = SG_FIELD_WORD,
     .offset = offsetof(struct statement_settings, effect),
     .required = true,
     .words = effects,
     .summary = "Allow or Deny"},
    {.key = "Action",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct statement_settings, action),
     .one_is_list = true,
     .not_empty = true,
     .summary = "patterns of actions, case-insensitive"},
    {.key = "NotAction",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct statement_settings, not_action),
     .one_is_list = true,
     .not_empty = true,
     .summary = "all actions but these"},
    {.key = "Resource",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct statement_settings, resource),
     .one_is_list = true,
     .not_empty = true,
     .summary = "patterns of resources, case-sensitive; default: everything"},
    {.key = "NotResource",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct statement_settings, not_resource),
     .one_is_list = true,
     .not_empty = true,
     .summary = "all resources but these"},
    {.key = "Condition",
     .type = SG_FIELD_NODE,
     .offset = offsetof(struct statement_settings, condition),
     .summary = "operators, keys and values that must hold"},
};

static const struct sg_fields statement_fields = {
    .name = "document.Statement[]",
    .rows = statement_rows,
    .count = sizeof statement_rows / sizeof *statement_rows,
    .size = sizeof(struct statement_settings),
};

/* --- one statement ---------------------------------------------------------------------------- */

static void warn_unknown_action(const struct sg_policy_load *load, const struct sg_yaml_node *node)
{
    const struct sg_vocabulary *vocabulary = load->vocabulary;
    if (vocabulary == NULL || vocabulary->has_action == NULL ||
        vocabulary->has_action(vocabulary->arg, node->text)) {
        return;
    }
    char help[256] = "";
    const char *nearest = vocabulary->nearest_action != NULL
                              ? vocabulary->nearest_action(vocabulary->arg, node->text)
                              : NULL;
    if (nearest != NULL) {
        (void)snprintf(help, sizeof help, "nearest: \"%s\"", nearest);
    }
    sg_diags_warning(load->diags, &node->place, nearest != NULL ? help : NULL,
                     "no catalog row has the action \"%.*s\"", SG_STR_ARG(node->text));
}

/*
 * Take one of a pair such as Action and NotAction. Given says whether a key stands there, also when
 * its value is wrong: that has its own error.
 */
static struct sg_patterns take_patterns(const struct sg_policy_load *load,
                                        const struct statement_settings *settings, const char *key,
                                        const char *not_key, const struct sg_texts *texts,
                                        const struct sg_texts *not_texts, bool *ret_given)
{
    bool given = sg_yaml_get(settings->node, key) != NULL;
    bool negated = sg_yaml_get(settings->node, not_key) != NULL;
    const struct sg_texts *source = negated ? not_texts : texts;
    struct sg_patterns patterns = {.negated = negated};
    *ret_given = given || negated;
    if (given && negated) {
        struct sg_place place = sg_yaml_place(settings->node, not_key);
        sg_diags_error(load->diags, &place, "write one of them",
                       "\"%s\" and \"%s\" exclude each other", key, not_key);
        return patterns;
    }
    struct sg_str *items = sg_arena_alloc_array(load->arena, source->count, sizeof *items);
    if (items == NULL) {
        sg_policy_no_memory(load);
        return patterns;
    }
    for (size_t i = 0; i < source->count; i++) {
        items[i] = sg_str_from(source->items[i]);
        if (items[i].n == 0) {
            sg_diags_error(load->diags, &source->nodes[i]->place, "write \"*\" for all of them",
                           "an empty pattern fits nothing");
        }
    }
    patterns.items = items;
    patterns.count = source->count;
    return patterns;
}

static struct sg_str label_of(const struct sg_policy_load *load,
                              const struct statement_settings *settings, size_t index)
{
    char number[NUMBER_BYTES];
    struct sg_str sid = sg_str_from(settings->sid);
    if (sid.n == 0) {
        (void)snprintf(number, sizeof number, "%zu", index + 1);
        sid = sg_arena_copy(load->arena, sg_str_from(number));
        if (sid.p == NULL) {
            sg_policy_no_memory(load);
        }
        return sid;
    }
    bool clean = sid.n <= SID_BYTES_MAX;
    for (size_t i = 0; i < sid.n; i++) {
        unsigned char c = (unsigned char)sid.p[i];
        clean = clean && c >= 0x20 && c != 0x7f;
    }
    if (!clean) {
        struct sg_place place = sg_yaml_place(settings->node, "Sid");
        sg_diags_error(load->diags, &place, "expected at most 128 bytes on one line",
                       "the Sid is too long or holds control characters");
    }
    return sid;
}

static void compile_statement(const struct sg_policy_load *load,
                              const struct statement_settings *settings, size_t index,
                              struct sg_statement *ret)
{
    bool has_action, has_resource;
    ret->label = label_of(load, settings, index);
    ret->deny = settings->effect == EFFECT_DENY;
    ret->actions = take_patterns(load, settings, "Action", "NotAction", &settings->action,
                                 &settings->not_action, &has_action);
    ret->resources = take_patterns(load, settings, "Resource", "NotResource", &settings->resource,
                                   &settings->not_resource, &has_resource);
    if (!has_action) {
        sg_diags_error(load->diags, &settings->node->place,
                       "write Action: [\"*\"] if every action is meant",
                       "a statement needs Action or NotAction");
    }
    const struct sg_texts *actions =
        ret->actions.negated ? &settings->not_action : &settings->action;
    for (size_t i = 0; i < ret->actions.count; i++) {
        if (ret->actions.items[i].n > 0) {
            warn_unknown_action(load, actions->nodes[i]);
        }
    }
    if (settings->condition != NULL) {
        sg_condition_compile(load, settings->condition, &ret->conditions, &ret->condition_count);
    }
}

/* --- the document ----------------------------------------------------------------------------- */

static void check_version(const struct sg_policy_load *load, const struct sg_yaml_node *version)
{
    if (version->kind == SG_YAML_SCALAR && sg_str_equal(version->text, SG_STR("5.0"))) {
        return;
    }
    if (version->kind == SG_YAML_SCALAR && sg_str_equal(version->text, SG_STR("1.1"))) {
        sg_diags_error(load->diags, &version->place,
                       "to convert: write Version: \"5.0\", name each action as in the catalog "
                       "(service:type:operation), write resources as a list of "
                       "service:region:account:type:path, and use the operators of 5.0 "
                       "(StringMatch with \"*\" for StringStartWith and StringEndWith)",
                       "Version \"1.1\" is the old grammar, which is not read");
        return;
    }
    sg_diags_error(load->diags, &version->place, "expected \"5.0\"",
                   "the Version of a document is \"5.0\"");
}

/* Two statements of one Sid: a record could not tell which one decided. */
static void warn_doubled_sid(const struct sg_policy_load *load,
                             const struct sg_statement *statements, size_t index,
                             const struct sg_yaml_node *node)
{
    for (size_t i = 0; i < index; i++) {
        if (sg_str_equal(statements[i].label, statements[index].label)) {
            struct sg_place place = sg_yaml_place(node, "Sid");
            sg_diags_warning(load->diags, &place, "records cannot tell which of them decided",
                             "two statements of the policy go by \"%.*s\"",
                             SG_STR_ARG(statements[index].label));
            return;
        }
    }
}

void sg_document_compile(const struct sg_policy_load *load, const struct sg_yaml_node *node,
                         const struct sg_statement **ret, size_t *ret_count)
{
    struct document_settings document;
    sg_fields_decode(&document_fields, node, "document", load->arena, load->diags, &document);
    if (document.version != NULL) {
        check_version(load, document.version);
    }
    const struct sg_yaml_node *list = document.statement;
    if (list == NULL) {
        return;
    }
    if (list->kind != SG_YAML_SEQUENCE || list->count == 0) {
        sg_diags_error(load->diags, &list->place,
                       "expected a list of statements such as [{Effect: Allow, Action: [...]}]",
                       "\"Statement\" is %s",
                       list->kind == SG_YAML_SEQUENCE ? "an empty list"
                       : sg_yaml_is_null(list)        ? "empty"
                                                      : sg_yaml_kind_name(list));
        return;
    }
    struct sg_statement *statements =
        sg_arena_alloc_array(load->arena, list->count, sizeof *statements);
    if (statements == NULL) {
        sg_policy_no_memory(load);
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        char path[64];
        struct statement_settings settings;
        (void)snprintf(path, sizeof path, "document.Statement[%zu]", i);
        sg_fields_decode(&statement_fields, list->items[i], path, load->arena, load->diags,
                         &settings);
        if (settings.node != NULL) {
            compile_statement(load, &settings, i, &statements[i]);
            warn_doubled_sid(load, statements, i, list->items[i]);
        }
    }
    *ret = statements;
    *ret_count = list->count;
}
