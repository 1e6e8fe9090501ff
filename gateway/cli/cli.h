/*
 * The command line: verbs and their options as const tables that parse, print help and find the
 * right word for a wrong one. Long options are never abbreviated. Results go to out, everything
 * else to err. [main thread]
 */
#ifndef SG_CLI_CLI_H
#define SG_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/str.h"

/* Exit statuses (the contract; 69 to 78 as in sysexits.h). */
enum sg_exit {
    SG_EXIT_GOOD = 0,
    SG_EXIT_FAILED = 1, /* a check, test or verification failed */
    SG_EXIT_USAGE = 2,
    SG_EXIT_WIDENED = 3,
    SG_EXIT_BIND = 69,
    SG_EXIT_AUDIT = 74,
    SG_EXIT_CONFIGURATION = 78,
};

struct sg_cli {
    FILE *out;
    FILE *err;
    bool json;           /* --output json */
    bool csv;            /* --output csv */
    const char *program; /* what to type to call it, in lines to paste */
};

/* An option of a verb. */
struct sg_option {
    const char *name;     /* "config", without dashes */
    char letter;          /* 'c', or 0 */
    const char *argument; /* "FILE", or NULL for a switch */
    bool repeatable;
    const char *summary;
    const char *not_built; /* a text: the option is known, and refused with it */
};

enum { SG_OPTION_VALUES_MAX = 64, SG_ARGUMENTS_MAX = 16 };

/* What was given. Values are borrowed from argv. */
struct sg_arguments {
    size_t value_count;
    struct {
        const struct sg_option *option;
        const char *value; /* "" for a switch */
    } values[SG_OPTION_VALUES_MAX];
    size_t count;
    const char *items[SG_ARGUMENTS_MAX]; /* what is no option */
};

struct sg_verb {
    const char *name;                /* of a word with its verb before it: "audit verify" */
    const char *summary;             /* one line for `signgate help` */
    const char *usage;               /* "sign METHOD URL [options]" */
    const struct sg_option *options; /* ends with a NULL name; --help and --output are everyone's */
    bool has_output;                 /* knows --output json */
    bool has_csv;                    /* knows --output csv as well */
    size_t min_arguments, max_arguments;
    const char *examples; /* lines, each with its end */
    int (*run)(struct sg_cli *cli, const struct sg_arguments *arguments);
    const struct sg_verb *const *words; /* ends with NULL: what stands behind the verb says what is
                                           done. Of all else it has name, summary, usage alone */
    const char *not_built;              /* a text: the word is known, and refused with it */
};

/*
 * Parse argv (argv[0] is the verb, or the word of one) and run; of a verb with words the word that
 * argv[1] is. Prints help, or one line about what is wrong. Returns the exit status.
 */
int sg_verb_main(struct sg_cli *cli, const struct sg_verb *verb, int argc, char **argv);

/* What of a word's name stands behind its verb's: "verify". */
const char *sg_word_name(const struct sg_verb *word);

/* The last value of an option, or otherwise; how often it was given. */
const char *sg_option_value(const struct sg_arguments *arguments, const char *name,
                            const char *otherwise);
size_t sg_option_count(const struct sg_arguments *arguments, const char *name);

/* Write a text; an empty one too. What could not be written shows in ferror. */
void sg_cli_print(FILE *to, struct sg_str text);

/* Print "signgate: <text>" as one line to err and return SG_EXIT_USAGE. */
int sg_usage_error(struct sg_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Each verb's row, from its own file. */
extern const struct sg_verb sg_verb_serve, sg_verb_sandbox, sg_verb_check, sg_verb_sign,
    sg_verb_audit, sg_verb_schema;

#endif
