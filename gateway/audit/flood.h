/*
 * Refusals of one source beyond ten within a second are not written one by one: they are counted,
 * and one record a second says how many there were, from when to when, and why. So nobody fills the
 * disk by being refused, and nothing goes uncounted. Pure; the table is bounded: sources that find
 * no place in it share one sum. [journal's thread]
 */
#ifndef SG_AUDIT_FLOOD_H
#define SG_AUDIT_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    SG_FLOOD_RECORDS = 10,        /* written by themselves, for each source and window */
    SG_FLOOD_WINDOW_US = 1000000, /* from a source's first refusal on */
    SG_FLOOD_SOURCES = 1024,      /* told apart at once */
    SG_FLOOD_REASONS = 8,         /* told apart in one sum; further ones count as "other" */
};

struct sg_flood;

/* A refusal; its texts as they stand in its record, JSON's escapes included. */
struct sg_flood_refusal {
    struct sg_str source_ip; /* empty for a caller on a Unix socket, who is then known by name */
    struct sg_str caller;
    struct sg_str reason;
    struct sg_str time; /* RFC 3339 as records have it */
};

/* NULL: no memory. */
struct sg_flood *sg_flood_new(void);
void sg_flood_free(struct sg_flood *flood);

/* Whether this refusal is to be written by itself; if not, it has been counted. */
bool sg_flood_admits(struct sg_flood *flood, const struct sg_flood_refusal *refusal,
                     int64_t now_us);

/* When the next sum is due, monotonic; INT64_MAX: none is held. */
int64_t sg_flood_due_us(const struct sg_flood *flood);

/*
 * Append the text of one record whose window is over (with everything: of one that is held at all)
 * and forget its sum. False: there is none. time is the record's own.
 */
bool sg_flood_take(struct sg_flood *flood, int64_t now_us, bool everything, struct sg_str time,
                   struct sg_buf *out);

#endif
