#include "http/problem.h"

#include "text/json_out.h"

/* The problem type: the code behind its dot, "SIGNGATE.BadRequest" as "...:BadRequest". */
static const char type_prefix[] = "urn:signgate:problem:";
static const char instance_prefix[] = "urn:uuid:";

/* Add a string made of two pieces that need no escaping together. */
static void add_urn(struct sg_json *json, const char *name, const char *prefix, struct sg_str rest)
{
    char text[128];
    struct sg_buf urn;
    sg_buf_init_fixed(&urn, text, sizeof text);
    sg_buf_add_text(&urn, prefix);
    sg_buf_add_str(&urn, rest);
    sg_json_string(json, name, sg_buf_str(&urn));
}

static void add_if_any(struct sg_json *json, const char *name, struct sg_str value)
{
    if (value.n > 0) {
        sg_json_string(json, name, value);
    }
}

void sg_problem_render(struct sg_buf *out, enum sg_refusal refusal, struct sg_str detail,
                       struct sg_str request_id, const struct sg_problem_denial *denial)
{
    const struct sg_refusal_row *row = sg_refusal_row(refusal);
    struct sg_str code = sg_str_from(row->code);
    struct sg_str message = detail.n > 0 ? detail : sg_str_from(row->title);
    struct sg_json json;
    sg_json_init(&json, out);
    sg_json_begin_object(&json, NULL);
    add_urn(&json, "type", type_prefix, sg_str_slice(code, sg_str_find(code, '.') + 1, code.n));
    sg_json_text(&json, "title", row->title);
    sg_json_u64(&json, "status", row->status);
    sg_json_string(&json, "detail", message);
    add_urn(&json, "instance", instance_prefix, request_id);
    sg_json_text(&json, "error_code", row->code);
    sg_json_string(&json, "error_msg", message);
    sg_json_string(&json, "request_id", request_id);
    if (denial != NULL) {
        add_if_any(&json, "caller", denial->caller);
        add_if_any(&json, "identity", denial->identity);
        add_if_any(&json, "action", denial->action);
        add_if_any(&json, "resource", denial->resource);
        add_if_any(&json, "policy", denial->policy);
        add_if_any(&json, "statement", denial->statement);
        add_if_any(&json, "reason", denial->reason);
        add_if_any(&json, "would_allow", denial->would_allow);
    }
    sg_json_end_object(&json);
}
