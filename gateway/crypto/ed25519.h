/*
 * Ed25519 (RFC 8032): the key that signs checkpoints of the audit log, and those that verify them.
 * [any; a private key is never changed after it is read, so that threads may share it]
 */
#ifndef SG_CRYPTO_ED25519_H
#define SG_CRYPTO_ED25519_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

enum { SG_ED25519_PUBLIC_BYTES = 32, SG_ED25519_SIGNATURE_BYTES = 64 };

struct sg_ed25519_private;

/*
 * Read a private key (PEM, PKCS#8, without a password). NULL: it cannot be read, its mode lets
 * others at it (0640 at most, as for a credential), or it holds no such key; *reterr says which and
 * what to do, and never a byte of the file.
 */
struct sg_ed25519_private *sg_ed25519_private_read(const char *path, struct sg_error *reterr);

/* Wipe and free; NULL is fine. */
void sg_ed25519_private_free(struct sg_ed25519_private *key);

/* The public half. */
void sg_ed25519_private_public(const struct sg_ed25519_private *key,
                               unsigned char ret[SG_ED25519_PUBLIC_BYTES]);

/* Sign a text. SG_INTERNAL only if OpenSSL fails. */
SG_MUST_CHECK enum sg_status sg_ed25519_sign(const struct sg_ed25519_private *key,
                                             struct sg_str text,
                                             unsigned char ret[SG_ED25519_SIGNATURE_BYTES]);

/* Read a public key (PEM, SubjectPublicKeyInfo). SG_IO, SG_CONFIG: *reterr says what to do. */
SG_MUST_CHECK enum sg_status sg_ed25519_public_read(const char *path,
                                                    unsigned char ret[SG_ED25519_PUBLIC_BYTES],
                                                    struct sg_error *reterr);

/* Whether the owner of the key signed the text. */
bool sg_ed25519_verify(const unsigned char public_key[SG_ED25519_PUBLIC_BYTES], struct sg_str text,
                       const unsigned char signature[SG_ED25519_SIGNATURE_BYTES]);

#endif
