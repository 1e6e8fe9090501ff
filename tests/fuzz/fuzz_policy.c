/*
 * A policy file and a request, divided by a line "====": deciding is total and repeatable, nothing
 * is allowed without an Allow, and a Deny for everything denies whatever else stands there. The
 * request is lines of resource, action, caller, team, address, and values of query parameters.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "policy/policy.h"

enum { LINES = 8, ARENA_BYTES = 64 << 20 };

static const char deny_all[] = "\n---\npolicy: fuzz-deny-everything\nattach: {teams: [\"*\"]}\n"
                               "document: {Version: \"5.0\", Statement: [{Effect: Deny, "
                               "Action: [\"*\"]}]}\n";

static bool has_action(const void *arg, struct sg_str pattern)
{
    (void)arg;
    (void)pattern;
    return true;
}

static const char *nearest_action(const void *arg, struct sg_str text)
{
    (void)arg;
    (void)text;
    return NULL;
}

static bool has_param(const void *arg, enum sg_param_place place, struct sg_str name,
                      bool *ret_multi)
{
    (void)arg;
    (void)place;
    *ret_multi = sg_str_equal_text(name, "many");
    return true;
}

static bool has_name(const void *arg, struct sg_str name)
{
    (void)arg;
    (void)name;
    return true;
}

static const struct sg_vocabulary vocabulary = {.has_action = has_action,
                                                .nearest_action = nearest_action,
                                                .has_param = has_param,
                                                .has_team = has_name,
                                                .has_caller = has_name};

/* A set from text; NULL: it does not load. */
static const struct sg_policy_set *load(struct sg_arena *arena, struct sg_str text)
{
    struct sg_diags *diags = sg_diags_new();
    const struct sg_policy_set *set =
        sg_policy_load_text("f.yaml", text, &vocabulary, arena, diags);
    if (sg_diags_errors(diags) > 0) {
        set = NULL;
    }
    sg_diags_free(diags);
    return set;
}

static bool has_text(struct sg_str text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++) {
        if (memcmp(text.p + i, word, n) == 0) {
            return true;
        }
    }
    return false;
}

static void check(struct sg_arena *arena, struct sg_str policy,
                  const struct sg_policy_request *request)
{
    struct sg_decision decision, again;
    const struct sg_policy_set *set = load(arena, policy);
    if (set == NULL) {
        return;
    }
    sg_policy_decide(set, request, &decision);
    sg_policy_decide(set, request, &again);
    HOLDS(decision.reason == again.reason && sg_str_equal(decision.policy, again.policy) &&
          sg_str_equal(decision.statement, again.statement));
    HOLDS((decision.reason == SG_REASON_NO_MATCHING_ALLOW) == (decision.policy.n == 0));
    HOLDS(!sg_decision_allows(&decision) || has_text(policy, "Allow"));
    struct sg_buf text;
    sg_buf_init(&text, 1 << 20);
    sg_buf_add_str(&text, policy);
    sg_buf_add_text(&text, deny_all);
    const struct sg_policy_set *denying =
        sg_policy_count(set) > 0 ? load(arena, sg_buf_str(&text)) : NULL;
    if (denying != NULL && sg_policy_count(denying) == sg_policy_count(set) + 1) {
        sg_policy_decide(denying, request, &decision);
        HOLDS(decision.reason == SG_REASON_EXPLICIT_DENY);
    }
    sg_buf_clear(&text);
    sg_policy_would_allow(request, &text);
    sg_buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const char divider[] = "\n====\n";
    const struct sg_str input = {.p = (const char *)bytes, .n = count};
    struct sg_str policy = input, rest = {.p = ""}, lines[LINES];
    for (size_t i = 0; i + sizeof divider - 1 <= count; i++) {
        if (memcmp(bytes + i, divider, sizeof divider - 1) == 0) {
            policy = sg_str_slice(input, 0, i);
            rest = sg_str_slice(input, i + sizeof divider - 1, count);
            break;
        }
    }
    for (size_t i = 0; i < LINES; i++) {
        size_t end = sg_str_find(rest, '\n');
        lines[i] = sg_str_slice(rest, 0, end);
        rest = sg_str_slice(rest, end + 1, rest.n);
    }
    const struct sg_param params[] = {
        {.place = SG_PARAM_QUERY, .name = SG_STR("flow_id"), .value = lines[5]},
        {.place = SG_PARAM_QUERY, .name = SG_STR("many"), .value = lines[6]},
        {.place = SG_PARAM_QUERY, .name = SG_STR("many"), .value = lines[7]},
    };
    const struct sg_action action = {.service = SG_STR("live"),
                                     .operation = SG_STR("DeleteFlowOutput"),
                                     .method = SG_STR("DELETE"),
                                     .name = lines[1],
                                     .access_level = SG_STR("Write"),
                                     .project_id = SG_STR("0123456789abcdef0123456789abcdef"),
                                     .resource = lines[0],
                                     .params = params,
                                     .param_count = lines[7].n > 0 ? 3 : 1};
    const struct sg_principal principal = {.caller = lines[2], .team = lines[3]};
    struct sg_policy_request request = {
        .principal = &principal, .action = &action, .time_us = 1700000000000000};
    struct sg_arena arena;
    if (!sg_ip_parse(lines[4], &request.source_ip)) {
        request.source_ip = (struct sg_ip){.family = 0};
    }
    sg_arena_init(&arena, ARENA_BYTES);
    check(&arena, policy, &request);
    sg_arena_done(&arena);
    return 0;
}
