#include "text/json_out.h"

#include "base/object.h"

enum { DEPTH_MAX = 32 };

/* The length of the UTF-8 sequence s begins with (RFC 3629), or 0 when it begins with none. */
static size_t sequence_length(struct sg_str s)
{
    size_t most = s.n < 4 ? s.n : 4;
    for (size_t length = 1; length <= most; length++) {
        if (sg_str_is_utf8(sg_str_slice(s, 0, length))) {
            return length;
        }
    }
    return 0;
}

static void add_escape(struct sg_buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    switch (c) {
    case '"':
    case '\\':
        escape[1] = (char)c;
        sg_buf_add(out, escape, 2);
        return;
    case '\n':
        sg_buf_add(out, "\\n", 2);
        return;
    case '\r':
        sg_buf_add(out, "\\r", 2);
        return;
    case '\t':
        sg_buf_add(out, "\\t", 2);
        return;
    default:
        sg_buf_add(out, escape, sizeof escape);
    }
}

/* Whether s begins with a control character of U+0080 to U+009F: a terminal may act on those too.
 */
static bool is_c1(struct sg_str s)
{
    return s.n >= 2 && (unsigned char)s.p[0] == 0xc2 && (unsigned char)s.p[1] < 0xa0;
}

/* Whether a byte stands in a string as it is, and for itself. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

size_t sg_json_string_bound(struct sg_str value)
{
    enum { ESCAPE_BYTES = 6 }; /* \u0001 */
    size_t escaped = 0;
    for (size_t i = 0; i < value.n; i++) {
        escaped += !is_plain((unsigned char)value.p[i]);
    }
    return 2 + value.n + (ESCAPE_BYTES - 1) * escaped;
}

void sg_json_add_string(struct sg_buf *out, struct sg_str value)
{
    sg_buf_add_char(out, '"');
    size_t plain = 0; /* start of the run that needs no escape */
    for (size_t i = 0; i < value.n;) {
        unsigned char c = (unsigned char)value.p[i];
        size_t length = 1;
        if (is_plain(c)) {
            i++;
            continue;
        }
        if (c >= 0x80) {
            length = sequence_length(sg_str_slice(value, i, value.n));
            if (length > 0 && !is_c1(sg_str_slice(value, i, value.n))) {
                i += length;
                continue;
            }
        }
        sg_buf_add_str(out, sg_str_slice(value, plain, i));
        if (length > 1) {
            add_escape(out, (unsigned char)value.p[i + 1]);
        } else if (c >= 0x80) {
            sg_buf_add_text(out, "\xef\xbf\xbd"); /* U+FFFD for a byte that is no UTF-8 */
        } else {
            add_escape(out, c);
        }
        i += length > 1 ? length : 1;
        plain = i;
    }
    sg_buf_add_str(out, sg_str_slice(value, plain, value.n));
    sg_buf_add_char(out, '"');
}

void sg_json_init(struct sg_json *json, struct sg_buf *out)
{
    *json = (struct sg_json){.out = out};
}

/* What stands before a value: a comma, a name. */
static void begin_value(struct sg_json *json, const char *name)
{
    if ((json->has_items >> json->depth & 1u) != 0) {
        sg_buf_add_char(json->out, ',');
    }
    json->has_items |= (uint32_t)1 << json->depth;
    if (name != NULL) {
        sg_buf_add_char(json->out, '"');
        sg_buf_add_text(json->out, name);
        sg_buf_add(json->out, "\":", 2);
    }
}

static void begin_level(struct sg_json *json, const char *name, char bracket)
{
    begin_value(json, name);
    sg_buf_add_char(json->out, bracket);
    json->depth++;
    SG_ASSERT(json->depth < DEPTH_MAX);
    json->has_items &= ~((uint32_t)1 << json->depth);
}

static void end_level(struct sg_json *json, char bracket)
{
    SG_ASSERT(json->depth > 0);
    json->depth--;
    sg_buf_add_char(json->out, bracket);
}

void sg_json_begin_object(struct sg_json *json, const char *name)
{
    begin_level(json, name, '{');
}

void sg_json_end_object(struct sg_json *json)
{
    end_level(json, '}');
}

void sg_json_begin_list(struct sg_json *json, const char *name)
{
    begin_level(json, name, '[');
}

void sg_json_end_list(struct sg_json *json)
{
    end_level(json, ']');
}

void sg_json_string(struct sg_json *json, const char *name, struct sg_str value)
{
    begin_value(json, name);
    sg_json_add_string(json->out, value);
}

void sg_json_text(struct sg_json *json, const char *name, const char *value)
{
    if (value == NULL) {
        sg_json_null(json, name);
    } else {
        sg_json_string(json, name, sg_str_from(value));
    }
}

void sg_json_u64(struct sg_json *json, const char *name, uint64_t value)
{
    begin_value(json, name);
    sg_buf_add_u64(json->out, value);
}

void sg_json_i64(struct sg_json *json, const char *name, int64_t value)
{
    begin_value(json, name);
    sg_buf_add_i64(json->out, value);
}

void sg_json_bool(struct sg_json *json, const char *name, bool value)
{
    begin_value(json, name);
    sg_buf_add_text(json->out, value ? "true" : "false");
}

void sg_json_null(struct sg_json *json, const char *name)
{
    begin_value(json, name);
    sg_buf_add_text(json->out, "null");
}

void sg_json_raw(struct sg_json *json, const char *name, struct sg_str value)
{
    begin_value(json, name);
    sg_buf_add_str(json->out, value);
}
