#include "text/encode.h"

#include <string.h>

bool sg_is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int sg_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = sg_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void sg_percent_encode(struct sg_buf *out, struct sg_str s)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t plain = 0; /* start of the run that stays as it is */
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!sg_is_unreserved(s.p[i])) {
            const char triplet[3] = {'%', digits[c >> 4], digits[c & 15]};
            sg_buf_add(out, s.p + plain, i - plain);
            sg_buf_add(out, triplet, sizeof triplet);
            plain = i + 1;
        }
    }
    sg_buf_add_str(out, sg_str_slice(s, plain, s.n));
}

bool sg_percent_decode(struct sg_arena *arena, struct sg_str s, struct sg_str *ret)
{
    size_t first = sg_str_find(s, '%');
    if (first == s.n) {
        *ret = s;
        return true;
    }
    char *decoded = sg_arena_text(arena, s);
    *ret = (struct sg_str){.p = decoded};
    if (decoded == NULL) {
        return false;
    }
    size_t count = first;
    for (size_t i = first; i < s.n; i++) {
        if (s.p[i] != '%') {
            decoded[count++] = s.p[i];
            continue;
        }
        int high = i + 2 < s.n ? sg_hex_value(s.p[i + 1]) : -1;
        int low = i + 2 < s.n ? sg_hex_value(s.p[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        decoded[count++] = (char)(high * 16 + low);
        i += 2;
    }
    decoded[count] = '\0';
    ret->n = count;
    return true;
}

bool sg_hex_decode(struct sg_str s, unsigned char *bytes, size_t size)
{
    if (s.n % 2 != 0 || s.n / 2 != size) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (sg_hex_value(s.p[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)(sg_hex_value(s.p[2 * i]) * 16 + sg_hex_value(s.p[2 * i + 1]));
    }
    return true;
}

/* The six bits of a character, or -1; the last two characters are the alphabet's own. */
static int base64_value(char c, char plus, char slash)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == plus ? 62 : c == slash ? 63 : -1;
}

static bool decode_base64(struct sg_buf *out, struct sg_str s, char plus, char slash)
{
    unsigned bits = 0, count = 0; /* not written yet */
    for (size_t i = 0; i < s.n; i++) {
        int value = base64_value(s.p[i], plus, slash);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (unsigned)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            sg_buf_add_char(out, (char)(bits >> count));
            bits &= (1u << count) - 1;
        }
    }
    return count < 6 && bits == 0 && !sg_buf_failed(out);
}

bool sg_base64url_decode(struct sg_buf *out, struct sg_str s)
{
    return decode_base64(out, s, '-', '_');
}

bool sg_base64_decode(struct sg_buf *out, struct sg_str s)
{
    if (s.n % 4 != 0) {
        return false;
    }
    for (int padding = 0; padding < 2 && s.n > 0 && s.p[s.n - 1] == '='; padding++) {
        s.n--;
    }
    return decode_base64(out, s, '+', '/');
}

void sg_base64_encode(struct sg_buf *out, struct sg_str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        unsigned bits = (unsigned)(unsigned char)s.p[i] << 16;
        bits |= i + 1 < s.n ? (unsigned)(unsigned char)s.p[i + 1] << 8 : 0;
        bits |= i + 2 < s.n ? (unsigned)(unsigned char)s.p[i + 2] : 0;
        const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                              i + 1 < s.n ? digits[bits >> 6 & 63] : '=',
                              i + 2 < s.n ? digits[bits & 63] : '='};
        sg_buf_add(out, four, sizeof four);
    }
}
