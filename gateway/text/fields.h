/*
 * Settings as tables: one row for each key with its type, default, bounds and one line of
 * documentation. The same table decodes a mapping into a struct, finds unknown and missing keys,
 * warns of what does nothing yet, and prints the reference. [any]
 *
 * A decoded struct begins with "const struct sg_yaml_node *node": the mapping it came from, NULL
 * when the key was absent (all members then hold their defaults). Everything decoded lives in the
 * arena; texts end with NUL.
 */
#ifndef SG_TEXT_FIELDS_H
#define SG_TEXT_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diags.h"
#include "text/yaml_tree.h"

enum sg_field_type {
    SG_FIELD_TEXT = 0, /* const char *; NULL when absent or null */
    SG_FIELD_PATH,     /* const char *; relative ones are joined to the folder of the file */
    SG_FIELD_BOOL,     /* bool; true or false, plain */
    SG_FIELD_COUNT,    /* uint64_t; with words, words[0] stands for 0 ("auto") */
    SG_FIELD_BYTES,    /* uint64_t; 0, 512B, 16KiB, 8MiB, 1GiB */
    SG_FIELD_DURATION, /* int64_t milliseconds; 0s, 250ms, 3s, 5m, 24h, 400d */
    SG_FIELD_WORD,     /* int; the index of one of words */
    SG_FIELD_TEXTS,    /* struct sg_texts; a bare text counts as a list of one if one_is_list */
    SG_FIELD_PATHS,    /* struct sg_texts, each as SG_FIELD_PATH */
    SG_FIELD_OBJECT,   /* the embedded struct of the table `object` */
    SG_FIELD_OBJECTS,  /* struct sg_objects of the table `object` */
    SG_FIELD_NODE,     /* const struct sg_yaml_node *; not looked into */
};

struct sg_texts {
    size_t count;
    const char **items;
    const struct sg_yaml_node **nodes; /* for places */
};

struct sg_objects {
    size_t count;
    void *items; /* count structs of object->size bytes, one behind the other */
};

struct sg_fields;

struct sg_field {
    const char *key;
    enum sg_field_type type;
    size_t offset;            /* offsetof the member */
    const char *default_text; /* as it would be written; NULL: absent means 0, NULL, empty */
    bool required;
    bool nullable; /* "null" means absent */
    bool one_is_list;
    bool needs_restart;       /* a reload may not change it */
    bool not_empty;           /* lists: an empty one is an error */
    uint64_t min, max;        /* of COUNT, BYTES, DURATION; max 0: none */
    const char *const *words; /* NULL-terminated */
    const struct sg_fields *object;
    const char *pending; /* accepted, does nothing yet when not at its default: one warning */
    const char
        *refused; /* a feature that is not built: giving the key is an error with this text */
    const char *summary; /* one line for the reference */
};

struct sg_fields {
    const char *name; /* for the reference: "listeners[]" */
    const struct sg_field *rows;
    size_t count;
    size_t size; /* sizeof the struct */
};

/*
 * Decode node (a mapping, or NULL for all defaults) into *object, which is zeroed first. path is
 * how error texts call it ("services[0]"; "" at the top). Every mistake goes to diags; members of
 * keys with mistakes keep their defaults.
 */
void sg_fields_decode(const struct sg_fields *table, const struct sg_yaml_node *node,
                      const char *path, struct sg_arena *arena, struct sg_diags *diags,
                      void *object);

/*
 * The place of a key's value in the mapping an object came from: the object's node first, a whole
 * file when the key is absent everywhere.
 */
struct sg_place sg_fields_place(const void *object, const char *key);

/* A path relative to the folder of the file it stands in, as SG_FIELD_PATH is read. NULL: no
 * memory.
 */
char *sg_fields_resolve(struct sg_arena *arena, const char *file, struct sg_str path);

/* Print the table and those below it as Markdown rows: key, type, default, summary. */
void sg_fields_print_reference(const struct sg_fields *table, struct sg_buf *out);

/* Read "250ms" as milliseconds, "16KiB" as bytes. False: help tells what was expected. */
bool sg_duration_parse(struct sg_str text, int64_t *ret_ms);
bool sg_bytes_parse(struct sg_str text, uint64_t *ret);

#endif
