#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/loop.h"
#include "net/stream.h"

/*
 * A stream over one end of a socketpair, plain or TLS; the other end is a second stream of the same
 * loop, or the bare descriptor. The loop is run pass by pass until what is waited for has come; the
 * limit of passes is met by a failing test only.
 */

enum { PASSES_MAX = 2000, BIG = 3 << 20 };

struct end {
    struct sg_stream stream;
    struct sg_loop *loop;
    unsigned readies, readables, writables, failures;
    char detail[256];
    char *got;
    size_t got_bytes;
    ssize_t last;       /* of the latest read */
    const char *unsent; /* written when the stream says so */
    size_t unsent_bytes;
    bool does_not_read;
};

struct bench {
    struct sg_loop *loop;
    struct end a, b;
    SSL_CTX *server, *client;
};

static void on_ready(void *owner)
{
    ((struct end *)owner)->readies++;
}

static void on_readable(void *owner)
{
    struct end *end = owner;
    char bytes[4096];
    end->readables++;
    if (end->does_not_read) {
        return;
    }
    do {
        end->last = sg_stream_read(&end->stream, bytes, sizeof bytes);
        if (end->last > 0) {
            assert_true(end->got_bytes + (size_t)end->last <= BIG);
            memcpy(end->got + end->got_bytes, bytes, (size_t)end->last);
            end->got_bytes += (size_t)end->last;
        }
    } while (end->last > 0);
    if (end->last < 0) {
        sg_stream_pause(&end->stream); /* an end stays readable */
    }
}

static void go_on_writing(struct end *end)
{
    ssize_t taken = sg_stream_write(&end->stream, end->unsent, end->unsent_bytes);
    assert_true(taken >= 0);
    end->unsent += taken;
    end->unsent_bytes -= (size_t)taken;
}

static void on_writable(void *owner)
{
    struct end *end = owner;
    end->writables++;
    if (end->unsent_bytes > 0) {
        go_on_writing(end);
    }
}

static void on_failed(void *owner, const char *detail)
{
    struct end *end = owner;
    end->failures++;
    (void)strncpy(end->detail, detail, sizeof end->detail - 1);
}

static void prepare(struct end *end, struct sg_loop *loop)
{
    end->loop = loop;
    end->got = malloc(BIG);
    assert_non_null(end->got);
    end->stream.fd = -1;
    end->stream.owner = end;
    end->stream.on_ready = on_ready;
    end->stream.on_readable = on_readable;
    end->stream.on_writable = on_writable;
    end->stream.on_failed = on_failed;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) {
        return -1;
    }
    bench->loop = sg_loop_new(&sg_clock_system, NULL);
    prepare(&bench->a, bench->loop);
    prepare(&bench->b, bench->loop);
    *state = bench;
    return bench->loop != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    sg_stream_close(&bench->a.stream);
    sg_stream_close(&bench->b.stream);
    sg_loop_free(bench->loop);
    SSL_CTX_free(bench->server);
    SSL_CTX_free(bench->client);
    free(bench->a.got);
    free(bench->b.got);
    free(bench);
    return 0;
}

