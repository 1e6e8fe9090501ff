/*
 * An arena: many small allocations with one end. Requests have one each, a configuration snapshot
 * has one. Memory is aligned for any type. A cap bounds what input can make it take. [any, one
 * thread at a time]
 */
#ifndef SG_BASE_ARENA_H
#define SG_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct sg_arena_block;

struct sg_arena {
    struct sg_arena_block *blocks; /* newest first */
    size_t used_bytes;             /* of the newest block */
    size_t total_bytes;            /* of all blocks */
    size_t max_bytes;
};

/* Make an empty arena whose blocks may sum up to max_bytes. Allocates nothing yet. */
void sg_arena_init(struct sg_arena *arena, size_t max_bytes);

/* Free everything that came from the arena. */
void sg_arena_done(struct sg_arena *arena);

/* The same, wiping the bytes first: for arenas that held secrets. */
void sg_arena_wipe(struct sg_arena *arena);

/* Forget everything but keep the first block's memory for the next user. */
void sg_arena_reset(struct sg_arena *arena);

/* Return size zeroed bytes, or NULL: over the cap or no memory. */
void *sg_arena_alloc(struct sg_arena *arena, size_t size);

/* Return count x size zeroed bytes, or NULL; the product is checked. */
void *sg_arena_alloc_array(struct sg_arena *arena, size_t count, size_t size);

/* Copy bytes; a NUL is put behind them. A NULL p in the result means no memory. */
struct sg_str sg_arena_copy(struct sg_arena *arena, struct sg_str s);

/* The same as a NUL-terminated text, or NULL. */
char *sg_arena_text(struct sg_arena *arena, struct sg_str s);

#endif
