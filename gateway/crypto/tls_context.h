/*
 * TLS contexts (SSL_CTX): made while a configuration loads, shared read-only by all threads
 * afterwards; connections keep their context alive. TLS 1.2 at least, no renegotiation, no
 * compression, no tickets shared across configurations.
 */
#ifndef SG_CRYPTO_TLS_CONTEXT_H
#define SG_CRYPTO_TLS_CONTEXT_H

#include "base/error.h"

struct ssl_ctx_st; /* SSL_CTX */

/*
 * Make a client context that verifies the server: against ca_file (PEM) or, when it is NULL, the
 * system's trust. Each connection must set its host name (SNI and SSL_set1_host) itself.
 * NULL: *reterr says what is wrong with the file.
 */
struct ssl_ctx_st *sg_tls_context_new_client(const char *ca_file, struct sg_error *reterr);

enum sg_tls_file {
    SG_TLS_CERTIFICATE = 0, /* chain, leaf first */
    SG_TLS_KEY,
    SG_TLS_CLIENT_CA, /* NULL: no client certificate is asked for */
    SG_TLS_CRL,       /* NULL: no client certificate is revoked */
    SG_TLS_FILES,
};

/*
 * Make a server context from PEM files. With client_ca a client certificate is required and must
 * lead to one of its authorities; with crl its issuer must have a current list there, on which it
 * does not stand (authorities above it are judged by the lists that are there). Of application
 * protocols (RFC 7301) only HTTP/1.1 and HTTP/1.0 are agreed to. NULL: *reterr says what is wrong,
 * *ret_file with which file.
 */
struct ssl_ctx_st *sg_tls_context_new_server(const char *const files[SG_TLS_FILES],
                                             enum sg_tls_file *ret_file, struct sg_error *reterr);

/* Count one more user: the same context. NULL is fine. [any] */
struct ssl_ctx_st *sg_tls_context_ref(struct ssl_ctx_st *context);

/* Count one user less. NULL is fine. [any] */
void sg_tls_context_free(struct ssl_ctx_st *context);

#endif
