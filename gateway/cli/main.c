/* signgate: the verbs, and which of them a command line means. */
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "cli/cli.h"
#include "server/admin.h"
#include "text/json_out.h"

static int run_version(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    struct sg_buf text;
    (void)arguments;
    sg_buf_init(&text, 4096);
    if (cli->json) {
        sg_version_json(&text);
        sg_buf_add_char(&text, '\n');
    } else {
        sg_version_text(&text);
    }
    sg_cli_print(cli->out, sg_buf_str(&text));
    sg_buf_done(&text);
    return SG_EXIT_GOOD;
}

static int run_help(struct sg_cli *cli, const struct sg_arguments *arguments);

static const struct sg_verb verb_version = {
    .name = "version",
    .summary = "print the version and what it runs with",
    .usage = "version [--output json]",
    .has_output = true,
    .run = run_version,
};

static const struct sg_verb verb_help = {
    .name = "help",
    .summary = "list the verbs, or show the help of one",
    .usage = "help [VERB [WORD]] [--output json]",
    .has_output = true,
    .max_arguments = 2,
    .run = run_help,
};

static const struct sg_verb *const verbs[] = {
    &sg_verb_serve,  &sg_verb_check,   &sg_verb_sign, &sg_verb_audit,
    &sg_verb_schema, &sg_verb_sandbox, &verb_version, &verb_help,
};

enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

/* Verbs of the product that are still to come: refused by name. */
static const char *const planned[] = {"init",   "policy", "catalog", "credentials",
                                      "status", "fleet",  "doctor"};

enum { PLANNED_COUNT = sizeof planned / sizeof *planned };

static const struct sg_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i]->name, name) == 0) {
            return verbs[i];
        }
    }
    return NULL;
}

static void list_verbs(FILE *to)
{
    (void)fputs("signgate: an authenticating egress gateway for Huawei Cloud APIs\n\n"
                "usage: signgate VERB [options]\n\nverbs:\n",
                to);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        (void)fprintf(to, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    }
    (void)fputs("\nEach verb has --help. First steps: signgate serve --sandbox\n", to);
}

static void add_verb(struct sg_json *json, const struct sg_verb *verb)
{
    sg_json_begin_object(json, NULL);
    sg_json_text(json, "name", verb->name);
    sg_json_text(json, "summary", verb->summary);
    sg_json_text(json, "usage", verb->usage);
    sg_json_end_object(json);
}

static void list_verbs_json(struct sg_cli *cli)
{
    struct sg_buf text;
    struct sg_json json;
    sg_buf_init(&text, 65536);
    sg_json_init(&json, &text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.help.1");
    sg_json_begin_list(&json, "verbs");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        add_verb(&json, verbs[i]);
        for (size_t word = 0; verbs[i]->words != NULL && verbs[i]->words[word] != NULL; word++) {
            if (verbs[i]->words[word]->not_built == NULL) {
                add_verb(&json, verbs[i]->words[word]);
            }
        }
    }
    sg_json_end_list(&json);
    sg_json_end_object(&json);
    sg_buf_add_char(&text, '\n');
    sg_cli_print(cli->out, sg_buf_str(&text));
    sg_buf_done(&text);
}

static int unknown_verb(struct sg_cli *cli, const char *name)
{
    const char *names[VERB_COUNT + PLANNED_COUNT];
    for (size_t i = 0; i < PLANNED_COUNT; i++) {
        if (strcmp(name, planned[i]) == 0) {
            return sg_usage_error(cli, "the verb \"%s\" is not built yet", name);
        }
        names[VERB_COUNT + i] = planned[i];
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i]->name;
    }
    const char *nearest = sg_str_nearest(sg_str_from(name), names, sizeof names / sizeof *names);
    if (nearest != NULL) {
        return sg_usage_error(cli,
                              "unknown verb \"%s\"; did you mean \"%s\"?   (all verbs: signgate "
                              "help)",
                              name, nearest);
    }
    return sg_usage_error(cli, "unknown verb \"%s\"   (all verbs: signgate help)", name);
}

static int run_help(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    if (arguments->count == 0) {
        if (cli->json) {
            list_verbs_json(cli);
        } else {
            list_verbs(cli->out);
        }
        return SG_EXIT_GOOD;
    }
    const struct sg_verb *verb = find_verb(arguments->items[0]);
    if (verb == NULL) {
        return unknown_verb(cli, arguments->items[0]);
    }
    char name[] = "signgate", help[] = "--help";
    char *words[] = {name, help, NULL, NULL};
    if (arguments->count < 2) {
        return sg_verb_main(cli, verb, 2, words);
    }
    if (verb->words == NULL) {
        return sg_usage_error(cli, "the verb \"%s\" has no words   (signgate %s --help)",
                              verb->name, verb->name);
    }
    char *word = strdup(arguments->items[1]);
    if (word == NULL) {
        return sg_usage_error(cli, "out of memory");
    }
    words[1] = word;
    words[2] = help;
    int status = sg_verb_main(cli, verb, 3, words);
    free(word);
    return status;
}

/* What to type in another terminal: a program that was called by a path is not on the PATH. */
static const char *typed_name(const char *called_as, char path[PATH_MAX])
{
    const bool by_path = strchr(called_as, '/') != NULL;
    return by_path && realpath(called_as, path) != NULL ? path : "signgate";
}

/* "signgate --verson": an option where a verb was expected. */
static int unknown_first_option(struct sg_cli *cli, const char *given)
{
    static const char *const names[] = {"--help", "--version"};
    const char *nearest = sg_str_nearest(sg_str_from(given), names, sizeof names / sizeof *names);
    return nearest != NULL
               ? sg_usage_error(cli, "unknown option \"%s\"; did you mean \"%s\"?", given, nearest)
               : sg_usage_error(cli,
                                "unknown option \"%s\": options stand behind the verb   (all "
                                "verbs: signgate help)",
                                given);
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    struct sg_cli cli = {.out = stdout, .err = stderr};
    int status;
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (argc < 2) {
        list_verbs(stderr);
        return SG_EXIT_USAGE;
    }
    cli.program = typed_name(argv[0], path);
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        list_verbs(stdout);
        status = SG_EXIT_GOOD;
    } else if (strcmp(word, "--version") == 0) {
        (void)printf("signgate %s\n", PACKAGE_VERSION);
        status = SG_EXIT_GOOD;
    } else if (strcmp(word, "-t") == 0) {
        status = sg_verb_main(&cli, &sg_verb_check, argc - 1, argv + 1);
    } else if (word[0] == '-') {
        status = unknown_first_option(&cli, word);
    } else {
        const struct sg_verb *verb = find_verb(word);
        status =
            verb != NULL ? sg_verb_main(&cli, verb, argc - 1, argv + 1) : unknown_verb(&cli, word);
    }
    /* A result that could not be written is no result. */
    if (fflush(stdout) != 0 && status == SG_EXIT_GOOD) {
        status = SG_EXIT_FAILED;
    }
    return status;
}
