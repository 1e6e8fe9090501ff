/* audit verify: prove the chain of an audit log. */
#include "audit/reader.h"
#include "base/str.h"
#include "cli/audit.h"
#include "text/json_out.h"

enum { TEXT_BYTES_MAX = 65536 };

static void print_json(struct sg_cli *cli, const struct sg_audit_report *report)
{
    struct sg_buf text;
    struct sg_json json;
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_json_init(&json, &text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.audit.verify.1");
    sg_json_bool(&json, "ok", report->good);
    sg_json_u64(&json, "records", report->records);
    sg_json_u64(&json, "files", report->files);
    sg_json_u64(&json, "epochs", report->epochs);
    sg_json_u64(&json, "begins_at", report->begins_at);
    sg_json_bool(&json, "end_proven", false);
    if (!report->good) {
        sg_json_text(&json, "file", report->file);
        sg_json_u64(&json, "line", report->line);
        sg_json_u64(&json, "offset", report->offset);
        sg_json_text(&json, "kind", report->kind);
        sg_json_text(&json, "text", report->text);
        sg_json_u64(&json, "proven_before", report->proven_before);
    }
    sg_json_end_object(&json);
    sg_buf_add_char(&text, '\n');
    sg_cli_print(cli->out, sg_buf_str(&text));
    sg_buf_done(&text);
}

static void print_text(struct sg_cli *cli, const char *directory,
                       const struct sg_audit_report *report)
{
    if (!report->good) {
        (void)fprintf(cli->out, "bad: %s/%s:%llu: %s: %s (byte %llu)\n", directory, report->file,
                      (unsigned long long)report->line, report->kind, report->text,
                      (unsigned long long)report->offset);
        (void)fprintf(cli->out, "%llu records before it are proven\n",
                      (unsigned long long)report->proven_before);
        return;
    }
    (void)fprintf(cli->out, "ok: %llu record%s, %llu file%s; ", (unsigned long long)report->records,
                  report->records == 1 ? "" : "s", (unsigned long long)report->files,
                  report->files == 1 ? "" : "s");
    if (report->begins_at > 1) {
        (void)fprintf(cli->out, "begins at record %llu; ", (unsigned long long)report->begins_at);
    }
    (void)fputs("end not provable (no anchor)\n", cli->out);
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    const char *directory = arguments->items[0];
    struct sg_audit_report report;
    struct sg_error error;
    if (sg_audit_verify(directory, &report, &error) != SG_OK) {
        (void)fprintf(cli->err, "signgate: %s\n", error.text);
        return SG_EXIT_FAILED;
    }
    if (cli->json) {
        print_json(cli, &report);
    } else {
        print_text(cli, directory, &report);
    }
    return report.good ? SG_EXIT_GOOD : SG_EXIT_FAILED;
}

static const struct sg_option options[] = {
    {.name = "public-key",
     .argument = "FILE",
     .summary = "key of the checkpoints",
     .not_built = "checkpoints are not built yet"},
    {.name = "anchor",
     .argument = "FILE",
     .summary = "checkpoint kept elsewhere",
     .not_built = "checkpoints are not built yet"},
    {.name = NULL},
};

const struct sg_verb sg_audit_word_verify = {
    .name = "audit verify",
    .summary = "prove the chain of an audit log",
    .usage = "audit verify DIR [options]",
    .options = options,
    .has_output = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .examples = "  signgate audit verify /var/lib/signgate/audit\n",
    .run = run,
};
