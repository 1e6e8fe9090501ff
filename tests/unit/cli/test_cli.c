/* Parsing by table, with a verb that only notes what it was given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"

enum { WORDS_MAX = 80, RAN = 42 };

/* Say on out what arrived, in the order in which it came. */
static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    for (size_t i = 0; i < arguments->value_count; i++) {
        (void)fprintf(cli->out, "--%s=%s ", arguments->values[i].option->name,
                      arguments->values[i].value);
    }
    for (size_t i = 0; i < arguments->count; i++) {
        (void)fprintf(cli->out, "[%s] ", arguments->items[i]);
    }
    (void)fprintf(cli->out, "%s", cli->json ? "json" : "text");
    return RAN;
}

static const struct sg_option options[] = {
    {.name = "config", .letter = 'c', .argument = "FILE", .summary = "the configuration"},
    {.name = "strict", .letter = 's', .summary = "warnings fail too"},
    {.name = "header", .argument = "LINE", .repeatable = true, .summary = "a header"},
    {.name = "later", .argument = "X", .summary = "later", .not_built = "it is not built yet"},
    {.name = NULL},
};

static const struct sg_verb verb = {
    .name = "try",
    .summary = "try the parser",
    .usage = "try A [B]",
    .options = options,
    .has_output = true,
    .min_arguments = 1,
    .max_arguments = 2,
    .examples = "  signgate try a\n",
    .run = run,
};

struct result {
    int status;
    char *out;
    char *err;
};

static void result_done(struct result *result)
{
    free(result->out);
    free(result->err);
}

/* Run a verb with words split at "|"; argv[0] is the verb. */
static struct result call(const struct sg_verb *of, const char *words)
{
    struct result result = {.status = -1};
    char *copy = strdup(words), *argv[WORDS_MAX + 1] = {NULL}, *rest = copy;
    char name[] = "try";
    int argc = 0;
    argv[argc++] = name;
    while (words[0] != '\0' && rest != NULL) {
        assert_in_range(argc, 1, WORDS_MAX - 1);
        argv[argc++] = strsep(&rest, "|");
    }
    size_t out_size = 0, err_size = 0;
    struct sg_cli cli = {.out = open_memstream(&result.out, &out_size),
                         .err = open_memstream(&result.err, &err_size)};
    assert_non_null(cli.out);
    assert_non_null(cli.err);
    result.status = sg_verb_main(&cli, of, argc, argv);
    assert_int_equal(fclose(cli.out), 0);
    assert_int_equal(fclose(cli.err), 0);
    free(copy);
    return result;
}

static void assert_ran(const char *words, const char *expected)
{
    struct result result = call(&verb, words);
    assert_int_equal(result.status, RAN);
    assert_string_equal(result.out, expected);
    assert_string_equal(result.err, "");
    result_done(&result);
}

