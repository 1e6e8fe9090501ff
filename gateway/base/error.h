/*
 * One error, by value on the caller's stack: a status, where (when a file is to blame) and a text
 * for a person. Set once where it is found, given context on the way up. The text never reaches
 * an HTTP body. [any]
 */
#ifndef SG_BASE_ERROR_H
#define SG_BASE_ERROR_H

#include "base/status.h"

/* A place in a text file. Columns count characters from 1; line 0 means the file as a whole. */
struct sg_place {
    const char *file; /* NULL: no place at all */
    unsigned line;
    unsigned column;
    unsigned width; /* characters to underline, 0 counts as 1 */
};

struct sg_error {
    enum sg_status status;
    char file[256];
    unsigned line;
    unsigned column;
    char text[512];
};

/*
 * Fill *err and return status, so that "return sg_error_set(...)" reads well. err may be NULL;
 * place may be NULL. Texts that do not fit are cut.
 */
enum sg_status sg_error_set(struct sg_error *err, enum sg_status status,
                            const struct sg_place *place, const char *format, ...) SG_PRINTF(4, 5);

/* Put "prefix: " before the text of *err. */
void sg_error_context(struct sg_error *err, const char *format, ...) SG_PRINTF(2, 3);

#endif
