/* audit stats: how many, with what end, how long. */
#include <signal.h>
#include <string.h>

#include "audit/members.h"
#include "audit/tally.h"
#include "cli/audit.h"
#include "cli/audit_read.h"
#include "cli/cells.h"
#include "text/json_out.h"

enum { TABLE_COLUMNS = 100, TEXT_BYTES_MAX = 64 << 20, BY_COUNT = 5, FIGURE_COUNT = 9 };

static const struct {
    const char *name;
    enum sg_entry_member member;
} dimensions[BY_COUNT] = {
    {"caller", SG_ENTRY_caller},     {"team", SG_ENTRY_team},     {"action", SG_ENTRY_action},
    {"decision", SG_ENTRY_decision}, {"status", SG_ENTRY_status},
};

struct counting {
    struct sg_cli *cli;
    const struct sg_filter *filter;
    const char *directory;
    bool utc;
    struct sg_tally *tally;
    const char *by_names[BY_COUNT];
    enum sg_entry_member by[BY_COUNT];
    size_t by_count;
    struct sg_buf text;
    char first[SG_CLOCK_RFC3339_BYTES],
        last[SG_CLOCK_RFC3339_BYTES]; /* times of what was counted */
    bool has_times;
};

/* --- reading ---------------------------------------------------------------------------------- */

static int read_by(struct counting *c, const struct sg_arguments *arguments)
{
    for (size_t i = 0; i < arguments->value_count; i++) {
        const char *value = arguments->values[i].value;
        if (strcmp(arguments->values[i].option->name, "by") != 0) {
            continue;
        }
        const char *names[BY_COUNT];
        size_t found = BY_COUNT;
        for (size_t d = 0; d < BY_COUNT; d++) {
            names[d] = dimensions[d].name;
            found = strcmp(value, names[d]) == 0 ? d : found;
        }
        const char *nearest = sg_str_nearest(sg_str_from(value), names, BY_COUNT);
        if (found == BY_COUNT && nearest != NULL) {
            return sg_usage_error(c->cli, "--by \"%s\"; did you mean \"%s\"?", value, nearest);
        }
        if (found == BY_COUNT) {
            return sg_usage_error(
                c->cli, "--by is caller, team, action, decision or status, not \"%s\"", value);
        }
        for (size_t d = 0; d < c->by_count; d++) {
            if (c->by[d] == dimensions[found].member) {
                return sg_usage_error(c->cli, "--by %s is given twice", value);
            }
        }
        c->by_names[c->by_count] = dimensions[found].name;
        c->by[c->by_count++] = dimensions[found].member;
    }
    return SG_EXIT_GOOD;
}

static enum sg_status take(struct counting *c, const struct sg_entry *entry)
{
    struct sg_str time = sg_entry_text(entry, SG_ENTRY_time);
    if (entry->kind == SG_ENTRY_EVENT || !sg_filter_matches(c->filter, entry)) {
        return SG_OK;
    }
    if (time.n == sizeof c->first) {
        if (!c->has_times || memcmp(time.p, c->first, sizeof c->first) < 0) {
            memcpy(c->first, time.p, sizeof c->first);
        }
        if (!c->has_times || memcmp(time.p, c->last, sizeof c->last) > 0) {
            memcpy(c->last, time.p, sizeof c->last);
        }
        c->has_times = true;
    }
    return sg_tally_add(c->tally, entry);
}

