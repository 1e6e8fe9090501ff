#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"

enum { OPTIONS_MAX = 24, WORDS_MAX = 16, FIRST_VALUE = 1000 };

/* Options that every verb has. */
static const struct sg_option help_option = {
    .name = "help", .letter = 'h', .summary = "show this help"};
static const struct sg_option output_option = {
    .name = "output", .argument = "text|json", .summary = "form of the result (text)"};
static const struct sg_option output_or_csv_option = {
    .name = "output", .argument = "text|json|csv", .summary = "form of the result (text)"};

/* The options of a verb with the common ones behind; returns how many. */
static size_t all_options(const struct sg_verb *verb, const struct sg_option *ret[OPTIONS_MAX])
{
    size_t count = 0;
    for (const struct sg_option *option = verb->options;
         option != NULL && option->name != NULL && count < OPTIONS_MAX - 2; option++) {
        ret[count++] = option;
    }
    if (verb->has_output) {
        ret[count++] = verb->has_csv ? &output_or_csv_option : &output_option;
    }
    ret[count++] = &help_option;
    return count;
}

int sg_usage_error(struct sg_cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("signgate: ", cli->err);
    (void)vfprintf(cli->err, format, args);
    (void)fputc('\n', cli->err);
    va_end(args);
    return SG_EXIT_USAGE;
}

void sg_cli_print(FILE *to, struct sg_str text)
{
    if (text.n > 0) {
        (void)fwrite(text.p, 1, text.n, to);
    }
}

static void print_help(struct sg_cli *cli, const struct sg_verb *verb)
{
    const struct sg_option *options[OPTIONS_MAX];
    size_t count = all_options(verb, options);
    (void)fprintf(cli->out, "%s\n\nusage: signgate %s\n\noptions:\n", verb->summary, verb->usage);
    for (size_t i = 0; i < count; i++) {
        char left[48];
        const struct sg_option *option = options[i];
        (void)snprintf(left, sizeof left, "%c%c%s--%s%s%s", option->letter != 0 ? '-' : ' ',
                       option->letter != 0 ? option->letter : ' ',
                       option->letter != 0 ? ", " : "  ", option->name,
                       option->argument != NULL ? " " : "",
                       option->argument != NULL ? option->argument : "");
        (void)fprintf(cli->out, "  %-24s %s%s\n", left, option->summary,
                      option->not_built != NULL ? " (not built yet)" : "");
    }
    if (verb->examples != NULL) {
        (void)fprintf(cli->out, "\nexamples:\n%s", verb->examples);
    }
}

/* "--confg": nearest option, or where to look. */
static int unknown_option(struct sg_cli *cli, const struct sg_verb *verb, const char *given)
{
    const struct sg_option *options[OPTIONS_MAX];
    const char *names[OPTIONS_MAX];
    size_t count = all_options(verb, options);
    for (size_t i = 0; i < count; i++) {
        names[i] = options[i]->name;
    }
    struct sg_str name = sg_str_from(given);
    while (name.n > 0 && name.p[0] == '-') {
        name = sg_str_slice(name, 1, name.n);
    }
    name = sg_str_slice(name, 0, sg_str_find(name, '='));
    const char *nearest = NULL;
    for (size_t i = 0; i < count && name.n > 0; i++) { /* an abbreviation means what it begins */
        if (sg_str_starts_with(sg_str_from(names[i]), name)) {
            nearest = names[i];
        }
    }
    if (nearest == NULL) {
        nearest = sg_str_nearest(name, names, count);
    }
    if (nearest != NULL) {
        return sg_usage_error(cli, "unknown option \"%s\"; did you mean \"--%s\"?", given, nearest);
    }
    return sg_usage_error(cli, "unknown option \"%s\"   (all options: signgate %s --help)", given,
                          verb->name);
}

static bool add_value(struct sg_arguments *arguments, const struct sg_option *option,
                      const char *value)
{
    if (arguments->value_count == SG_OPTION_VALUES_MAX) {
        return false;
    }
    arguments->values[arguments->value_count].option = option;
    arguments->values[arguments->value_count].value = value;
    arguments->value_count++;
    return true;
}

