#include "cli/cells.h"

#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD, one column */
static const char ellipsis[] = "\xe2\x80\xa6";    /* U+2026, one column */

/* The character at the front: its bytes in *length, its columns; 0: it must not be shown. */
static size_t character(struct sg_str rest, size_t *length)
{
    wchar_t wide;
    mbstate_t state = {0};
    unsigned char c = (unsigned char)rest.p[0];
    *length = 1;
    if (c < 0x80) {
        return c >= 0x20 && c < 0x7f;
    }
    size_t used = mbrtowc(&wide, rest.p, rest.n, &state);
    if (used == 0 || used > rest.n) {
        return 0;
    }
    *length = used;
    int columns = wcwidth(wide);
    return columns > 0 ? (size_t)columns : 0;
}

/* How many bytes from position at on are plain ASCII: themselves, in one column each. */
static size_t plain_run(struct sg_str text, size_t at)
{
    size_t end = at;
    while (end < text.n && text.p[end] >= 0x20 && text.p[end] < 0x7f) {
        end++;
    }
    return end - at;
}

void sg_cell_add_safe(struct sg_buf *out, struct sg_str text)
{
    for (size_t i = 0, length; i < text.n; i += length) {
        length = plain_run(text, i);
        if (length > 0 || character(sg_str_slice(text, i, text.n), &length) > 0) {
            sg_buf_add(out, text.p + i, length);
        } else {
            sg_buf_add_text(out, replacement);
        }
    }
}

size_t sg_cell_columns(struct sg_str text)
{
    size_t columns = 0;
    for (size_t i = 0, length; i < text.n; i += length) {
        length = plain_run(text, i);
        size_t one = length > 0 ? length : character(sg_str_slice(text, i, text.n), &length);
        columns += one > 0 ? one : 1;
    }
    return columns;
}

static void add_blanks(struct sg_buf *out, size_t count)
{
    while (count-- > 0) {
        sg_buf_add_char(out, ' ');
    }
}

/* The bytes at the beginning that fit into so many columns; how many they take. */
static size_t fitting_head(struct sg_str text, size_t columns, size_t *ret_columns)
{
    size_t bytes = 0, used = 0;
    for (size_t length; bytes < text.n; bytes += length) {
        size_t one = character(sg_str_slice(text, bytes, text.n), &length);
        one = one > 0 ? one : 1;
        if (used + one > columns) {
            break;
        }
        used += one;
    }
    *ret_columns = used;
    return bytes;
}

void sg_cell_add(struct sg_buf *out, struct sg_str text, size_t columns, enum sg_cell_side side)
{
    size_t all = sg_cell_columns(text), used;
    if (columns == 0) {
        return;
    }
    if (all <= columns) {
        add_blanks(out, side == SG_CELL_RIGHT ? columns - all : 0);
        sg_cell_add_safe(out, text);
        add_blanks(out, side != SG_CELL_RIGHT ? columns - all : 0);
        return;
    }
    if (side == SG_CELL_LEFT) {
        size_t bytes = fitting_head(text, columns - 1, &used);
        sg_cell_add_safe(out, sg_str_slice(text, 0, bytes));
        sg_buf_add_text(out, ellipsis);
    } else {
        size_t bytes = fitting_head(text, all - (columns - 1), &used);
        if (used < all - (columns - 1)) { /* a wide one is in the way: it goes too */
            size_t length;
            used += character(sg_str_slice(text, bytes, text.n), &length);
            bytes += length;
        }
        sg_buf_add_text(out, ellipsis);
        sg_cell_add_safe(out, sg_str_slice(text, bytes, text.n));
        used = all - used;
    }
    add_blanks(out, columns - 1 - used);
}

void sg_cell_trim(struct sg_buf *out, size_t from)
{
    while (out->n > from && out->p[out->n - 1] == ' ') {
        out->n--;
    }
}

/* --- colour ----------------------------------------------------------------------------------- */

void sg_colour_begin(struct sg_buf *out, enum sg_colour colour)
{
    static const char *const codes[] = {"", "\x1b[31m", "\x1b[33m", "\x1b[2m"};
    sg_buf_add_text(out, codes[colour]);
}

void sg_colour_end(struct sg_buf *out, enum sg_colour colour)
{
    if (colour != SG_COLOUR_NONE) {
        sg_buf_add_text(out, "\x1b[0m");
    }
}

bool sg_colour_wanted(FILE *to)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return (no == NULL || no[0] == '\0') && (terminal == NULL || strcmp(terminal, "dumb") != 0) &&
           fileno(to) >= 0 && isatty(fileno(to)) == 1;
}

/* --- times ------------------------------------------------------------------------------------ */

void sg_cell_add_time(struct sg_buf *out, struct sg_str time, bool utc)
{
    int64_t us;
    struct tm parts;
    char text[32];
    if (!sg_clock_parse_rfc3339(time, &us)) {
        sg_cell_add_safe(out, time);
        return;
    }
    time_t seconds = (time_t)(us / 1000000);
    if ((utc ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)) == NULL ||
        strftime(text, sizeof text, utc ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%dT%H:%M:%S", &parts) ==
            0) {
        sg_cell_add_safe(out, time);
        return;
    }
    sg_buf_add_text(out, text);
    if (!utc) {
        long minutes = parts.tm_gmtoff / 60;
        long size = minutes < 0 ? -minutes : minutes;
        sg_buf_printf(out, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', size / 60, size % 60);
    }
}

void sg_cell_add_ms(struct sg_buf *out, uint64_t us)
{
    enum { TENTHS_BELOW_US = 10000 };
    if (us < TENTHS_BELOW_US) {
        sg_buf_printf(out, "%llu.%llu", (unsigned long long)(us / 1000),
                      (unsigned long long)(us / 100 % 10));
    } else {
        sg_buf_add_u64(out, us / 1000);
    }
}

/* --- the result ------------------------------------------------------------------------------- */

enum sg_status sg_result_write(FILE *out, FILE *err, struct sg_buf *text)
{
    struct sg_str all = sg_buf_str(text);
    if (sg_buf_failed(text)) {
        (void)fputs("signgate: out of memory\n", err);
        return SG_IO;
    }
    errno = 0;
    bool good = (all.n == 0 || fwrite(all.p, all.n, 1, out) == 1) && fflush(out) == 0;
    int why = errno;
    sg_buf_clear(text);
    if (good) {
        return SG_OK;
    }
    __fpurge(out);
    clearerr(out);
    if (why == EPIPE) {
        return SG_NOT_FOUND;
    }
    (void)fprintf(err, "signgate: cannot write the result: %s\n", strerror(why));
    return SG_IO;
}
