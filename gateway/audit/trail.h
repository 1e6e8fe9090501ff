/*
 * Traces of the cloud's own trail (CTS), as its console, its API and its archive write them: a
 * list, an object with "traces", or one trace a line. Kept whole in memory. Of an access key only
 * the fingerprint is kept, the one that records have. [any, one thread at a time]
 */
#ifndef SG_AUDIT_TRAIL_H
#define SG_AUDIT_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum { SG_TRAIL_FINGERPRINT_BYTES = 16 };

struct sg_trail;

struct sg_trace {
    int64_t time_ms;
    struct sg_str trace_id;
    struct sg_str name;         /* what was done: "deleteFlowOutput" */
    struct sg_str operation_id; /* the same in the API's words, or empty */
    struct sg_str service;
    struct sg_str source_ip;
    struct sg_str code; /* HTTP status */
    struct sg_str request_id;
    struct sg_str project_id;
    struct sg_str user;
    bool by_hand; /* done in the console or by the cloud itself */
    char fingerprint[SG_TRAIL_FINGERPRINT_BYTES + 1]; /* "": it names no access key */
};

/* NULL: no memory, or no SHA-256 (*reterr). */
struct sg_trail *sg_trail_new(struct sg_error *reterr);
void sg_trail_free(struct sg_trail *trail); /* NULL is fine */

/*
 * Add the traces of a file's text. SG_MALFORMED: it is none (*reterr says what was expected);
 * SG_NO_MEMORY. Then some may have been added: give up.
 */
SG_MUST_CHECK enum sg_status sg_trail_read(struct sg_trail *trail, struct sg_str text,
                                           struct sg_error *reterr);

size_t sg_trail_count(const struct sg_trail *trail);

/* By time, after sg_trail_sort; before as they were read. */
void sg_trail_sort(struct sg_trail *trail);
const struct sg_trace *sg_trail_trace(const struct sg_trail *trail, size_t index);

/*
 * Read a time as traces write it: milliseconds since 1970 (or seconds), RFC 3339, or
 * "2026-01-31 20:00:00 GMT+08:00", the date also with slashes.
 */
bool sg_trail_parse_time(struct sg_str text, int64_t *ret_ms);

#endif
