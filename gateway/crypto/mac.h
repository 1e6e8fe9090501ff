/*
 * HMAC (RFC 2104) with the key prepared once. One struct sg_mac belongs to one thread and holds
 * key material: free wipes it.
 */
#ifndef SG_CRYPTO_MAC_H
#define SG_CRYPTO_MAC_H

#include "crypto/digest.h"

struct sg_mac;

/* Key a context. The key is copied into OpenSSL. NULL: *reterr says why. */
struct sg_mac *sg_mac_new(enum sg_digest_algorithm algorithm, struct sg_str key,
                          struct sg_error *reterr);
void sg_mac_free(struct sg_mac *mac);

/* MAC one text. SG_INTERNAL only if OpenSSL fails. */
SG_MUST_CHECK enum sg_status sg_mac_run(struct sg_mac *mac, struct sg_str text,
                                        unsigned char ret[SG_DIGEST_BYTES]);

#endif
