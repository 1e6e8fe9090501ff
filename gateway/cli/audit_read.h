/*
 * What the words that read entries share: the options that say which ones, where in the directory
 * to begin, what is said in the end. [main thread]
 */
#ifndef SG_CLI_AUDIT_READ_H
#define SG_CLI_AUDIT_READ_H

#include "audit/entries.h"
#include "audit/filter.h"
#include "audit/segment.h"
#include "cli/cli.h"

/* Rows of the options that choose entries, for the table of a word. */
#define SG_AUDIT_WHO_OPTIONS                                                                 \
    {.name = "caller",                                                                       \
     .argument = "NAME",                                                                     \
     .repeatable = true,                                                                     \
     .summary = "of this caller (* and ? are wildcards)"},                                   \
        {.name = "team", .argument = "NAME", .repeatable = true, .summary = "of this team"}, \
    {                                                                                        \
        .name = "action", .argument = "ACTION", .repeatable = true,                          \
        .summary = "of this action, such as live:ott:*"                                      \
    }
#define SG_AUDIT_WHEN_OPTIONS                                                                \
    {.name = "since", .argument = "TIME", .summary = "RFC 3339, or 15m, 2h, 1d before now"}, \
    {                                                                                        \
        .name = "until", .argument = "TIME", .summary = "up to this time"                    \
    }
#define SG_AUDIT_WHAT_OPTIONS                                       \
    {.name = "decision",                                            \
     .argument = "allow|deny",                                      \
     .repeatable = true,                                            \
     .summary = "what the policies said"},                          \
        {.name = "event",                                           \
         .argument = "EVENT",                                       \
         .repeatable = true,                                        \
         .summary = "intent, denied, rejected, start..."},          \
        {.name = "outcome",                                         \
         .argument = "OUTCOME",                                     \
         .repeatable = true,                                        \
         .summary = "success, failure, unknown or open"},           \
        {.name = "status",                                          \
         .argument = "STATUS",                                      \
         .repeatable = true,                                        \
         .summary = "such as 403, 4xx, 200-299"},                   \
    {                                                               \
        .name = "request-id", .argument = "ID", .repeatable = true, \
        .summary = "any of its ids, or the end of ours"             \
    }

/* Read those of the options that were given. SG_EXIT_GOOD, or one line was printed. */
int sg_audit_filter_read(struct sg_cli *cli, const struct sg_arguments *arguments,
                         struct sg_filter *ret);

/* A directory that is to be read. */
struct sg_audit_source {
    const char *directory;
    struct sg_segment_name *names; /* of its segments, in order */
    size_t count;
};

/* Look at it. SG_EXIT_GOOD, or SG_EXIT_FAILED: a line says that there is nothing to read and why.
 */
int sg_audit_source_open(struct sg_cli *cli, const char *directory, struct sg_audit_source *ret);
void sg_audit_source_done(struct sg_audit_source *source);

/*
 * The first segment that must be read for what the filter wants: calls may have begun an hour
 * before they ended.
 */
size_t sg_audit_source_first(const struct sg_audit_source *source, const struct sg_filter *filter);

/* Begin to read from a segment. NULL: a line says why not. */
struct sg_entries *sg_audit_source_read(struct sg_cli *cli, const struct sg_audit_source *source,
                                        size_t from);

/* Whether a gateway has the directory locked: what is open may just be in flight. */
bool sg_audit_is_written(const char *directory);

/* Say on err that lines were left out, if any were. */
void sg_audit_say_bad_lines(struct sg_cli *cli, const char *directory, struct sg_entries *entries);

/* Say on err why reading has failed. */
void sg_audit_say_failed(struct sg_cli *cli, const char *directory, const struct sg_error *error);

#endif
