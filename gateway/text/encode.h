/*
 * Percent-encoding (RFC 3986 section 2.1; unreserved: ALPHA DIGIT - . _ ~), hex,
 * base64 and base64url. [any]
 */
#ifndef SG_TEXT_ENCODE_H
#define SG_TEXT_ENCODE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* Append s with every byte that is not unreserved as %XX, upper case. */
void sg_percent_encode(struct sg_buf *out, struct sg_str s);

/*
 * Decode once into *ret: a slice of s itself when nothing was encoded, else a copy in the arena.
 * False when a % is not followed by two hex digits (or no memory: then ret->p is NULL).
 */
SG_MUST_CHECK bool sg_percent_decode(struct sg_arena *arena, struct sg_str s, struct sg_str *ret);

/* Whether c is unreserved. */
bool sg_is_unreserved(char c);

/* The value of a hex digit, or -1. */
int sg_hex_value(char c);

/* Read pairs of hex digits into bytes[size]; false unless s is exactly that long and all hex. */
bool sg_hex_decode(struct sg_str s, unsigned char *bytes, size_t size);

/*
 * Append what base64url without padding stands for (RFC 4648 section 5). False: a character of
 * another alphabet, a length that no bytes have, bits behind the last byte that are not zero (so
 * that there is one text for each value), or no room.
 */
SG_MUST_CHECK bool sg_base64url_decode(struct sg_buf *out, struct sg_str s);

/* Append bytes as base64 with padding (RFC 4648 section 4). */
void sg_base64_encode(struct sg_buf *out, struct sg_str s);

/* Append what base64 with padding stands for; as strict as its url form above. */
SG_MUST_CHECK bool sg_base64_decode(struct sg_buf *out, struct sg_str s);

#endif
