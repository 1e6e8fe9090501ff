/*
 * What every fuzz target exports: judge one input. A property that does not hold aborts, which both
 * libFuzzer and replay.c report with the input that did it.
 */
#ifndef SG_TEST_FUZZ_H
#define SG_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#define HOLDS(property)                                                                         \
    do {                                                                                        \
        if (!(property)) {                                                                      \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #property); \
            abort();                                                                            \
        }                                                                                       \
    } while (0)

#endif
