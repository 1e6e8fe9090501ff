/*
 * The operators of conditions: one const table says which there are, what they read a key's value
 * as, and how they compare. Pure. [any]
 */
#ifndef SG_POLICY_OPERATOR_H
#define SG_POLICY_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/ip.h"
#include "base/str.h"
#include "policy/keys.h"

/* A condition value, the policy's own: the member that its operator compares with. */
struct sg_operand {
    struct sg_str text;
    struct sg_prefix prefix;
    bool truth;
};

struct sg_operator {
    const char *name;
    enum sg_value_type type;     /* what a key's value is read as; ANY: Null, reads no value */
    enum sg_value_type operands; /* what condition values are */
    bool negated;                /* holds when no condition value fits */
    /* Whether the value fits a condition value. NULL: this operator is not built yet. */
    bool (*fits)(const struct sg_operand *operand, const struct sg_value *value);
};

/* An operator as a policy writes it: [ForAllValues:|ForAnyValue:]NAME[IfExists]. */
struct sg_operator_name {
    struct sg_str prefix;          /* with its ":"; empty when there is none */
    const struct sg_operator *row; /* NULL: no such operator */
    bool if_exists;
};

/* Take an operator's text apart; case counts nowhere. */
struct sg_operator_name sg_operator_parse(struct sg_str text);

/*
 * Append what the nearest operator to an unknown text would be called, prefix and IfExists kept.
 * Nothing is appended when none is near.
 */
void sg_operator_add_nearest(struct sg_str text, struct sg_buf *out);

/* Append the names of the operators that read type, and Null: "IpAddress, NotIpAddress, Null". */
void sg_operator_add_names(enum sg_value_type type, struct sg_buf *out);

/* Read a condition value; *ret borrows text. False: it does not fit the type. */
bool sg_operand_read(enum sg_value_type type, struct sg_str text, struct sg_operand *ret);

/* What a condition value of a type looks like, for "expected ...". */
const char *sg_operand_expected(enum sg_value_type type);

/* Make value one of type, reading its text if need be. False: it cannot be read so. */
bool sg_value_convert(struct sg_value *value, enum sg_value_type type);

/* "text", "an address", for error texts. */
const char *sg_value_type_name(enum sg_value_type type);

#endif