static enum sg_status count(struct counting *c, struct sg_entries *entries)
{
    struct sg_entry entry;
    struct sg_error error = {.text = "out of memory"};
    const void *cursor = NULL;
    enum sg_status status;
    while ((status = sg_entries_next(entries, &entry, &error)) == SG_OK) {
        status = take(c, &entry);
        if (status != SG_OK) {
            break;
        }
    }
    if (status == SG_NOT_FOUND) {
        status = SG_OK;
        while (status == SG_OK && sg_entries_next_open(entries, &cursor, &entry)) {
            status = take(c, &entry);
        }
    }
    if (status != SG_OK) {
        sg_audit_say_failed(c->cli, c->directory, &error);
    }
    return status;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void add_json(struct counting *c, const struct sg_tally_group *group, bool total)
{
    struct sg_json json;
    struct sg_buf value;
    const struct sg_tally_figures *f = sg_tally_figures(group);
    sg_buf_init(&value, TEXT_BYTES_MAX);
    sg_json_init(&json, &c->text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.audit.stats.1");
    sg_json_bool(&json, "total", total);
    sg_json_begin_object(&json, "group");
    for (size_t i = 0; !total && i < c->by_count; i++) {
        sg_buf_clear(&value);
        sg_members_unescape(sg_tally_value(group, i), &value);
        sg_json_string(&json, c->by_names[i], sg_buf_str(&value));
    }
    sg_json_end_object(&json);
    if (total && c->has_times) {
        sg_json_string(&json, "first", (struct sg_str){c->first, sizeof c->first});
        sg_json_string(&json, "last", (struct sg_str){c->last, sizeof c->last});
    }
    sg_json_u64(&json, "requests", f->requests);
    sg_json_u64(&json, "calls", f->calls);
    sg_json_u64(&json, "succeeded", f->succeeded);
    sg_json_u64(&json, "failed", f->failed);
    sg_json_u64(&json, "unknown", f->unknown);
    sg_json_u64(&json, "open", f->open);
    sg_json_u64(&json, "denied", f->denied);
    sg_json_u64(&json, "rejected", f->rejected);
    sg_json_u64(&json, "dry_runs", f->dry_runs);
    sg_json_u64(&json, "error_ppm", sg_tally_error_ppm(group));
    sg_json_u64(&json, "timed", f->timed);
    sg_json_u64(&json, "p50_us", sg_tally_percentile_us(group, 500));
    sg_json_u64(&json, "p90_us", sg_tally_percentile_us(group, 900));
    sg_json_u64(&json, "p99_us", sg_tally_percentile_us(group, 990));
    sg_json_u64(&json, "max_us", f->max_us);
    sg_json_end_object(&json);
    sg_buf_add_char(&c->text, '\n');
    sg_buf_done(&value);
}

/* --- text ------------------------------------------------------------------------------------- */

static const char *const heads[FIGURE_COUNT] = {"REQUESTS", "DENIED", "REJECT", "ERRORS", "ERR %",
                                                "P50 MS",   "P90 MS", "P99 MS", "MAX MS"};

static void put_figure(const struct sg_tally_group *group, size_t index, struct sg_buf *cell)
{
    static const unsigned permille[] = {500, 900, 990};
    const struct sg_tally_figures *f = sg_tally_figures(group);
    const uint64_t counts[] = {f->requests, f->denied, f->rejected, f->failed + f->unknown};
    uint64_t ppm = sg_tally_error_ppm(group);
    sg_buf_clear(cell);
    if (index < 4) {
        sg_buf_add_u64(cell, counts[index]);
    } else if (index == 4) {
        sg_buf_printf(cell, "%llu.%llu", (unsigned long long)(ppm / 10000),
                      (unsigned long long)(ppm / 1000 % 10));
    } else if (f->timed == 0) {
        sg_buf_add_char(cell, '-');
    } else {
        sg_cell_add_ms(cell,
                       index < 8 ? sg_tally_percentile_us(group, permille[index - 5]) : f->max_us);
    }
}

static void put_value(const struct counting *c, const struct sg_tally_group *group, size_t index,
                      struct sg_buf *cell)
{
    sg_buf_clear(cell);
    if (group != sg_tally_total(c->tally)) {
        sg_members_unescape(sg_tally_value(group, index), cell);
    } else if (index == 0) {
        sg_buf_add_text(cell, "(all)");
    }
}

/* Columns as wide as what stands in them; those of the values share what is left of the table. */
struct widths {
    size_t values[BY_COUNT];
    size_t figures[FIGURE_COUNT];
};

static void widen(size_t *width, struct sg_str text)
{
    size_t columns = sg_cell_columns(text);
    *width = columns > *width ? columns : *width;
}

static void measure(const struct counting *c, const struct sg_tally_group *group,
                    struct widths *ret)
{
    struct sg_buf cell;
    sg_buf_init(&cell, TEXT_BYTES_MAX);
    for (size_t i = 0; i < c->by_count; i++) {
        put_value(c, group, i, &cell);
        widen(&ret->values[i], sg_buf_str(&cell));
    }
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        put_figure(group, i, &cell);
        widen(&ret->figures[i], sg_buf_str(&cell));
    }
    sg_buf_done(&cell);
}

/* Take columns from the widest values until the table fits. */
static void fit(const struct counting *c, struct widths *widths)
{
    enum { VALUE_MIN = 4 };
    size_t all = c->by_count + FIGURE_COUNT - 1; /* gaps */
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        all += widths->figures[i];
    }
    for (size_t i = 0; i < c->by_count; i++) {
        all += widths->values[i];
    }
    while (all > TABLE_COLUMNS) {
        size_t widest = 0;
        for (size_t i = 1; i < c->by_count; i++) {
            widest = widths->values[i] > widths->values[widest] ? i : widest;
        }
        if (c->by_count == 0 || widths->values[widest] <= VALUE_MIN) {
            return; /* figures are never cut */
        }
        widths->values[widest]--;
        all--;
    }
}

