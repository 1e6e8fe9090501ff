/*
 * A growing byte buffer with a hard cap and a sticky failure: append freely, ask once at the end.
 * After a failure the buffer keeps what it had and takes nothing more, so a half-written line can
 * never look whole. Its memory is its own. [any, one thread at a time]
 */
#ifndef SG_BASE_BUF_H
#define SG_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"

struct sg_buf {
    char *p;
    size_t n;         /* bytes in use */
    size_t allocated; /* bytes behind p */
    size_t max_bytes; /* n never grows above this */
    bool failed;      /* over the cap, or no memory */
};

/* Make an empty buffer that may grow to max_bytes. Allocates nothing yet. */
void sg_buf_init(struct sg_buf *buf, size_t max_bytes);

/*
 * Make an empty buffer over count bytes that belong to someone else (an arena, the stack): it never
 * allocates, holds count bytes at most, and must not be done or wiped.
 */
void sg_buf_init_fixed(struct sg_buf *buf, char *bytes, size_t count);

/* Free the memory and leave an empty buffer with the same cap. */
void sg_buf_done(struct sg_buf *buf);

/* The same, wiping the bytes first: for buffers that held secrets. */
void sg_buf_wipe(struct sg_buf *buf);

/* Forget the content and the failure, keep the memory. */
void sg_buf_clear(struct sg_buf *buf);

/* Remove count bytes from the front. */
void sg_buf_consume(struct sg_buf *buf, size_t count);

/* Make room for count more bytes and return where they go, or NULL (the failure sticks). */
char *sg_buf_reserve(struct sg_buf *buf, size_t count);

void sg_buf_add(struct sg_buf *buf, const void *bytes, size_t count);
void sg_buf_add_str(struct sg_buf *buf, struct sg_str s);

/* Inline, so that the length of a literal is known when this is compiled. */
static inline void sg_buf_add_text(struct sg_buf *buf, const char *text)
{
    sg_buf_add(buf, text, text != NULL ? strlen(text) : 0);
}

static inline void sg_buf_add_char(struct sg_buf *buf, char c)
{
    if (buf->n < buf->allocated && !buf->failed) {
        buf->p[buf->n++] = c;
    } else {
        sg_buf_add(buf, &c, 1);
    }
}

void sg_buf_add_u64(struct sg_buf *buf, uint64_t value);
void sg_buf_add_i64(struct sg_buf *buf, int64_t value);
void sg_buf_add_hex(struct sg_buf *buf, const void *bytes, size_t count); /* lower case */
void sg_buf_printf(struct sg_buf *buf, const char *format, ...) SG_PRINTF(2, 3);
void sg_buf_vprintf(struct sg_buf *buf, const char *format, va_list args);

/* Whether anything did not fit since init, clear or done. */
bool sg_buf_failed(const struct sg_buf *buf);

/* Borrow the content: valid until the next call that changes the buffer. */
struct sg_str sg_buf_str(const struct sg_buf *buf);

#endif
