/*
 * policy: a request against any policies that load.
 *
 * What the whole set decides follows from what each statement decides alone: the first Deny that
 * matches, or else the first Allow that does, or else nothing. So a Deny beats all, without Allow
 * statements nothing is allowed, and without any statement nothing matches. The statement that
 * "would allow" a request that nothing allowed does so, and does not allow another resource.
 *
 * Input: a line "action resource method project caller team address query", where the last word is
 * the value of the query parameter "name"; then a policy file.
 */
#include "base/diags.h"
#include "fuzz.h"
#include "policy/set.h"

enum { ARENA_BYTES = 16 << 20, WOULD_BYTES = 1 << 20 };

struct request {
    struct sg_param params[2];
    struct sg_principal principal;
    struct sg_action action;
    struct sg_policy_request request;
};

/* What the front lets through: UTF-8 without control bytes. */
static bool is_text(struct sg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
            return false;
        }
    }
    return sg_str_is_utf8(s);
}

static void make_request(struct sg_str line, struct request *ret)
{
    *ret = (struct request){.action = {.service = SG_STR("live"),
                                       .operation = SG_STR("DeleteFlowOutput"),
                                       .access_level = SG_STR("Write"),
                                       .region = SG_STR("cn-north-4"),
                                       .account = SG_STR("")}};
    ret->action.name = fuzz_take_until(&line, ' ');
    ret->action.resource = fuzz_take_until(&line, ' ');
    ret->action.method = fuzz_take_until(&line, ' ');
    ret->action.project_id = fuzz_take_until(&line, ' ');
    ret->principal.caller = fuzz_take_until(&line, ' ');
    ret->principal.team = fuzz_take_until(&line, ' ');
    struct sg_str address = fuzz_take_until(&line, ' ');
    ret->params[0] = (struct sg_param){
        .place = SG_PARAM_PATH, .name = SG_STR("project_id"), .value = ret->action.project_id};
    ret->params[1] =
        (struct sg_param){.place = SG_PARAM_QUERY, .name = SG_STR("name"), .value = line};
    ret->action.params = ret->params;
    ret->action.param_count = 2;
    ret->request = (struct sg_policy_request){
        .principal = &ret->principal, .action = &ret->action, .secure_transport = line.n % 2 == 1};
    if (!sg_ip_parse(address, &ret->request.source_ip)) {
        ret->request.source_ip.family = 0;
    }
}

/* The set of one policy with one statement, or with none. */
static enum sg_reason decide_alone(const struct sg_policy *policy,
                                   const struct sg_statement *statement,
                                   const struct sg_policy_request *request)
{
    struct sg_policy lone = *policy;
    struct sg_decision decision;
    lone.statements = statement;
    lone.statement_count = statement != NULL ? 1 : 0;
    const struct sg_policy_set set = {.policies = &lone, .policy_count = 1};
    sg_policy_decide(&set, request, &decision);
    CHECK(sg_decision_allows(&decision) == (decision.reason == SG_REASON_ALLOWED));
    CHECK(statement == NULL || decision.reason == SG_REASON_NO_MATCHING_ALLOW ||
          statement->deny == (decision.reason == SG_REASON_EXPLICIT_DENY));
    CHECK(statement != NULL || decision.reason == SG_REASON_NO_MATCHING_ALLOW);
    return decision.reason;
}

/* Fold the lone decisions, in order. */
static struct sg_decision decide_by_parts(const struct sg_policy_set *set,
                                          const struct sg_policy_request *request)
{
    struct sg_decision decision = {.reason = SG_REASON_NO_MATCHING_ALLOW};
    for (size_t i = 0; i < set->policy_count; i++) {
        const struct sg_policy *policy = &set->policies[i];
        CHECK(decide_alone(policy, NULL, request) == SG_REASON_NO_MATCHING_ALLOW);
        for (size_t k = 0; k < policy->statement_count; k++) {
            enum sg_reason reason = decide_alone(policy, &policy->statements[k], request);
            bool first_deny =
                reason == SG_REASON_EXPLICIT_DENY && decision.reason != SG_REASON_EXPLICIT_DENY;
            bool first_allow =
                reason == SG_REASON_ALLOWED && decision.reason == SG_REASON_NO_MATCHING_ALLOW;
            if (first_deny || first_allow) {
                decision = (struct sg_decision){.reason = reason,
                                                .policy = policy->name,
                                                .statement = policy->statements[k].label};
            }
        }
    }
    return decision;
}

static const struct sg_policy_set *load(struct sg_str text, struct sg_arena *arena)
{
    struct sg_diags *diags = sg_diags_new();
    CHECK(diags != NULL);
    const struct sg_policy_set *set = sg_policy_load_text("policy.yaml", text, NULL, arena, diags);
    CHECK((set == NULL) == (sg_diags_errors(diags) > 0));
    sg_diags_free(diags);
    return set;
}

/* What the catalog and the configuration make of actions, resources and projects. */
static bool is_ascii(struct sg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static void check_would_allow(struct request *request, struct sg_arena *arena)
{
    if (!is_ascii(request->action.name) || !is_ascii(request->action.resource) ||
        !is_ascii(request->action.project_id)) {
        return;
    }
    struct sg_buf statement, text;
    sg_buf_init(&statement, WOULD_BYTES);
    sg_buf_init(&text, WOULD_BYTES);
    sg_policy_would_allow(&request->request, &statement);
    CHECK(!sg_buf_failed(&statement));
    if (statement.n > 0) {
        struct sg_str rest = sg_buf_str(&statement);
        struct sg_decision decision;
        sg_buf_add_text(&text, "policy: would\nattach: {callers: [\"*\"]}\n"
                               "document:\n  Version: \"5.0\"\n  Statement:\n");
        while (rest.n > 0) {
            sg_buf_add_text(&text, "    ");
            sg_buf_add_str(&text, fuzz_take_until(&rest, '\n'));
            sg_buf_add_char(&text, '\n');
        }
        const struct sg_policy_set *set = load(sg_buf_str(&text), arena);
        CHECK(set != NULL);
        sg_policy_decide(set, &request->request, &decision);
        CHECK(sg_decision_allows(&decision));
        request->action.resource.n--;
        sg_policy_decide(set, &request->request, &decision);
        CHECK(decision.reason == SG_REASON_NO_MATCHING_ALLOW);
        request->action.resource.n++;
    }
    sg_buf_done(&statement);
    sg_buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_str input = {.p = (const char *)data, .n = size};
    struct sg_str line = fuzz_take_until(&input, '\n');
    struct request request;
    struct sg_arena arena;
    if (!is_text(line)) {
        return 0;
    }
    make_request(line, &request);
    sg_arena_init(&arena, ARENA_BYTES);
    const struct sg_policy_set *set = load(input, &arena);
    if (set != NULL) {
        struct sg_decision decision, again;
        struct sg_decision parts = decide_by_parts(set, &request.request);
        sg_policy_decide(set, &request.request, &decision);
        sg_policy_decide(set, &request.request, &again);
        CHECK(decision.reason == again.reason && decision.reason == parts.reason);
        CHECK(sg_str_equal(decision.policy, again.policy));
        CHECK(sg_str_equal(decision.policy, parts.policy));
        CHECK(sg_str_equal(decision.statement, again.statement));
        CHECK(sg_str_equal(decision.statement, parts.statement));
        CHECK(request.action.name.n > 0 || !sg_decision_allows(&decision));
    }
    check_would_allow(&request, &arena);
    sg_arena_done(&arena);
    return 0;
}
