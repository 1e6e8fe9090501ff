#include "policy/wrapper.h"

#include <string.h>

#include "base/ip.h"
#include "policy/document.h"
#include "policy/set.h"
#include "text/fields.h"
#include "text/yaml_tree.h"

/*
 * Three field tables give the form: the policy, its attachment, its tests. Tests are read so that
 * their mistakes show when a policy is loaded; they are run by a command of their own, and nothing
 * of them is kept here.
 */

#define ROWS(table) .rows = (table), .count = sizeof(table) / sizeof *(table)

enum { POLICY_NAME_BYTES_MAX = 64 };

/* --- the form --------------------------------------------------------------------------------- */

struct attach_settings {
    const struct sg_yaml_node *node;
    struct sg_texts teams, callers;
};

static const struct sg_field attach_rows[] = {
    {.key = "teams",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct attach_settings, teams),
     .summary = "names of teams; \"*\" is everyone"},
    {.key = "callers",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct attach_settings, callers),
     .summary = "names of callers; \"*\" is everyone"},
};

static const struct sg_fields attach_fields = {
    .name = "attach", ROWS(attach_rows), .size = sizeof(struct attach_settings)};

struct request_settings {
    const struct sg_yaml_node *node;
    const char *caller, *method, *target, *service, *source_ip, *time;
    bool secure_transport;
    const struct sg_yaml_node *body;
};

static const struct sg_field request_rows[] = {
    {.key = "caller",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct request_settings, caller),
     .required = true,
     .summary = "name of the caller"},
    {.key = "method",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct request_settings, method),
     .required = true,
     .summary = "HTTP method"},
    {.key = "target",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct request_settings, target),
     .required = true,
     .summary = "path and query"},
    {.key = "service",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct request_settings, service),
     .summary = "name of the service, where there are several"},
    {.key = "source_ip",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct request_settings, source_ip),
     .summary = "address of the caller; default: none"},
    {.key = "time",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct request_settings, time),
     .summary = "time of the request; default: now"},
    {.key = "secure_transport",
     .type = SG_FIELD_BOOL,
     .offset = offsetof(struct request_settings, secure_transport),
     .default_text = "false",
     .summary = "whether the caller came over TLS or a Unix socket"},
    {.key = "body",
     .type = SG_FIELD_NODE,
     .offset = offsetof(struct request_settings, body),
     .summary = "a value, sent as JSON; default: no body"},
};

static const struct sg_fields request_fields = {
    .name = "tests[].request", ROWS(request_rows), .size = sizeof(struct request_settings)};

struct test_settings {
    const struct sg_yaml_node *node;
    const char *name;
    struct request_settings request;
    int expect;
    const char *by;
};

static const char *const decisions[] = {"allow", "deny", NULL};

static const struct sg_field test_rows[] = {
    {.key = "name",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct test_settings, name),
     .required = true,
     .summary = "what the test shows"},
    {.key = "request",
     .type = SG_FIELD_OBJECT,
     .offset = offsetof(struct test_settings, request),
     .required = true,
     .object = &request_fields,
     .summary = "the request to decide"},
    {.key = "expect",
     .type = SG_FIELD_WORD,
     .offset = offsetof(struct test_settings, expect),
     .required = true,
     .words = decisions,
     .summary = "the decision it should get"},
    {.key = "by",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct test_settings, by),
     .summary = "the deciding Sid, or no_matching_allow"},
};

static const struct sg_fields test_fields = {
    .name = "tests[]", ROWS(test_rows), .size = sizeof(struct test_settings)};

struct policy_settings {
    const struct sg_yaml_node *node;
    const char *name;
    const char *description;
    struct attach_settings attach;
    int mode;
    const struct sg_yaml_node *document;
    struct sg_objects tests;
};

enum { MODE_ENFORCE = 0, MODE_REPORT };
static const char *const modes[] = {"enforce", "report", NULL};

static const struct sg_field policy_rows[] = {
    {.key = "policy",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct policy_settings, name),
     .required = true,
     .summary = "unique name: 1 to 64 of a-z, 0-9 and \"-\""},
    {.key = "description",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct policy_settings, description),
     .summary = "what the policy is for"},
    {.key = "attach",
     .type = SG_FIELD_OBJECT,
     .offset = offsetof(struct policy_settings, attach),
     .required = true,
     .object = &attach_fields,
     .summary = "whom it concerns"},
    {.key = "mode",
     .type = SG_FIELD_WORD,
     .offset = offsetof(struct policy_settings, mode),
     .default_text = "enforce",
     .words = modes,
     .summary = "enforce, or report: recorded, changes nothing"},
    {.key = "document",
     .type = SG_FIELD_NODE,
     .offset = offsetof(struct policy_settings, document),
     .required = true,
     .summary = "an IAM 5.0 identity policy document"},
    {.key = "tests",
     .type = SG_FIELD_OBJECTS,
     .offset = offsetof(struct policy_settings, tests),
     .object = &test_fields,
     .summary = "requests and the decisions they should get"},
};

static const struct sg_fields policy_fields = {
    .name = "", ROWS(policy_rows), .size = sizeof(struct policy_settings)};

/* --- what the tables cannot say --------------------------------------------------------------- */

