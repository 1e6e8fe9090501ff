#include "crypto/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

/*
 * Why OpenSSL failed, in words, and an empty queue. The first error of the queue is the cause, the
 * later ones are what callers within OpenSSL made of it; one of the system has an errno.
 */
static const char *reason(void)
{
    unsigned long error = ERR_peek_error();
    const char *text =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
    ERR_clear_error();
    return text != NULL ? text : "unknown reason";
}

/* What both sides have in common. NULL: *reterr is set. */
static SSL_CTX *new_context(const SSL_METHOD *method, struct sg_error *reterr)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "cannot make a TLS context: %s", reason());
        return NULL;
    }
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* one read(2) for a record instead of two */
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        (void)sg_error_set(reterr, SG_CONFIG, NULL, "OpenSSL offers no TLS 1.2 here: %s", reason());
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* --- clients ---------------------------------------------------------------------------------- */

struct ssl_ctx_st *sg_tls_context_new_client(const char *ca_file, struct sg_error *reterr)
{
    SSL_CTX *context = new_context(TLS_client_method(), reterr);
    if (context == NULL) {
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    int trusted = ca_file != NULL ? SSL_CTX_load_verify_file(context, ca_file)
                                  : SSL_CTX_set_default_verify_paths(context);
    if (trusted != 1) {
        (void)sg_error_set(reterr, SG_CONFIG, NULL, "cannot load certificates from %s: %s",
                           ca_file != NULL ? ca_file : "the system's trust store", reason());
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* --- servers ---------------------------------------------------------------------------------- */

/* Forward secrecy and authenticated encryption for TLS 1.2 too; 1.3 has nothing else. */
static const char tls12_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* A resumed session skips verification: what a list or an authority says must not be old for long.
 */
enum { SESSION_SECONDS = 600 };

/* Never ask a terminal for a passphrase. */
static int no_passphrase(char *to, int size, int writing, void *arg)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* Agree to what the gateway speaks, in the order of the client; to nothing else. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                           const unsigned char *in, unsigned in_bytes, void *arg)
{
    static const char *const spoken[] = {"http/1.1", "http/1.0"};
    (void)ssl;
    (void)arg;
    for (unsigned at = 0; at < in_bytes; at += 1u + in[at]) {
        for (size_t i = 0; i < sizeof spoken / sizeof *spoken; i++) {
            if (in[at] == strlen(spoken[i]) && in[at] < in_bytes - at &&
                memcmp(in + at + 1, spoken[i], in[at]) == 0) {
                *out = in + at + 1;
                *out_bytes = in[at];
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* An authority that publishes no list revokes nobody; the certificate's own issuer must have one.
 */
static int judge_revocation(int good, X509_STORE_CTX *store)
{
    int error = X509_STORE_CTX_get_error(store);
    if (!good && error == X509_V_ERR_UNABLE_TO_GET_CRL &&
        X509_STORE_CTX_get_error_depth(store) > 0) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    return good;
}

static bool load_revoked(SSL_CTX *context, const char *file)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    return lookup != NULL && X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) > 0 &&
           X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context),
                                       X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
}

static bool load_authorities(SSL_CTX *context, const char *file)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file); /* told to clients */
    if (names == NULL || SSL_CTX_load_verify_file(context, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return false;
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       judge_revocation);
    /* An authority of the file is trusted for itself, whoever stands above it. */
    return X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN) == 1;
}

static bool load_file(SSL_CTX *context, enum sg_tls_file kind, const char *file)
{
    switch (kind) {
    case SG_TLS_CERTIFICATE:
        return SSL_CTX_use_certificate_chain_file(context, file) == 1;
    case SG_TLS_KEY:
        return SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) == 1;
    case SG_TLS_CLIENT_CA:
        return load_authorities(context, file);
    case SG_TLS_CRL:
        return load_revoked(context, file);
    case SG_TLS_FILES:
        break;
    }
    return false;
}

struct ssl_ctx_st *sg_tls_context_new_server(const char *const files[SG_TLS_FILES],
                                             enum sg_tls_file *ret_file, struct sg_error *reterr)
{
    static const char *const what[SG_TLS_FILES] = {
        [SG_TLS_CERTIFICATE] = "a certificate chain",
        [SG_TLS_KEY] = "the certificate's private key, without a passphrase",
        [SG_TLS_CLIENT_CA] = "certificates of authorities",
        [SG_TLS_CRL] = "certificate revocation lists",
    };
    static const unsigned char session_context[] = "signgate";
    SSL_CTX *context = new_context(TLS_server_method(), reterr);
    if (context == NULL) {
        *ret_file = SG_TLS_CERTIFICATE;
        return NULL;
    }
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
    (void)SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Sessions live in tickets: no cache that threads would share under a lock. */
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context, 1);
    (void)SSL_CTX_set_timeout(context, SESSION_SECONDS);
    if (SSL_CTX_set_cipher_list(context, tls12_ciphers) != 1 ||
        SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1) != 1) {
        *ret_file = SG_TLS_CERTIFICATE;
        (void)sg_error_set(reterr, SG_CONFIG, NULL, "OpenSSL lacks what TLS 1.2 needs: %s",
                           reason());
        SSL_CTX_free(context);
        return NULL;
    }
    for (int kind = 0; kind < SG_TLS_FILES; kind++) {
        if (files[kind] != NULL && !load_file(context, (enum sg_tls_file)kind, files[kind])) {
            *ret_file = (enum sg_tls_file)kind;
            (void)sg_error_set(reterr, SG_CONFIG, NULL, "cannot load %s from %s: %s", what[kind],
                               files[kind], reason());
            SSL_CTX_free(context);
            return NULL;
        }
    }
    return context;
}

struct ssl_ctx_st *sg_tls_context_ref(struct ssl_ctx_st *context)
{
    if (context != NULL) {
        (void)SSL_CTX_up_ref(context);
    }
    return context;
}

void sg_tls_context_free(struct ssl_ctx_st *context)
{
    SSL_CTX_free(context);
}
