/*
 * The server's context, shaking hands over memory with a client of the test's own: who is let in,
 * who is not, and what is agreed on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "crypto/tls_context.h"
#include "pki.h"

enum { ROUNDS_MAX = 20, PATH_BYTES = 128, SERIAL_GOOD = 10, SERIAL_REVOKED = 11 };

struct bench {
    char folder[64];
    char paths[SG_TLS_FILES][PATH_BYTES];
    struct pair root, issuer, server, good, revoked, stranger;
};

static int setup(void **state)
{
    static const char *const names[SG_TLS_FILES] = {"server.crt", "server.key", "ca.crt", "ca.crl"};
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    char folder[sizeof bench->folder] = "/tmp/sg-test-tls.XXXXXX";
    assert_non_null(mkdtemp(folder));
    memcpy(bench->folder, folder, sizeof folder);
    for (int i = 0; i < SG_TLS_FILES; i++) {
        (void)snprintf(bench->paths[i], PATH_BYTES, "%s/%s", folder, names[i]);
    }
    bench->root = pair_new(&(struct wanted){.cn = "root", .authority = true});
    bench->issuer = pair_new(
        &(struct wanted){.cn = "issuer", .authority = true, .issuer = &bench->root, .serial = 2});
    bench->server = pair_new(&(struct wanted){.cn = "server", .names = "DNS:gateway.test"});
    bench->good = pair_new(&(struct wanted){
        .cn = "good", .issuer = &bench->issuer, .serial = SERIAL_GOOD, .names = "DNS:good.test"});
    bench->revoked = pair_new(
        &(struct wanted){.cn = "revoked", .issuer = &bench->issuer, .serial = SERIAL_REVOKED});
    bench->stranger = pair_new(&(struct wanted){.cn = "stranger"});
    write_certificate(bench->paths[SG_TLS_CERTIFICATE], &bench->server);
    write_key(bench->paths[SG_TLS_KEY], &bench->server);
    write_certificate(bench->paths[SG_TLS_CLIENT_CA], &bench->issuer);
    write_crl(bench->paths[SG_TLS_CRL], crl_new(&bench->issuer, SERIAL_REVOKED, 3600));
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    struct pair *pairs[] = {&bench->root, &bench->issuer,  &bench->server,
                            &bench->good, &bench->revoked, &bench->stranger};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        pair_free(pairs[i]);
    }
    for (int i = 0; i < SG_TLS_FILES; i++) {
        (void)unlink(bench->paths[i]);
    }
    assert_int_equal(rmdir(bench->folder), 0);
    free(bench);
    return 0;
}

/* The context with files up to and including the last one. */
static struct ssl_ctx_st *server_with(struct bench *bench, enum sg_tls_file last)
{
    const char *files[SG_TLS_FILES] = {NULL};
    enum sg_tls_file wrong = SG_TLS_FILES;
    struct sg_error error = {.status = SG_OK};
    for (int i = 0; i <= (int)last; i++) {
        files[i] = bench->paths[i];
    }
    struct ssl_ctx_st *context = sg_tls_context_new_server(files, &wrong, &error);
    if (context == NULL) {
        fail_msg("%s", error.text);
    }
    return context;
}

struct meeting {
    SSL *server, *client;
    bool met;
};

static SSL_CTX *client_context(const struct pair *certificate)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    if (certificate != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(context, certificate->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(context, certificate->key), 1);
    }
    return context;
}

/* Shake hands; what TLS 1.3 tells the client of a refusal comes with its first read. */
static struct meeting meet(SSL_CTX *server, SSL_CTX *client, SSL_SESSION *session)
{
    struct meeting meeting = {.server = SSL_new(server), .client = SSL_new(client)};
    BIO *up, *down;
    assert_int_equal(BIO_new_bio_pair(&up, 0, &down, 0), 1);
    SSL_set_bio(meeting.server, down, down);
    SSL_set_bio(meeting.client, up, up);
    SSL_set_accept_state(meeting.server);
    SSL_set_connect_state(meeting.client);
    if (session != NULL) {
        assert_int_equal(SSL_set_session(meeting.client, session), 1);
    }
    int of_server = 0, of_client = 0;
    for (int i = 0; i < ROUNDS_MAX && !(of_server == 1 && of_client == 1); i++) {
        ERR_clear_error();
        of_client = SSL_do_handshake(meeting.client);
        ERR_clear_error();
        of_server = SSL_do_handshake(meeting.server);
    }
    ERR_clear_error();
    meeting.met = of_server == 1 && of_client == 1;
    return meeting;
}

