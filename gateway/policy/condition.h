/* One condition of a statement: an operator, a key, and the values it is compared with. [any] */
#ifndef SG_POLICY_CONDITION_H
#define SG_POLICY_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/keys.h"
#include "policy/operator.h"

struct sg_policy_load;
struct sg_yaml_node;

struct sg_condition {
    const struct sg_operator *op;
    bool if_exists;
    struct sg_key key;
    const struct sg_operand *operands; /* one must fit; of a negated operator: none may */
    size_t operand_count;
};

/*
 * Compile the value of "Condition:" into a list of which all must hold. Every mistake goes to the
 * load's diags; the result is then what could be read and must not decide anything.
 */
void sg_condition_compile(const struct sg_policy_load *load, const struct sg_yaml_node *node,
                          const struct sg_condition **ret, size_t *ret_count);

/*
 * Whether the condition holds. deny tells whose it is: where a key is absent or unreadable, the
 * answer is the one that permits less. Pure and total.
 */
bool sg_condition_holds(const struct sg_condition *condition,
                        const struct sg_policy_request *request, bool deny);

#endif
