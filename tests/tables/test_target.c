/*
 * Request targets: "TARGET => PATH?QUERY" in canonical form, or "malformed: TEXT", or
 * "too large: TEXT". @host is the Host header's value.
 */
#include "http/target.h"
#include "table.h"

static void judge(void *arg, const struct table_case *test, struct sg_buf *got)
{
    struct sg_target target;
    struct sg_error error;
    (void)arg;
    enum sg_status status =
        sg_target_parse(test->arena, test->input, table_setting(test, "host"), &target, &error);
    if (status != SG_OK) {
        sg_buf_printf(got, "%s: %s", status == SG_MALFORMED ? "malformed" : "too large",
                      error.text);
        return;
    }
    sg_buf_add_str(got, target.path);
    if (target.query.n > 0) {
        sg_buf_add_char(got, '?');
        sg_buf_add_str(got, target.query);
    }
}

int main(void)
{
    static const char *const files[] = {"tests/tables/target.table"};
    return table_run(files, 1, judge, NULL);
}
