/*
 * Decision tables as text. A table is a file of lines:
 *
 *     # a comment
 *     @NAME VALUE           a setting for the cases below it, until it is set again
 *     INPUT => EXPECTED     a case; blanks around both are dropped, EXPECTED may be empty
 *
 * In all three \xHH is a byte, \t \n \r \s (a blank) and \\ what they say. A program gives the
 * function that turns an input into the text it leads to; where that is not what the line expects,
 * the line is shown as "file:line: ...".
 */
#ifndef SG_TESTS_TABLE_H
#define SG_TESTS_TABLE_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum { TABLE_SETTINGS_MAX = 16 };

struct table_setting {
    struct sg_str name;
    struct sg_str value;
};

struct table_case {
    const char *file; /* below the source directory */
    unsigned line;
    struct sg_str input;
    const struct table_setting *settings;
    size_t setting_count;
    struct sg_arena *arena; /* of this case alone */
};

/* The value of a setting; empty when it is not set. */
struct sg_str table_setting(const struct table_case *test, const char *name);

/* Write what the input leads to. */
typedef void table_judge_fn(void *arg, const struct table_case *test, struct sg_buf *got);

/*
 * Judge all cases of the files (paths below the source directory), print each failure and, at the
 * end, "N passed, M failed". The exit status: 0 when there were cases and none failed.
 */
int table_run(const char *const *files, size_t count, table_judge_fn *judge, void *arg);

#endif