/* Refused with exactly one line that holds why; nothing on out. */
static void assert_usage_of(const struct sg_verb *of, const char *words, const char *why)
{
    struct result result = call(of, words);
    assert_int_equal(result.status, SG_EXIT_USAGE);
    assert_string_equal(result.out, "");
    if (strstr(result.err, why) == NULL) {
        fail_msg("\"%s\" is not in: %s", why, result.err);
    }
    assert_true(strncmp(result.err, "signgate: ", 10) == 0);
    const char *end = strchr(result.err, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
    result_done(&result);
}

static void assert_usage(const char *words, const char *why)
{
    assert_usage_of(&verb, words, why);
}

static void test_good_words(void **state)
{
    (void)state;
    assert_ran("a", "[a] text");
    assert_ran("a|b", "[a] [b] text");
    assert_ran("--config|f|a", "--config=f [a] text");
    assert_ran("--config=f|a", "--config=f [a] text");
    assert_ran("-c|f|a", "--config=f [a] text");
    assert_ran("-cf|a", "--config=f [a] text");
    assert_ran("a|--config|f", "--config=f [a] text");
    assert_ran("-s|a", "--strict= [a] text");
    assert_ran("-scf|a", "--strict= --config=f [a] text");
    assert_ran("--header|X: 1|a|--header|Y: 2", "--header=X: 1 --header=Y: 2 [a] text");
    assert_ran("--output|json|a", "--output=json [a] json");
    assert_ran("--output=text|a", "--output=text [a] text");
    assert_ran("--config=|a", "--config= [a] text");
    assert_ran("--header|--strict|a", "--header=--strict [a] text");
    assert_ran("--|-s|--strict", "[-s] [--strict] text");
    assert_ran("-|a", "[-] [a] text");
}

/* Long options are never abbreviated: what begins one is no more than a hint. */
static void test_wrong_words(void **state)
{
    (void)state;
    assert_usage("--conf|f|a", "unknown option \"--conf\"; did you mean \"--config\"?");
    assert_usage("--conf=f|a", "did you mean \"--config\"?");
    assert_usage("a|--conf|f", "unknown option \"--conf\"; did you mean \"--config\"?");
    assert_usage("--outp|json|a", "did you mean \"--output\"?");
    assert_usage("--cofnig|f|a", "did you mean \"--config\"?");
    assert_usage("--he|a", "did you mean \"--he");
    assert_usage("a|--hepl", "did you mean \"--help\"?");
    assert_usage("--frobnicate|a", "signgate try --help");
    assert_usage("-x|a", "unknown option \"-x\"");
    assert_usage("a|-x", "unknown option \"-x\"");
    assert_usage("--later|1|a", "--later: it is not built yet");
    assert_usage("--output|jsn|a", "did you mean \"json\"?");
    assert_usage("--output|yaml|a", "--output is text or json");
    assert_usage("--output||a", "--output is text or json");
    assert_usage("--config|f|--config|g|a", "--config is given twice");
    assert_usage("-c|f|--config|g|a", "--config is given twice");
}

static void test_counts(void **state)
{
    (void)state;
    assert_usage("", "an argument is missing");
    assert_usage("a|b|c", "unexpected argument \"c\"");
    assert_usage("a|--config", "needs a value");
    assert_usage("a|-c", "needs a value");
    assert_usage("a|--header", "needs a value");
}

/* More values than there is room for. */
static void test_many_options(void **state)
{
    char words[1024] = "a";
    (void)state;
    for (int i = 0; i < SG_OPTION_VALUES_MAX + 1; i++) {
        size_t at = strlen(words);
        (void)snprintf(words + at, sizeof words - at, "|--header=%d", i);
        if (i == SG_OPTION_VALUES_MAX - 1) {
            struct result result = call(&verb, words);
            assert_int_equal(result.status, RAN);
            result_done(&result);
        }
    }
    assert_usage(words, "too many options");
}

/* A parse leaves nothing behind: the next one begins anew, in the middle of letters too. */
static void test_again(void **state)
{
    (void)state;
    assert_usage("-sxc|f|a", "unknown option \"-sxc\"");
    assert_ran("-s|a", "--strict= [a] text");
    assert_usage("a|b|c", "unexpected argument");
    assert_ran("--output|json|a", "--output=json [a] json");
    assert_ran("a", "[a] text");
}

/* Help fits a screen of 24 lines and 80 columns, and names every option. */
static void assert_help(const struct sg_verb *of, const char *words)
{
    struct result result = call(of, words);
    assert_int_equal(result.status, SG_EXIT_GOOD);
    assert_string_equal(result.err, "");
    assert_non_null(strstr(result.out, of->usage));
    for (const struct sg_option *option = of->options; option != NULL && option->name != NULL;
         option++) {
        char name[64];
        (void)snprintf(name, sizeof name, "--%s", option->name);
        assert_non_null(strstr(result.out, name));
        assert_non_null(strstr(result.out, option->summary));
    }
    assert_non_null(strstr(result.out, "--help"));
    size_t lines = 0;
    for (const char *line = result.out; *line != '\0'; lines++) {
        size_t length = strcspn(line, "\n");
        if (length > 80) {
            fail_msg("%zu columns: %.*s", length, (int)length, line);
        }
        line += length + (line[length] == '\n');
    }
    assert_in_range(lines, 1, 24);
    result_done(&result);
}

static void test_help(void **state)
{
    static const struct sg_verb *const verbs[] = {&verb,          &sg_verb_serve, &sg_verb_sandbox,
                                                  &sg_verb_check, &sg_verb_sign,  &sg_verb_audit};
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        assert_help(verbs[i], "--help");
        assert_help(verbs[i], "-h");
    }
    for (const struct sg_verb *const *word = sg_verb_audit.words; *word != NULL; word++) {
        if ((*word)->not_built == NULL) {
            assert_help(*word, "--help");
            assert_help(*word, "-h");
        }
    }
    assert_help(&verb, "a|b|--help"); /* whatever else is given */
}

