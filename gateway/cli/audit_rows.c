#include "cli/audit_rows.h"

#include <string.h>

#include "audit/members.h"
#include "cli/audit_read.h"
#include "cli/cells.h"

/*
 * The table has 100 columns. Its time is to the second with the offset, so that it can be given to
 * --since as it stands; of the request id the end is shown, which --request-id takes. Whatever
 * stands in a colour stands there in words too.
 */

enum {
    ROW_COLUMNS = 100,
    ACTION_COLUMNS = 25,
    DECISION_COLUMNS = 6,
    STATUS_COLUMNS = 6,
    MS_COLUMNS = 6,
    ID_COLUMNS = 8,
    GAPS = 6,
    CELL_BYTES_MAX = 65536,
};

struct sg_audit_rows sg_audit_rows_make(const struct sg_cli *cli, bool utc, const char *directory)
{
    return (struct sg_audit_rows){
        .form = cli->json  ? SG_AUDIT_ROWS_JSON
                : cli->csv ? SG_AUDIT_ROWS_CSV
                           : SG_AUDIT_ROWS_TEXT,
        .utc = utc,
        .colour = sg_colour_wanted(cli->out),
        .is_written = sg_audit_is_written(directory),
    };
}

const char *sg_audit_fate(const struct sg_entry *entry, bool is_written)
{
    if (!sg_entry_is_in_doubt(entry)) {
        return "";
    }
    return entry->has_outcome || !is_written ? "in doubt" : "in flight";
}

void sg_audit_add_plain(const struct sg_entry *entry, enum sg_entry_member member,
                        struct sg_buf *out)
{
    sg_members_unescape(sg_entry_text(entry, member), out);
}

/* --- text ------------------------------------------------------------------------------------- */

static size_t time_columns(const struct sg_audit_rows *rows)
{
    return rows->utc ? SG_CELL_TIME_UTC : SG_CELL_TIME_LOCAL;
}

static size_t caller_columns(const struct sg_audit_rows *rows)
{
    return ROW_COLUMNS - time_columns(rows) - ACTION_COLUMNS - DECISION_COLUMNS - STATUS_COLUMNS -
           MS_COLUMNS - ID_COLUMNS - GAPS;
}

static void add_gap(struct sg_buf *out)
{
    sg_buf_add_char(out, ' ');
}

static void add_text_head(const struct sg_audit_rows *rows, struct sg_buf *out)
{
    size_t from = out->n;
    sg_cell_add(out, SG_STR("TIME"), time_columns(rows), SG_CELL_LEFT);
    add_gap(out);
    sg_cell_add(out, SG_STR("CALLER"), caller_columns(rows), SG_CELL_LEFT);
    add_gap(out);
    sg_cell_add(out, SG_STR("ACTION"), ACTION_COLUMNS, SG_CELL_LEFT);
    add_gap(out);
    sg_cell_add(out, SG_STR("POLICY"), DECISION_COLUMNS, SG_CELL_LEFT);
    add_gap(out);
    sg_cell_add(out, SG_STR("STATUS"), STATUS_COLUMNS, SG_CELL_RIGHT);
    add_gap(out);
    sg_cell_add(out, SG_STR("MS"), MS_COLUMNS, SG_CELL_RIGHT);
    add_gap(out);
    sg_cell_add(out, SG_STR("REQUEST"), ID_COLUMNS, SG_CELL_LEFT);
    sg_cell_trim(out, from);
    sg_buf_add_char(out, '\n');
}

/* The caller, or in brackets where a request came from that nobody is known for. */
static void put_caller(const struct sg_entry *entry, struct sg_buf *cell)
{
    if (sg_entry_text(entry, SG_ENTRY_caller).n > 0) {
        sg_audit_add_plain(entry, SG_ENTRY_caller, cell);
    } else {
        sg_buf_add_char(cell, '(');
        sg_audit_add_plain(entry, SG_ENTRY_source_ip, cell);
        sg_buf_add_char(cell, ')');
    }
}

/* The action; of summed refusals how many; else in brackets why there is none. */
static void put_action(const struct sg_entry *entry, struct sg_buf *cell)
{
    const struct sg_str prefix = SG_STR("SIGNGATE.");
    uint64_t count;
    if (sg_entry_number(entry, SG_ENTRY_count, &count)) {
        sg_buf_printf(cell, "%llu refusal%s, summed", (unsigned long long)count,
                      count == 1 ? "" : "s");
    } else if (sg_entry_text(entry, SG_ENTRY_action).n > 0) {
        sg_audit_add_plain(entry, SG_ENTRY_action, cell);
    } else {
        struct sg_str reason = sg_entry_text(entry, SG_ENTRY_reason);
        size_t from = sg_str_starts_with(reason, prefix) ? prefix.n : 0;
        sg_buf_add_char(cell, '(');
        sg_members_unescape(sg_str_slice(reason, from, reason.n), cell);
        sg_buf_add_char(cell, ')');
    }
}

