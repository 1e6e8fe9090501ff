#include "crypto/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/buf.h"

struct sg_digest {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
};

static const char *name_of(enum sg_digest_algorithm algorithm)
{
    return algorithm == SG_DIGEST_SM3 ? "SM3" : "SHA256";
}

struct sg_digest *sg_digest_new(enum sg_digest_algorithm algorithm, struct sg_error *reterr)
{
    struct sg_digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    digest->algorithm = EVP_MD_fetch(NULL, name_of(algorithm), NULL);
    digest->context = EVP_MD_CTX_new();
    if (digest->algorithm == NULL || digest->context == NULL) {
        (void)sg_error_set(reterr, SG_CONFIG, NULL, "OpenSSL does not offer %s here",
                           name_of(algorithm));
        sg_digest_free(digest);
        return NULL;
    }
    return digest;
}

void sg_digest_free(struct sg_digest *digest)
{
    if (digest != NULL) {
        EVP_MD_CTX_free(digest->context);
        EVP_MD_free(digest->algorithm);
        free(digest);
    }
}

enum sg_status sg_digest_begin(struct sg_digest *digest)
{
    return EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) == 1 ? SG_OK : SG_INTERNAL;
}

enum sg_status sg_digest_add(struct sg_digest *digest, struct sg_str piece)
{
    return EVP_DigestUpdate(digest->context, piece.p != NULL ? piece.p : "", piece.n) == 1
               ? SG_OK
               : SG_INTERNAL;
}

static enum sg_status end(struct sg_digest *digest, unsigned char ret[SG_DIGEST_BYTES])
{
    unsigned length = 0;
    return EVP_DigestFinal_ex(digest->context, ret, &length) == 1 && length == SG_DIGEST_BYTES
               ? SG_OK
               : SG_INTERNAL;
}

static void to_hex(const unsigned char bytes[SG_DIGEST_BYTES], char ret[SG_DIGEST_HEX_BYTES])
{
    struct sg_buf hex;
    sg_buf_init_fixed(&hex, ret, SG_DIGEST_HEX_BYTES);
    sg_buf_add_hex(&hex, bytes, SG_DIGEST_BYTES);
}

enum sg_status sg_digest_end_hex(struct sg_digest *digest, char ret[SG_DIGEST_HEX_BYTES])
{
    unsigned char bytes[SG_DIGEST_BYTES];
    enum sg_status status = end(digest, bytes);
    if (status == SG_OK) {
        to_hex(bytes, ret);
    }
    return status;
}

enum sg_status sg_digest_run(struct sg_digest *digest, struct sg_str text,
                             unsigned char ret[SG_DIGEST_BYTES])
{
    enum sg_status status = sg_digest_begin(digest);
    if (status == SG_OK) {
        status = sg_digest_add(digest, text);
    }
    return status == SG_OK ? end(digest, ret) : status;
}

enum sg_status sg_digest_run_hex(struct sg_digest *digest, struct sg_str text,
                                 char ret[SG_DIGEST_HEX_BYTES])
{
    unsigned char bytes[SG_DIGEST_BYTES];
    enum sg_status status = sg_digest_run(digest, text, bytes);
    if (status == SG_OK) {
        to_hex(bytes, ret);
    }
    return status;
}