static int take_output(struct sg_cli *cli, const struct sg_verb *verb, const char *value)
{
    static const char *const forms[] = {"text", "json", "csv"};
    const size_t count = verb->has_csv ? 3 : 2;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(value, forms[i]) == 0) {
            cli->json = i == 1;
            cli->csv = i == 2;
            return SG_EXIT_GOOD;
        }
    }
    const char *nearest = sg_str_nearest(sg_str_from(value), forms, count);
    return nearest != NULL
               ? sg_usage_error(cli, "--output \"%s\"; did you mean \"%s\"?", value, nearest)
               : sg_usage_error(cli, "--output is %s, not \"%s\"",
                                verb->has_csv ? "text, json or csv" : "text or json", value);
}

/* Take one parsed option; SG_EXIT_GOOD to go on. */
static int take_option(struct sg_cli *cli, const struct sg_verb *verb,
                       const struct sg_option *option, const char *value, struct sg_arguments *ret)
{
    if (option->not_built != NULL) {
        return sg_usage_error(cli, "--%s: %s", option->name, option->not_built);
    }
    if (option == &output_option || option == &output_or_csv_option) {
        int status = take_output(cli, verb, value);
        if (status != SG_EXIT_GOOD) {
            return status;
        }
    }
    if (!option->repeatable && sg_option_count(ret, option->name) > 0) {
        return sg_usage_error(cli, "--%s is given twice", option->name);
    }
    if (!add_value(ret, option, value != NULL ? value : "")) {
        return sg_usage_error(cli, "too many options   (signgate %s --help)", verb->name);
    }
    return SG_EXIT_GOOD;
}

static int parse(struct sg_cli *cli, const struct sg_verb *verb, int argc, char **argv,
                 struct sg_arguments *ret)
{
    const struct sg_option *options[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 1] = {{.name = NULL}};
    char letters[2 * OPTIONS_MAX + 3] = ":"; /* missing arguments come back as ':' */
    size_t count = all_options(verb, options), at = 1;
    for (size_t i = 0; i < count; i++) {
        longs[i] = (struct option){
            .name = options[i]->name,
            .has_arg = options[i]->argument != NULL ? required_argument : no_argument,
            .val = FIRST_VALUE + (int)i,
        };
        if (options[i]->letter != 0) {
            letters[at++] = options[i]->letter;
            if (options[i]->argument != NULL) {
                letters[at++] = ':';
            }
        }
    }
    opterr = 0;
    optind = 0;
    for (;;) {
        int before = optind > 0 ? optind : 1;
        int found = getopt_long(argc, argv, letters, longs, NULL);
        if (found == -1) {
            break;
        }
        const char *given = argv[optind > before ? optind - 1 : before];
        if (found == '?' || found == ':') {
            const char *word = argv[before];
            /* getopt may have moved other arguments; the offending one begins with a dash. */
            for (int i = before; i < argc && word[0] != '-'; i++) {
                word = argv[i];
            }
            if (found == ':') {
                return sg_usage_error(cli, "option \"%s\" needs a value   (signgate %s --help)",
                                      word, verb->name);
            }
            return unknown_option(cli, verb, word);
        }
        const struct sg_option *option = NULL;
        for (size_t i = 0; i < count; i++) {
            if (found == FIRST_VALUE + (int)i || (found != 0 && found == options[i]->letter)) {
                option = options[i];
            }
        }
        if (option == NULL) {
            return unknown_option(cli, verb, given);
        }
        /* getopt takes any unique beginning; we do not. */
        if (found >= FIRST_VALUE) {
            for (int i = before; i < optind && i < argc; i++) {
                struct sg_str word = sg_str_from(argv[i]);
                if (sg_str_starts_with(word, SG_STR("--")) && word.n > 2) {
                    word = sg_str_slice(word, 2, sg_str_find(word, '='));
                    if (!sg_str_equal_text(word, option->name)) {
                        return unknown_option(cli, verb, argv[i]);
                    }
                    break;
                }
            }
        }
        if (option == &help_option) {
            print_help(cli, verb);
            return -1;
        }
        int status = take_option(cli, verb, option, optarg, ret);
        if (status != SG_EXIT_GOOD) {
            return status;
        }
    }
    for (int i = optind; i < argc; i++) {
        if (ret->count == SG_ARGUMENTS_MAX || ret->count == verb->max_arguments) {
            return sg_usage_error(cli, "unexpected argument \"%s\"   (usage: signgate %s)", argv[i],
                                  verb->usage);
        }
        ret->items[ret->count++] = argv[i];
    }
    if (ret->count < verb->min_arguments) {
        return sg_usage_error(cli, "an argument is missing   (usage: signgate %s)", verb->usage);
    }
    return SG_EXIT_GOOD;
}

