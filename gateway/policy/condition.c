#include "policy/condition.h"

#include <stdio.h>

#include "policy/set.h"
#include "text/yaml_tree.h"

/*
 * A Condition is operators over keys over values; all (operator, key) pairs must hold, so it is
 * compiled to a flat list of pairs. Everything that can be wrong with a pair is found here, at
 * load: an operator or key that does not exist, one that is not built yet, a type that does not
 * fit, a value that does not fit. A decision then only meets what the request itself brings:
 * absent keys and values that cannot be read as the operator's type.
 */

/* --- deciding --------------------------------------------------------------------------------- */

static bool any_fits(const struct sg_condition *condition, const struct sg_value *value)
{
    for (size_t i = 0; i < condition->operand_count; i++) {
        if (condition->op->fits(&condition->operands[i], value)) {
            return true;
        }
    }
    return false;
}

bool sg_condition_holds(const struct sg_condition *condition,
                        const struct sg_policy_request *request, bool deny)
{
    const struct sg_operator *op = condition->op;
    struct sg_value value = {.type = SG_VALUE_TEXT};
    enum sg_presence presence = sg_key_read(&condition->key, request, &value);
    if (op->type == SG_VALUE_ANY) { /* Null asks for absence itself */
        struct sg_value absent = {.type = SG_VALUE_BOOL, .truth = presence == SG_PRESENCE_ABSENT};
        return any_fits(condition, &absent);
    }
    if (presence == SG_PRESENCE_ABSENT) {
        return condition->if_exists || (op->negated && deny);
    }
    if (presence == SG_PRESENCE_MANY || !sg_value_convert(&value, op->type)) {
        return deny;
    }
    return any_fits(condition, &value) != op->negated;
}

/* --- compiling -------------------------------------------------------------------------------- */

enum { HELP_BYTES = 512 };

/* Turn what was built in text into a help line: "before" text "after"; NULL when text is empty. */
static const char *help_around(char help[HELP_BYTES], const char *before, const struct sg_buf *text,
                               const char *after)
{
    struct sg_str middle = sg_buf_str(text);
    if (middle.n == 0 || sg_buf_failed(text)) {
        return NULL;
    }
    (void)snprintf(help, HELP_BYTES, "%s%.*s%s", before, SG_STR_ARG(middle), after);
    return help;
}

static void unknown_operator(const struct sg_policy_load *load, const struct sg_yaml_node *name)
{
    char help[HELP_BYTES];
    struct sg_buf nearest;
    sg_buf_init(&nearest, HELP_BYTES / 2);
    sg_operator_add_nearest(name->text, &nearest);
    const char *meant = help_around(help, "did you mean \"", &nearest, "\"?");
    sg_diags_error(load->diags, &name->place,
                   meant != NULL ? meant
                                 : "expected an operator such as StringEquals, StringMatch, Bool, "
                                   "IpAddress, Null",
                   "unknown operator \"%.*s\"", SG_STR_ARG(name->text));
    sg_buf_done(&nearest);
}

/*
 * Judge an operator's name. False: it was reported; *ret may still name the row, so that the types
 * of its keys can be checked too.
 */
static bool check_operator(const struct sg_policy_load *load, const struct sg_yaml_node *name,
                           struct sg_operator_name *ret)
{
    *ret = sg_operator_parse(name->text);
    if (ret->row == NULL) {
        unknown_operator(load, name);
        return false;
    }
    if (ret->row->type == SG_VALUE_ANY && (ret->if_exists || ret->prefix.n > 0)) {
        sg_diags_error(load->diags, &name->place, "write \"Null\" alone",
                       "\"Null\" takes no IfExists and no prefix");
        return false;
    }
    if (ret->prefix.n > 0) {
        sg_diags_error(load->diags, &name->place, NULL,
                       "\"%.*s\" before an operator is not built yet", SG_STR_ARG(ret->prefix));
        return false;
    }
    if (ret->row->fits == NULL) {
        sg_diags_error(load->diags, &name->place, NULL, "\"%s\" is not built yet", ret->row->name);
        return false;
    }
    return true;
}

