#include "audit/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 256 * 1024 };

void sg_lines_init(struct sg_lines *lines, int fd)
{
    *lines = (struct sg_lines){.fd = fd};
}

void sg_lines_done(struct sg_lines *lines)
{
    free(lines->block);
    *lines = (struct sg_lines){.fd = -1};
}

/* Make room behind what is there, by moving it to the front or by growing. */
static bool make_room(struct sg_lines *lines)
{
    if (lines->from > 0) {
        memmove(lines->block, lines->block + lines->from, lines->to - lines->from);
        lines->to -= lines->from;
        lines->from = 0;
    }
    if (lines->allocated - lines->to >= BLOCK_BYTES / 2) {
        return true;
    }
    size_t allocated = lines->allocated > 0 ? lines->allocated * 2 : BLOCK_BYTES;
    char *grown = realloc(lines->block, allocated);
    if (grown == NULL) {
        return false;
    }
    lines->block = grown;
    lines->allocated = allocated;
    return true;
}

static enum sg_status read_more(struct sg_lines *lines)
{
    ssize_t count;
    if (!make_room(lines)) {
        return SG_NO_MEMORY;
    }
    do {
        count = read(lines->fd, lines->block + lines->to, lines->allocated - lines->to);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return SG_IO;
    }
    lines->ended = count == 0;
    lines->to += (size_t)count;
    return SG_OK;
}

enum sg_status sg_lines_next(struct sg_lines *lines, struct sg_line *ret)
{
    size_t searched = 0; /* of what is not taken yet: no LF is in it */
    struct sg_line line = {.number = lines->number + 1, .offset = lines->offset};
    for (;;) {
        const char *start = lines->block != NULL ? lines->block + lines->from : "";
        size_t left = lines->to - lines->from;
        const char *end = left > searched ? memchr(start + searched, '\n', left - searched) : NULL;
        size_t count = end != NULL ? (size_t)(end - start) : left;
        if (end != NULL || (lines->ended && (left > 0 || line.bytes > 0))) {
            line.whole = end != NULL;
            line.too_long = line.too_long || count > SG_LINE_BYTES_MAX;
            line.text =
                (struct sg_str){.p = line.too_long ? "" : start, .n = line.too_long ? 0 : count};
            line.bytes += count + (line.whole ? 1 : 0);
            lines->from += count + (line.whole ? 1 : 0);
            lines->offset = line.offset + line.bytes;
            lines->number++;
            *ret = line;
            return SG_OK;
        }
        if (lines->ended) {
            return SG_NOT_FOUND;
        }
        searched = left;
        if (left > SG_LINE_BYTES_MAX) { /* only its length is of interest now */
            line.too_long = true;
            line.bytes += left;
            lines->from = lines->to = searched = 0;
        }
        enum sg_status status = read_more(lines);
        if (status != SG_OK) {
            return status;
        }
    }
}