/* --- verbs with words ------------------------------------------------------------------------- */

const char *sg_word_name(const struct sg_verb *word)
{
    const char *space = strrchr(word->name, ' ');
    return space != NULL ? space + 1 : word->name;
}

static void print_words(struct sg_cli *cli, const struct sg_verb *verb)
{
    (void)fprintf(cli->out, "%s\n\nusage: signgate %s\n\nwords:\n", verb->summary, verb->usage);
    for (const struct sg_verb *const *word = verb->words; *word != NULL; word++) {
        (void)fprintf(cli->out, "  %-10s %s%s\n", sg_word_name(*word), (*word)->summary,
                      (*word)->not_built != NULL ? " (not built yet)" : "");
    }
    (void)fprintf(cli->out, "\nEach word has --help: signgate %s %s --help\n", verb->name,
                  sg_word_name(verb->words[0]));
}

/* "audit vrefy": the nearest word, or where to look. */
static int unknown_word(struct sg_cli *cli, const struct sg_verb *verb, const char *given)
{
    const char *names[WORDS_MAX];
    size_t count = 0;
    for (; verb->words[count] != NULL && count < WORDS_MAX; count++) {
        names[count] = sg_word_name(verb->words[count]);
    }
    const char *nearest = sg_str_nearest(sg_str_from(given), names, count);
    if (given[0] == '-' && nearest == NULL) {
        return sg_usage_error(cli,
                              "unknown option \"%s\": options stand behind the word   (all words: "
                              "signgate %s --help)",
                              given, verb->name);
    }
    if (nearest != NULL) {
        return sg_usage_error(cli, "unknown word \"%s %s\"; did you mean \"%s %s\"?", verb->name,
                              given, verb->name, nearest);
    }
    return sg_usage_error(cli, "unknown word \"%s %s\"   (all words: signgate %s --help)",
                          verb->name, given, verb->name);
}

static int word_main(struct sg_cli *cli, const struct sg_verb *verb, int argc, char **argv)
{
    if (argc < 2) {
        return sg_usage_error(cli, "a word is missing   (all words: signgate %s --help)",
                              verb->name);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_words(cli, verb);
        return SG_EXIT_GOOD;
    }
    for (const struct sg_verb *const *word = verb->words; *word != NULL; word++) {
        if (strcmp(argv[1], sg_word_name(*word)) == 0) {
            return sg_verb_main(cli, *word, argc - 1, argv + 1);
        }
    }
    return unknown_word(cli, verb, argv[1]);
}

int sg_verb_main(struct sg_cli *cli, const struct sg_verb *verb, int argc, char **argv)
{
    struct sg_arguments arguments = {.count = 0};
    if (verb->not_built != NULL) {
        return sg_usage_error(cli, "%s", verb->not_built);
    }
    if (verb->words != NULL) {
        return word_main(cli, verb, argc, argv);
    }
    int status = parse(cli, verb, argc, argv, &arguments);
    if (status == -1) {
        return SG_EXIT_GOOD; /* help was shown */
    }
    return status == SG_EXIT_GOOD ? verb->run(cli, &arguments) : status;
}

const char *sg_option_value(const struct sg_arguments *arguments, const char *name,
                            const char *otherwise)
{
    const char *value = otherwise;
    for (size_t i = 0; i < arguments->value_count; i++) {
        if (strcmp(arguments->values[i].option->name, name) == 0) {
            value = arguments->values[i].value;
        }
    }
    return value;
}

size_t sg_option_count(const struct sg_arguments *arguments, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < arguments->value_count; i++) {
        count += strcmp(arguments->values[i].option->name, name) == 0;
    }
    return count;
}
