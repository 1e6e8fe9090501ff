#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/object.h"
#include "net/loop.h"

/*
 * Two events on the descriptor: the persistent read event, and the write event that is added only
 * while something waits for it (a connect, a handshake, a write that came short). Owners see them
 * as on_readable and on_writable; TLS may need the other one than its name says, which is what
 * read_wants_write and write_wants_read remember.
 */

enum { STREAM_MAGIC = 0x53475354, DETAIL_BYTES = 256 };

static bool add_writable(struct sg_stream *stream)
{
    return event_add(&stream->writable, NULL) == 0;
}

static void fail(struct sg_stream *stream, const char *detail)
{
    stream->tls_broken = true;
    stream->on_failed(stream->owner, detail);
}

static void become_ready(struct sg_stream *stream)
{
    stream->ready = true;
    if (stream->on_ready != NULL) {
        stream->on_ready(stream->owner);
    }
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void describe_handshake_failure(struct sg_stream *stream, char detail[DETAIL_BYTES])
{
    long verified = SSL_get_verify_result(stream->ssl);
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (verified != X509_V_OK) {
        (void)snprintf(detail, DETAIL_BYTES, "the certificate was not accepted: %s",
                       X509_verify_cert_error_string(verified));
    } else {
        (void)snprintf(detail, DETAIL_BYTES, "the TLS handshake failed: %s",
                       reason != NULL ? reason : "the other side closed the connection");
    }
}

static void shake_hands(struct sg_stream *stream)
{
    ERR_clear_error();
    int result = SSL_do_handshake(stream->ssl);
    if (result == 1) {
        become_ready(stream);
        if (stream->fd >= 0 && sg_stream_has_pending(stream)) {
            event_active(&stream->readable, EV_READ, 0);
        }
        return;
    }
    int why = SSL_get_error(stream->ssl, result);
    if (why == SSL_ERROR_WANT_READ) {
        return;
    }
    if (why == SSL_ERROR_WANT_WRITE && add_writable(stream)) {
        return;
    }
    char detail[DETAIL_BYTES];
    describe_handshake_failure(stream, detail);
    fail(stream, detail);
}

static bool prepare_tls(struct sg_stream *stream, SSL_CTX *context, const char *server_name)
{
    unsigned char address[sizeof(struct in6_addr)];
    stream->ssl = SSL_new(context);
    if (stream->ssl == NULL || SSL_set_fd(stream->ssl, stream->fd) != 1) {
        return false;
    }
    if (server_name == NULL) {
        SSL_set_accept_state(stream->ssl);
        return true;
    }
    SSL_set_connect_state(stream->ssl);
    if (inet_pton(AF_INET, server_name, address) == 1 ||
        inet_pton(AF_INET6, server_name, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl), server_name) == 1;
    }
    SSL_set_hostflags(stream->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(stream->ssl, server_name) == 1 &&
           SSL_set_tlsext_host_name(stream->ssl, server_name) == 1;
}

/* --- getting ready ---------------------------------------------------------------------------- */

/* The socket is connected, or failed to. */
static void finish_connect(struct sg_stream *stream)
{
    int error = 0;
    socklen_t size = sizeof error;
    char detail[DETAIL_BYTES];
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        (void)snprintf(detail, sizeof detail, "cannot connect: %s", strerror(error));
        fail(stream, detail);
        return;
    }
    stream->connecting = false;
    if (event_add(&stream->readable, NULL) != 0) {
        fail(stream, "out of memory");
    } else if (stream->ssl != NULL) {
        shake_hands(stream);
    } else {
        become_ready(stream);
    }
}

static void get_ready(struct sg_stream *stream)
{
    if (stream->connecting) {
        finish_connect(stream);
    } else if (stream->ssl != NULL) {
        shake_hands(stream);
    } else {
        become_ready(stream);
    }
}

static void on_readable_event(evutil_socket_t fd, short what, void *arg)
{
    struct sg_stream *stream = SG_CAST(struct sg_stream, STREAM_MAGIC, arg);
    (void)fd;
    (void)what;
    if (!stream->ready) {
        get_ready(stream);
        return;
    }
    if (stream->write_wants_read) {
        stream->write_wants_read = false;
        stream->on_writable(stream->owner);
    }
    if (stream->fd >= 0 && !stream->paused) {
        stream->on_readable(stream->owner);
    }
}

static void on_writable_event(evutil_socket_t fd, short what, void *arg)
{
    struct sg_stream *stream = SG_CAST(struct sg_stream, STREAM_MAGIC, arg);
    (void)fd;
    (void)what;
    if (!stream->ready) {
        get_ready(stream);
        return;
    }
    if (stream->read_wants_write) {
        stream->read_wants_write = false;
        stream->on_readable(stream->owner);
    }
    if (stream->fd >= 0) {
        stream->on_writable(stream->owner);
    }
}

