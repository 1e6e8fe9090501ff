/*
 * YAML (and JSON) as a tree of nodes with their places. The only door to libyaml.
 *
 * Refused with a diagnostic at their place: aliases and anchors, tags, merge keys, duplicate keys,
 * keys that are not scalars, invalid UTF-8, NUL, nesting above 32, files above 4 MiB, more than
 * 200,000 nodes, and a second document unless SG_YAML_MANY_DOCUMENTS is given.
 * A flow document ("{" first) that libyaml refuses but that is JSON (tabs, surrogate escapes) is
 * read as JSON. Nodes live in the arena. [any]
 */
#ifndef SG_TEXT_YAML_TREE_H
#define SG_TEXT_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diags.h"
#include "base/error.h"
#include "base/status.h"
#include "base/str.h"

enum sg_yaml_kind { SG_YAML_SCALAR = 0, SG_YAML_SEQUENCE, SG_YAML_MAPPING };

struct sg_yaml_pair;

struct sg_yaml_node {
    enum sg_yaml_kind kind;
    struct sg_place place;       /* of the first character; width covers a one-line scalar */
    struct sg_str text;          /* scalars: the value, NUL behind it */
    bool broken;                 /* scalars: a mistake in it has been said; the text is none */
    bool quoted;                 /* scalars: written with quotes or as a block */
    size_t count;                /* items or pairs */
    struct sg_yaml_node **items; /* sequences */
    struct sg_yaml_pair *pairs;  /* mappings, in the order of the file */
};

struct sg_yaml_pair {
    struct sg_yaml_node *key; /* a scalar */
    struct sg_yaml_node *value;
};

struct sg_yaml_documents {
    size_t count; /* documents without content do not count */
    struct sg_yaml_node **roots;
};

enum sg_yaml_flags {
    SG_YAML_PLAIN = 0,
    SG_YAML_EXPAND_ENVIRONMENT = 1, /* ${NAME} and $$ in values (not keys) */
    SG_YAML_MANY_DOCUMENTS = 2,
    SG_YAML_JSON = 4,   /* the text must be JSON (RFC 8259) */
    SG_YAML_SECRET = 8, /* the source is not given to diags, so no excerpt can show it */
};

/*
 * Parse text. file is the name shown in places; it is copied into the arena. SG_CONFIG when diags
 * got an error (then *ret may hold what could be read: count 0 after a syntax error).
 */
SG_MUST_CHECK enum sg_status sg_yaml_parse(struct sg_arena *arena, const char *file,
                                           struct sg_str text, unsigned flags,
                                           struct sg_diags *diags, struct sg_yaml_documents *ret);

/*
 * The same for a file on disk, shown under its path. from is the place of the text that names the
 * file, for "cannot read" errors, or NULL.
 */
SG_MUST_CHECK enum sg_status sg_yaml_read(struct sg_arena *arena, const char *path, unsigned flags,
                                          const struct sg_place *from, struct sg_diags *diags,
                                          struct sg_yaml_documents *ret);

/* The value of a key of a mapping, or NULL (also when node is NULL or no mapping). */
const struct sg_yaml_node *sg_yaml_get(const struct sg_yaml_node *node, const char *key);

/* The place of a key's value when it is there, else of the mapping. */
struct sg_place sg_yaml_place(const struct sg_yaml_node *node, const char *key);

/* Whether the node is a plain null: "null", "~" or nothing. */
bool sg_yaml_is_null(const struct sg_yaml_node *node);

/* "a mapping", "a list", "text", for error texts. */
const char *sg_yaml_kind_name(const struct sg_yaml_node *node);

/*
 * Read a whole regular file (at most max_bytes) into the arena. The error text says what to do.
 * Used for configuration, keys, tokens.
 */
SG_MUST_CHECK enum sg_status sg_text_read_file(struct sg_arena *arena, const char *path,
                                               size_t max_bytes, struct sg_str *ret,
                                               struct sg_error *reterr);

/* The same for a file that is open already, so that its mode could be looked at. */
SG_MUST_CHECK enum sg_status sg_text_read_open_file(struct sg_arena *arena, int fd,
                                                    size_t max_bytes, struct sg_str *ret,
                                                    struct sg_error *reterr);

#endif