static void add_row(struct counting *c, const struct sg_tally_group *group,
                    const struct widths *widths)
{
    struct sg_buf cell;
    size_t from = c->text.n;
    sg_buf_init(&cell, TEXT_BYTES_MAX);
    for (size_t i = 0; i < c->by_count; i++) {
        if (group != NULL) {
            put_value(c, group, i, &cell);
        } else {
            sg_buf_clear(&cell);
            for (const char *p = c->by_names[i]; *p != '\0'; p++) {
                sg_buf_add_char(&cell, (char)(*p - 'a' + 'A'));
            }
        }
        sg_cell_add(&c->text, sg_buf_str(&cell), widths->values[i],
                    c->by[i] == SG_ENTRY_action ? SG_CELL_TAIL : SG_CELL_LEFT);
        sg_buf_add_char(&c->text, ' ');
    }
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        if (group != NULL) {
            put_figure(group, i, &cell);
        } else {
            sg_buf_clear(&cell);
            sg_buf_add_text(&cell, heads[i]);
        }
        sg_cell_add(&c->text, sg_buf_str(&cell), widths->figures[i], SG_CELL_RIGHT);
        sg_buf_add_text(&c->text, i + 1 < FIGURE_COUNT ? " " : "");
    }
    sg_cell_trim(&c->text, from);
    sg_buf_add_char(&c->text, '\n');
    sg_buf_done(&cell);
}

static void add_table(struct counting *c)
{
    struct widths widths = {.values = {0}};
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        widths.figures[i] = strlen(heads[i]);
    }
    for (size_t i = 0; i < c->by_count; i++) {
        widths.values[i] = strlen(c->by_names[i]);
    }
    measure(c, sg_tally_total(c->tally), &widths);
    for (size_t i = 0; i < sg_tally_count(c->tally); i++) {
        measure(c, sg_tally_group(c->tally, i), &widths);
    }
    fit(c, &widths);
    add_row(c, NULL, &widths);
    for (size_t i = 0; i < sg_tally_count(c->tally); i++) {
        add_row(c, sg_tally_group(c->tally, i), &widths);
    }
    add_row(c, sg_tally_total(c->tally), &widths);
}