static void unknown_key(const struct sg_policy_load *load, const struct sg_yaml_node *name)
{
    char help[HELP_BYTES];
    struct sg_buf nearest;
    sg_buf_init(&nearest, HELP_BYTES / 2);
    sg_buf_add_text(&nearest, sg_key_nearest(name->text));
    const char *meant = help_around(help, "did you mean \"", &nearest, "\"?");
    sg_diags_error(load->diags, &name->place,
                   meant != NULL ? meant
                                 : "expected a key such as g:SourceIp, signgate:ProjectId, "
                                   "signgate:Query/NAME",
                   "unknown condition key \"%.*s\"", SG_STR_ARG(name->text));
    sg_buf_done(&nearest);
}

/* Whether the catalog marks the key multi-valued; warns when no row has the parameter. */
static bool is_multi(const struct sg_policy_load *load, const struct sg_yaml_node *name,
                     const struct sg_key *key)
{
    const struct sg_vocabulary *vocabulary = load->vocabulary;
    bool multi = key->row->multi;
    if (key->row->is_param && vocabulary != NULL && vocabulary->has_param != NULL &&
        !vocabulary->has_param(vocabulary->arg, key->row->place, key->name, &multi)) {
        multi = false;
        sg_diags_warning(load->diags, &name->place, "the key is then always absent",
                         "no catalog row has the %s parameter \"%.*s\"",
                         key->row->place == SG_PARAM_PATH ? "path" : "query",
                         SG_STR_ARG(key->name));
    }
    return multi;
}

/* Judge a key under an operator (NULL: one that does not exist). False: it was reported. */
static bool check_key(const struct sg_policy_load *load, const struct sg_yaml_node *name,
                      const struct sg_operator *op, bool has_prefix, struct sg_key *ret)
{
    if (!sg_key_find(name->text, ret)) {
        unknown_key(load, name);
        return false;
    }
    if (ret->row->refused != NULL) {
        sg_diags_error(load->diags, &name->place, NULL, "\"%.*s\": %s", SG_STR_ARG(name->text),
                       ret->row->refused);
        return false;
    }
    if (ret->row->read == NULL) {
        sg_diags_warning(load->diags, &name->place,
                         "only the cloud can know it: here it is always absent",
                         "signgate cannot know the key \"%.*s\"", SG_STR_ARG(name->text));
    }
    bool multi = is_multi(load, name, ret);
    if (op == NULL || op->type == SG_VALUE_ANY) {
        return true;
    }
    if (ret->row->type != SG_VALUE_ANY && ret->row->type != op->type) {
        char help[HELP_BYTES];
        struct sg_buf names;
        sg_buf_init(&names, HELP_BYTES / 2);
        sg_operator_add_names(ret->row->type, &names);
        sg_diags_error(load->diags, &name->place, help_around(help, "expected under ", &names, ""),
                       "\"%s\" reads %s, but \"%.*s\" is %s", op->name,
                       sg_value_type_name(op->type), SG_STR_ARG(name->text),
                       sg_value_type_name(ret->row->type));
        sg_buf_done(&names);
        return false;
    }
    if (multi && !has_prefix) {
        sg_diags_error(load->diags, &name->place,
                       "only Null takes it as it is; ForAllValues: and ForAnyValue: are not built "
                       "yet",
                       "\"%.*s\" may have several values: its operator needs ForAllValues: or "
                       "ForAnyValue: before it",
                       SG_STR_ARG(name->text));
        return false;
    }
    return true;
}

/* Read one condition value. False: it was reported. */
static bool read_operand(const struct sg_policy_load *load, const struct sg_yaml_node *node,
                         const struct sg_operator *op, struct sg_operand *ret)
{
    const char *expected = sg_operand_expected(op->operands);
    if (node->kind != SG_YAML_SCALAR || sg_yaml_is_null(node)) {
        sg_diags_error(load->diags, &node->place, expected, "a condition value cannot be %s",
                       node->kind == SG_YAML_SCALAR ? "null" : sg_yaml_kind_name(node));
        return false;
    }
    if (!sg_operand_read(op->operands, node->text, ret)) {
        sg_diags_error(load->diags, &node->place, expected,
                       "\"%.*s\" is no value that \"%s\" compares with", SG_STR_ARG(node->text),
                       op->name);
        return false;
    }
    return true;
}

