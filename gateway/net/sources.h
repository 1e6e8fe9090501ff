/*
 * How many connections each source address has, over all workers: one table for the process,
 * touched when a connection begins and ends, never by a request. [any]
 */
#ifndef SG_NET_SOURCES_H
#define SG_NET_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

struct sg_sources;

/* NULL: no memory. */
struct sg_sources *sg_sources_new(void);

/* NULL is fine. */
void sg_sources_free(struct sg_sources *sources);

/*
 * Count one connection more. False: the address has max already (0: no limit), or there is no
 * memory; then it is not counted.
 */
bool sg_sources_enter(struct sg_sources *sources, const struct sg_ip *address, uint64_t max);

/* Count one less, of those that entered. */
void sg_sources_leave(struct sg_sources *sources, const struct sg_ip *address);

#endif
