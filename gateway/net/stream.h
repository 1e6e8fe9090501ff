/*
 * A non-blocking socket, plain or TLS, for both sides: one persistent read event for its life, a
 * write event only while the socket does not take everything. TLS is an own SSL object on the
 * descriptor; WANT_READ and WANT_WRITE are crossed over to the other event. [the loop's thread]
 *
 * A struct sg_stream is embedded in its owner (gate, upstream connection). Callbacks may close the
 * stream; the owner's memory must then live until the callback has returned (sg_loop_defer).
 */
#ifndef SG_NET_STREAM_H
#define SG_NET_STREAM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct ssl_st;
struct ssl_ctx_st;
struct sg_loop;

/* How the reading side ended. */
enum sg_stream_end {
    SG_STREAM_OPEN = 0,
    SG_STREAM_CLEAN,     /* FIN; with TLS a close_notify: nothing is missing */
    SG_STREAM_TRUNCATED, /* with TLS: FIN without close_notify */
    SG_STREAM_BROKEN,    /* reset, or any other error */
};

struct sg_stream {
    uint32_t magic;
    int fd; /* -1: closed */
    struct ssl_st *ssl;
    struct event readable;
    struct event writable;
    void (*on_ready)(void *owner); /* connected and, with TLS, shaken hands; once */
    void (*on_readable)(void *owner);
    void (*on_writable)(void *owner);                   /* a write that came short may go on */
    void (*on_failed)(void *owner, const char *detail); /* connect or handshake failed; once */
    void *owner;
    bool ready;
    bool connecting;
    bool paused;
    bool read_wants_write;
    bool write_wants_read;
    bool tls_broken;        /* a fatal TLS error: no close_notify */
    enum sg_stream_end end; /* set when sg_stream_read returns -1 */
    uint64_t plain_out;     /* without TLS: bytes the socket took */
};

/*
 * Take over fd (connected; or connecting, when connecting is true). With a context a TLS handshake
 * follows: as server when server_name is NULL, else as client with SNI and verification of that
 * name (an address is verified as an address). Callbacks come from the loop, never from here.
 * SG_NO_MEMORY: fd is closed.
 */
SG_MUST_CHECK enum sg_status sg_stream_open(struct sg_stream *stream, struct sg_loop *loop, int fd,
                                            bool connecting, struct ssl_ctx_st *tls_context,
                                            const char *server_name);

/* Read: above 0 bytes read, 0 nothing now, -1 the other side ended or the connection failed. */
ssize_t sg_stream_read(struct sg_stream *stream, void *bytes, size_t count);

/*
 * Read what comes and forget it, past TLS: after sg_stream_shutdown, until the other side ends.
 * Above 0 bytes dropped, 0 nothing now, -1 ended.
 */
ssize_t sg_stream_drop(struct sg_stream *stream, void *bytes, size_t count);

/*
 * Write what the socket takes: bytes taken (on_writable follows when it is less than count), -1
 * when the connection is gone.
 */
ssize_t sg_stream_write(struct sg_stream *stream, const void *bytes, size_t count);

/* Bytes the socket has taken so far, as they went onto the wire (TLS records included). */
uint64_t sg_stream_wire_out(const struct sg_stream *stream);

/* Whether decrypted bytes wait inside the TLS object: read again before going back to the loop. */
bool sg_stream_has_pending(const struct sg_stream *stream);

/* Stop and go on reading; going on wakes the owner by hand where bytes wait inside. */
void sg_stream_pause(struct sg_stream *stream);
void sg_stream_resume(struct sg_stream *stream);

/* Send close_notify (best effort) and FIN; reading stays possible. */
void sg_stream_shutdown(struct sg_stream *stream);

/* Delete the events, free TLS, close the descriptor. Idempotent. */
void sg_stream_close(struct sg_stream *stream);

/* The same with RST instead of FIN (SO_LINGER 0): a cut answer must not look whole. */
void sg_stream_reset(struct sg_stream *stream);

#endif
