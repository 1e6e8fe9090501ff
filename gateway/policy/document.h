/* The IAM 5.0 identity policy document inside a policy: YAML to compiled statements. [any] */
#ifndef SG_POLICY_DOCUMENT_H
#define SG_POLICY_DOCUMENT_H

#include <stddef.h>

struct sg_policy_load;
struct sg_statement;
struct sg_yaml_node;

/*
 * Compile the value of "document:". Every mistake goes to the load's diags; the result is then what
 * could be read and must not decide anything.
 */
void sg_document_compile(const struct sg_policy_load *load, const struct sg_yaml_node *node,
                         const struct sg_statement **ret, size_t *ret_count);

#endif