enum sg_status sg_stream_open(struct sg_stream *stream, struct sg_loop *loop, int fd,
                              bool connecting, struct ssl_ctx_st *tls_context,
                              const char *server_name)
{
    struct event_base *base = sg_loop_base(loop);
    stream->magic = STREAM_MAGIC;
    stream->fd = fd;
    stream->connecting = connecting;
    bool good = event_assign(&stream->readable, base, fd, EV_READ | EV_PERSIST, on_readable_event,
                             stream) == 0 &&
                event_assign(&stream->writable, base, fd, EV_WRITE, on_writable_event, stream) == 0;
    good = good && (tls_context == NULL || prepare_tls(stream, tls_context, server_name));
    if (good && connecting) {
        good = add_writable(stream);
    } else if (good) {
        good = event_add(&stream->readable, NULL) == 0;
        if (tls_context == NULL) {
            stream->ready = stream->on_ready == NULL;
            if (!stream->ready) {
                event_active(&stream->writable, EV_WRITE, 0);
            }
        } else if (server_name != NULL) {
            event_active(&stream->writable, EV_WRITE, 0); /* the client speaks first */
        }
    }
    if (!good) {
        sg_stream_close(stream);
        return SG_NO_MEMORY;
    }
    return SG_OK;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static ssize_t ended(struct sg_stream *stream, enum sg_stream_end how)
{
    stream->end = how;
    return -1;
}

static ssize_t read_tls(struct sg_stream *stream, void *bytes, size_t count)
{
    ERR_clear_error();
    size_t got = 0;
    if (SSL_read_ex(stream->ssl, bytes, count, &got) == 1) {
        return (ssize_t)got;
    }
    switch (SSL_get_error(stream->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_WANT_WRITE:
        stream->read_wants_write = true;
        return add_writable(stream) ? 0 : ended(stream, SG_STREAM_BROKEN);
    case SSL_ERROR_ZERO_RETURN:
        return ended(stream, SG_STREAM_CLEAN);
    case SSL_ERROR_SSL:
        stream->tls_broken = true;
        return ended(stream, ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
                                 ? SG_STREAM_TRUNCATED
                                 : SG_STREAM_BROKEN);
    default:
        stream->tls_broken = true;
        return ended(stream, SG_STREAM_BROKEN);
    }
}

static ssize_t read_plain(struct sg_stream *stream, void *bytes, size_t count)
{
    ssize_t got = recv(stream->fd, bytes, count, 0);
    if (got > 0) {
        return got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    return ended(stream, got == 0 ? SG_STREAM_CLEAN : SG_STREAM_BROKEN);
}

ssize_t sg_stream_read(struct sg_stream *stream, void *bytes, size_t count)
{
    if (stream->fd < 0) {
        return -1;
    }
    return stream->ssl != NULL ? read_tls(stream, bytes, count) : read_plain(stream, bytes, count);
}

ssize_t sg_stream_drop(struct sg_stream *stream, void *bytes, size_t count)
{
    return stream->fd < 0 ? -1 : read_plain(stream, bytes, count);
}

static ssize_t write_tls(struct sg_stream *stream, const void *bytes, size_t count)
{
    ERR_clear_error();
    size_t taken = 0;
    if (SSL_write_ex(stream->ssl, bytes, count, &taken) == 1) {
        return (ssize_t)taken;
    }
    switch (SSL_get_error(stream->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        stream->write_wants_read = true;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        return 0;
    default:
        stream->tls_broken = true;
        return -1;
    }
}

static ssize_t write_plain(struct sg_stream *stream, const void *bytes, size_t count)
{
    ssize_t taken = send(stream->fd, bytes, count, MSG_NOSIGNAL);
    if (taken < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    stream->plain_out += (uint64_t)taken;
    return taken;
}

ssize_t sg_stream_write(struct sg_stream *stream, const void *bytes, size_t count)
{
    if (stream->fd < 0) {
        return -1;
    }
    size_t taken = 0;
    while (taken < count) {
        const char *from = (const char *)bytes + taken;
        ssize_t now = stream->ssl != NULL ? write_tls(stream, from, count - taken)
                                          : write_plain(stream, from, count - taken);
        if (now < 0) {
            return -1;
        }
        taken += (size_t)now;
        /* A plain socket that took part of it is full; TLS takes a record at a time. */
        if (now == 0 || (stream->ssl == NULL && taken < count)) {
            break;
        }
    }
    if (taken < count && !stream->write_wants_read && !add_writable(stream)) {
        return -1;
    }
    return (ssize_t)taken;
}

uint64_t sg_stream_wire_out(const struct sg_stream *stream)
{
    return stream->ssl != NULL ? BIO_number_written(SSL_get_wbio(stream->ssl)) : stream->plain_out;
}

bool sg_stream_has_pending(const struct sg_stream *stream)
{
    return stream->ssl != NULL && SSL_has_pending(stream->ssl) == 1;
}

void sg_stream_pause(struct sg_stream *stream)
{
    if (stream->fd >= 0 && !stream->paused) {
        stream->paused = true;
        (void)event_del(&stream->readable);
    }
}

void sg_stream_resume(struct sg_stream *stream)
{
    if (stream->fd < 0 || !stream->paused) {
        return;
    }
    stream->paused = false;
    (void)event_add(&stream->readable, NULL); /* it was added before: its memory is there */
    if (sg_stream_has_pending(stream)) {
        event_active(&stream->readable, EV_READ, 0);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

void sg_stream_shutdown(struct sg_stream *stream)
{
    if (stream->fd < 0) {
        return;
    }
    if (stream->ssl != NULL && stream->ready && !stream->tls_broken) {
        ERR_clear_error();
        (void)SSL_shutdown(stream->ssl);
    }
    (void)shutdown(stream->fd, SHUT_WR);
}

void sg_stream_close(struct sg_stream *stream)
{
    if (stream->fd < 0) {
        return;
    }
    (void)event_del(&stream->readable);
    (void)event_del(&stream->writable);
    if (stream->ssl != NULL) {
        ERR_clear_error();
        SSL_free(stream->ssl);
        stream->ssl = NULL;
    }
    (void)close(stream->fd);
    stream->fd = -1;
}

void sg_stream_reset(struct sg_stream *stream)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    if (stream->fd >= 0) {
        (void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        stream->tls_broken = true; /* no close_notify: the answer must not look whole */
    }
    sg_stream_close(stream);
}
