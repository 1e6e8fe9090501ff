/*
 * The names of a client certificate that TLS has verified: what identity compares. Pure. [any]
 */
#ifndef SG_CRYPTO_CERTIFICATE_H
#define SG_CRYPTO_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/peer.h"

struct x509_st; /* X509 */

/*
 * Read the URI and DNS entries of the subject alternative name (RFC 5280 section 4.2.1.6) and the
 * common names of the subject, as UTF-8, in one block of memory that sg_certificate_names_free
 * gives back. A name that holds a NUL is left out: text compared to it would not be all of it.
 * NULL: no memory, or a name that cannot be read.
 */
struct sg_peer_certificate *sg_certificate_names_new(const struct x509_st *certificate);

/* NULL is fine. */
void sg_certificate_names_free(struct sg_peer_certificate *names);

/* Whether a certificate is within its dates at now_s, seconds since 1970. */
bool sg_certificate_is_current(const struct x509_st *certificate, int64_t now_s);

#endif
