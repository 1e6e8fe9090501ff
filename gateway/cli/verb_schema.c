/* schema: the shipped JSON Schemas, by name. */
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/embedded.h"
#include "text/json_out.h"

enum { TEXT_BYTES_MAX = 65536 };

static const struct schema {
    const char *name;
    const char *summary;
    const char *text, *end;
} schemas[] = {
#define SCHEMA(symbol, name, file, summary) \
    {name, summary, sg_embedded_schema_##symbol, sg_embedded_schema_##symbol##_end},
    SG_SCHEMAS(SCHEMA)
#undef SCHEMA
};

enum { SCHEMA_COUNT = sizeof schemas / sizeof *schemas };

static void list_schemas(struct sg_cli *cli)
{
    struct sg_buf text;
    struct sg_json json;
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_json_init(&json, &text);
    if (cli->json) {
        sg_json_begin_object(&json, NULL);
        sg_json_text(&json, "schema", "signgate.schemas.1");
        sg_json_begin_list(&json, "schemas");
    }
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        if (cli->json) {
            sg_json_begin_object(&json, NULL);
            sg_json_text(&json, "name", schemas[i].name);
            sg_json_text(&json, "summary", schemas[i].summary);
            sg_json_end_object(&json);
        } else {
            sg_buf_printf(&text, "%-20s %s\n", schemas[i].name, schemas[i].summary);
        }
    }
    if (cli->json) {
        sg_json_end_list(&json);
        sg_json_end_object(&json);
        sg_buf_add_char(&text, '\n');
    }
    sg_cli_print(cli->out, sg_buf_str(&text));
    sg_buf_done(&text);
}

static int unknown_schema(struct sg_cli *cli, struct sg_str given)
{
    const char *names[SCHEMA_COUNT];
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        names[i] = schemas[i].name;
    }
    const char *nearest = sg_str_nearest(given, names, SCHEMA_COUNT);
    if (nearest != NULL) {
        return sg_usage_error(
            cli, "unknown schema \"%.*s\"; did you mean \"%s\"?   (all schemas: signgate schema)",
            SG_STR_ARG(given), nearest);
    }
    return sg_usage_error(cli, "unknown schema \"%.*s\"   (all schemas: signgate schema)",
                          SG_STR_ARG(given));
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    if (arguments->count == 0) {
        list_schemas(cli);
        return SG_EXIT_GOOD;
    }
    const struct sg_str given = sg_str_from(arguments->items[0]);
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        if (sg_str_equal_text(given, schemas[i].name)) {
            const size_t bytes = (size_t)(schemas[i].end - schemas[i].text);
            sg_cli_print(cli->out, (struct sg_str){.p = schemas[i].text, .n = bytes});
            return SG_EXIT_GOOD;
        }
    }
    return unknown_schema(cli, given);
}

const struct sg_verb sg_verb_schema = {
    .name = "schema",
    .summary = "print a JSON Schema, or list them",
    .usage = "schema [NAME] [--output json]",
    .has_output = true,
    .max_arguments = 1,
    .examples = "  signgate schema audit-record\n",
    .run = run,
};
