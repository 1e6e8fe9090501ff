/*
 * Policies: Huawei IAM 5.0 identity policy documents (policy.md says exactly what they mean),
 * compiled while a configuration loads, then a pure and total decision. One rule settles every
 * doubt: the reading that permits less.
 */
#ifndef SG_POLICY_POLICY_H
#define SG_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diags.h"
#include "base/ip.h"
#include "model/action.h"
#include "model/decision.h"
#include "model/principal.h"

/*
 * What a policy may name, so that policy need not know catalog or identity. Functions may be NULL:
 * then nothing is warned about.
 */
struct sg_vocabulary {
    const void *arg;
    bool (*has_action)(const void *arg, struct sg_str pattern);
    const char *(*nearest_action)(const void *arg, struct sg_str text);
    bool (*has_param)(const void *arg, enum sg_param_place place, struct sg_str name,
                      bool *ret_multi);
    bool (*has_team)(const void *arg, struct sg_str name);
    bool (*has_caller)(const void *arg, struct sg_str name);
};

struct sg_policy_set;

/*
 * Load all files and folders (the *.yaml and *.json right in a folder, by name). paths and places
 * run side by side. NULL when there are errors in diags. Lives in the arena.
 */
const struct sg_policy_set *sg_policy_load(const char *const *paths, const struct sg_place *places,
                                           size_t count, const struct sg_vocabulary *vocabulary,
                                           struct sg_arena *arena, struct sg_diags *diags);

/* The same from texts inside the program. */
const struct sg_policy_set *sg_policy_load_text(const char *name, struct sg_str text,
                                                const struct sg_vocabulary *vocabulary,
                                                struct sg_arena *arena, struct sg_diags *diags);

size_t sg_policy_count(const struct sg_policy_set *set);
size_t sg_policy_statement_count(const struct sg_policy_set *set);
size_t sg_policy_file_count(const struct sg_policy_set *set);

/* First 12 hex digits of the SHA-256 over all policy texts in order: the policy_revision. */
struct sg_str sg_policy_revision(const struct sg_policy_set *set);

/* Everything a decision looks at. Borrowed for the call. */
struct sg_policy_request {
    const struct sg_principal *principal;
    const struct sg_action *action;
    struct sg_ip source_ip; /* family 0: absent */
    int64_t time_us;        /* real time */
    bool secure_transport;
};

/* Decide. Pure, total: always fills *ret. */
void sg_policy_decide(const struct sg_policy_set *set, const struct sg_policy_request *request,
                      struct sg_decision *ret);

/*
 * Append the YAML statement that would allow exactly this request and no other: its action and its
 * resource, literally. For denials by no_matching_allow.
 */
void sg_policy_would_allow(const struct sg_policy_request *request, struct sg_buf *out);

#endif
