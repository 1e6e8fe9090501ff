/*
 * Reading JSON: a text becomes a tree of values that is only looked at. Strict: exactly one value,
 * UTF-8, no doubled members, 32 levels at most. A value is borrowed from its tree and valid until
 * the tree is freed; every function takes NULL for "no such value", so that look-ups can be
 * chained. [any, one thread at a time]
 */
#ifndef SG_TEXT_JSON_IN_H
#define SG_TEXT_JSON_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

enum { SG_JSON_DEPTH_MAX = 32 };

struct sg_json_value;

/*
 * Read a text. SG_MALFORMED says where it stops being JSON (never what stands there), SG_TOO_LARGE
 * that it is too deep; SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_json_parse(struct sg_str text, struct sg_json_value **ret,
                                           struct sg_error *reterr);

/* Free a tree by its root; NULL is fine. */
void sg_json_free(struct sg_json_value *root);

bool sg_json_is_object(const struct sg_json_value *value);
bool sg_json_is_list(const struct sg_json_value *value);

/* The member of an object, or NULL. */
const struct sg_json_value *sg_json_member(const struct sg_json_value *object, const char *name);

/* How many items a list has; 0 for anything else. */
size_t sg_json_count(const struct sg_json_value *list);

/* An item of a list, or NULL. */
const struct sg_json_value *sg_json_item(const struct sg_json_value *list, size_t index);

/* Read a string; false when the value is none (*ret is then untouched). */
bool sg_json_get_string(const struct sg_json_value *value, struct sg_str *ret);

/* Read a whole number; false when the value is none, or does not fit. */
bool sg_json_get_i64(const struct sg_json_value *value, int64_t *ret);

/*
 * The text of a string member of a JSON object, copied into the arena: for a look into an answer
 * that need not be JSON. Empty when it is not there, is no string, or json is no JSON object.
 */
struct sg_str sg_json_member_text(struct sg_arena *arena, struct sg_str json, const char *name);

#endif