static void read_operands(const struct sg_policy_load *load, const struct sg_yaml_node *node,
                          struct sg_condition *condition)
{
    size_t count = node->kind == SG_YAML_SEQUENCE ? node->count : 1;
    if (count == 0) {
        sg_diags_error(load->diags, &node->place, "write the values, or leave the key out",
                       "an empty list of condition values");
        return;
    }
    struct sg_operand *operands = sg_arena_alloc_array(load->arena, count, sizeof *operands);
    if (operands == NULL) {
        sg_policy_no_memory(load);
        return;
    }
    size_t read = 0;
    for (size_t i = 0; i < count; i++) {
        const struct sg_yaml_node *item = node->kind == SG_YAML_SEQUENCE ? node->items[i] : node;
        if (read_operand(load, item, condition->op, &operands[read])) {
            read++;
        }
    }
    condition->operands = operands;
    condition->operand_count = read;
}

/* Report names of one mapping that differ in case only; equal ones the YAML reader reports. */
static void report_doubled(const struct sg_policy_load *load, const struct sg_yaml_node *mapping,
                           size_t at, bool (*same)(struct sg_str a, struct sg_str b),
                           const char *what)
{
    const struct sg_yaml_node *name = mapping->pairs[at].key;
    for (size_t i = 0; i < at; i++) {
        const struct sg_yaml_node *before = mapping->pairs[i].key;
        if (same(name->text, before->text) && !sg_str_equal(name->text, before->text)) {
            sg_diags_error(load->diags, &name->place, "put the values into one list",
                           "the %s \"%.*s\" is \"%.*s\" of line %u again", what,
                           SG_STR_ARG(name->text), SG_STR_ARG(before->text), before->place.line);
            return;
        }
    }
}

/* The pairs of a mapping that must not be empty; 0 when it was reported. */
static size_t pairs_of(const struct sg_policy_load *load, const struct sg_yaml_node *node,
                       const char *expected)
{
    if (node->kind != SG_YAML_MAPPING) {
        sg_diags_error(load->diags, &node->place, expected, "expected a mapping, found %s",
                       sg_yaml_is_null(node) ? "nothing" : sg_yaml_kind_name(node));
        return 0;
    }
    if (node->count == 0) {
        sg_diags_error(load->diags, &node->place, expected, "an empty mapping in a Condition");
    }
    return node->count;
}

void sg_condition_compile(const struct sg_policy_load *load, const struct sg_yaml_node *node,
                          const struct sg_condition **ret, size_t *ret_count)
{
    static const char *const operators_expected = "expected operators such as StringEquals: {...}";
    static const char *const keys_expected =
        "expected keys and their values such as {\"signgate:ProjectId\": [\"...\"]}";
    size_t most = 0, count = 0;
    size_t operator_count = pairs_of(load, node, operators_expected);
    for (size_t i = 0; i < operator_count; i++) {
        most += node->pairs[i].value->count;
    }
    struct sg_condition *conditions = sg_arena_alloc_array(load->arena, most, sizeof *conditions);
    if (conditions == NULL) {
        sg_policy_no_memory(load);
        return;
    }
    for (size_t i = 0; i < operator_count; i++) {
        const struct sg_yaml_pair *pair = &node->pairs[i];
        struct sg_operator_name name;
        bool usable = check_operator(load, pair->key, &name);
        report_doubled(load, node, i, sg_str_equal_fold, "operator");
        size_t key_count = pairs_of(load, pair->value, keys_expected);
        for (size_t k = 0; k < key_count; k++) {
            const struct sg_yaml_pair *entry = &pair->value->pairs[k];
            struct sg_condition condition = {.op = name.row, .if_exists = name.if_exists};
            report_doubled(load, pair->value, k, sg_key_same, "condition key");
            if (check_key(load, entry->key, name.row, name.prefix.n > 0, &condition.key) &&
                usable) {
                read_operands(load, entry->value, &condition);
                conditions[count++] = condition;
            }
        }
    }
    *ret = conditions;
    *ret_count = count;
}
