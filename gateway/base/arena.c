#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum { FIRST_BLOCK_BYTES = 4096, LARGEST_BLOCK_BYTES = 256 * 1024 };

struct sg_arena_block {
    struct sg_arena_block *next;
    size_t bytes; /* behind the header */
    alignas(max_align_t) char data[];
};

void sg_arena_init(struct sg_arena *arena, size_t max_bytes)
{
    *arena = (struct sg_arena){.max_bytes = max_bytes};
}

static void free_blocks(struct sg_arena_block *block)
{
    while (block != NULL) {
        struct sg_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void sg_arena_done(struct sg_arena *arena)
{
    free_blocks(arena->blocks);
    sg_arena_init(arena, arena->max_bytes);
}

void sg_arena_wipe(struct sg_arena *arena)
{
    for (struct sg_arena_block *block = arena->blocks; block != NULL; block = block->next) {
        sg_wipe(block->data, block->bytes);
    }
    sg_arena_done(arena);
}

void sg_arena_reset(struct sg_arena *arena)
{
    struct sg_arena_block *block = arena->blocks;
    if (block == NULL) {
        return;
    }
    while (block->next != NULL) {
        struct sg_arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = block;
    arena->used_bytes = 0;
    arena->total_bytes = block->bytes;
}

void *sg_arena_alloc(struct sg_arena *arena, size_t size)
{
    const size_t alignment = alignof(max_align_t);
    if (size > SIZE_MAX - alignment) {
        return NULL;
    }
    size = (size + alignment - 1) / alignment * alignment;
    if (arena->blocks == NULL || size > arena->blocks->bytes - arena->used_bytes) {
        size_t bytes = arena->blocks == NULL ? FIRST_BLOCK_BYTES : arena->blocks->bytes * 2;
        if (bytes > LARGEST_BLOCK_BYTES) {
            bytes = LARGEST_BLOCK_BYTES;
        }
        if (bytes < size) {
            bytes = size;
        }
        if (bytes > arena->max_bytes - arena->total_bytes) {
            bytes = size; /* the last one may be small */
        }
        if (bytes > arena->max_bytes - arena->total_bytes) {
            return NULL;
        }
        struct sg_arena_block *block = malloc(sizeof *block + bytes);
        if (block == NULL) {
            return NULL;
        }
        block->next = arena->blocks;
        block->bytes = bytes;
        arena->blocks = block;
        arena->used_bytes = 0;
        arena->total_bytes += bytes;
    }
    void *at = arena->blocks->data + arena->used_bytes;
    arena->used_bytes += size;
    return memset(at, 0, size);
}

void *sg_arena_alloc_array(struct sg_arena *arena, size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    return sg_arena_alloc(arena, count * size);
}

char *sg_arena_text(struct sg_arena *arena, struct sg_str s)
{
    char *text = s.n < SIZE_MAX ? sg_arena_alloc(arena, s.n + 1) : NULL;
    if (text != NULL && s.n > 0) {
        memcpy(text, s.p, s.n);
    }
    return text;
}

struct sg_str sg_arena_copy(struct sg_arena *arena, struct sg_str s)
{
    char *text = sg_arena_text(arena, s);
    return (struct sg_str){.p = text, .n = text != NULL ? s.n : 0};
}
