#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum sg_status sg_error_set(struct sg_error *err, enum sg_status status,
                            const struct sg_place *place, const char *format, ...)
{
    if (err == NULL) {
        return status;
    }
    *err = (struct sg_error){.status = status};
    if (place != NULL && place->file != NULL) {
        (void)snprintf(err->file, sizeof err->file, "%s", place->file);
        err->line = place->line;
        err->column = place->column;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

void sg_error_context(struct sg_error *err, const char *format, ...)
{
    if (err == NULL) {
        return;
    }
    char before[sizeof err->text];
    memcpy(before, err->text, sizeof before);
    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = length > 0 ? (size_t)length : 0;
    if (used + 3 < sizeof err->text) { /* ": ", at least one byte of the text, NUL */
        size_t room = sizeof err->text - used - 3;
        size_t count = strnlen(before, room);
        memcpy(err->text + used, ": ", 2);
        memcpy(err->text + used + 2, before, count);
        err->text[used + 2 + count] = '\0';
    }
}
