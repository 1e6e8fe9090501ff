/*
 * The members of a line of the audit log, without a tree and without an allocation: a flat walk
 * over one JSON object that is written as the journal writes (no white space between tokens). What
 * is not written so ends the walk; no byte outside of the slice is ever read. Pure. [any]
 */
#ifndef SG_AUDIT_MEMBERS_H
#define SG_AUDIT_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct sg_member {
    struct sg_str name;
    struct sg_str value; /* of a string its inside, still escaped; else the raw JSON */
    bool is_string;
};

/* What stands between the braces of a line; a text without braces (a record's own) is itself. */
struct sg_str sg_members_inside(struct sg_str line);

/*
 * Take the next member off the front of rest. A nested object or list is one raw value. False: none
 * is left, or what follows is no member; rest is then empty.
 */
bool sg_members_next(struct sg_str *rest, struct sg_member *ret);

/* The value of the first member of this name; empty: there is none. With or without braces. */
struct sg_str sg_members_find(struct sg_str line, const char *name);

/* The same for a member that is a string; empty for one that is anything else. */
struct sg_str sg_members_find_text(struct sg_str line, const char *name);

/* A member that is a whole number without sign; false (and *ret untouched): it is not there. */
bool sg_members_find_u64(struct sg_str line, const char *name, uint64_t *ret);

/*
 * Append what the inside of a string stands for. Surrogate pairs become one character; a lone
 * surrogate, and an escape that JSON does not know, become U+FFFD.
 */
void sg_members_unescape(struct sg_str escaped, struct sg_buf *out);

#endif
