#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum { FIRST_ALLOCATION = 256 };

void sg_buf_init(struct sg_buf *buf, size_t max_bytes)
{
    *buf = (struct sg_buf){.max_bytes = max_bytes};
}

void sg_buf_init_fixed(struct sg_buf *buf, char *bytes, size_t count)
{
    *buf = (struct sg_buf){.p = bytes, .allocated = count, .max_bytes = count};
}

void sg_buf_done(struct sg_buf *buf)
{
    free(buf->p);
    sg_buf_init(buf, buf->max_bytes);
}

void sg_buf_wipe(struct sg_buf *buf)
{
    if (buf->p != NULL) {
        sg_wipe(buf->p, buf->allocated);
    }
    sg_buf_done(buf);
}

void sg_buf_clear(struct sg_buf *buf)
{
    buf->n = 0;
    buf->failed = false;
}

void sg_buf_consume(struct sg_buf *buf, size_t count)
{
    if (count >= buf->n) {
        buf->n = 0;
        return;
    }
    memmove(buf->p, buf->p + count, buf->n - count);
    buf->n -= count;
}

/* Grow so that count more bytes fit. */
static bool grow(struct sg_buf *buf, size_t count)
{
    if (buf->failed || count > buf->max_bytes - buf->n) {
        buf->failed = true;
        return false;
    }
    size_t needed = buf->n + count;
    if (needed <= buf->allocated) {
        return true;
    }
    size_t allocated = buf->allocated > 0 ? buf->allocated : FIRST_ALLOCATION;
    while (allocated < needed) {
        allocated = allocated <= buf->max_bytes / 2 ? allocated * 2 : buf->max_bytes;
    }
    if (allocated > buf->max_bytes) {
        allocated = buf->max_bytes; /* what is allocated may be filled without a look at the cap */
    }
    char *grown = realloc(buf->p, allocated);
    if (grown == NULL) {
        buf->failed = true;
        return false;
    }
    buf->p = grown;
    buf->allocated = allocated;
    return true;
}

/* Whether count more bytes fit, after growing when they must. */
static inline bool ensure(struct sg_buf *buf, size_t count)
{
    return (!buf->failed && count <= buf->allocated - buf->n) || grow(buf, count);
}

char *sg_buf_reserve(struct sg_buf *buf, size_t count)
{
    if (!ensure(buf, count)) {
        return NULL;
    }
    char *at = buf->p + buf->n;
    buf->n += count;
    return at;
}

void sg_buf_add(struct sg_buf *buf, const void *bytes, size_t count)
{
    if (count > 0 && ensure(buf, count)) {
        memcpy(buf->p + buf->n, bytes, count);
        buf->n += count;
    }
}

void sg_buf_add_str(struct sg_buf *buf, struct sg_str s)
{
    sg_buf_add(buf, s.p, s.n);
}

void sg_buf_add_u64(struct sg_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    sg_buf_add(buf, digits + at, sizeof digits - at);
}

void sg_buf_add_i64(struct sg_buf *buf, int64_t value)
{
    if (value < 0) {
        sg_buf_add_char(buf, '-');
        sg_buf_add_u64(buf, (uint64_t)0 - (uint64_t)value);
    } else {
        sg_buf_add_u64(buf, (uint64_t)value);
    }
}

void sg_buf_add_hex(struct sg_buf *buf, const void *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    if (count > SIZE_MAX / 2) {
        buf->failed = true;
        return;
    }
    char *to = sg_buf_reserve(buf, count * 2);
    for (size_t i = 0; to != NULL && i < count; i++) {
        to[2 * i] = digits[from[i] >> 4];
        to[2 * i + 1] = digits[from[i] & 15];
    }
}

void sg_buf_vprintf(struct sg_buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    /* vsnprintf writes a NUL behind the text: room for it is made and given back. */
    if (length < 0 || !ensure(buf, (size_t)length + 1)) {
        buf->failed = true;
    } else {
        (void)vsnprintf(buf->p + buf->n, (size_t)length + 1, format, again);
        buf->n += (size_t)length;
    }
    va_end(again);
}

void sg_buf_printf(struct sg_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sg_buf_vprintf(buf, format, args);
    va_end(args);
}

bool sg_buf_failed(const struct sg_buf *buf)
{
    return buf->failed;
}

struct sg_str sg_buf_str(const struct sg_buf *buf)
{
    return (struct sg_str){.p = buf->p, .n = buf->n};
}
