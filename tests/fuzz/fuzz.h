/*
 * What the targets share: a property that aborts with its place when it does not hold, and cuts.
 *
 * A target that is fed in pieces takes their sizes from the first bytes of its input: one byte
 * tells how many sizes there are (its low four bits; none: pieces of one byte), then come the
 * sizes, each less by one, used in turn until the text is out. So a seed that begins with "0" is a
 * readable text fed byte by byte.
 */
#ifndef SG_TESTS_FUZZ_FUZZ_H
#define SG_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* The name libFuzzer wants. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Always evaluated. */
#define CHECK(condition) ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #condition))

_Noreturn static inline void fuzz_failed(const char *file, int line, const char *condition)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

/* Take the first byte; 0 behind the end. */
static inline unsigned fuzz_take_byte(struct sg_str *input)
{
    unsigned byte = input->n > 0 ? (unsigned char)input->p[0] : 0;
    *input = sg_str_slice(*input, 1, input->n);
    return byte;
}

/* Take what stands before the first c, and c. */
static inline struct sg_str fuzz_take_until(struct sg_str *input, char c)
{
    size_t end = sg_str_find(*input, c);
    struct sg_str taken = sg_str_slice(*input, 0, end);
    *input = sg_str_slice(*input, end + 1, input->n);
    return taken;
}

struct fuzz_cuts {
    struct sg_str sizes;
    size_t next;
};

static inline struct fuzz_cuts fuzz_take_cuts(struct sg_str *input)
{
    size_t count = fuzz_take_byte(input) & 15;
    struct fuzz_cuts cuts = {.sizes = sg_str_slice(*input, 0, count)};
    *input = sg_str_slice(*input, count, input->n);
    return cuts;
}

/* How many of the bytes that are left the next piece has: at least one of them. */
static inline size_t fuzz_next_cut(struct fuzz_cuts *cuts, size_t left)
{
    size_t count = 1;
    if (cuts->sizes.n > 0) {
        count += (unsigned char)cuts->sizes.p[cuts->next++ % cuts->sizes.n];
    }
    return count < left ? count : left;
}

/* A copy of exactly its size, so that a sanitizer sees the first byte read too many; free it. */
static inline char *fuzz_copy(struct sg_str s)
{
    char *bytes = malloc(s.n > 0 ? s.n : 1);
    CHECK(bytes != NULL);
    if (s.n > 0) {
        memcpy(bytes, s.p, s.n);
    }
    return bytes;
}

#endif