static void add_text(struct counting *c)
{
    const struct sg_tally_figures *f = sg_tally_figures(sg_tally_total(c->tally));
    sg_buf_printf(&c->text, "%llu request%s", (unsigned long long)f->requests,
                  f->requests == 1 ? "" : "s");
    if (c->has_times) {
        sg_buf_add_text(&c->text, " from ");
        sg_cell_add_time(&c->text, (struct sg_str){c->first, sizeof c->first}, c->utc);
        sg_buf_add_text(&c->text, " to ");
        sg_cell_add_time(&c->text, (struct sg_str){c->last, sizeof c->last}, c->utc);
    }
    sg_buf_printf(&c->text,
                  "\n%llu allowed (%llu succeeded, %llu failed, %llu unknown, %llu without an "
                  "outcome), %llu denied, %llu rejected",
                  (unsigned long long)f->calls, (unsigned long long)f->succeeded,
                  (unsigned long long)f->failed, (unsigned long long)f->unknown,
                  (unsigned long long)f->open, (unsigned long long)f->denied,
                  (unsigned long long)f->rejected);
    if (f->dry_runs > 0) {
        sg_buf_printf(&c->text, ", %llu dry run%s", (unsigned long long)f->dry_runs,
                      f->dry_runs == 1 ? "" : "s");
    }
    sg_buf_add_text(&c->text, "\n\n");
    add_table(c);
}

/* --- the word --------------------------------------------------------------------------------- */

static enum sg_status print(struct counting *c)
{
    sg_tally_sort(c->tally);
    if (c->cli->json) {
        for (size_t i = 0; i < sg_tally_count(c->tally); i++) {
            add_json(c, sg_tally_group(c->tally, i), false);
        }
        add_json(c, sg_tally_total(c->tally), true);
    } else {
        add_text(c);
    }
    return sg_result_write(c->cli->out, c->cli->err, &c->text);
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    struct sg_filter filter;
    struct sg_audit_source source;
    struct counting c = {.cli = cli, .filter = &filter, .directory = arguments->items[0]};
    int exit_status = sg_audit_filter_read(cli, arguments, &filter);
    if (exit_status == SG_EXIT_GOOD) {
        exit_status = read_by(&c, arguments);
    }
    if (exit_status != SG_EXIT_GOOD) {
        return exit_status;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    exit_status = sg_audit_source_open(cli, c.directory, &source);
    if (exit_status != SG_EXIT_GOOD) {
        return exit_status;
    }
    c.utc = sg_option_count(arguments, "utc") > 0;
    sg_buf_init(&c.text, TEXT_BYTES_MAX);
    c.tally = sg_tally_new(c.by, c.by_count);
    struct sg_entries *entries =
        c.tally != NULL
            ? sg_audit_source_read(cli, &source, sg_audit_source_first(&source, &filter))
            : NULL;
    enum sg_status status = entries != NULL ? count(&c, entries) : SG_IO;
    if (status == SG_OK) {
        status = print(&c);
        sg_audit_say_bad_lines(cli, c.directory, entries);
    }
    sg_entries_close(entries);
    sg_tally_free(c.tally);
    sg_audit_source_done(&source);
    sg_buf_done(&c.text);
    return status == SG_OK || status == SG_NOT_FOUND ? SG_EXIT_GOOD : SG_EXIT_FAILED;
}

static const struct sg_option options[] = {
    {.name = "by",
     .argument = "WHAT",
     .repeatable = true,
     .summary = "caller, team, action, decision or status"},
    SG_AUDIT_WHO_OPTIONS,
    SG_AUDIT_WHAT_OPTIONS,
    SG_AUDIT_WHEN_OPTIONS,
    {.name = "utc", .summary = "times in UTC"},
    {.name = NULL},
};

const struct sg_verb sg_audit_word_stats = {
    .name = "audit stats",
    .summary = "count calls, errors and latencies",
    .usage = "audit stats DIR [options]",
    .options = options,
    .has_output = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .examples = "  signgate audit stats DIR --by caller --by action --since 1d\n",
    .run = run,
};
