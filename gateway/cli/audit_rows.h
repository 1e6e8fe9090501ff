/* Entries as rows of a result: a table, CSV, or JSON lines. [main thread] */
#ifndef SG_CLI_AUDIT_ROWS_H
#define SG_CLI_AUDIT_ROWS_H

#include "audit/entry.h"
#include "cli/cli.h"

struct sg_audit_rows {
    enum { SG_AUDIT_ROWS_TEXT = 0, SG_AUDIT_ROWS_JSON, SG_AUDIT_ROWS_CSV } form;
    bool utc;
    bool colour;
    bool is_written; /* a gateway is at work: what is open may be in flight */
};

/* How rows are to look for what the command line says. */
struct sg_audit_rows sg_audit_rows_make(const struct sg_cli *cli, bool utc, const char *directory);

/* What stands above the rows; nothing for JSON. */
void sg_audit_rows_add_head(const struct sg_audit_rows *rows, struct sg_buf *out);

/* One row with its line end. */
void sg_audit_rows_add(const struct sg_audit_rows *rows, const struct sg_entry *entry,
                       struct sg_buf *out);

/* Append a member unescaped. */
void sg_audit_add_plain(const struct sg_entry *entry, enum sg_entry_member member,
                        struct sg_buf *out);

/* "in flight", "in doubt" or "". */
const char *sg_audit_fate(const struct sg_entry *entry, bool is_written);

#endif
