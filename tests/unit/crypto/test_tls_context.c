#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "crypto/tls_context.h"

struct folder {
    char path[64];
    char file[96];
};

static void open_folder(struct folder *folder)
{
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/sg-test-tls.XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->file, sizeof folder->file, "%s/ca.crt", folder->path);
}

static void close_folder(struct folder *folder)
{
    (void)unlink(folder->file);
    assert_int_equal(rmdir(folder->path), 0);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A self-signed certificate, made now. */
static void write_certificate(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_non_null(key);
    assert_non_null(certificate);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    X509_NAME *name = X509_get_subject_name(certificate);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)"test", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(certificate, name), 1);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void test_verifies_always(void **state)
{
    (void)state;
    SSL_CTX *context = sg_tls_context_new_client(NULL, NULL);
    assert_non_null(context);
    assert_int_equal(SSL_CTX_get_verify_mode(context), SSL_VERIFY_PEER);
    assert_null(SSL_CTX_get_verify_callback(context));
    assert_int_equal(SSL_CTX_get_min_proto_version(context), TLS1_2_VERSION);
    assert_true((SSL_CTX_get_options(context) & SSL_OP_NO_RENEGOTIATION) != 0);
    assert_true((SSL_CTX_get_options(context) & SSL_OP_NO_COMPRESSION) != 0);
    /* An end without close_notify must stay an error: it may be an attacker's. */
    assert_true((SSL_CTX_get_options(context) & SSL_OP_IGNORE_UNEXPECTED_EOF) == 0);
    sg_tls_context_free(context);
}

/* With a file of one's own nothing else is trusted. */
static void test_own_trust(void **state)
{
    (void)state;
    struct folder folder;
    open_folder(&folder);
    write_certificate(folder.file);
    SSL_CTX *context = sg_tls_context_new_client(folder.file, NULL);
    assert_non_null(context);
    STACK_OF(X509) *trusted = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(context));
    assert_int_equal(sk_X509_num(trusted), 1);
    sk_X509_pop_free(trusted, X509_free);
    sg_tls_context_free(context);
    close_folder(&folder);
}

static void test_missing_file(void **state)
{
    (void)state;
    struct folder folder;
    struct sg_error error;
    open_folder(&folder);
    assert_null(sg_tls_context_new_client(folder.file, &error));
    assert_int_equal(error.status, SG_CONFIG);
    assert_non_null(strstr(error.text, folder.file));
    assert_non_null(strstr(error.text, "No such file or directory"));
    close_folder(&folder);
}

static void test_no_certificate(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "not a certificate\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct folder folder;
        struct sg_error error;
        open_folder(&folder);
        write_text(folder.file, texts[i]);
        assert_null(sg_tls_context_new_client(folder.file, &error));
        assert_int_equal(error.status, SG_CONFIG);
        assert_non_null(strstr(error.text, folder.file));
        assert_null(strstr(error.text, "unknown reason"));
        close_folder(&folder);
    }
}

/* A failure leaves nothing behind that the next call could trip over. */
static void test_good_after_bad(void **state)
{
    (void)state;
    assert_null(sg_tls_context_new_client("/nonexistent/ca.crt", NULL));
    SSL_CTX *context = sg_tls_context_new_client(NULL, NULL);
    assert_non_null(context);
    sg_tls_context_free(context);
    sg_tls_context_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verifies_always), cmocka_unit_test(test_own_trust),
        cmocka_unit_test(test_missing_file),    cmocka_unit_test(test_no_certificate),
        cmocka_unit_test(test_good_after_bad),
    };
    return cmocka_run_group_tests_name("crypto/tls_context", tests, NULL, NULL);
}