static const char *decision_word(const struct sg_entry *entry)
{
    struct sg_str decision = sg_entry_text(entry, SG_ENTRY_decision);
    return sg_str_equal(decision, SG_STR("allow"))  ? "allow"
           : sg_str_equal(decision, SG_STR("deny")) ? "deny"
                                                    : "-";
}

static enum sg_colour colour_of(const struct sg_audit_rows *rows, const struct sg_entry *entry)
{
    uint64_t status = 0;
    if (!rows->colour) {
        return SG_COLOUR_NONE;
    }
    (void)sg_entry_number(entry, SG_ENTRY_status, &status);
    if (entry->kind == SG_ENTRY_EVENT) {
        return SG_COLOUR_DIM;
    }
    if (status >= 500 || (sg_entry_is_in_doubt(entry) && entry->has_outcome)) {
        return SG_COLOUR_RED;
    }
    return status >= 400 || entry->kind == SG_ENTRY_REFUSAL ? SG_COLOUR_YELLOW : SG_COLOUR_NONE;
}

/* Status and milliseconds, or what is said in their place; then the end of the request id. */
static void add_answer(const struct sg_audit_rows *rows, const struct sg_entry *entry,
                       struct sg_buf *cell, struct sg_buf *out)
{
    uint64_t status, us;
    bool has_status = sg_entry_number(entry, SG_ENTRY_status, &status);
    const char *fate = sg_audit_fate(entry, rows->is_written);
    if (fate[0] != '\0' && !has_status) {
        sg_cell_add(out, sg_str_from(fate), STATUS_COLUMNS + 1 + MS_COLUMNS, SG_CELL_RIGHT);
    } else {
        sg_buf_clear(cell);
        if (has_status) {
            sg_buf_add_u64(cell, status);
            sg_buf_add_text(cell, fate[0] != '\0' ? "?" : "");
        } else {
            sg_buf_add_char(cell, '-');
        }
        sg_cell_add(out, sg_buf_str(cell), STATUS_COLUMNS, SG_CELL_RIGHT);
        add_gap(out);
        sg_buf_clear(cell);
        if (sg_entry_number(entry, SG_ENTRY_duration_us, &us)) {
            sg_cell_add_ms(cell, us);
        } else {
            sg_buf_add_char(cell, '-');
        }
        sg_cell_add(out, sg_buf_str(cell), MS_COLUMNS, SG_CELL_RIGHT);
    }
    add_gap(out);
    sg_buf_clear(cell);
    sg_audit_add_plain(entry, SG_ENTRY_request_id, cell);
    struct sg_str id = sg_buf_str(cell);
    sg_cell_add(out, sg_str_slice(id, id.n > ID_COLUMNS ? id.n - ID_COLUMNS : 0, id.n), ID_COLUMNS,
                SG_CELL_LEFT);
}

/* What is known of an event, as "name value" pairs. */
static void put_details(const struct sg_entry *entry, struct sg_buf *cell)
{
    static const char *const left_out[] = {"schema", "stream", "prev", "crc",
                                           "time",   "event",  "seq",  NULL};
    struct sg_str rest = sg_members_inside(entry->lines[1]);
    struct sg_member member;
    while (sg_members_next(&rest, &member)) {
        size_t i = 0;
        while (left_out[i] != NULL && !sg_str_equal_text(member.name, left_out[i])) {
            i++;
        }
        if (left_out[i] == NULL) {
            sg_buf_add_text(cell, cell->n > 0 ? ", " : "");
            sg_buf_add_str(cell, member.name);
            sg_buf_add_char(cell, ' ');
            sg_members_unescape(member.value, cell);
        }
    }
}

static void add_event(const struct sg_audit_rows *rows, const struct sg_entry *entry,
                      struct sg_buf *cell, struct sg_buf *out)
{
    const size_t caller = caller_columns(rows);
    sg_buf_add_char(cell, '[');
    sg_audit_add_plain(entry, SG_ENTRY_event, cell);
    sg_buf_add_char(cell, ']');
    sg_cell_add(out, sg_buf_str(cell), caller, SG_CELL_LEFT);
    add_gap(out);
    sg_buf_clear(cell);
    put_details(entry, cell);
    sg_cell_add(out, sg_buf_str(cell), ROW_COLUMNS - time_columns(rows) - caller - 2, SG_CELL_LEFT);
}