/* Run one pass of events without sleeping; ONCE, since a stream that is not read stays readable. */
static void pass(struct bench *bench)
{
    assert_true(event_base_loop(sg_loop_base(bench->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
    sg_loop_run_deferred(bench->loop);
}

#define RUN_UNTIL(bench, condition)                     \
    do {                                                \
        unsigned passes = 0;                            \
        while (!(condition) && ++passes < PASSES_MAX) { \
            pass(bench);                                \
        }                                               \
        assert_true(condition);                         \
    } while (0)

static void make_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void open_plain(struct bench *bench)
{
    int fds[2];
    make_pair(fds);
    assert_int_equal(sg_stream_open(&bench->a.stream, bench->loop, fds[0], false, NULL, NULL),
                     SG_OK);
    assert_int_equal(sg_stream_open(&bench->b.stream, bench->loop, fds[1], false, NULL, NULL),
                     SG_OK);
    RUN_UNTIL(bench, bench->a.readies == 1 && bench->b.readies == 1);
}

/* --- TLS of the test's own ----------------------------------------------------------------------
 */

/* A context with a self-signed certificate for name; the client trusts it. */
static void make_contexts(struct bench *bench, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    char names[128];
    assert_non_null(key);
    assert_non_null(certificate);
    assert_int_equal(X509_set_version(certificate, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    X509_NAME *subject = X509_get_subject_name(certificate);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)"test", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(certificate, subject), 1);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    (void)snprintf(names, sizeof names, "%s", name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    bench->server = SSL_CTX_new(TLS_server_method());
    bench->client = SSL_CTX_new(TLS_client_method());
    assert_non_null(bench->server);
    assert_non_null(bench->client);
    assert_int_equal(SSL_CTX_use_certificate(bench->server, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(bench->server, key), 1);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(bench->client), certificate), 1);
    SSL_CTX_set_verify(bench->client, SSL_VERIFY_PEER, NULL);
    /* as crypto/tls_context sets it: a write may come short and be repeated from another place */
    (void)SSL_CTX_set_mode(bench->server,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_mode(bench->client,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* a is the client, b the server. */
static void open_tls(struct bench *bench, const char *certificate_name, const char *server_name)
{
    int fds[2];
    make_contexts(bench, certificate_name);
    make_pair(fds);
    assert_int_equal(
        sg_stream_open(&bench->b.stream, bench->loop, fds[1], false, bench->server, NULL), SG_OK);
    assert_int_equal(
        sg_stream_open(&bench->a.stream, bench->loop, fds[0], false, bench->client, server_name),
        SG_OK);
}

/* --- tests -------------------------------------------------------------------------------------
 */

static void write_text(struct end *end, const char *text)
{
    assert_int_equal(sg_stream_write(&end->stream, text, strlen(text)), strlen(text));
}

static void bytes_go_both_ways_and_a_fin_is_a_clean_end(void **state)
{
    struct bench *bench = *state;
    open_plain(bench);
    write_text(&bench->a, "ping");
    RUN_UNTIL(bench, bench->b.got_bytes == 4);
    write_text(&bench->b, "pong!");
    RUN_UNTIL(bench, bench->a.got_bytes == 5);
    assert_memory_equal(bench->b.got, "ping", 4);
    assert_memory_equal(bench->a.got, "pong!", 5);
    assert_int_equal(sg_stream_wire_out(&bench->a.stream), 4);
    sg_stream_shutdown(&bench->a.stream);
    RUN_UNTIL(bench, bench->b.last == -1);
    assert_int_equal(bench->b.stream.end, SG_STREAM_CLEAN);
    write_text(&bench->b, "late"); /* only one side has ended */
    RUN_UNTIL(bench, bench->a.got_bytes == 9);
}

static void a_write_that_comes_short_goes_on_when_there_is_room(void **state)
{
    struct bench *bench = *state;
    open_plain(bench);
    char *big = malloc(BIG);
    assert_non_null(big);
    for (size_t i = 0; i < BIG; i++) {
        big[i] = (char)(i * 31 + i / 251);
    }
    bench->b.does_not_read = true;
    bench->a.unsent = big;
    bench->a.unsent_bytes = BIG;
    go_on_writing(&bench->a);
    assert_in_range(bench->a.unsent_bytes, 1, BIG - 1);
    assert_int_equal(sg_stream_wire_out(&bench->a.stream), BIG - bench->a.unsent_bytes);
    bench->b.does_not_read = false;
    RUN_UNTIL(bench, bench->b.got_bytes == BIG);
    assert_true(bench->a.writables > 0);
    assert_memory_equal(bench->b.got, big, BIG);
    unsigned writables = bench->a.writables;
    pass(bench);
    assert_int_equal(bench->a.writables, writables); /* nothing waits, nothing is told */
    free(big);
}

static void a_paused_stream_is_not_told_until_it_goes_on(void **state)
{
    struct bench *bench = *state;
    open_plain(bench);
    sg_stream_pause(&bench->b.stream);
    write_text(&bench->a, "ping");
    pass(bench);
    pass(bench);
    assert_int_equal(bench->b.readables, 0);
    sg_stream_resume(&bench->b.stream);
    RUN_UNTIL(bench, bench->b.got_bytes == 4);
}

static void a_closed_stream_reads_and_writes_no_more_and_closes_twice(void **state)
{
    struct bench *bench = *state;
    char bytes[8];
    open_plain(bench);
    sg_stream_close(&bench->a.stream);
    sg_stream_close(&bench->a.stream);
    sg_stream_reset(&bench->a.stream);
    sg_stream_shutdown(&bench->a.stream);
    assert_int_equal(bench->a.stream.fd, -1);
    assert_int_equal(sg_stream_read(&bench->a.stream, bytes, sizeof bytes), -1);
    assert_int_equal(sg_stream_drop(&bench->a.stream, bytes, sizeof bytes), -1);
    assert_int_equal(sg_stream_write(&bench->a.stream, "x", 1), -1);
    RUN_UNTIL(bench, bench->b.last == -1);
}

static void a_write_to_nobody_fails_without_a_signal(void **state)
{
    struct bench *bench = *state;
    open_plain(bench);
    sg_stream_close(&bench->b.stream);
    assert_int_equal(sg_stream_write(&bench->a.stream, "x", 1), -1);
}

static void a_refused_connect_fails_once_with_the_cause(void **state)
{
    struct bench *bench = *state;
    struct sockaddr_storage address = {.ss_family = AF_INET};
    socklen_t size = sizeof address;
    /* A port that was bound and is free again: nobody listens there. */
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(taken >= 0 && fd >= 0);
    assert_int_equal(bind(taken, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&address, &size), 0);
    int connected = connect(fd, (struct sockaddr *)&address, size);
    assert_true(connected != 0 && (errno == EINPROGRESS || errno == ECONNREFUSED));
    assert_int_equal(sg_stream_open(&bench->a.stream, bench->loop, fd, true, NULL, NULL), SG_OK);
    RUN_UNTIL(bench, bench->a.failures == 1);
    assert_int_equal(bench->a.readies, 0);
    assert_non_null(strstr(bench->a.detail, "cannot connect: "));
    assert_int_equal(close(taken), 0);
}

static void tls_carries_bytes_and_close_notify_is_a_clean_end(void **state)
{
    struct bench *bench = *state;
    open_tls(bench, "DNS:cloud.test", "cloud.test");
    RUN_UNTIL(bench, bench->a.readies == 1 && bench->b.readies == 1);
    assert_string_equal(SSL_get_servername(bench->b.stream.ssl, TLSEXT_NAMETYPE_host_name),
                        "cloud.test");
    write_text(&bench->a, "ping");
    RUN_UNTIL(bench, bench->b.got_bytes == 4);
    write_text(&bench->b, "pong");
    RUN_UNTIL(bench, bench->a.got_bytes == 4);
    assert_true(sg_stream_wire_out(&bench->a.stream) > 4);
    sg_stream_shutdown(&bench->b.stream);
    RUN_UNTIL(bench, bench->a.last == -1);
    assert_int_equal(bench->a.stream.end, SG_STREAM_CLEAN);
    assert_int_equal(bench->a.failures + bench->b.failures, 0);
}

static void tls_without_close_notify_is_a_truncated_end(void **state)
{
    struct bench *bench = *state;
    open_tls(bench, "DNS:cloud.test", "cloud.test");
    RUN_UNTIL(bench, bench->a.readies == 1 && bench->b.readies == 1);
    assert_int_equal(shutdown(bench->b.stream.fd, SHUT_WR), 0);
    RUN_UNTIL(bench, bench->a.last == -1);
    assert_int_equal(bench->a.stream.end, SG_STREAM_TRUNCATED);
}

static void tls_writes_of_many_records_arrive_whole(void **state)
{
    struct bench *bench = *state;
    open_tls(bench, "DNS:cloud.test", "cloud.test");
    RUN_UNTIL(bench, bench->a.readies == 1 && bench->b.readies == 1);
    char *big = malloc(BIG);
    assert_non_null(big);
    for (size_t i = 0; i < BIG; i++) {
        big[i] = (char)(i * 7 + i / 253);
    }
    bench->a.unsent = big;
    bench->a.unsent_bytes = BIG;
    go_on_writing(&bench->a);
    assert_true(bench->a.unsent_bytes > 0);
    RUN_UNTIL(bench, bench->b.got_bytes == BIG);
    assert_memory_equal(bench->b.got, big, BIG);
    free(big);
}

/* What OpenSSL has decrypted already makes no event: resume must tell by itself. */
static void bytes_inside_tls_are_told_when_the_stream_goes_on(void **state)
{
    struct bench *bench = *state;
    char two[2];
    open_tls(bench, "DNS:cloud.test", "cloud.test");
    RUN_UNTIL(bench, bench->a.readies == 1 && bench->b.readies == 1);
    bench->b.does_not_read = true;
    write_text(&bench->a, "ping");
    RUN_UNTIL(bench, bench->b.readables > 0);
    assert_int_equal(sg_stream_read(&bench->b.stream, two, sizeof two), 2);
    assert_true(sg_stream_has_pending(&bench->b.stream));
    sg_stream_pause(&bench->b.stream);
    bench->b.does_not_read = false;
    sg_stream_resume(&bench->b.stream);
    RUN_UNTIL(bench, bench->b.got_bytes == 2);
    assert_memory_equal(bench->b.got, "ng", 2);
}

static void a_certificate_of_another_name_is_refused(void **state)
{
    struct bench *bench = *state;
    open_tls(bench, "DNS:other.test", "cloud.test");
    RUN_UNTIL(bench, bench->a.failures == 1);
    assert_int_equal(bench->a.readies, 0);
    assert_non_null(strstr(bench->a.detail, "certificate was not accepted"));
    assert_non_null(strstr(bench->a.detail, "hostname mismatch"));
}

static void an_address_is_verified_as_an_address(void **state)
{
    struct bench *bench = *state;
    open_tls(bench, "IP:127.0.0.1", "127.0.0.1");
    RUN_UNTIL(bench, bench->a.readies == 1 && bench->b.readies == 1);
    assert_null(SSL_get_servername(bench->b.stream.ssl, TLSEXT_NAMETYPE_host_name));
}

static void a_name_that_looks_like_the_address_is_refused(void **state)
{
    struct bench *bench = *state;
    open_tls(bench, "DNS:127.0.0.1", "127.0.0.1");
    RUN_UNTIL(bench, bench->a.failures == 1);
    assert_non_null(strstr(bench->a.detail, "certificate was not accepted"));
}

static void garbage_instead_of_a_handshake_fails(void **state)
{
    struct bench *bench = *state;
    int fds[2];
    make_contexts(bench, "DNS:cloud.test");
    make_pair(fds);
    assert_int_equal(
        sg_stream_open(&bench->b.stream, bench->loop, fds[1], false, bench->server, NULL), SG_OK);
    assert_int_equal(sg_stream_open(&bench->a.stream, bench->loop, fds[0], false, NULL, NULL),
                     SG_OK);
    write_text(&bench->a, "GET / HTTP/1.1\r\n\r\n");
    RUN_UNTIL(bench, bench->b.failures == 1);
    assert_non_null(strstr(bench->b.detail, "the TLS handshake failed: "));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways_and_a_fin_is_a_clean_end),
        TEST(a_write_that_comes_short_goes_on_when_there_is_room),
        TEST(a_paused_stream_is_not_told_until_it_goes_on),
        TEST(a_closed_stream_reads_and_writes_no_more_and_closes_twice),
        TEST(a_write_to_nobody_fails_without_a_signal),
        TEST(a_refused_connect_fails_once_with_the_cause),
        TEST(tls_carries_bytes_and_close_notify_is_a_clean_end),
        TEST(tls_without_close_notify_is_a_truncated_end),
        TEST(tls_writes_of_many_records_arrive_whole),
        TEST(bytes_inside_tls_are_told_when_the_stream_goes_on),
        TEST(a_certificate_of_another_name_is_refused),
        TEST(an_address_is_verified_as_an_address),
        TEST(a_name_that_looks_like_the_address_is_refused),
        TEST(garbage_instead_of_a_handshake_fails),
    };
    return cmocka_run_group_tests_name("net/stream", tests, NULL, NULL);
}
