/* Ed25519 keys as files: a seed of 32 bytes becomes the PEM that openssl would have written. */
#ifndef SG_TESTS_UNIT_CRYPTO_KEYS_H
#define SG_TESTS_UNIT_CRYPTO_KEYS_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "crypto/ed25519.h"
#include "text/encode.h"

static inline void write_key_file(const char *path, struct sg_str text, mode_t mode)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), (ssize_t)text.n);
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
}

/* DER of a fixed prefix and 32 bytes, as PEM. */
static inline void write_pem(const char *path, const char *label, struct sg_str prefix,
                             const unsigned char bytes[32], mode_t mode)
{
    char der_bytes[64], text_bytes[512];
    struct sg_buf der, text;
    sg_buf_init_fixed(&der, der_bytes, sizeof der_bytes);
    sg_buf_init_fixed(&text, text_bytes, sizeof text_bytes);
    sg_buf_add_str(&der, prefix);
    sg_buf_add(&der, bytes, 32);
    sg_buf_printf(&text, "-----BEGIN %s-----\n", label);
    sg_base64_encode(&text, sg_buf_str(&der));
    sg_buf_printf(&text, "\n-----END %s-----\n", label);
    assert_false(sg_buf_failed(&der) || sg_buf_failed(&text));
    write_key_file(path, sg_buf_str(&text), mode);
}

static inline void write_private_pem(const char *path, const unsigned char seed[32], mode_t mode)
{
    write_pem(path, "PRIVATE KEY",
              SG_STR("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"), seed,
              mode);
}

static inline void write_public_pem(const char *path, const unsigned char public_key[32])
{
    write_pem(path, "PUBLIC KEY", SG_STR("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"),
              public_key, 0644);
}

/* The key whose seed is 32 times the same byte, by way of a file. */
static inline struct sg_ed25519_private *key_of(const char *path, unsigned char byte)
{
    unsigned char seed[32];
    struct sg_error error = {.text = ""};
    memset(seed, byte, sizeof seed);
    write_private_pem(path, seed, 0600);
    struct sg_ed25519_private *key = sg_ed25519_private_read(path, &error);
    if (key == NULL) {
        fail_msg("%s", error.text);
    }
    return key;
}

#endif
