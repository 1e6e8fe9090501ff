/*
 * Cells of a table for a terminal: data made harmless, cut and padded to columns; colour; times;
 * and a result that may be cut off by whoever reads it. [main thread]
 */
#ifndef SG_CLI_CELLS_H
#define SG_CLI_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

enum sg_cell_side {
    SG_CELL_LEFT = 0, /* padded behind it, cut at its end */
    SG_CELL_RIGHT,    /* padded before it, cut at its beginning */
    SG_CELL_TAIL,     /* padded behind it, cut at its beginning */
};

/*
 * Append text so that a terminal only shows it: control characters, characters without a width
 * (those that turn the direction of writing are among them) and what is no UTF-8 become U+FFFD.
 */
void sg_cell_add_safe(struct sg_buf *out, struct sg_str text);

/* How many columns that takes. */
size_t sg_cell_columns(struct sg_str text);

/* Append text made harmless in exactly so many columns: padded, or cut with an ellipsis. */
void sg_cell_add(struct sg_buf *out, struct sg_str text, size_t columns, enum sg_cell_side side);

/* Remove the blanks at the end of out, not before byte from. */
void sg_cell_trim(struct sg_buf *out, size_t from);

enum sg_colour { SG_COLOUR_NONE = 0, SG_COLOUR_RED, SG_COLOUR_YELLOW, SG_COLOUR_DIM };

/* Begin and end a colour; nothing is written for SG_COLOUR_NONE. */
void sg_colour_begin(struct sg_buf *out, enum sg_colour colour);
void sg_colour_end(struct sg_buf *out, enum sg_colour colour);

/* Whether colour is wanted there: a terminal, and NO_COLOR is not set (or empty). */
bool sg_colour_wanted(FILE *to);

enum { SG_CELL_TIME_LOCAL = 25, SG_CELL_TIME_UTC = 20 }; /* columns of a time */

/*
 * Append a record's time (RFC 3339, UTC) to the second: local with its offset, or as UTC. What is
 * no time is written as it is, made harmless.
 */
void sg_cell_add_time(struct sg_buf *out, struct sg_str time, bool utc);

/* Append microseconds as milliseconds: "0.4", "12", "1234"; at most 7 columns below 28 hours. */
void sg_cell_add_ms(struct sg_buf *out, uint64_t us);

/*
 * Write what is in text and clear it. SG_NOT_FOUND: nobody reads any more (EPIPE): the result has
 * ended, quietly, and what was not written yet is dropped. SG_IO: it could not be written; why was
 * said on err.
 */
SG_MUST_CHECK enum sg_status sg_result_write(FILE *out, FILE *err, struct sg_buf *text);

#endif
