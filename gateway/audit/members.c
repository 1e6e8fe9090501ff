#include "audit/members.h"

#include <string.h>

#include "text/encode.h"

struct sg_str sg_members_inside(struct sg_str line)
{
    bool braced = line.n >= 2 && line.p[0] == '{' && line.p[line.n - 1] == '}';
    return braced ? sg_str_slice(line, 1, line.n - 1) : line;
}

/* Where the string that begins behind from ends: the position of its quote, or n. */
static size_t end_of_string(struct sg_str text, size_t from)
{
    size_t at = from;
    while (at < text.n) {
        const char *quote = memchr(text.p + at, '"', text.n - at);
        if (quote == NULL) {
            return text.n;
        }
        size_t end = (size_t)(quote - text.p), backslashes = 0;
        while (end - backslashes > from && text.p[end - backslashes - 1] == '\\') {
            backslashes++;
        }
        if (backslashes % 2 == 0) {
            return end;
        }
        at = end + 1;
    }
    return text.n;
}

/* The length of a nested object or list at the front, or 0 when it does not end. */
static size_t nested_length(struct sg_str text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '"') {
            i = end_of_string(text, i + 1);
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
            if (depth == 0) {
                return i + 1;
            }
        }
    }
    return 0;
}

/* The length of a number, true, false or null at the front. */
static size_t word_length(struct sg_str text)
{
    size_t length = 0;
    while (length < text.n) {
        char c = text.p[length];
        bool part = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' ||
                    c == '.' || c == 'E';
        if (!part) {
            break;
        }
        length++;
    }
    return length;
}

/* Take a value off the front of text; its length, or 0. */
static size_t take_value(struct sg_str text, struct sg_member *ret)
{
    if (text.n == 0) {
        return 0;
    }
    ret->is_string = text.p[0] == '"';
    if (ret->is_string) {
        size_t end = end_of_string(text, 1);
        ret->value = sg_str_slice(text, 1, end);
        return end < text.n ? end + 1 : 0;
    }
    size_t length = text.p[0] == '{' || text.p[0] == '[' ? nested_length(text) : word_length(text);
    ret->value = sg_str_slice(text, 0, length);
    return length;
}

bool sg_members_next(struct sg_str *rest, struct sg_member *ret)
{
    struct sg_str text = *rest;
    struct sg_member found;
    *rest = sg_str_slice(text, text.n, text.n);
    if (text.n == 0 || text.p[0] != '"') {
        return false;
    }
    size_t end = end_of_string(text, 1);
    found.name = sg_str_slice(text, 1, end);
    text = sg_str_slice(text, end, text.n);
    if (!sg_str_starts_with(text, SG_STR("\":"))) {
        return false;
    }
    text = sg_str_slice(text, 2, text.n);
    size_t length = take_value(text, &found);
    text = sg_str_slice(text, length, text.n);
    if (length == 0 || (text.n > 0 && text.p[0] != ',')) {
        return false;
    }
    *rest = sg_str_slice(text, 1, text.n);
    *ret = found;
    return true;
}

struct sg_str sg_members_find(struct sg_str line, const char *name)
{
    struct sg_str rest = sg_members_inside(line), wanted = sg_str_from(name);
    struct sg_member member;
    while (sg_members_next(&rest, &member)) {
        if (sg_str_equal(member.name, wanted)) {
            return member.value;
        }
    }
    return (struct sg_str){.p = ""};
}

bool sg_members_find_u64(struct sg_str line, const char *name, uint64_t *ret)
{
    return sg_str_to_u64(sg_members_find(line, name), UINT64_MAX, ret);
}

/* --- unescaping ------------------------------------------------------------------------------- */

static void add_character(struct sg_buf *out, unsigned c)
{
    if (c < 0x80) {
        sg_buf_add_char(out, (char)c);
    } else if (c < 0x800) {
        sg_buf_add_char(out, (char)(0xc0 | c >> 6));
        sg_buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        sg_buf_add_char(out, (char)(0xe0 | c >> 12));
        sg_buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        sg_buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        sg_buf_add_char(out, (char)(0xf0 | c >> 18));
        sg_buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        sg_buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        sg_buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* Read \uXXXX at position at; false when that is not what stands there. */
static bool read_unit(struct sg_str text, size_t at, unsigned *ret)
{
    unsigned char bytes[2];
    if (!sg_str_starts_with(sg_str_slice(text, at, text.n), SG_STR("\\u")) ||
        !sg_hex_decode(sg_str_slice(text, at + 2, at + 6), bytes, sizeof bytes)) {
        return false;
    }
    *ret = (unsigned)bytes[0] << 8 | bytes[1];
    return true;
}

/* Append the character of the \u at position at; the position behind it. */
static size_t add_unit(struct sg_str text, size_t at, struct sg_buf *out)
{
    enum { REPLACEMENT = 0xfffd, UNIT_BYTES = 6 };
    unsigned high, low;
    if (!read_unit(text, at, &high)) {
        add_character(out, REPLACEMENT);
        return at + 2;
    }
    if (high < 0xd800 || high > 0xdfff) {
        add_character(out, high);
        return at + UNIT_BYTES;
    }
    if (high > 0xdbff || !read_unit(text, at + UNIT_BYTES, &low) || low < 0xdc00 || low > 0xdfff) {
        add_character(out, REPLACEMENT);
        return at + UNIT_BYTES;
    }
    add_character(out, 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff));
    return at + 2 * UNIT_BYTES;
}

void sg_members_unescape(struct sg_str escaped, struct sg_buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    for (size_t i = 0; i < escaped.n;) {
        size_t plain = i + sg_str_find(sg_str_slice(escaped, i, escaped.n), '\\');
        sg_buf_add_str(out, sg_str_slice(escaped, i, plain));
        i = plain;
        if (i == escaped.n) {
            break;
        }
        char c = i + 1 < escaped.n ? escaped.p[i + 1] : '\0';
        const char *known = c != '\0' ? strchr(from, c) : NULL;
        if (c == 'u') {
            i = add_unit(escaped, i, out);
        } else if (known != NULL) {
            sg_buf_add_char(out, to[known - from]);
            i += 2;
        } else {
            add_character(out, 0xfffd);
            i += 2;
        }
    }
}
