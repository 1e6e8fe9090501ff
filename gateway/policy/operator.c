#include "policy/operator.h"

#include "text/wildcard.h"

/*
 * Three tables: types say how text is read, on the policy's side and on the request's; operators
 * say how two readings are compared; strangers are operators of other grammars that people write
 * by habit. An operator without a comparison is known but not built: the compiler of conditions
 * refuses it by name, so it never gets as far as a decision.
 */

/* --- comparisons ------------------------------------------------------------------------------ */

static bool text_equals(const struct sg_operand *operand, const struct sg_value *value)
{
    return sg_str_equal(operand->text, value->text);
}

static bool text_equals_fold(const struct sg_operand *operand, const struct sg_value *value)
{
    return sg_str_equal_fold(operand->text, value->text);
}

static bool text_fits_pattern(const struct sg_operand *operand, const struct sg_value *value)
{
    return sg_wildcard_matches(operand->text, value->text, false);
}

static bool truth_equals(const struct sg_operand *operand, const struct sg_value *value)
{
    return operand->truth == value->truth;
}

static bool prefix_contains(const struct sg_operand *operand, const struct sg_value *value)
{
    return sg_prefix_contains(&operand->prefix, &value->address);
}

/* --- types ------------------------------------------------------------------------------------ */

static bool read_truth(struct sg_str text, bool *ret)
{
    if (!sg_str_equal(text, SG_STR("true")) && !sg_str_equal(text, SG_STR("false"))) {
        return false;
    }
    *ret = text.p[0] == 't';
    return true;
}

static bool text_operand(struct sg_str text, struct sg_operand *ret)
{
    *ret = (struct sg_operand){.text = text};
    return true;
}

static bool truth_operand(struct sg_str text, struct sg_operand *ret)
{
    *ret = (struct sg_operand){.text = text};
    return read_truth(text, &ret->truth);
}

static bool prefix_operand(struct sg_str text, struct sg_operand *ret)
{
    *ret = (struct sg_operand){.text = text};
    return sg_prefix_parse(text, &ret->prefix);
}

static bool truth_value(struct sg_value *value)
{
    return read_truth(value->text, &value->truth);
}

static bool address_value(struct sg_value *value)
{
    return sg_ip_parse(value->text, &value->address);
}

struct type_row {
    const char *name;
    const char *expected;
    bool (*read_operand)(struct sg_str text, struct sg_operand *ret);
    bool (*read_value)(struct sg_value *value); /* from value->text */
};

static const struct type_row types[] = {
    [SG_VALUE_TEXT] = {.name = "text", .expected = "expected text", .read_operand = text_operand},
    [SG_VALUE_NUMBER] = {.name = "a number", .expected = "expected a number"},
    [SG_VALUE_DATE] = {.name = "a time", .expected = "expected a time"},
    [SG_VALUE_BOOL] = {.name = "true or false",
                       .expected = "expected true or false",
                       .read_operand = truth_operand,
                       .read_value = truth_value},
    [SG_VALUE_IP] = {.name = "an address",
                     .expected = "expected an address or a prefix such as 10.0.0.0/8 or fd00::/8",
                     .read_operand = prefix_operand,
                     .read_value = address_value},
    [SG_VALUE_ANY] = {.name = "any value", .expected = "expected a value"},
};

/* --- operators -------------------------------------------------------------------------------- */

#define OF(value_type) .type = (value_type), .operands = (value_type)

static const struct sg_operator operators[] = {
    {"StringEquals", OF(SG_VALUE_TEXT), .fits = text_equals},
    {"StringNotEquals", OF(SG_VALUE_TEXT), .fits = text_equals, .negated = true},
    {"StringEqualsIgnoreCase", OF(SG_VALUE_TEXT), .fits = text_equals_fold},
    {"StringNotEqualsIgnoreCase", OF(SG_VALUE_TEXT), .fits = text_equals_fold, .negated = true},
    {"StringMatch", OF(SG_VALUE_TEXT), .fits = text_fits_pattern},
    {"StringNotMatch", OF(SG_VALUE_TEXT), .fits = text_fits_pattern, .negated = true},
    {"NumberEquals", OF(SG_VALUE_NUMBER)},
    {"NumberNotEquals", OF(SG_VALUE_NUMBER), .negated = true},
    {"NumberLessThan", OF(SG_VALUE_NUMBER)},
    {"NumberLessThanEquals", OF(SG_VALUE_NUMBER)},
    {"NumberGreaterThan", OF(SG_VALUE_NUMBER)},
    {"NumberGreaterThanEquals", OF(SG_VALUE_NUMBER)},
    {"DateLessThan", OF(SG_VALUE_DATE)},
    {"DateLessThanEquals", OF(SG_VALUE_DATE)},
    {"DateGreaterThan", OF(SG_VALUE_DATE)},
    {"DateGreaterThanEquals", OF(SG_VALUE_DATE)},
    {"Bool", OF(SG_VALUE_BOOL), .fits = truth_equals},
    {"IpAddress", OF(SG_VALUE_IP), .fits = prefix_contains},
    {"NotIpAddress", OF(SG_VALUE_IP), .fits = prefix_contains, .negated = true},
    {"Null", .type = SG_VALUE_ANY, .operands = SG_VALUE_BOOL, .fits = truth_equals},
};

