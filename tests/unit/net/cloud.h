/*
 * A cloud for tests of net/upstream, in the same thread as the loop: the test plays its part step
 * by step, and every step that has to wait turns the loop meanwhile. Plain or TLS. Nothing waits
 * for time but with a limit that only a failing test meets.
 */
#ifndef TESTS_UNIT_NET_CLOUD_H
#define TESTS_UNIT_NET_CLOUD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/loop.h"

enum { CLOUD_LIMIT_SECONDS = 30, CLOUD_BUFFER_MAX = 64 * 1024 * 1024 };

/* --- turning the loop ------------------------------------------------------------------------- */

static void cloud_stop_loop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    sg_loop_stop(arg);
}

/* Let the loop do what is to be done now; returns after a millisecond at most when nothing is. */
static void turn(struct sg_loop *loop)
{
    const struct timeval soon = {.tv_usec = 1000};
    assert_int_equal(
        event_base_once(sg_loop_base(loop), -1, EV_TIMEOUT, cloud_stop_loop, loop, &soon), 0);
    sg_loop_run(loop);
}

static time_t cloud_limit(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return now.tv_sec + CLOUD_LIMIT_SECONDS;
}

/* Turn the loop until condition holds. */
#define UNTIL(loop, condition)                                               \
    do {                                                                     \
        const time_t until_limit = cloud_limit();                            \
        while (!(condition)) {                                               \
            assert_true(cloud_limit() - CLOUD_LIMIT_SECONDS <= until_limit); \
            turn(loop);                                                      \
        }                                                                    \
    } while (0)

/* --- the cloud -------------------------------------------------------------------------------- */

struct cloud {
    int listen_fd;
    uint16_t port;
    SSL_CTX *tls; /* NULL: plain */
};

/* One connection to the cloud. */
struct peer {
    int fd;
    SSL *ssl;
};

