/* What a sink is inside: shared by sink.c and the kinds of sinks alone. [shipper's thread] */
#ifndef SG_SERVER_SINK_PRIVATE_H
#define SG_SERVER_SINK_PRIVATE_H

#include <sys/stat.h>

#include "audit/sink_cursor.h"
#include "server/sink.h"

enum { SG_SINK_DETAIL_BYTES = 256 };

/* A way to hand lines on. */
struct sg_sink_kind {
    bool (*make)(struct sg_sink *sink);                /* set sink->own; false: no memory */
    void (*drop)(struct sg_sink *sink);                /* close at once, free sink->own */
    void (*tick)(struct sg_sink *sink);                /* the log can be read */
    void (*adopted)(struct sg_sink *sink);             /* sink->spec is another */
    uint64_t (*pending_bytes)(const struct sg_sink *); /* of lines read and not taken yet */
};
extern const struct sg_sink_kind sg_sink_syslog, sg_sink_http;

struct sg_sink {
    const struct sg_sink_world *world;
    const struct sg_snapshot *snapshot; /* counted; spec is of it */
    const struct sg_audit_sink *spec;
    struct sg_sink_figures *figures;
    const struct sg_sink_kind *kind;
    void *own;
    /* reading */
    bool loaded;                         /* the cursor; from then on taken is valid */
    struct sg_follow *follow;            /* NULL: to be opened at read_from */
    struct sg_follow_position read_from; /* when it is opened */
    int64_t next_open_ms;
    struct stat folder; /* that is open */
    bool at_end;        /* nothing more was there at looked_ms */
    int64_t looked_ms;
    /* the position */
    struct sg_sink_cursor taken; /* as far as the receiver has surely come */
    struct sg_sink_cursor saved; /* as it stands in the file; seq and position 0: none */
    int64_t saved_ms;            /* when that was tried */
    bool saving_fails;
    int64_t measured_ms; /* the lag */
    /* failing */
    uint64_t failures; /* in a row */
    int64_t next_try_ms;
    bool works; /* and that was said */
    char told[SG_SINK_DETAIL_BYTES];
    /* ending */
    bool finishing;
    bool over;
    int64_t finish_by_ms;
};

int64_t sg_sink_now_ms(const struct sg_sink *sink);

/* The next line, with the position behind it and its seq; false: none now (at_end), or no way to
 * read (that has been told). */
bool sg_sink_next(struct sg_sink *sink, struct sg_str *ret_line,
                  struct sg_follow_position *ret_behind, uint64_t *ret_seq);

/* Read from a position again. */
void sg_sink_rewind(struct sg_sink *sink, const struct sg_follow_position *to);

/* The receiver has surely taken everything before a position; seq is that of the last line. */
void sg_sink_took(struct sg_sink *sink, const struct sg_follow_position *behind, uint64_t seq);

/* Whether it is time to try (again). */
bool sg_sink_may_try(const struct sg_sink *sink);

/*
 * An attempt failed: say so if that is news, and wait, at least at_least_ms. While finishing that
 * is the end of the sink.
 */
void sg_sink_failed(struct sg_sink *sink, int64_t at_least_ms, const char *detail);

/* It works: say so if that is news. */
void sg_sink_works(struct sg_sink *sink);

#endif
