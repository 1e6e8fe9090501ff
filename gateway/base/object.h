/*
 * Type checks for the void pointers of callbacks: a struct begins with a magic word that its init
 * sets and its done clears; SG_CAST aborts when the pointer is not what the callback expects.
 */
#ifndef SG_BASE_OBJECT_H
#define SG_BASE_OBJECT_H

#include <stdint.h>
#include <stdlib.h>

/* The first member of a checked struct must be: uint32_t magic. */
#define SG_CAST(type, expected_magic, pointer) \
    ((type *)sg_object_check((pointer), (expected_magic)))

/* Abort unless the object begins with magic; return it. NULL aborts too. [any] */
static inline void *sg_object_check(void *object, uint32_t magic)
{
    if (object == NULL || *(const uint32_t *)object != magic) {
        abort();
    }
    return object;
}

/* An assertion about our own code, on in releases too; never for input. */
#define SG_ASSERT(condition) ((condition) ? (void)0 : abort())

#endif
