/*
 * Request ids: UUIDv7 (RFC 9562 section 5.7), sortable by time, made without shared state. One
 * struct belongs to one thread; randomness is read from the kernel a page at a time.
 */
#ifndef SG_EXCHANGE_REQUEST_ID_H
#define SG_EXCHANGE_REQUEST_ID_H

#include <stddef.h>
#include <stdint.h>

enum { SG_REQUEST_ID_BYTES = 36, SG_REQUEST_ID_RANDOM_BYTES = 4096 };

struct sg_request_ids {
    unsigned char random[SG_REQUEST_ID_RANDOM_BYTES];
    size_t left; /* bytes not used yet, at the end; start with 0 */
};

/* Write the text form, without a NUL, for a real time in microseconds. */
void sg_request_id_make(struct sg_request_ids *ids, int64_t realtime_us,
                        char ret[SG_REQUEST_ID_BYTES]);

#endif
