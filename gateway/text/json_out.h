/*
 * Writing JSON by hand into a buffer: names and punctuation in order, values escaped. Cheap enough
 * for the request path. Invalid UTF-8 is written as U+FFFD, one for each bad byte; control
 * characters (DEL and C1 too) are escaped, so a line of ours never breaks and no terminal acts on
 * it. [any]
 */
#ifndef SG_TEXT_JSON_OUT_H
#define SG_TEXT_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Add a quoted, escaped string value. */
void sg_json_add_string(struct sg_buf *out, struct sg_str value);

/* How many bytes that is at most; exact for a string in which nothing needs an escape. */
size_t sg_json_string_bound(struct sg_str value);

/*
 * A writer of nested objects and lists that sets the commas. Depth 32 at most (a deeper begin is an
 * assertion of ours). Names are literals of ours and are not escaped.
 */
struct sg_json {
    struct sg_buf *out;
    uint32_t has_items; /* a bit for each open level */
    unsigned depth;
};

void sg_json_init(struct sg_json *json, struct sg_buf *out);
/* In each: name is NULL within a list and at the top. */
void sg_json_begin_object(struct sg_json *json, const char *name);
void sg_json_end_object(struct sg_json *json);
void sg_json_begin_list(struct sg_json *json, const char *name);
void sg_json_end_list(struct sg_json *json);
void sg_json_string(struct sg_json *json, const char *name, struct sg_str value);
void sg_json_text(struct sg_json *json, const char *name, const char *value); /* NULL: null */
void sg_json_u64(struct sg_json *json, const char *name, uint64_t value);
void sg_json_i64(struct sg_json *json, const char *name, int64_t value);
void sg_json_bool(struct sg_json *json, const char *name, bool value);
void sg_json_null(struct sg_json *json, const char *name);
/* A value that is JSON already. */
void sg_json_raw(struct sg_json *json, const char *name, struct sg_str value);

#endif
