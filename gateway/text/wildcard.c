#include "text/wildcard.h"

#include <stdint.h>

/* The start of the character behind the one at position at. */
static size_t next_character(struct sg_str text, size_t at)
{
    do {
        at++;
    } while (at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80);
    return at;
}

static bool same(char a, char b, bool fold)
{
    return a == b || (fold && sg_ascii_lower(a) == sg_ascii_lower(b));
}

bool sg_wildcard_matches(struct sg_str pattern, struct sg_str text, bool fold)
{
    /*
     * Only the latest star ever needs another try: what an earlier one could take more, the latest
     * one can take as well.
     */
    size_t behind_star = SIZE_MAX, star_end = 0;
    size_t p = 0, t = 0;
    for (;;) {
        if (p < pattern.n && pattern.p[p] == '*') {
            behind_star = ++p;
            star_end = t;
            if (p == pattern.n) {
                return true;
            }
        } else if (t == text.n) {
            return p == pattern.n;
        } else if (p < pattern.n && pattern.p[p] == '?') {
            p++;
            t = next_character(text, t);
        } else if (p < pattern.n && same(pattern.p[p], text.p[t], fold)) {
            p++;
            t++;
        } else if (behind_star != SIZE_MAX) {
            star_end = next_character(text, star_end);
            t = star_end;
            p = behind_star;
        } else {
            return false;
        }
    }
}