static void part(struct meeting *meeting)
{
    (void)SSL_shutdown(meeting->client); /* a session cut off is not resumed */
    ERR_clear_error();
    SSL_free(meeting->server);
    SSL_free(meeting->client);
}

static bool is_let_in(SSL_CTX *server, const struct pair *certificate)
{
    SSL_CTX *client = client_context(certificate);
    struct meeting meeting = meet(server, client, NULL);
    bool met = meeting.met;
    part(&meeting);
    SSL_CTX_free(client);
    return met;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void without_client_ca_nobody_is_asked_for_a_certificate(void **state)
{
    SSL_CTX *server = server_with(*state, SG_TLS_KEY);
    SSL_CTX *client = client_context(&((struct bench *)*state)->good);
    struct meeting meeting = meet(server, client, NULL);
    assert_true(meeting.met);
    assert_int_equal(SSL_version(meeting.server), TLS1_3_VERSION);
    assert_null(SSL_get0_peer_certificate(meeting.server));
    part(&meeting);
    SSL_CTX_free(client);
    sg_tls_context_free(server);
}

static void a_client_certificate_must_lead_to_an_authority(void **state)
{
    struct bench *bench = *state;
    SSL_CTX *server = server_with(bench, SG_TLS_CLIENT_CA);
    assert_true(is_let_in(server, &bench->good));
    assert_true(is_let_in(server, &bench->revoked)); /* no list was given */
    assert_false(is_let_in(server, &bench->stranger));
    assert_false(is_let_in(server, NULL));
    struct pair old = pair_new(
        &(struct wanted){.cn = "old", .issuer = &bench->issuer, .begin_s = -200, .end_s = -100});
    assert_false(is_let_in(server, &old));
    pair_free(&old);
    sg_tls_context_free(server);
}

static void a_revoked_certificate_is_refused(void **state)
{
    struct bench *bench = *state;
    SSL_CTX *server = server_with(bench, SG_TLS_CRL);
    assert_true(is_let_in(server, &bench->good));
    assert_false(is_let_in(server, &bench->revoked));
    sg_tls_context_free(server);
}

static void a_list_that_has_ended_lets_nobody_in(void **state)
{
    struct bench *bench = *state;
    write_crl(bench->paths[SG_TLS_CRL], crl_new(&bench->issuer, SERIAL_REVOKED, -10));
    SSL_CTX *server = server_with(bench, SG_TLS_CRL);
    assert_false(is_let_in(server, &bench->good));
    sg_tls_context_free(server);
}

static void an_issuer_without_a_list_lets_nobody_in(void **state)
{
    struct bench *bench = *state;
    write_crl(bench->paths[SG_TLS_CRL], crl_new(&bench->root, 99, 3600));
    SSL_CTX *server = server_with(bench, SG_TLS_CRL);
    assert_false(is_let_in(server, &bench->good));
    sg_tls_context_free(server);
}

static void a_resumed_session_keeps_the_certificate(void **state)
{
    struct bench *bench = *state;
    SSL_CTX *server = server_with(bench, SG_TLS_CLIENT_CA);
    SSL_CTX *client = client_context(&bench->good);
    struct meeting first = meet(server, client, NULL);
    assert_true(first.met);
    char byte;
    assert_int_equal(SSL_write(first.server, "x", 1), 1);
    assert_int_equal(SSL_read(first.client, &byte, 1), 1); /* takes the ticket, too */
    SSL_SESSION *session = SSL_get1_session(first.client);
    part(&first);
    struct meeting second = meet(server, client, session);
    assert_true(second.met);
    assert_int_equal(SSL_session_reused(second.server), 1);
    assert_non_null(SSL_get0_peer_certificate(second.server));
    part(&second);
    /* Another configuration knows no ticket of this one: lists and authorities count anew. */
    SSL_CTX *other = server_with(bench, SG_TLS_CRL);
    struct meeting third = meet(other, client, session);
    assert_true(third.met);
    assert_int_equal(SSL_session_reused(third.server), 0);
    part(&third);
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    sg_tls_context_free(other);
    sg_tls_context_free(server);
}

static void versions_below_1_2_are_refused(void **state)
{
    SSL_CTX *server = server_with(*state, SG_TLS_KEY);
    SSL_CTX *client = client_context(NULL);
    assert_int_equal(SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION), 1);
    struct meeting meeting = meet(server, client, NULL);
    assert_true(meeting.met);
    assert_int_equal(SSL_version(meeting.server), TLS1_2_VERSION);
    part(&meeting);
    SSL_CTX_set_security_level(client, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(client, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(client, TLS1_1_VERSION), 1);
    meeting = meet(server, client, NULL);
    assert_false(meeting.met);
    part(&meeting);
    SSL_CTX_free(client);
    sg_tls_context_free(server);
}

static void only_http_1_is_agreed_to(void **state)
{
    static const struct {
        const char *offer;  /* each name behind its length */
        const char *chosen; /* NULL: no handshake */
    } rows[] = {
        {"\x08http/1.1", "http/1.1"},
        {"\x02h2\x08http/1.1", "http/1.1"},
        {"\x08http/1.0\x08http/1.1", "http/1.0"},
        {"\x02h2", NULL},
        {"\x07http/1.", NULL},
    };
    SSL_CTX *server = server_with(*state, SG_TLS_KEY);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SSL_CTX *client = client_context(NULL);
        const unsigned char *chosen = NULL;
        unsigned bytes = 0;
        assert_int_equal(SSL_CTX_set_alpn_protos(client, (const unsigned char *)rows[i].offer,
                                                 (unsigned)strlen(rows[i].offer)),
                         0);
        struct meeting meeting = meet(server, client, NULL);
        assert_int_equal(meeting.met, rows[i].chosen != NULL);
        if (rows[i].chosen != NULL) {
            SSL_get0_alpn_selected(meeting.client, &chosen, &bytes);
            assert_int_equal(bytes, strlen(rows[i].chosen));
            assert_memory_equal(chosen, rows[i].chosen, bytes);
        }
        part(&meeting);
        SSL_CTX_free(client);
    }
    sg_tls_context_free(server);
}

