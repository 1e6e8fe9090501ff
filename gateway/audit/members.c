#include "audit/members.h"

#include <string.h>

#include "text/encode.h"

struct sg_str sg_members_inside(struct sg_str line)
{
    bool braced = line.n >= 2 && line.p[0] == '{' && line.p[line.n - 1] == '}';
    return braced ? sg_str_slice(line, 1, line.n - 1) : line;
}

/*
 * The walk is what reading a log costs: pointers, no slices. Each function takes where to begin and
 * the end of the text, and returns the place behind what it has read, or NULL.
 */

/* The quote that ends the string whose inside begins at from. */
static const char *end_of_string(const char *from, const char *end)
{
    for (const char *at = from; at < end; at++) {
        at = memchr(at, '"', (size_t)(end - at));
        if (at == NULL) {
            return NULL;
        }
        const char *before = at;
        while (before > from && before[-1] == '\\') {
            before--;
        }
        if ((at - before) % 2 == 0) {
            return at;
        }
    }
    return NULL;
}

/* Behind a nested object or list. */
static const char *end_of_nested(const char *from, const char *end)
{
    size_t depth = 0;
    for (const char *at = from; at < end; at++) {
        if (*at == '"') {
            at = end_of_string(at + 1, end);
            if (at == NULL) {
                return NULL;
            }
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            depth--;
            if (depth == 0) {
                return at + 1;
            }
        }
    }
    return NULL;
}

/* Behind a number, true, false or null. */
static const char *end_of_word(const char *from, const char *end)
{
    const char *at = from;
    while (at < end && ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || *at == '-' ||
                        *at == '+' || *at == '.' || *at == 'E')) {
        at++;
    }
    return at > from ? at : NULL;
}

/* Behind the value that begins at from. */
static const char *take_value(const char *from, const char *end, struct sg_member *ret)
{
    if (from == end) {
        return NULL;
    }
    ret->is_string = *from == '"';
    from += ret->is_string;
    const char *to = ret->is_string                 ? end_of_string(from, end)
                     : *from == '{' || *from == '[' ? end_of_nested(from, end)
                                                    : end_of_word(from, end);
    if (to == NULL) {
        return NULL;
    }
    ret->value = (struct sg_str){.p = from, .n = (size_t)(to - from)};
    return to + ret->is_string;
}

bool sg_members_next(struct sg_str *rest, struct sg_member *ret)
{
    struct sg_member found;
    if (rest->n == 0) {
        return false;
    }
    const char *at = rest->p, *end = at + rest->n;
    *rest = (struct sg_str){.p = end};
    if (*at != '"') {
        return false;
    }
    const char *quote = end_of_string(at + 1, end);
    if (quote == NULL || end - quote < 2 || quote[1] != ':') {
        return false;
    }
    found.name = (struct sg_str){.p = at + 1, .n = (size_t)(quote - at) - 1};
    at = take_value(quote + 2, end, &found);
    if (at == NULL || (at < end && *at != ',')) {
        return false;
    }
    at += at < end;
    *rest = (struct sg_str){.p = at, .n = (size_t)(end - at)};
    *ret = found;
    return true;
}

/* The first member of a name; false: there is none. */
static bool find(struct sg_str line, const char *name, struct sg_member *ret)
{
    struct sg_str rest = sg_members_inside(line), wanted = sg_str_from(name);
    while (sg_members_next(&rest, ret)) {
        if (ret->name.n == wanted.n && memcmp(ret->name.p, wanted.p, wanted.n) == 0) {
            return true;
        }
    }
    return false;
}

struct sg_str sg_members_find(struct sg_str line, const char *name)
{
    struct sg_member member;
    return find(line, name, &member) ? member.value : (struct sg_str){.p = ""};
}

struct sg_str sg_members_find_text(struct sg_str line, const char *name)
{
    struct sg_member member;
    return find(line, name, &member) && member.is_string ? member.value : (struct sg_str){.p = ""};
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