/* --- verbs with words ------------------------------------------------------------------------- */

static const struct sg_verb word_one = {
    .name = "many one",
    .summary = "the first",
    .usage = "many one A",
    .options = options,
    .has_output = true,
    .has_csv = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
static const struct sg_verb word_later = {
    .name = "many later",
    .summary = "the second",
    .usage = "many later",
    .not_built = "it comes later",
};
static const struct sg_verb *const words[] = {&word_one, &word_later, NULL};
static const struct sg_verb many = {
    .name = "many",
    .summary = "has words",
    .usage = "many WORD",
    .words = words,
};

static void test_words(void **state)
{
    (void)state;
    struct result result = call(&many, "one|-s|a|--output|csv");
    assert_int_equal(result.status, RAN);
    assert_string_equal(result.out, "--strict= --output=csv [a] text");
    result_done(&result);
    assert_usage_of(&many, "", "a word is missing   (all words: signgate many --help)");
    assert_usage_of(&many, "on|a", "unknown word \"many on\"; did you mean \"many one\"?");
    assert_usage_of(&many, "frobnicate|a",
                    "unknown word \"many frobnicate\"   (all words: signgate many --help)");
    assert_usage_of(&many, "--strict|one|a", "options stand behind the word");
    assert_usage_of(&many, "later", "it comes later");
    assert_usage_of(&many, "one", "(usage: signgate many one A)");
    assert_usage_of(&many, "one|a|--stric", "did you mean \"--strict\"?");
    assert_usage_of(&many, "one|a|--what", "(all options: signgate many one --help)");
    assert_usage_of(&many, "one|a|--output|cvs", "did you mean \"csv\"?");
    assert_usage_of(&many, "one|a|--output|pdf", "--output is text, json or csv, not \"pdf\"");
    assert_usage("a|--output|csv", "--output is text or json, not \"csv\"");
    assert_help(&many, "--help");
    assert_help(&many, "-h");
    assert_help(&word_one, "--help");
    result = call(&many, "--help");
    assert_non_null(strstr(result.out, "  one        the first\n"));
    assert_non_null(strstr(result.out, "  later      the second (not built yet)\n"));
    result_done(&result);
    result = call(&many, "one|--help");
    assert_non_null(strstr(result.out, "usage: signgate many one A\n"));
    assert_non_null(strstr(result.out, "--output text|json|csv"));
    result_done(&result);
}

static void test_values(void **state)
{
    const struct sg_arguments arguments = {
        .value_count = 3,
        .values = {{&options[0], "f"}, {&options[2], "one"}, {&options[2], "two"}}};
    (void)state;
    assert_string_equal(sg_option_value(&arguments, "config", "none"), "f");
    assert_string_equal(sg_option_value(&arguments, "header", "none"), "two");
    assert_string_equal(sg_option_value(&arguments, "strict", "none"), "none");
    assert_null(sg_option_value(&arguments, "strict", NULL));
    assert_int_equal(sg_option_count(&arguments, "header"), 2);
    assert_int_equal(sg_option_count(&arguments, "strict"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_words), cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_counts),     cmocka_unit_test(test_many_options),
        cmocka_unit_test(test_again),      cmocka_unit_test(test_help),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