static void cloud_open(struct cloud *cloud, int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof address;
    *cloud = (struct cloud){.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    assert_true(cloud->listen_fd >= 0);
    assert_int_equal(bind(cloud->listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(cloud->listen_fd, backlog), 0);
    assert_int_equal(getsockname(cloud->listen_fd, (struct sockaddr *)&address, &bytes), 0);
    cloud->port = ntohs(address.sin_port);
}

static void cloud_close(struct cloud *cloud)
{
    if (cloud->listen_fd >= 0) {
        (void)close(cloud->listen_fd);
        cloud->listen_fd = -1;
    }
    SSL_CTX_free(cloud->tls);
    cloud->tls = NULL;
}

/* Whether somebody waits to be accepted. */
static bool cloud_has_caller(const struct cloud *cloud)
{
    struct pollfd poller = {.fd = cloud->listen_fd, .events = POLLIN};
    return poll(&poller, 1, 0) == 1;
}

/* Accept a TCP connection, without TLS yet. */
static struct peer cloud_accept_tcp(struct cloud *cloud, struct sg_loop *loop)
{
    struct peer peer = {.fd = -1};
    UNTIL(loop, cloud_has_caller(cloud));
    peer.fd = accept4(cloud->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(peer.fd >= 0);
    return peer;
}

/* Begin the server's side of TLS; true when it is done, false when it failed. */
static bool peer_shake_hands(struct peer *peer, SSL_CTX *tls, struct sg_loop *loop)
{
    const time_t limit = cloud_limit();
    peer->ssl = SSL_new(tls);
    assert_non_null(peer->ssl);
    assert_int_equal(SSL_set_fd(peer->ssl, peer->fd), 1);
    for (;;) {
        ERR_clear_error();
        int result = SSL_accept(peer->ssl);
        if (result == 1) {
            return true;
        }
        int why = SSL_get_error(peer->ssl, result);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            return false;
        }
        assert_true(cloud_limit() - CLOUD_LIMIT_SECONDS <= limit);
        turn(loop);
    }
}

static struct peer cloud_accept(struct cloud *cloud, struct sg_loop *loop)
{
    struct peer peer = cloud_accept_tcp(cloud, loop);
    if (cloud->tls != NULL) {
        assert_true(peer_shake_hands(&peer, cloud->tls, loop));
    }
    return peer;
}

/* Read what is there: above 0 bytes, 0 nothing now, -1 the end. */
static ssize_t peer_read_some(struct peer *peer, void *bytes, size_t count)
{
    if (peer->ssl == NULL) {
        ssize_t got = recv(peer->fd, bytes, count, 0);
        return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
    }
    ERR_clear_error();
    int got = SSL_read(peer->ssl, bytes, (int)count);
    if (got > 0) {
        return got;
    }
    int why = SSL_get_error(peer->ssl, got);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Read count bytes behind what out holds. */
static void peer_read(struct peer *peer, struct sg_loop *loop, size_t count, struct sg_buf *out)
{
    const time_t limit = cloud_limit();
    char bytes[16384];
    while (count > 0) {
        ssize_t got = peer_read_some(peer, bytes, count < sizeof bytes ? count : sizeof bytes);
        assert_true(got >= 0);
        sg_buf_add(out, bytes, (size_t)got);
        count -= (size_t)got;
        if (got == 0) {
            assert_true(cloud_limit() - CLOUD_LIMIT_SECONDS <= limit);
            turn(loop);
        }
    }
    assert_false(sg_buf_failed(out));
}

/* Expect exactly text to be read next. */
static void peer_expect(struct peer *peer, struct sg_loop *loop, const char *text)
{
    struct sg_buf got;
    sg_buf_init(&got, CLOUD_BUFFER_MAX);
    peer_read(peer, loop, strlen(text), &got);
    assert_memory_equal(got.p, text, got.n);
    sg_buf_done(&got);
}

/* Expect the other side to have ended the connection, with nothing before. */
static void peer_expect_end(struct peer *peer, struct sg_loop *loop)
{
    const time_t limit = cloud_limit();
    char byte;
    ssize_t got;
    while ((got = peer_read_some(peer, &byte, 1)) == 0) {
        assert_true(cloud_limit() - CLOUD_LIMIT_SECONDS <= limit);
        turn(loop);
    }
    assert_int_equal(got, -1);
}

static void peer_write_str(struct peer *peer, struct sg_loop *loop, struct sg_str text)
{
    const time_t limit = cloud_limit();
    while (text.n > 0) {
        ssize_t taken;
        if (peer->ssl == NULL) {
            taken = send(peer->fd, text.p, text.n, MSG_NOSIGNAL);
            assert_true(taken > 0 || errno == EAGAIN);
        } else {
            ERR_clear_error();
            int result = SSL_write(peer->ssl, text.p, (int)text.n);
            int why = SSL_get_error(peer->ssl, result);
            assert_true(result > 0 || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE);
            taken = result;
        }
        if (taken > 0) {
            text = sg_str_slice(text, (size_t)taken, text.n);
        } else {
            assert_true(cloud_limit() - CLOUD_LIMIT_SECONDS <= limit);
            turn(loop);
        }
    }
}

static void peer_write(struct peer *peer, struct sg_loop *loop, const char *text)
{
    peer_write_str(peer, loop, sg_str_from(text));
}

/* Close with close_notify and FIN. */
static void peer_close(struct peer *peer)
{
    if (peer->ssl != NULL) {
        ERR_clear_error();
        (void)SSL_shutdown(peer->ssl);
        SSL_free(peer->ssl);
        peer->ssl = NULL;
    }
    if (peer->fd >= 0) {
        (void)close(peer->fd);
        peer->fd = -1;
    }
}

/* Close with FIN alone. */
static void peer_truncate(struct peer *peer)
{
    SSL_free(peer->ssl);
    peer->ssl = NULL;
    (void)close(peer->fd);
    peer->fd = -1;
}

/* Close with RST. */
static void peer_reset(struct peer *peer)
{
    const struct linger none = {.l_onoff = 1};
    assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
    peer_truncate(peer);
}

/* --- certificates ----------------------------------------------------------------------------- */

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/*
 * Make a key and a certificate for it: of an authority of its own when issuer is NULL, else of a
 * server with these alternative names. It ends ends_in seconds from now.
 */
static struct identity identity_make(const struct identity *issuer, const char *name,
                                     const char *alternative_names, long ends_in)
{
    struct identity made = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
    assert_non_null(made.key);
    assert_non_null(made.certificate);
    X509 *x = made.certificate;
    X509 *by = issuer != NULL ? issuer->certificate : x;
    assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), issuer != NULL ? 2 : 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -7200));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), ends_in));
    assert_int_equal(X509_set_pubkey(x, made.key), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(x, X509_get_subject_name(by)), 1);
    if (issuer == NULL) {
        add_extension(x, by, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(x, by, NID_key_usage, "critical,keyCertSign");
    } else {
        add_extension(x, by, NID_subject_alt_name, alternative_names);
    }
    assert_true(X509_sign(x, issuer != NULL ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

static void identity_free(struct identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
    *identity = (struct identity){.key = NULL};
}

static void identity_write(const struct identity *identity, const char *path)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
    assert_int_equal(fclose(file), 0);
}

static SSL_CTX *identity_context(const struct identity *identity)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    assert_int_equal(SSL_CTX_use_certificate(context, identity->certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, identity->key), 1);
    (void)SSL_CTX_set_mode(context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

#endif
