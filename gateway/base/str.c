#include "base/str.h"

#include <string.h>

struct sg_str sg_str_from(const char *text)
{
    return (struct sg_str){.p = text, .n = text != NULL ? strlen(text) : 0};
}

struct sg_str sg_str_slice(struct sg_str s, size_t from, size_t to)
{
    if (to > s.n) {
        to = s.n;
    }
    if (from > to) {
        from = to;
    }
    return (struct sg_str){.p = s.p != NULL ? s.p + from : NULL, .n = to - from};
}

bool sg_str_equal(struct sg_str a, struct sg_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

char sg_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool sg_str_equal_fold(struct sg_str a, struct sg_str b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (sg_ascii_lower(a.p[i]) != sg_ascii_lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool sg_str_equal_text(struct sg_str a, const char *text)
{
    return sg_str_equal(a, sg_str_from(text));
}

bool sg_str_starts_with(struct sg_str s, struct sg_str prefix)
{
    return s.n >= prefix.n && sg_str_equal(sg_str_slice(s, 0, prefix.n), prefix);
}

bool sg_str_ends_with(struct sg_str s, struct sg_str suffix)
{
    return s.n >= suffix.n && sg_str_equal(sg_str_slice(s, s.n - suffix.n, s.n), suffix);
}

int sg_str_compare(struct sg_str a, struct sg_str b)
{
    size_t shorter = a.n < b.n ? a.n : b.n;
    int order = shorter > 0 ? memcmp(a.p, b.p, shorter) : 0;
    if (order != 0) {
        return order;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

size_t sg_str_find(struct sg_str s, char c)
{
    const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;
    return at != NULL ? (size_t)(at - s.p) : s.n;
}

struct sg_str sg_str_trim(struct sg_str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

bool sg_str_to_u64(struct sg_str s, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (digit > max || value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

bool sg_str_is_utf8(struct sg_str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n;) {
        unsigned char lead = p[i++];
        unsigned char low = 0x80, high = 0xbf; /* what the second byte may be (RFC 3629, table) */
        size_t more;
        if (lead < 0x80) {
            continue;
        } else if (lead >= 0xc2 && lead <= 0xdf) {
            more = 1;
        } else if (lead >= 0xe0 && lead <= 0xef) {
            more = 2;
            low = lead == 0xe0 ? 0xa0 : 0x80;
            high = lead == 0xed ? 0x9f : 0xbf;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            more = 3;
            low = lead == 0xf0 ? 0x90 : 0x80;
            high = lead == 0xf4 ? 0x8f : 0xbf;
        } else {
            return false;
        }
        for (; more > 0; more--, i++) {
            if (i == s.n || p[i] < low || p[i] > high) {
                return false;
            }
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}

enum { DISTANCE_MAX_LENGTH = 64 };

size_t sg_str_distance(struct sg_str a, struct sg_str b, size_t limit)
{
    /* Optimal string alignment; rows holds the current row and the two before it. */
    size_t rows[3][DISTANCE_MAX_LENGTH + 1];
    if (a.n > DISTANCE_MAX_LENGTH || b.n > DISTANCE_MAX_LENGTH) {
        return limit + 1;
    }
    for (size_t j = 0; j <= b.n; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = rows[i % 3], *before = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            char x = sg_ascii_lower(a.p[i - 1]), y = sg_ascii_lower(b.p[j - 1]);
            size_t best = before[j - 1] + (x != y);
            if (before[j] + 1 < best) {
                best = before[j] + 1;
            }
            if (row[j - 1] + 1 < best) {
                best = row[j - 1] + 1;
            }
            if (i > 1 && j > 1 && x == sg_ascii_lower(b.p[j - 2]) &&
                y == sg_ascii_lower(a.p[i - 2]) && second[j - 2] + 1 < best) {
                best = second[j - 2] + 1;
            }
            row[j] = best;
        }
    }
    size_t distance = rows[a.n % 3][b.n];
    return distance <= limit ? distance : limit + 1;
}

const char *sg_str_nearest(struct sg_str s, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t best = s.n < 3 ? s.n : 3; /* the distance must stay below: 2 at most */
    for (size_t i = 0; i < count; i++) {
        size_t distance = sg_str_distance(s, sg_str_from(words[i]), 2);
        if (distance < best) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}
