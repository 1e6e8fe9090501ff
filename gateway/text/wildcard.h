/* The wildcards that policies write. Pure. [any] */
#ifndef SG_TEXT_WILDCARD_H
#define SG_TEXT_WILDCARD_H

#include <stdbool.h>

#include "base/str.h"

/*
 * Whether pattern fits the whole text: "*" is any run of characters, also an empty one, "?" exactly
 * one character (of UTF-8, not one byte), all else itself. With fold ASCII letters match in either
 * case. Time grows with pattern.n x text.n at worst.
 */
bool sg_wildcard_matches(struct sg_str pattern, struct sg_str text, bool fold);

#endif
