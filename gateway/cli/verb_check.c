/* check: load everything serve would load, and say everything that is wrong with it. */
#include <stdlib.h>

#include "base/diags.h"
#include "cli/cli.h"
#include "snapshot/snapshot.h"
#include "text/json_out.h"

enum { TEXT_BYTES_MAX = 4 << 20 };

static size_t count_mapped(const struct sg_catalog *catalog)
{
    size_t mapped = 0;
    for (size_t i = 0; i < sg_catalog_count(catalog); i++) {
        mapped += sg_catalog_at(catalog, i)->action.n > 0;
    }
    return mapped;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

struct loaded {
    size_t listeners, services, operations, mapped, callers, policies, statements, credentials;
    size_t sinks;
};

static struct loaded count_loaded(const struct sg_snapshot *snapshot)
{
    struct loaded loaded = {
        .listeners = snapshot->settings.listeners.count,
        .services = snapshot->service_count,
        .callers = snapshot->settings.callers.count,
        .policies = sg_policy_count(snapshot->policies),
        .statements = sg_policy_statement_count(snapshot->policies),
        .credentials = snapshot->credential_count,
        .sinks = snapshot->sink_count,
    };
    for (size_t i = 0; i < snapshot->service_count; i++) {
        loaded.operations += sg_catalog_count(snapshot->services[i].catalog);
        loaded.mapped += count_mapped(snapshot->services[i].catalog);
    }
    return loaded;
}

/* One line of what was loaded, so that silence is never the answer. */
static void say_loaded(struct sg_cli *cli, const struct sg_snapshot *snapshot)
{
    const struct loaded n = count_loaded(snapshot);
    (void)fprintf(cli->out,
                  "%.*s: ok: %zu listener%s, %zu service%s (%zu operations, %zu mapped), %zu "
                  "caller%s, %zu polic%s (%zu statement%s), %zu credential%s",
                  SG_STR_ARG(snapshot->path), n.listeners, plural(n.listeners), n.services,
                  plural(n.services), n.operations, n.mapped, n.callers, plural(n.callers),
                  n.policies, n.policies == 1 ? "y" : "ies", n.statements, plural(n.statements),
                  n.credentials, plural(n.credentials));
    if (n.sinks > 0) {
        (void)fprintf(cli->out, ", %zu audit sink%s", n.sinks, plural(n.sinks));
    }
    (void)fputc('\n', cli->out);
    if (n.mapped < n.operations) {
        (void)fprintf(cli->err,
                      "warning: %zu operations have no action and will be refused; map them in the "
                      "catalog\n",
                      n.operations - n.mapped);
    }
}

static void add_loaded(struct sg_json *json, const struct sg_snapshot *snapshot)
{
    const struct loaded n = count_loaded(snapshot);
    sg_json_begin_object(json, "loaded");
    sg_json_u64(json, "listeners", n.listeners);
    sg_json_u64(json, "services", n.services);
    sg_json_u64(json, "operations", n.operations);
    sg_json_u64(json, "operations_mapped", n.mapped);
    sg_json_u64(json, "callers", n.callers);
    sg_json_u64(json, "policies", n.policies);
    sg_json_u64(json, "statements", n.statements);
    sg_json_u64(json, "credentials", n.credentials);
    sg_json_u64(json, "audit_sinks", n.sinks);
    sg_json_end_object(json);
}

static void print_json(struct sg_cli *cli, struct sg_diags *diags,
                       const struct sg_snapshot *snapshot, bool good)
{
    struct sg_buf text;
    struct sg_json json;
    struct sg_diag diag;
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_json_init(&json, &text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.check.1");
    sg_json_bool(&json, "ok", good);
    sg_json_u64(&json, "errors", sg_diags_errors(diags));
    sg_json_u64(&json, "warnings", sg_diags_warnings(diags));
    sg_json_begin_list(&json, "diagnostics");
    for (size_t i = 0; sg_diags_get(diags, i, &diag); i++) {
        sg_json_begin_object(&json, NULL);
        sg_json_text(&json, "severity", diag.severity == SG_SEVERITY_ERROR ? "error" : "warning");
        sg_json_text(&json, "file", diag.place.file);
        sg_json_u64(&json, "line", diag.place.line);
        sg_json_u64(&json, "column", diag.place.column);
        sg_json_text(&json, "text", diag.text);
        sg_json_text(&json, "help", diag.help);
        sg_json_end_object(&json);
    }
    sg_json_end_list(&json);
    if (snapshot != NULL) {
        add_loaded(&json, snapshot);
    }
    sg_json_end_object(&json);
    sg_buf_add_char(&text, '\n');
    sg_cli_print(cli->out, sg_buf_str(&text));
    sg_buf_done(&text);
}

static void print_text(struct sg_cli *cli, struct sg_diags *diags)
{
    struct sg_buf text;
    size_t errors = sg_diags_errors(diags), warnings = sg_diags_warnings(diags);
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_diags_print_text(diags, &text);
    sg_cli_print(cli->err, sg_buf_str(&text));
    sg_buf_done(&text);
    if (errors + warnings > 0) {
        (void)fprintf(cli->err, "%zu error%s, %zu warning%s\n", errors, plural(errors), warnings,
                      plural(warnings));
    }
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    const char *path = sg_option_value(arguments, "config", sg_snapshot_default_path());
    struct sg_diags *diags = sg_diags_new();
    struct sg_snapshot *snapshot = NULL;
    if (diags == NULL) {
        return sg_usage_error(cli, "out of memory");
    }
    bool good =
        sg_snapshot_load(path, SG_LOAD_TO_CHECK, &sg_clock_system, diags, &snapshot) == SG_OK;
    bool strict = sg_option_count(arguments, "strict") > 0 && sg_diags_warnings(diags) > 0;
    if (cli->json) {
        print_json(cli, diags, snapshot, good && !strict);
    } else {
        print_text(cli, diags);
        if (good) {
            say_loaded(cli, snapshot);
        }
    }
    sg_diags_free(diags);
    (void)sg_snapshot_unref(snapshot);
    return good && !strict ? SG_EXIT_GOOD : SG_EXIT_FAILED;
}

static const struct sg_option options[] = {
    {.name = "config", .letter = 'c', .argument = "FILE", .summary = "the configuration"},
    {.name = "strict", .summary = "warnings fail too"},
    {.name = NULL},
};

const struct sg_verb sg_verb_check = {
    .name = "check",
    .summary = "find every mistake in a configuration and all it names",
    .usage = "check [-c FILE] [--strict] [--output json]",
    .options = options,
    .has_output = true,
    .examples = "  signgate check -c signgate.yaml\n",
    .run = run,
};
