#include "crypto/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
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

struct ssl_ctx_st *sg_tls_context_new_client(const char *ca_file, struct sg_error *reterr)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "cannot make a TLS context: %s", reason());
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* one read(2) for a record instead of two */
    int trusted = ca_file != NULL ? SSL_CTX_load_verify_file(context, ca_file)
                                  : SSL_CTX_set_default_verify_paths(context);
    if (trusted != 1) {
        (void)sg_error_set(reterr, SG_CONFIG, NULL, "cannot load certificates from %s: %s",
                           ca_file != NULL ? ca_file : "the system's trust store", reason());
        SSL_CTX_free(context);
        return NULL;
    }
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        (void)sg_error_set(reterr, SG_CONFIG, NULL, "OpenSSL offers no TLS 1.2 here: %s", reason());
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

void sg_tls_context_free(struct ssl_ctx_st *context)
{
    SSL_CTX_free(context);
}
