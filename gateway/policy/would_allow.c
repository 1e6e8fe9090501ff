#include "base/buf.h"
#include "policy/policy.h"
#include "text/json_out.h"

enum { SID_LETTERS_MAX = 40 };

static bool is_letter_or_digit(char c)
{
    char lower = sg_ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* "news-a" as "NewsA"; a percent-encoded byte only parts two words. */
static void add_words(struct sg_buf *out, struct sg_str text)
{
    bool starts_word = true;
    for (size_t i = 0, taken = 0; i < text.n && taken < SID_LETTERS_MAX; i++) {
        if (!is_letter_or_digit(text.p[i])) {
            i += text.p[i] == '%' ? 2 : 0;
            starts_word = true;
            continue;
        }
        sg_buf_add_char(out, starts_word ? upper(text.p[i]) : text.p[i]);
        starts_word = false;
        taken++;
    }
}

/* The last part of a resource's name: what people call the thing. */
static struct sg_str last_part(struct sg_str resource)
{
    size_t start = resource.n;
    while (start > 0 && resource.p[start - 1] != '/' && resource.p[start - 1] != ':') {
        start--;
    }
    return sg_str_slice(resource, start, resource.n);
}

static bool is_literal(struct sg_str text)
{
    return text.n > 0 && sg_str_find(text, '*') == text.n && sg_str_find(text, '?') == text.n;
}

void sg_policy_would_allow(const struct sg_policy_request *request, struct sg_buf *out)
{
    const struct sg_action *action = request->action;
    if (!is_literal(action->name) || !is_literal(action->resource)) {
        return; /* as a pattern it would allow more than this request */
    }
    struct sg_str thing = last_part(action->resource);
    sg_buf_add_text(out, "- Sid: Allow");
    add_words(out, sg_str_equal(thing, action->project_id) ? action->operation : thing);
    sg_buf_add_text(out, "\n  Effect: Allow\n  Action: [");
    sg_json_add_string(out, action->name);
    sg_buf_add_text(out, "]\n  Resource: [");
    sg_json_add_string(out, action->resource);
    sg_buf_add_text(out, "]\n");
    if (action->project_id.n > 0) {
        /* Most resources do not hold the project: without this it would be any of them. */
        sg_buf_add_text(out, "  Condition: {StringEquals: {\"signgate:ProjectId\": [");
        sg_json_add_string(out, action->project_id);
        sg_buf_add_text(out, "]}}\n");
    }
}
