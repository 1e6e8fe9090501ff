#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum { LINE_MAX_BYTES = 8192 };

void sg_log_init(struct sg_log *log, int fd, enum sg_log_level level, enum sg_log_format format,
                 const struct sg_clock *clock)
{
    log->fd = fd;
    log->format = format;
    log->clock = clock;
    atomic_init(&log->level, (int)level);
    atomic_init(&log->dropped, 0);
}

static const char *level_name(enum sg_log_level level)
{
    switch (level) {
    case SG_LOG_ERROR:
        return "error";
    case SG_LOG_WARN:
        return "warn";
    case SG_LOG_INFO:
        return "info";
    case SG_LOG_DEBUG:
        return "debug";
    }
    return "error";
}

/* JSON string escapes (RFC 8259 section 7); invalid UTF-8 becomes U+FFFD byte by byte. */
static void add_escaped(struct sg_buf *line, struct sg_str text)
{
    bool utf8 = sg_str_is_utf8(text);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '"' || c == '\\') {
            sg_buf_add_char(line, '\\');
            sg_buf_add_char(line, (char)c);
        } else if (c == '\n') {
            sg_buf_add_text(line, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            sg_buf_printf(line, "\\u%04x", c);
        } else if (c >= 0x80 && !utf8) {
            sg_buf_add_text(line, "\\ufffd");
        } else {
            sg_buf_add_char(line, (char)c);
        }
    }
}

static void add_field(const struct sg_log *log, struct sg_buf *line,
                      const struct sg_log_field *field)
{
    bool json = log->format == SG_LOG_JSON;
    sg_buf_add_text(line, json ? ",\"" : " ");
    sg_buf_add_text(line, field->name);
    sg_buf_add_text(line, json ? "\":" : "=");
    if (field->is_number) {
        sg_buf_add_i64(line, field->number);
        return;
    }
    sg_buf_add_char(line, '"');
    add_escaped(line, field->text);
    sg_buf_add_char(line, '"');
}

void sg_log_write(struct sg_log *log, enum sg_log_level level, const char *message,
                  const struct sg_log_field *fields, size_t count)
{
    if ((int)level > atomic_load_explicit(&log->level, memory_order_relaxed)) {
        return;
    }
    struct sg_buf line;
    sg_buf_init(&line, LINE_MAX_BYTES);
    char time[SG_CLOCK_RFC3339_BYTES];
    sg_clock_format_rfc3339(sg_clock_realtime_us(log->clock), time);
    bool json = log->format == SG_LOG_JSON;
    sg_buf_add_text(&line, json ? "{\"time\":\"" : "");
    sg_buf_add(&line, time, sizeof time);
    sg_buf_add_text(&line, json ? "\",\"level\":\"" : " ");
    sg_buf_add_text(&line, level_name(level));
    sg_buf_add_text(&line, json ? "\",\"message\":\"" : " ");
    add_escaped(&line, sg_str_from(message));
    sg_buf_add_text(&line, json ? "\"" : "");
    for (size_t i = 0; i < count && !sg_buf_failed(&line); i++) {
        size_t whole = line.n;
        add_field(log, &line, &fields[i]);
        if (line.n + 3 > LINE_MAX_BYTES || sg_buf_failed(&line)) {
            line.n = whole; /* a field that does not fit is left out, the line stays well-formed */
            line.failed = false;
            break;
        }
    }
    sg_buf_add_text(&line, json ? "}\n" : "\n");
    ssize_t written;
    do {
        written = write(log->fd, line.p, line.n);
    } while (written < 0 && errno == EINTR);
    if (written != (ssize_t)line.n) {
        atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
    }
    sg_buf_done(&line);
}