static void check_name(const struct sg_policy_load *load, struct sg_str name,
                       const struct sg_place *place)
{
    bool good = name.n > 0 && name.n <= POLICY_NAME_BYTES_MAX;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
    }
    if (!good) {
        sg_diags_error(load->diags, place, "expected 1 to 64 of a-z, 0-9 and \"-\"",
                       "\"%.*s\" is no name of a policy", SG_STR_ARG(name));
    }
}

/* Take the names of one list; "*" sets *everyone instead. */
static const struct sg_str *take_names(const struct sg_policy_load *load,
                                       const struct sg_texts *texts, const char *what,
                                       bool (*known)(const void *arg, struct sg_str name),
                                       bool *everyone, size_t *ret_count)
{
    struct sg_str *names = sg_arena_alloc_array(load->arena, texts->count, sizeof *names);
    size_t count = 0;
    if (names == NULL) {
        sg_policy_no_memory(load);
        return NULL;
    }
    for (size_t i = 0; i < texts->count; i++) {
        struct sg_str name = sg_str_from(texts->items[i]);
        const struct sg_place *place = &texts->nodes[i]->place;
        if (sg_str_equal(name, SG_STR("*"))) {
            *everyone = true;
            continue;
        }
        if (name.n == 0 || sg_str_find(name, '*') < name.n || sg_str_find(name, '?') < name.n) {
            sg_diags_error(load->diags, place, "write a name, or \"*\" alone for everyone",
                           "\"%.*s\" is no name of a %s: names are no patterns", SG_STR_ARG(name),
                           what);
        } else if (known != NULL && !known(load->vocabulary->arg, name)) {
            sg_diags_warning(load->diags, place, "the policy does not concern anyone by it",
                             "no %s is called \"%.*s\"", what, SG_STR_ARG(name));
        }
        names[count++] = name;
    }
    *ret_count = count;
    return names;
}

static void compile_attachment(const struct sg_policy_load *load,
                               const struct attach_settings *settings, struct sg_attachment *ret)
{
    const struct sg_vocabulary *words = load->vocabulary;
    ret->teams = take_names(load, &settings->teams, "team", words != NULL ? words->has_team : NULL,
                            &ret->everyone, &ret->team_count);
    ret->callers =
        take_names(load, &settings->callers, "caller", words != NULL ? words->has_caller : NULL,
                   &ret->everyone, &ret->caller_count);
}

static bool is_list_with_items(const struct sg_yaml_node *mapping, const char *key)
{
    const struct sg_yaml_node *list = sg_yaml_get(mapping, key);
    return list != NULL && (list->kind != SG_YAML_SEQUENCE || list->count > 0);
}

static void check_attachment(const struct sg_policy_load *load,
                             const struct attach_settings *settings)
{
    /* A list of the wrong form has its error already and counts as given. */
    if (settings->node != NULL && !is_list_with_items(settings->node, "teams") &&
        !is_list_with_items(settings->node, "callers")) {
        sg_diags_error(load->diags, &settings->node->place,
                       "expected teams: [NAME], callers: [NAME], or \"*\" in one of them for "
                       "everyone",
                       "the policy is attached to nobody");
    }
}

static void check_tests(const struct sg_policy_load *load, const struct sg_objects *tests)
{
    const struct test_settings *items = tests->items;
    for (size_t i = 0; i < tests->count; i++) {
        const struct request_settings *request = &items[i].request;
        struct sg_ip address;
        if (request->source_ip != NULL && !sg_ip_parse(sg_str_from(request->source_ip), &address)) {
            struct sg_place place = sg_fields_place(request, "source_ip");
            sg_diags_error(load->diags, &place, "expected an address such as 10.20.0.5",
                           "\"%s\" is no address", request->source_ip);
        }
    }
}

/* A document pasted without what wraps it gets one error that says so, not four. */
static bool is_bare_document(const struct sg_yaml_node *root)
{
    return sg_yaml_get(root, "Statement") != NULL && sg_yaml_get(root, "document") == NULL;
}

void sg_policy_compile(const struct sg_policy_load *load, const struct sg_yaml_node *root,
                       struct sg_policy *ret)
{
    struct policy_settings settings;
    if (is_bare_document(root)) {
        sg_diags_error(load->diags, &root->place,
                       "write policy: NAME and attach: {teams: [NAME]}, and put this under "
                       "document:",
                       "this is a policy document without name and attachment");
        return;
    }
    sg_fields_decode(&policy_fields, root, "", load->arena, load->diags, &settings);
    if (settings.node == NULL) {
        return;
    }
    if (settings.name != NULL) {
        ret->name = sg_str_from(settings.name);
        ret->place = sg_fields_place(&settings, "policy");
        check_name(load, ret->name, &ret->place);
    }
    check_attachment(load, &settings.attach);
    compile_attachment(load, &settings.attach, &ret->attachment);
    if (settings.mode == MODE_REPORT) {
        struct sg_place place = sg_fields_place(&settings, "mode");
        sg_diags_error(load->diags, &place, "write enforce, or leave it out",
                       "mode: report is not built yet");
    }
    if (settings.document != NULL) {
        sg_document_compile(load, settings.document, &ret->statements, &ret->statement_count);
    }
    check_tests(load, &settings.tests);
}
