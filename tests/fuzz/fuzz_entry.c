/*
 * Lines as readers meet them: walked, joined, filtered and written as rows of all forms. Nothing
 * reads behind the input; what is written as JSON is one object, and no form holds a byte that a
 * terminal would obey. What was escaped and comes back is UTF-8 when its line was.
 *
 * Input: a line, or an intent and its outcome with a line feed between; behind a form feed a trail.
 */
#include "audit/entry.h"
#include "audit/filter.h"
#include "audit/members.h"
#include "audit/trail.h"
#include "cli/audit_rows.h"
#include "fuzz.h"
#include "text/json_in.h"

enum { ROW_BYTES_MAX = 64 << 20 };

static void check_bytes(struct sg_str row, const char *allowed)
{
    for (size_t i = 0; i < row.n; i++) {
        unsigned char c = (unsigned char)row.p[i];
        CHECK((c >= 0x20 && c != 0x7f) || (c != 0 && strchr(allowed, c) != NULL));
        CHECK(c != 0xc2 || i + 1 == row.n || (unsigned char)row.p[i + 1] >= 0xa0);
    }
}

static void write_rows(const struct sg_entry *entry)
{
    struct sg_audit_rows rows = {.utc = true};
    struct sg_json_value *root = NULL;
    struct sg_buf out;
    sg_buf_init(&out, ROW_BYTES_MAX);
    sg_audit_rows_add(&rows, entry, &out);
    CHECK(!sg_buf_failed(&out));
    check_bytes(sg_str_slice(sg_buf_str(&out), 0, out.n - 1), "");
    sg_buf_clear(&out);
    rows.form = SG_AUDIT_ROWS_CSV;
    sg_audit_rows_add(&rows, entry, &out);
    CHECK(!sg_buf_failed(&out));
    check_bytes(sg_str_slice(sg_buf_str(&out), 0, out.n - 2), "");
    sg_buf_clear(&out);
    rows.form = SG_AUDIT_ROWS_JSON;
    sg_audit_rows_add(&rows, entry, &out);
    CHECK(!sg_buf_failed(&out));
    check_bytes(sg_str_slice(sg_buf_str(&out), 0, out.n - 1), "");
    /* Our reader takes no NUL in a string, which JSON may have. */
    if (memmem(out.p, out.n, "\\u0000", 6) == NULL) {
        CHECK(sg_json_parse(sg_buf_str(&out), &root, NULL) == SG_OK);
        CHECK(sg_json_is_object(root));
    }
    sg_json_free(root);
    sg_buf_done(&out);
}

static void match(const struct sg_entry *entry)
{
    struct sg_filter filter = {.has_since = true, .with_gateway_events = true};
    memcpy(filter.since, "2026-01-31T12:00:00.000000Z", sizeof filter.since);
    CHECK(sg_filter_add(&filter.callers, "*a*"));
    CHECK(sg_filter_add(&filter.request_ids, "0123456789ab"));
    CHECK(sg_filter_add_status(&filter.statuses, SG_STR("4xx")));
    (void)sg_filter_matches(&filter, entry);
    (void)sg_entry_is_in_doubt(entry);
    CHECK((sg_entry_count(entry) == 0) == (entry->kind == SG_ENTRY_EVENT) ||
          sg_entry_text(entry, SG_ENTRY_count).n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_str input = {.p = (const char *)data, .n = size};
    struct sg_str lines = fuzz_take_until(&input, '\f');
    struct sg_str first = fuzz_take_until(&lines, '\n');
    char *one = fuzz_copy(first), *two = fuzz_copy(lines);
    struct sg_str intent = {.p = one, .n = first.n}, line = {.p = two, .n = lines.n};
    struct sg_entry entry;
    if (line.n == 0) {
        line = intent;
        intent.n = 0;
    }
    sg_entry_read(intent, line, &entry);
    match(&entry);
    write_rows(&entry);
    free(one);
    free(two);
    struct sg_error error = {.text = ""};
    struct sg_trail *trail = sg_trail_new(&error);
    CHECK(trail != NULL);
    if (sg_trail_read(trail, input, &error) == SG_OK) {
        sg_trail_sort(trail);
        for (size_t i = 1; i < sg_trail_count(trail); i++) {
            CHECK(sg_trail_trace(trail, i - 1)->time_ms <= sg_trail_trace(trail, i)->time_ms);
        }
    } else {
        CHECK(error.text[0] != '\0');
    }
    sg_trail_free(trail);
    return 0;
}