enum { OPERATOR_COUNT = sizeof operators / sizeof *operators };

static const struct {
    const char *name;
    const char *ours;
} strangers[] = {
    {"StringLike", "StringMatch"},
    {"StringNotLike", "StringNotMatch"},
    {"NumericEquals", "NumberEquals"},
    {"NumericNotEquals", "NumberNotEquals"},
    {"NumericLessThan", "NumberLessThan"},
    {"NumericLessThanEquals", "NumberLessThanEquals"},
    {"NumericGreaterThan", "NumberGreaterThan"},
    {"NumericGreaterThanEquals", "NumberGreaterThanEquals"},
};

static const struct sg_operator *find(struct sg_str name)
{
    for (size_t i = 0; i < OPERATOR_COUNT; i++) {
        if (sg_str_equal_fold(name, sg_str_from(operators[i].name))) {
            return &operators[i];
        }
    }
    return NULL;
}

struct parts {
    struct sg_str prefix, name, suffix;
};

static struct parts take_apart(struct sg_str text)
{
    static const char *const prefixes[] = {"ForAllValues:", "ForAnyValue:"};
    const struct sg_str suffix = SG_STR("IfExists");
    struct parts parts = {.prefix = {.p = ""}, .name = text, .suffix = {.p = ""}};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct sg_str prefix = sg_str_from(prefixes[i]);
        if (sg_str_equal_fold(sg_str_slice(text, 0, prefix.n), prefix)) {
            parts.prefix = prefix;
            parts.name = sg_str_slice(text, prefix.n, text.n);
        }
    }
    size_t n = parts.name.n;
    if (n > suffix.n && sg_str_equal_fold(sg_str_slice(parts.name, n - suffix.n, n), suffix)) {
        parts.suffix = suffix;
        parts.name.n -= suffix.n;
    }
    return parts;
}

struct sg_operator_name sg_operator_parse(struct sg_str text)
{
    struct parts parts = take_apart(text);
    return (struct sg_operator_name){
        .prefix = parts.prefix, .row = find(parts.name), .if_exists = parts.suffix.n > 0};
}

void sg_operator_add_nearest(struct sg_str text, struct sg_buf *out)
{
    struct parts parts = take_apart(text);
    const char *names[OPERATOR_COUNT];
    const char *nearest = NULL;
    for (size_t i = 0; i < OPERATOR_COUNT; i++) {
        names[i] = operators[i].name;
    }
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        if (sg_str_equal_fold(parts.name, sg_str_from(strangers[i].name))) {
            nearest = strangers[i].ours;
        }
    }
    if (nearest == NULL) {
        nearest = sg_str_nearest(parts.name, names, OPERATOR_COUNT);
    }
    if (nearest != NULL) {
        sg_buf_add_str(out, parts.prefix);
        sg_buf_add_text(out, nearest);
        sg_buf_add_str(out, parts.suffix);
    }
}

void sg_operator_add_names(enum sg_value_type type, struct sg_buf *out)
{
    for (size_t i = 0; i < OPERATOR_COUNT; i++) {
        if (operators[i].type == type) {
            sg_buf_add_text(out, operators[i].name);
            sg_buf_add_text(out, ", ");
        }
    }
    sg_buf_add_text(out, "Null");
}

bool sg_operand_read(enum sg_value_type type, struct sg_str text, struct sg_operand *ret)
{
    struct sg_operand operand;
    if (types[type].read_operand == NULL || !types[type].read_operand(text, &operand)) {
        return false;
    }
    *ret = operand;
    return true;
}

const char *sg_operand_expected(enum sg_value_type type)
{
    return types[type].expected;
}

bool sg_value_convert(struct sg_value *value, enum sg_value_type type)
{
    if (value->type != type) {
        if (value->type != SG_VALUE_TEXT || types[type].read_value == NULL ||
            !types[type].read_value(value)) {
            return false;
        }
        value->type = type;
    }
    return true;
}

const char *sg_value_type_name(enum sg_value_type type)
{
    return types[type].name;
}