static void add_text(const struct sg_audit_rows *rows, const struct sg_entry *entry,
                     struct sg_buf *out)
{
    struct sg_buf cell, time;
    enum sg_colour colour = colour_of(rows, entry);
    sg_buf_init(&cell, CELL_BYTES_MAX);
    sg_buf_init(&time, CELL_BYTES_MAX);
    sg_colour_begin(out, colour);
    size_t from = out->n;
    sg_cell_add_time(&time, sg_entry_text(entry, SG_ENTRY_time), rows->utc);
    sg_cell_add(out, sg_buf_str(&time), time_columns(rows), SG_CELL_LEFT);
    add_gap(out);
    if (entry->kind == SG_ENTRY_EVENT) {
        add_event(rows, entry, &cell, out);
    } else {
        put_caller(entry, &cell);
        sg_cell_add(out, sg_buf_str(&cell), caller_columns(rows), SG_CELL_LEFT);
        add_gap(out);
        sg_buf_clear(&cell);
        put_action(entry, &cell);
        sg_cell_add(out, sg_buf_str(&cell), ACTION_COLUMNS, SG_CELL_TAIL);
        add_gap(out);
        sg_cell_add(out, sg_str_from(decision_word(entry)), DECISION_COLUMNS, SG_CELL_LEFT);
        add_gap(out);
        add_answer(rows, entry, &cell, out);
    }
    sg_cell_trim(out, from);
    sg_colour_end(out, colour);
    sg_buf_add_char(out, '\n');
    sg_buf_done(&cell);
    sg_buf_done(&time);
}

/* --- CSV -------------------------------------------------------------------------------------- */

/* A whole number is one for a spreadsheet too; all else that it would calculate gets a mark. */
static bool is_formula(struct sg_str cell, bool is_string)
{
    uint64_t number;
    if (cell.n == 0 || strchr("=+-@\t\r", cell.p[0]) == NULL || cell.p[0] == '\0') {
        return false;
    }
    return is_string || cell.p[0] != '-' ||
           !sg_str_to_u64(sg_str_slice(cell, 1, cell.n), UINT64_MAX, &number);
}

static void add_csv_cell(struct sg_buf *out, struct sg_str cell, bool is_string)
{
    bool quoted = is_formula(cell, is_string);
    for (size_t i = 0; i < cell.n && !quoted; i++) {
        quoted = strchr(",\"\r\n", cell.p[i]) != NULL;
    }
    if (!quoted) {
        sg_cell_add_safe(out, cell);
        return;
    }
    sg_buf_add_char(out, '"');
    sg_buf_add_text(out, is_formula(cell, is_string) ? "'" : "");
    for (size_t from = 0; from <= cell.n;) {
        size_t end = from + sg_str_find(sg_str_slice(cell, from, cell.n), '"');
        sg_cell_add_safe(out, sg_str_slice(cell, from, end));
        sg_buf_add_text(out, end < cell.n ? "\"\"" : "");
        from = end + 1;
    }
    sg_buf_add_char(out, '"');
}

static void add_csv(const struct sg_entry *entry, struct sg_buf *out)
{
    struct sg_buf cell;
    sg_buf_init(&cell, 4 << 20);
    for (size_t i = 0; i < SG_ENTRY_MEMBER_COUNT; i++) {
        const struct sg_entry_value *value = &entry->values[i];
        sg_buf_add_text(out, i > 0 ? "," : "");
        sg_buf_clear(&cell);
        if (value->is_string) {
            sg_members_unescape(value->text, &cell);
        } else {
            sg_buf_add_str(&cell, value->text);
        }
        add_csv_cell(out, sg_buf_str(&cell), value->is_string);
    }
    sg_buf_add_text(out, "\r\n");
    sg_buf_done(&cell);
}

/* --- all forms -------------------------------------------------------------------------------- */

void sg_audit_rows_add_head(const struct sg_audit_rows *rows, struct sg_buf *out)
{
    if (rows->form == SG_AUDIT_ROWS_TEXT) {
        add_text_head(rows, out);
    } else if (rows->form == SG_AUDIT_ROWS_CSV) {
        for (size_t i = 0; i < SG_ENTRY_MEMBER_COUNT; i++) {
            sg_buf_add_text(out, i > 0 ? "," : "");
            sg_buf_add_text(out, sg_entry_member_name((enum sg_entry_member)i));
        }
        sg_buf_add_text(out, "\r\n");
    }
}

void sg_audit_rows_add(const struct sg_audit_rows *rows, const struct sg_entry *entry,
                       struct sg_buf *out)
{
    switch (rows->form) {
    case SG_AUDIT_ROWS_JSON:
        sg_buf_add_text(out, "{\"schema\":\"signgate.audit.show.1\"");
        sg_entry_add_json(entry, out);
        sg_buf_add_text(out, "}\n");
        break;
    case SG_AUDIT_ROWS_CSV:
        add_csv(entry, out);
        break;
    default:
        add_text(rows, entry, out);
    }
}
