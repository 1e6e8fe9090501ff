/*
 * What a syslog sink has sent and may have to send again. Plain syslog acknowledges nothing; all
 * that can be known is which bytes the receiver's kernel has taken. So a line goes through four
 * states, in the order of the log: framed, on the wire, acknowledged by the receiver's TCP, surely
 * taken. The last one is a judgement: a thousand lines behind it were acknowledged, or an hour has
 * passed since it was, or the receiver has ended the connection in order with nothing left unread.
 * After any other end everything from the first line that is not surely taken is sent again.
 *
 * Pure: positions and numbers. [one thread at a time]
 */
#ifndef SG_AUDIT_SINK_WINDOW_H
#define SG_AUDIT_SINK_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/follow.h"

enum {
    SG_SINK_WINDOW_AGAIN = 1000,   /* acknowledged lines that are kept to be sent again */
    SG_SINK_WINDOW_ENTRIES = 4096, /* those, and what is under way */
    SG_SINK_WINDOW_AGAIN_MS = 3600000,
};

struct sg_sink_window_entry {
    struct sg_follow_position behind; /* the line */
    uint64_t seq;
    uint64_t framed;  /* bytes framed on this connection, up to its end */
    uint64_t wire;    /* bytes on the wire when its last one was */
    int64_t acked_ms; /* when it was acknowledged */
    size_t bytes;     /* of the line */
};

struct sg_sink_window {
    struct sg_follow_position base; /* behind the last line that was surely taken */
    uint64_t base_seq;
    size_t first; /* of the ring */
    size_t count, written, acked;
    size_t unacked_bytes; /* of lines that are not acknowledged */
    struct sg_sink_window_entry ring[SG_SINK_WINDOW_ENTRIES];
};

/* Begin at a position; everything before it is surely taken. */
void sg_sink_window_init(struct sg_sink_window *window, const struct sg_follow_position *base,
                         uint64_t base_seq);

/* Whether another line may be framed. */
bool sg_sink_window_has_room(const struct sg_sink_window *window);

/* A line was framed; framed counts the bytes of this connection's frames up to its end. */
void sg_sink_window_add(struct sg_sink_window *window, const struct sg_follow_position *behind,
                        uint64_t seq, size_t line_bytes, uint64_t framed);

/* The socket took the frames' bytes up to taken; that many bytes were on the wire then. */
void sg_sink_window_written(struct sg_sink_window *window, uint64_t taken, uint64_t wire);

/* The receiver's TCP has acknowledged wire bytes. How many lines that made acknowledged. */
size_t sg_sink_window_acked(struct sg_sink_window *window, uint64_t wire, int64_t now_ms);

/* Move the base on over what is surely taken by now. */
void sg_sink_window_settle(struct sg_sink_window *window, int64_t now_ms);

/* Whether every line that was framed is acknowledged. */
bool sg_sink_window_is_quiet(const struct sg_sink_window *window);

/* Sequence number of the last line that was acknowledged; the base's when none is kept. */
uint64_t sg_sink_window_acked_seq(const struct sg_sink_window *window);

/* When the last line was acknowledged; only when one is kept. */
int64_t sg_sink_window_acked_ms(const struct sg_sink_window *window);

/*
 * The connection has ended. in_order: the receiver has read all that was acknowledged, which is
 * surely taken then. What is left is forgotten: it is read from base again.
 */
void sg_sink_window_ended(struct sg_sink_window *window, bool in_order);

#endif
