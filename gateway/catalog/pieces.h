/* Cutting a row's path and the template of its resource into pieces. Pure but for the arena. */
#ifndef SG_CATALOG_PIECES_H
#define SG_CATALOG_PIECES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "catalog/row.h"

/* What is wrong with a text, and where in it: count bytes from the byte at. */
struct sg_catalog_mistake {
    const char *text;
    size_t at;
    size_t count;
};

/*
 * Cut row->operation.path into row->words, behind the method. SG_CONFIG: *ret_mistake is filled
 * and the row has no good words; SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_catalog_read_path(struct sg_catalog_row *row,
                                                  struct sg_arena *arena,
                                                  struct sg_catalog_mistake *ret_mistake);

/*
 * Cut row->operation.resource into row->resource. It may name the parameters of the path and those
 * of the query that are required and stand once, so words and query rules come first.
 */
SG_MUST_CHECK enum sg_status sg_catalog_read_resource(struct sg_catalog_row *row,
                                                      struct sg_arena *arena,
                                                      struct sg_catalog_mistake *ret_mistake);

/* Whether s is letters, digits, "-" and "_", at least one. */
bool sg_catalog_is_word(struct sg_str s);

#endif
