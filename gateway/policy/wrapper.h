/*
 * What a policy file wraps around a document: name, attachment, mode and tests. [any]
 */
#ifndef SG_POLICY_WRAPPER_H
#define SG_POLICY_WRAPPER_H

struct sg_policy;
struct sg_policy_load;
struct sg_yaml_node;

/*
 * Compile one policy, the root of one YAML document. Every mistake goes to the load's diags; the
 * result is then what could be read and must not decide anything.
 */
void sg_policy_compile(const struct sg_policy_load *load, const struct sg_yaml_node *root,
                       struct sg_policy *ret);

#endif
