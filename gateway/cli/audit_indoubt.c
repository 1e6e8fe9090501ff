/* audit indoubt: the calls of which nobody knows whether the cloud has done them. */
#include <signal.h>

#include "cli/audit.h"
#include "cli/audit_read.h"
#include "cli/audit_rows.h"
#include "cli/cells.h"
#include "text/json_out.h"

enum { ROWS_BYTES_MAX = 64 << 20 };

struct listing {
    struct sg_cli *cli;
    const struct sg_filter *filter;
    const char *directory;
    bool utc;
    bool is_written;
    struct sg_buf text;
    struct sg_buf cell;
    uint64_t in_doubt, in_flight;
};

/* Why its fate is not known: a word for programs. */
static const char *why_word(const struct listing *l, const struct sg_entry *entry)
{
    return entry->has_outcome ? "unknown" : l->is_written ? "in_flight" : "no_outcome";
}

static void add_json(struct listing *l, const struct sg_entry *entry)
{
    sg_buf_add_text(&l->text, "{\"schema\":\"signgate.audit.indoubt.1\",\"why\":\"");
    sg_buf_add_text(&l->text, why_word(l, entry));
    sg_buf_add_char(&l->text, '"');
    sg_entry_add_json(entry, &l->text);
    sg_buf_add_text(&l->text, "}\n");
}

static void add_member(struct listing *l, const struct sg_entry *entry, enum sg_entry_member member)
{
    sg_buf_clear(&l->cell);
    sg_audit_add_plain(entry, member, &l->cell);
    sg_cell_add_safe(&l->text, sg_buf_str(&l->cell));
}

static void add_why(struct listing *l, const struct sg_entry *entry)
{
    if (!entry->has_outcome) {
        sg_buf_add_text(&l->text, l->is_written
                                      ? "no outcome yet: a gateway is at work here, it may be in "
                                        "flight"
                                      : "no outcome: the gateway ended before one was recorded");
        return;
    }
    sg_buf_add_text(&l->text, "outcome unknown: ");
    add_member(l, entry, SG_ENTRY_reason);
    if (sg_entry_text(entry, SG_ENTRY_detail).n > 0) {
        sg_buf_add_text(&l->text, ", ");
        add_member(l, entry, SG_ENTRY_detail);
    }
}

static void add_text(struct listing *l, const struct sg_entry *entry)
{
    sg_cell_add_time(&l->text, sg_entry_text(entry, SG_ENTRY_time), l->utc);
    sg_buf_add_text(&l->text, "  ");
    add_member(l, entry, SG_ENTRY_caller);
    sg_buf_add_text(&l->text, "  ");
    add_member(l, entry, SG_ENTRY_action);
    sg_buf_add_text(&l->text, "\n  ");
    add_member(l, entry, SG_ENTRY_method);
    sg_buf_add_char(&l->text, ' ');
    add_member(l, entry, SG_ENTRY_path);
    if (sg_entry_text(entry, SG_ENTRY_query).n > 0) {
        sg_buf_add_char(&l->text, '?');
        add_member(l, entry, SG_ENTRY_query);
    }
    sg_buf_add_text(&l->text, "\n  request ");
    add_member(l, entry, SG_ENTRY_request_id);
    sg_buf_add_text(&l->text, "\n  ");
    add_why(l, entry);
    sg_buf_add_char(&l->text, '\n');
}

static enum sg_status take(struct listing *l, const struct sg_entry *entry)
{
    if (!sg_entry_is_in_doubt(entry) || !sg_filter_matches(l->filter, entry)) {
        return SG_OK;
    }
    if (!entry->has_outcome && l->is_written) {
        l->in_flight++;
    } else {
        l->in_doubt++;
    }
    if (l->cli->json) {
        add_json(l, entry);
    } else {
        add_text(l, entry);
    }
    return sg_result_write(l->cli->out, l->cli->err, &l->text);
}

static enum sg_status list(struct listing *l, struct sg_entries *entries)
{
    struct sg_entry entry;
    struct sg_error error = {.text = ""};
    const void *cursor = NULL;
    enum sg_status status;
    while ((status = sg_entries_next(entries, &entry, &error)) == SG_OK) {
        status = take(l, &entry);
        if (status != SG_OK) {
            return status;
        }
    }
    if (status != SG_NOT_FOUND) {
        sg_audit_say_failed(l->cli, l->directory, &error);
        return status;
    }
    status = SG_OK;
    while (status == SG_OK && sg_entries_next_open(entries, &cursor, &entry)) {
        status = take(l, &entry);
    }
    return status;
}

static void add_sum(struct listing *l)
{
    if (l->in_doubt == 0) {
        sg_buf_add_text(&l->text, "no call is in doubt");
    } else {
        sg_buf_printf(&l->text, "%llu call%s in doubt", (unsigned long long)l->in_doubt,
                      l->in_doubt == 1 ? " is" : "s are");
    }
    if (l->in_flight > 0) {
        sg_buf_printf(&l->text, ", %llu may be in flight", (unsigned long long)l->in_flight);
    }
    sg_buf_add_char(&l->text, '\n');
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    struct sg_filter filter;
    struct sg_audit_source source;
    struct listing l = {.cli = cli, .filter = &filter, .directory = arguments->items[0]};
    int exit_status = sg_audit_filter_read(cli, arguments, &filter);
    if (exit_status != SG_EXIT_GOOD) {
        return exit_status;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    exit_status = sg_audit_source_open(cli, l.directory, &source);
    if (exit_status != SG_EXIT_GOOD) {
        return exit_status;
    }
    l.utc = sg_option_count(arguments, "utc") > 0;
    l.is_written = sg_audit_is_written(l.directory);
    sg_buf_init(&l.text, ROWS_BYTES_MAX);
    sg_buf_init(&l.cell, ROWS_BYTES_MAX);
    struct sg_entries *entries =
        sg_audit_source_read(cli, &source, sg_audit_source_first(&source, &filter));
    enum sg_status status = entries != NULL ? list(&l, entries) : SG_IO;
    if (status == SG_OK) {
        if (!cli->json) {
            add_sum(&l);
        }
        status = sg_result_write(cli->out, cli->err, &l.text);
        sg_audit_say_bad_lines(cli, l.directory, entries);
    }
    sg_entries_close(entries);
    sg_audit_source_done(&source);
    sg_buf_done(&l.text);
    sg_buf_done(&l.cell);
    return status == SG_OK || status == SG_NOT_FOUND ? SG_EXIT_GOOD : SG_EXIT_FAILED;
}

static const struct sg_option options[] = {
    SG_AUDIT_WHO_OPTIONS,
    SG_AUDIT_WHEN_OPTIONS,
    {.name = "utc", .summary = "times in UTC"},
    {.name = NULL},
};

const struct sg_verb sg_audit_word_indoubt = {
    .name = "audit indoubt",
    .summary = "list the calls whose fate is unknown",
    .usage = "audit indoubt DIR [options]",
    .options = options,
    .has_output = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .examples = "  signgate audit indoubt /var/lib/signgate/audit\n",
    .run = run,
};
