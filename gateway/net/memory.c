#include "net/memory.h"

#include <event2/event.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Blocks of up to 1 KiB come in steps of 32 bytes from slabs of 256 KiB and go back to a list for
 * each step; larger ones are malloc's. A header of 16 bytes before each block says how large it is
 * and keeps the alignment. Slabs are freed at the thread's end only: what libevent holds at a time
 * is bounded by the number of connections.
 */

enum {
    STEP_BYTES = 32,
    SMALL_BYTES = 1024, /* header included */
    CLASSES = SMALL_BYTES / STEP_BYTES + 1,
    SLAB_BYTES = 256 * 1024,
    RESCUE_BYTES = 64 * 1024,
};

struct header {
    alignas(max_align_t) size_t bytes; /* of the block behind it */
    struct header *next;               /* while it is free */
};

struct slab {
    alignas(max_align_t) struct slab *next;
};

struct pool {
    struct header *free[CLASSES];
    char *at, *end; /* of the newest slab */
    struct slab *slabs;
    struct slab *rescue;  /* with RESCUE_BYTES behind it, made with the first slab */
    size_t rescue_used;   /* handed out from its start; all come back before any is used again */
    size_t rescue_blocks; /* out */
    void *owner;
};

/* The one thread-local of the program: libevent's hooks carry no argument. */
static _Thread_local struct pool pool;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLAIN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define PLAIN_MALLOC 1
#endif
#endif
#ifndef PLAIN_MALLOC
#define PLAIN_MALLOC 0
#endif

static char *rescue_bytes(void)
{
    return (char *)(pool.rescue + 1);
}

static bool is_rescue(const void *block)
{
    uintptr_t at = (uintptr_t)block, start = (uintptr_t)rescue_bytes();
    return pool.rescue != NULL && at >= start && at < start + RESCUE_BYTES;
}

static bool new_slab(void)
{
    if (pool.rescue == NULL) {
        pool.rescue = malloc(sizeof *pool.rescue + RESCUE_BYTES);
        if (pool.rescue == NULL) {
            return false;
        }
    }
    struct slab *slab = malloc(SLAB_BYTES);
    if (slab == NULL) {
        return false;
    }
    slab->next = pool.slabs;
    pool.slabs = slab;
    pool.at = (char *)(slab + 1);
    pool.end = (char *)slab + SLAB_BYTES;
    return true;
}

/* A small block, header included, of exactly that many bytes. */
static struct header *small_block(size_t bytes)
{
    size_t class = bytes / STEP_BYTES;
    struct header *block = pool.free[class];
    if (block != NULL) {
        pool.free[class] = block->next;
        return block;
    }
    if ((size_t)(pool.end - pool.at) >= bytes || new_slab()) {
        block = (struct header *)(void *)pool.at;
        pool.at += bytes;
        return block;
    }
    if (pool.rescue != NULL && RESCUE_BYTES - pool.rescue_used >= bytes) {
        block = (struct header *)(void *)(rescue_bytes() + pool.rescue_used);
        pool.rescue_used += bytes;
        pool.rescue_blocks++;
    }
    return block;
}

static void *pool_malloc(size_t size)
{
    if (size > SIZE_MAX - sizeof(struct header) - STEP_BYTES) {
        return NULL;
    }
    size_t bytes = (size + sizeof(struct header) + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
    struct header *block = bytes <= SMALL_BYTES ? small_block(bytes) : malloc(bytes);
    if (block == NULL) {
        return NULL;
    }
    block->bytes = bytes - sizeof *block;
    return block + 1;
}

static void pool_free(void *pointer)
{
    if (pointer == NULL) {
        return;
    }
    struct header *block = (struct header *)pointer - 1;
    size_t bytes = block->bytes + sizeof *block;
    if (is_rescue(block)) {
        pool.rescue_blocks--;
        if (pool.rescue_blocks == 0) {
            pool.rescue_used = 0;
        }
    } else if (bytes > SMALL_BYTES) {
        free(block);
    } else {
        block->next = pool.free[bytes / STEP_BYTES];
        pool.free[bytes / STEP_BYTES] = block;
    }
}

static void *pool_realloc(void *pointer, size_t size)
{
    if (pointer == NULL) {
        return pool_malloc(size);
    }
    size_t have = ((struct header *)pointer - 1)->bytes;
    if (size <= have) {
        return pointer;
    }
    void *grown = pool_malloc(size);
    if (grown != NULL) {
        memcpy(grown, pointer, have);
        pool_free(pointer);
    }
    return grown;
}

static void on_log(int severity, const char *message)
{
    if (severity >= EVENT_LOG_ERR) {
        (void)fprintf(stderr, "signgate: libevent: %s\n", message);
    }
}

static void on_fatal(int error)
{
    (void)fprintf(stderr, "signgate: libevent cannot go on (error %d)\n", error);
    abort();
}

void sg_memory_install(void)
{
    if (!PLAIN_MALLOC) {
        event_set_mem_functions(pool_malloc, pool_realloc, pool_free);
    }
    event_set_log_callback(on_log);
    event_set_fatal_callback(on_fatal);
}

bool sg_memory_ok(void)
{
    return pool.rescue_blocks == 0;
}

void sg_memory_restore(void)
{
    struct slab *fresh = pool.rescue_blocks > 0 ? malloc(sizeof *pool.rescue + RESCUE_BYTES) : NULL;
    if (fresh != NULL) {
        /* The used one is a slab like others now: what is out comes back to the free lists. */
        pool.rescue->next = pool.slabs;
        pool.slabs = pool.rescue;
        pool.rescue = fresh;
        pool.rescue_used = 0;
        pool.rescue_blocks = 0;
    }
}

void sg_memory_thread_done(void)
{
    struct slab *slab = pool.slabs;
    while (slab != NULL) {
        struct slab *next = slab->next;
        free(slab);
        slab = next;
    }
    free(pool.rescue);
    memset(&pool, 0, sizeof pool);
}

void sg_memory_set_owner(void *owner)
{
    pool.owner = owner;
}

void *sg_memory_owner(void)
{
    return pool.owner;
}
