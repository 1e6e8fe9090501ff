/*
 * The compiled form of policies: what the loader builds and the decision reads. Immutable once
 * built; everything lives in the arena of its load. Values only.
 */
#ifndef SG_POLICY_SET_H
#define SG_POLICY_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diags.h"
#include "base/str.h"
#include "policy/condition.h"
#include "policy/policy.h"

struct sg_patterns {
    const struct sg_str *items;
    size_t count;
    bool negated; /* holds when none fits: NotAction, NotResource */
};

struct sg_statement {
    struct sg_str label; /* its Sid, or its number from 1 */
    bool deny;
    struct sg_patterns actions;
    struct sg_patterns resources; /* count 0: everything */
    const struct sg_condition *conditions;
    size_t condition_count;
};

/* Whom a policy concerns. */
struct sg_attachment {
    bool everyone;
    const struct sg_str *teams;
    size_t team_count;
    const struct sg_str *callers;
    size_t caller_count;
};

struct sg_policy {
    struct sg_str name;
    struct sg_place place; /* of the name */
    struct sg_attachment attachment;
    const struct sg_statement *statements;
    size_t statement_count;
};

struct sg_policy_set {
    const struct sg_policy *policies; /* by file name, then position */
    size_t policy_count;
    size_t statement_count;
    size_t file_count;
    struct sg_str revision;
};

/* What every step of a load needs. */
struct sg_policy_load {
    const struct sg_vocabulary *vocabulary;
    struct sg_arena *arena;
    struct sg_diags *diags;
};

/* Report that the load ran out of memory. */
static inline void sg_policy_no_memory(const struct sg_policy_load *load)
{
    sg_diags_error(load->diags, NULL, NULL, "out of memory while loading the policies");
}

#endif
