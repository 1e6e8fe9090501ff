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

/* Free a context; NULL is fine. */
void sg_tls_context_free(struct ssl_ctx_st *context);

#endif
