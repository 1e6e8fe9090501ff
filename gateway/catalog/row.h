/*
 * A catalog compiled: what load.c makes and the rest of this directory reads. Private to this
 * directory. Everything lives in the arena the catalog was loaded into and never changes after.
 */
#ifndef SG_CATALOG_ROW_H
#define SG_CATALOG_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "catalog/catalog.h"

/* A piece of a route or of a resource's template: a literal text or the name of a parameter. */
struct sg_catalog_piece {
    struct sg_str text;
    bool is_param;
};

struct sg_catalog_row {
    struct sg_operation operation; /* first: sg_catalog_row_of() relies on it */
    struct sg_str service;         /* the catalog's */
    struct sg_catalog_piece
        *words; /* the method, then each path segment; "" for a "/" at the end */
    size_t word_count;
    struct sg_catalog_piece *resource;
    size_t resource_count;
};

enum { SG_CATALOG_WORDS_MAX = SG_TARGET_SEGMENTS_MAX + 2 }; /* method and final slash besides */

struct sg_catalog {
    struct sg_str service; /* first part of resource names */
    struct sg_catalog_row *rows;
    size_t count;
    const struct sg_catalog_row **routes; /* the rows in the order of route.c */
    const char **actions;                 /* of the rows that have one */
    size_t action_count;
};

/* The row an operation of a catalog belongs to. */
static inline const struct sg_catalog_row *sg_catalog_row_of(const struct sg_operation *operation)
{
    return (const struct sg_catalog_row *)operation;
}

/* Order two rows by their routes; zero: a request could not tell them apart. */
int sg_catalog_compare_routes(const struct sg_catalog_row *a, const struct sg_catalog_row *b);

/* Whether the row's path has the parameter. */
bool sg_catalog_has_path_param(const struct sg_catalog_row *row, struct sg_str name);

/* The rule of a query parameter, or NULL. */
const struct sg_query_rule *sg_catalog_query_rule(const struct sg_operation *operation,
                                                  struct sg_str name);

#endif
