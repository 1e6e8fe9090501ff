/*
 * Borrowed slices of bytes. A struct sg_str owns nothing: it is valid as long as what it points
 * into, and need not end with NUL. Folding is ASCII only, whatever the locale. [any]
 */
#ifndef SG_BASE_STR_H
#define SG_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sg_str {
    const char *p;
    size_t n;
};

/* A slice of a literal, usable in initialisers. */
#define SG_STR(literal) ((struct sg_str){.p = (literal), .n = sizeof(literal) - 1})

/* For printf: "%.*s", SG_STR_ARG(s). */
#define SG_STR_ARG(s) (int)(s).n, (s).p

/* Return a slice over a NUL-terminated text; NULL gives an empty slice. */
struct sg_str sg_str_from(const char *text);

/* Return the bytes [from, to) of s; both are clamped to its length. */
struct sg_str sg_str_slice(struct sg_str s, size_t from, size_t to);

bool sg_str_equal(struct sg_str a, struct sg_str b);
bool sg_str_equal_fold(struct sg_str a, struct sg_str b);
bool sg_str_equal_text(struct sg_str a, const char *text);
bool sg_str_starts_with(struct sg_str s, struct sg_str prefix);
bool sg_str_ends_with(struct sg_str s, struct sg_str suffix);

/* Order by bytes, a shorter prefix first: below zero, zero, above zero. */
int sg_str_compare(struct sg_str a, struct sg_str b);

/* Return the position of the first byte c, or s.n when there is none. */
size_t sg_str_find(struct sg_str s, char c);

/* Remove spaces and tabs from both ends. */
struct sg_str sg_str_trim(struct sg_str s);

/*
 * Read s as a decimal number without sign, leading zeros allowed. False when it is empty, holds
 * anything but digits, or is above max; *ret is then untouched.
 */
bool sg_str_to_u64(struct sg_str s, uint64_t max, uint64_t *ret);

/* Whether s is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool sg_str_is_utf8(struct sg_str s);

/* Fold one ASCII letter to lower case; other bytes stay. */
char sg_ascii_lower(char c);

/*
 * Return the edit distance of a and b (insert, delete, replace, swap of neighbours; case-folded),
 * or limit + 1 when it is above limit or a text is longer than 64 bytes.
 */
size_t sg_str_distance(struct sg_str a, struct sg_str b, size_t limit);

/*
 * Return the nearest of count words to s within distance 2 (and below the length of s), the first
 * of equals, or NULL. For "did you mean".
 */
const char *sg_str_nearest(struct sg_str s, const char *const *words, size_t count);

#endif
