/*
 * The log: one line for each event, JSON or text, written whole with one write(2) to a descriptor
 * that may be a full pipe: then the line is dropped and counted (logs may drop, audit never).
 * Layers up to L3 never log. Secrets never come here: there is no way to pass a struct sg_secret.
 * [any thread: a line is built on the stack, the sink is immutable but for an atomic counter]
 */
#ifndef SG_BASE_LOG_H
#define SG_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/str.h"

enum sg_log_level {
    SG_LOG_ERROR = 0, /* the operator must act */
    SG_LOG_WARN,
    SG_LOG_INFO, /* life cycle */
    SG_LOG_DEBUG,
};

enum sg_log_format { SG_LOG_JSON = 0, SG_LOG_TEXT };

struct sg_log {
    int fd;
    _Atomic int level; /* enum sg_log_level: lines above it are not written */
    enum sg_log_format format;
    const struct sg_clock *clock;
    atomic_uint_fast64_t dropped; /* lines the descriptor did not take */
};

/* A named value of a line. Use the SG_LOG_... macros to make one. */
struct sg_log_field {
    const char *name; /* NULL ends the list */
    struct sg_str text;
    int64_t number;
    bool is_number;
};

#define SG_LOG_TEXT_FIELD(field_name, value) \
    ((struct sg_log_field){.name = (field_name), .text = (value)})
#define SG_LOG_NUMBER_FIELD(field_name, value) \
    ((struct sg_log_field){.name = (field_name), .number = (int64_t)(value), .is_number = true})

void sg_log_init(struct sg_log *log, int fd, enum sg_log_level level, enum sg_log_format format,
                 const struct sg_clock *clock);

/* Write one line: message, then count fields. Values are escaped; a line is cut at 8 KiB. */
void sg_log_write(struct sg_log *log, enum sg_log_level level, const char *message,
                  const struct sg_log_field *fields, size_t count);

/* The usual call: sg_log_event(log, SG_LOG_INFO, "listening", SG_LOG_TEXT_FIELD("address", a)); */
#define sg_log_event(log, level, message, ...)                                          \
    sg_log_write((log), (level), (message), (const struct sg_log_field[]){__VA_ARGS__}, \
                 sizeof((const struct sg_log_field[]){__VA_ARGS__}) / sizeof(struct sg_log_field))

#endif
