/*
 * Decisions: "STATEMENTS | DIFFERENCES => REASON STATEMENT", or "error: TEXT" where the statements
 * do not load. policy.table says what the ordinary request is.
 */
#include "policy/policy.h"
#include "table.h"

enum { PARAMS_MAX = 8 };

struct request {
    struct sg_param params[PARAMS_MAX];
    struct sg_principal principal;
    struct sg_action action;
    struct sg_policy_request request;
};

static void make_ordinary(struct request *request)
{
    const struct sg_str project = SG_STR("0123456789abcdef0123456789abcdef");
    request->params[0] =
        (struct sg_param){.place = SG_PARAM_PATH, .name = SG_STR("project_id"), .value = project};
    request->principal =
        (struct sg_principal){.caller = SG_STR("playout-scheduler"), .team = SG_STR("playout")};
    request->action = (struct sg_action){
        .service = SG_STR("live"),
        .operation = SG_STR("DeleteFlowOutput"),
        .method = SG_STR("DELETE"),
        .name = SG_STR("live:ott:deleteFlowOutput"),
        .access_level = SG_STR("Write"),
        .region = SG_STR("cn-north-4"),
        .account = SG_STR(""),
        .project_id = project,
        .resource = SG_STR("live:cn-north-4::flowOutput:f1/playout-a"),
        .params = request->params,
        .param_count = 1,
    };
    request->request = (struct sg_policy_request){
        .principal = &request->principal,
        .action = &request->action,
        .source_ip = {.family = 4, .bytes = {10, 20, 0, 5}},
    };
}

static bool add_param(struct request *request, enum sg_param_place place, struct sg_str name,
                      struct sg_str value)
{
    if (request->action.param_count == PARAMS_MAX || name.n == 0) {
        return false;
    }
    request->params[request->action.param_count++] =
        (struct sg_param){.place = place, .name = name, .value = value};
    return true;
}

/* Apply one "NAME=VALUE". False: there is no such name, or the value is none of its. */
static bool differ(struct request *request, struct sg_str name, struct sg_str value)
{
    const struct sg_str path = SG_STR("path."), query = SG_STR("query.");
    const struct {
        const char *name;
        struct sg_str *text;
    } texts[] = {
        {"action", &request->action.name},        {"resource", &request->action.resource},
        {"caller", &request->principal.caller},   {"team", &request->principal.team},
        {"service", &request->action.service},    {"operation", &request->action.operation},
        {"method", &request->action.method},      {"project", &request->action.project_id},
        {"level", &request->action.access_level}, {"region", &request->action.region},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (sg_str_equal_text(name, texts[i].name)) {
            *texts[i].text = value;
            return true;
        }
    }
    if (sg_str_equal(name, SG_STR("ip"))) {
        request->request.source_ip.family = 0;
        return value.n == 0 || sg_ip_parse(value, &request->request.source_ip);
    }
    if (sg_str_equal(name, SG_STR("secure"))) {
        request->request.secure_transport = sg_str_equal(value, SG_STR("true"));
        return request->request.secure_transport || sg_str_equal(value, SG_STR("false"));
    }
    if (sg_str_starts_with(name, path)) {
        return add_param(request, SG_PARAM_PATH, sg_str_slice(name, path.n, name.n), value);
    }
    if (sg_str_starts_with(name, query)) {
        return add_param(request, SG_PARAM_QUERY, sg_str_slice(name, query.n, name.n), value);
    }
    return false;
}

static bool apply(struct request *request, struct sg_str differences)
{
    while (differences.n > 0) {
        size_t blank = sg_str_find(differences, ' ');
        struct sg_str word = sg_str_slice(differences, 0, blank);
        size_t equals = sg_str_find(word, '=');
        if (word.n > 0 && (equals == word.n || !differ(request, sg_str_slice(word, 0, equals),
                                                       sg_str_slice(word, equals + 1, word.n)))) {
            return false;
        }
        differences = sg_str_slice(differences, blank + 1, differences.n);
    }
    return true;
}

static void judge(void *arg, const struct table_case *test, struct sg_buf *got)
{
    struct request request;
    struct sg_diags *diags = sg_diags_new();
    struct sg_error error;
    struct sg_buf text;
    (void)arg;
    size_t bar = sg_str_find(test->input, '|');
    make_ordinary(&request);
    sg_buf_init(&text, 64 * 1024);
    sg_buf_add_text(&text, "policy: table\nattach: {callers: [\"*\"]}\n"
                           "document: {Version: \"5.0\", Statement: [");
    sg_buf_add_str(&text, sg_str_slice(test->input, 0, bar));
    sg_buf_add_text(&text, "]}\n");
    if (diags == NULL || !apply(&request, sg_str_slice(test->input, bar + 1, test->input.n))) {
        sg_buf_add_text(got, "the line cannot be read");
        goto out;
    }
    const struct sg_policy_set *set =
        sg_policy_load_text(test->file, sg_buf_str(&text), NULL, test->arena, diags);
    if (set == NULL) {
        (void)sg_diags_status(diags, &error);
        sg_buf_printf(got, "error: %s", error.text);
        goto out;
    }
    struct sg_decision decision;
    sg_policy_decide(set, &request.request, &decision);
    sg_buf_add_text(got, sg_reason_name(decision.reason));
    if (decision.statement.n > 0) {
        sg_buf_add_char(got, ' ');
        sg_buf_add_str(got, decision.statement);
    }
out:
    sg_buf_done(&text);
    sg_diags_free(diags);
}

int main(void)
{
    static const char *const files[] = {"tests/tables/policy.table"};
    return table_run(files, 1, judge, NULL);
}
