#include "text/wildcard.h"
#include "policy/set.h"

static bool patterns_hold(const struct sg_patterns *patterns, struct sg_str text, bool fold)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (sg_wildcard_matches(patterns->items[i], text, fold)) {
            return !patterns->negated;
        }
    }
    return patterns->negated;
}

static bool statement_matches(const struct sg_statement *statement,
                              const struct sg_policy_request *request)
{
    if (request->action->name.n == 0 && !statement->deny) {
        return false; /* an operation that is not mapped: no statement can have meant it */
    }
    if (!patterns_hold(&statement->actions, request->action->name, true)) {
        return false;
    }
    if (statement->resources.count > 0 &&
        !patterns_hold(&statement->resources, request->action->resource, false)) {
        return false;
    }
    for (size_t i = 0; i < statement->condition_count; i++) {
        if (!sg_condition_holds(&statement->conditions[i], request, statement->deny)) {
            return false;
        }
    }
    return true;
}

static bool holds_name(const struct sg_str *names, size_t count, struct sg_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (sg_str_equal(names[i], name)) {
            return true;
        }
    }
    return false;
}

static bool is_attached(const struct sg_attachment *attachment,
                        const struct sg_principal *principal)
{
    return attachment->everyone ||
           holds_name(attachment->teams, attachment->team_count, principal->team) ||
           holds_name(attachment->callers, attachment->caller_count, principal->caller);
}

void sg_policy_decide(const struct sg_policy_set *set, const struct sg_policy_request *request,
                      struct sg_decision *ret)
{
    struct sg_decision decision = {
        .reason = SG_REASON_NO_MATCHING_ALLOW, .policy = {.p = ""}, .statement = {.p = ""}};
    for (size_t i = 0; i < set->policy_count; i++) {
        const struct sg_policy *policy = &set->policies[i];
        if (!is_attached(&policy->attachment, request->principal)) {
            continue;
        }
        for (size_t k = 0; k < policy->statement_count; k++) {
            const struct sg_statement *statement = &policy->statements[k];
            /* Policies stand in the order of the record's choice: the first one found decides. */
            if (!statement->deny && decision.reason == SG_REASON_ALLOWED) {
                continue;
            }
            if (!statement_matches(statement, request)) {
                continue;
            }
            decision = (struct sg_decision){
                .reason = statement->deny ? SG_REASON_EXPLICIT_DENY : SG_REASON_ALLOWED,
                .policy = policy->name,
                .statement = statement->label,
            };
            if (statement->deny) {
                *ret = decision;
                return;
            }
        }
    }
    *ret = decision;
}

size_t sg_policy_count(const struct sg_policy_set *set)
{
    return set->policy_count;
}

size_t sg_policy_statement_count(const struct sg_policy_set *set)
{
    return set->statement_count;
}

size_t sg_policy_file_count(const struct sg_policy_set *set)
{
    return set->file_count;
}

struct sg_str sg_policy_revision(const struct sg_policy_set *set)
{
    return set->revision;
}
