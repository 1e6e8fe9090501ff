/* What the tests of policies share: a request to decide, and a load that keeps its diagnostics. */
#ifndef TESTS_UNIT_POLICY_SUPPORT_H
#define TESTS_UNIT_POLICY_SUPPORT_H

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/diags.h"
#include "policy/policy.h"

#define PROJECT "0123456789abcdef0123456789abcdef"

/* An ordinary request: playout-scheduler deletes the output playout-a of flow f1. */
struct example {
    struct sg_param params[8];
    struct sg_principal principal;
    struct sg_action action;
    struct sg_policy_request request;
};

static inline void example_init(struct example *example)
{
    memset(example, 0, sizeof *example);
    example->params[0] = (struct sg_param){
        .place = SG_PARAM_PATH, .name = SG_STR("project_id"), .value = SG_STR(PROJECT)};
    example->params[1] = (struct sg_param){
        .place = SG_PARAM_QUERY, .name = SG_STR("flow_id"), .value = SG_STR("f1")};
    example->params[2] = (struct sg_param){
        .place = SG_PARAM_QUERY, .name = SG_STR("output_name"), .value = SG_STR("playout-a")};
    example->principal = (struct sg_principal){.caller = SG_STR("playout-scheduler"),
                                               .team = SG_STR("playout"),
                                               .identity = SG_STR("source 10.20.0.0/16")};
    example->action = (struct sg_action){
        .service = SG_STR("live"),
        .operation = SG_STR("DeleteFlowOutput"),
        .method = SG_STR("DELETE"),
        .name = SG_STR("live:ott:deleteFlowOutput"),
        .access_level = SG_STR("Write"),
        .region = SG_STR("cn-north-4"),
        .account = SG_STR(""),
        .project_id = SG_STR(PROJECT),
        .resource = SG_STR("live:cn-north-4::flowOutput:f1/playout-a"),
        .params = example->params,
        .param_count = 3,
    };
    example->request = (struct sg_policy_request){.principal = &example->principal,
                                                  .action = &example->action,
                                                  .source_ip = {.family = 4, .bytes = {10, 20}},
                                                  .time_us = 1700000000000000};
}

struct loaded {
    struct sg_arena arena;
    struct sg_diags *diags;
    const struct sg_policy_set *set;
};

static inline void loaded_init(struct loaded *loaded)
{
    sg_arena_init(&loaded->arena, 64u * 1024 * 1024);
    loaded->diags = sg_diags_new();
    loaded->set = NULL;
}

static inline void loaded_done(struct loaded *loaded)
{
    sg_diags_free(loaded->diags);
    sg_arena_done(&loaded->arena);
}

/* Load a text as the file "p.yaml". */
static inline void loaded_text(struct loaded *loaded, const char *text,
                               const struct sg_vocabulary *vocabulary)
{
    loaded_init(loaded);
    loaded->set =
        sg_policy_load_text("p.yaml", sg_str_from(text), vocabulary, &loaded->arena, loaded->diags);
}

/* All diagnostics as "line:column: error: text (help)" lines, in size bytes. */
static inline void loaded_messages(const struct loaded *loaded, char *text, size_t size)
{
    struct sg_diag diag;
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; n < size && sg_diags_get(loaded->diags, i, &diag); i++) {
        int length =
            snprintf(text + n, size - n, "%u:%u: %s: %s%s%s%s\n", diag.place.line,
                     diag.place.column, diag.severity == SG_SEVERITY_ERROR ? "error" : "warning",
                     diag.text, diag.help != NULL ? " (" : "", diag.help != NULL ? diag.help : "",
                     diag.help != NULL ? ")" : "");
        n += length > 0 ? (size_t)length : 0;
    }
}

#endif