static void a_bad_file_is_named(void **state)
{
    struct bench *bench = *state;
    for (int broken = 0; broken < SG_TLS_FILES; broken++) {
        const char *files[SG_TLS_FILES];
        enum sg_tls_file wrong = SG_TLS_FILES;
        struct sg_error error = {.status = SG_OK};
        for (int i = 0; i < SG_TLS_FILES; i++) {
            files[i] = i == broken ? "/nowhere/at/all.pem" : bench->paths[i];
        }
        assert_null(sg_tls_context_new_server(files, &wrong, &error));
        assert_int_equal(wrong, broken);
        assert_int_equal(error.status, SG_CONFIG);
        assert_non_null(strstr(error.text, "/nowhere/at/all.pem: No such file"));
    }
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    struct bench *bench = *state;
    const char *files[SG_TLS_FILES] = {bench->paths[SG_TLS_CERTIFICATE], bench->paths[SG_TLS_KEY]};
    enum sg_tls_file wrong = SG_TLS_FILES;
    struct sg_error error = {.status = SG_OK};
    write_key(bench->paths[SG_TLS_KEY], &bench->good);
    assert_null(sg_tls_context_new_server(files, &wrong, &error));
    assert_int_equal(wrong, SG_TLS_KEY);
    assert_non_null(strstr(error.text, "mismatch"));
}

/* A program without a terminal must not wait for one. */
static void a_key_with_a_passphrase_is_refused(void **state)
{
    struct bench *bench = *state;
    const char *files[SG_TLS_FILES] = {bench->paths[SG_TLS_CERTIFICATE], bench->paths[SG_TLS_KEY]};
    enum sg_tls_file wrong = SG_TLS_FILES;
    struct sg_error error = {.status = SG_OK};
    FILE *file = fopen(bench->paths[SG_TLS_KEY], "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, bench->server.key, EVP_aes_128_cbc(),
                                          (unsigned char *)(uintptr_t) "secret", 6, NULL, NULL),
                     1);
    assert_int_equal(fclose(file), 0);
    assert_null(sg_tls_context_new_server(files, &wrong, &error));
    assert_int_equal(wrong, SG_TLS_KEY);
    assert_non_null(strstr(error.text, "without a passphrase"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_client_ca_nobody_is_asked_for_a_certificate),
        TEST(a_client_certificate_must_lead_to_an_authority),
        TEST(a_revoked_certificate_is_refused),
        TEST(a_list_that_has_ended_lets_nobody_in),
        TEST(an_issuer_without_a_list_lets_nobody_in),
        TEST(a_resumed_session_keeps_the_certificate),
        TEST(versions_below_1_2_are_refused),
        TEST(only_http_1_is_agreed_to),
        TEST(a_bad_file_is_named),
        TEST(a_key_of_another_certificate_is_refused),
        TEST(a_key_with_a_passphrase_is_refused),
    };
    return cmocka_run_group_tests_name("crypto/tls_context, servers", tests, NULL, NULL);
}
