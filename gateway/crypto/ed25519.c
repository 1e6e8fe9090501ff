#include "crypto/ed25519.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/secret.h"
#include "text/yaml_tree.h"

enum { FILE_BYTES_MAX = 64 * 1024, SCRATCH_BYTES_MAX = 256 * 1024 };

struct sg_ed25519_private {
    EVP_PKEY *key;
    unsigned char public_key[SG_ED25519_PUBLIC_BYTES];
};

/* --- files ------------------------------------------------------------------------------------ */

/* Read a file into the scratch arena, the mode of a secret one being that of the file read. */
static enum sg_status read_file(const char *path, bool is_secret, struct sg_arena *scratch,
                                struct sg_str *ret, struct sg_error *reterr)
{
    struct stat about;
    enum sg_status status = SG_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &about) != 0) {
        status = sg_error_set(reterr, SG_IO, NULL, "cannot read %s: %s", path, strerror(errno));
        goto out;
    }
    const char *excess = is_secret && S_ISREG(about.st_mode)
                             ? sg_secret_mode_excess(about.st_mode & ALLPERMS)
                             : NULL;
    if (excess != NULL) {
        status = sg_error_set(reterr, SG_CONFIG, NULL,
                              "%s has mode %04o: %s; run chmod 0600 on it (0640 when its group is "
                              "to read it)",
                              path, (unsigned)(about.st_mode & ALLPERMS), excess);
        goto out;
    }
    status = sg_text_read_open_file(scratch, fd, FILE_BYTES_MAX, ret, reterr);
    if (status != SG_OK) {
        sg_error_context(reterr, "cannot read %s", path);
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    return status;
}

/* A password is asked of nobody: an encrypted key is an error. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static EVP_PKEY *parse(struct sg_str pem, bool is_private)
{
    BIO *bio = BIO_new_mem_buf(pem.p != NULL ? pem.p : "", (int)pem.n);
    EVP_PKEY *key = NULL;
    if (bio != NULL) {
        key = is_private ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
                         : PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
    }
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static bool is_in(struct sg_str text, const char *words)
{
    return text.n > 0 && memmem(text.p, text.n, words, strlen(words)) != NULL;
}

/* Why a file gave no key of ours. */
static enum sg_status refuse(const char *path, struct sg_str pem, const EVP_PKEY *key,
                             bool is_private, struct sg_error *reterr)
{
    const char *type = key != NULL ? OBJ_nid2sn(EVP_PKEY_get_base_id(key)) : NULL;
    if (key != NULL) {
        return sg_error_set(reterr, SG_CONFIG, NULL,
                            "%s holds a key of type %s, not Ed25519; make one with: openssl "
                            "genpkey -algorithm ed25519",
                            path, type != NULL ? type : "unknown");
    }
    if (is_private && is_in(pem, "ENCRYPTED")) {
        return sg_error_set(reterr, SG_CONFIG, NULL,
                            "%s is encrypted with a password, which nobody is there to give; keep "
                            "it without one, in a file of mode 0600",
                            path);
    }
    if (is_private && is_in(pem, "-----BEGIN PUBLIC KEY-----")) {
        return sg_error_set(reterr, SG_CONFIG, NULL,
                            "%s holds the public key; the private one is needed to sign", path);
    }
    if (!is_private && is_in(pem, "PRIVATE KEY-----")) {
        return sg_error_set(reterr, SG_CONFIG, NULL,
                            "%s holds a private key; give the public one: openssl pkey -in FILE "
                            "-pubout",
                            path);
    }
    return sg_error_set(reterr, SG_CONFIG, NULL,
                        "%s holds no %s key in PEM; expected what openssl %s writes", path,
                        is_private ? "private" : "public",
                        is_private ? "genpkey -algorithm ed25519" : "pkey -pubout");
}

/* --- keys ------------------------------------------------------------------------------------- */

struct sg_ed25519_private *sg_ed25519_private_read(const char *path, struct sg_error *reterr)
{
    struct sg_ed25519_private *key = calloc(1, sizeof *key);
    struct sg_arena scratch;
    struct sg_str pem = {.n = 0};
    size_t count = SG_ED25519_PUBLIC_BYTES;
    bool read = false;
    sg_arena_init(&scratch, SCRATCH_BYTES_MAX);
    if (key == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        goto out;
    }
    if (read_file(path, true, &scratch, &pem, reterr) != SG_OK) {
        goto out;
    }
    key->key = parse(pem, true);
    if (key->key == NULL || EVP_PKEY_get_base_id(key->key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(key->key, key->public_key, &count) != 1) {
        (void)refuse(path, pem, key->key, true, reterr);
        goto out;
    }
    read = true;
out:
    sg_arena_wipe(&scratch);
    if (!read) {
        sg_ed25519_private_free(key);
        key = NULL;
    }
    return key;
}

void sg_ed25519_private_free(struct sg_ed25519_private *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->key); /* wipes it */
        free(key);
    }
}

void sg_ed25519_private_public(const struct sg_ed25519_private *key,
                               unsigned char ret[SG_ED25519_PUBLIC_BYTES])
{
    memcpy(ret, key->public_key, sizeof key->public_key);
}

enum sg_status sg_ed25519_public_read(const char *path, unsigned char ret[SG_ED25519_PUBLIC_BYTES],
                                      struct sg_error *reterr)
{
    struct sg_arena scratch;
    struct sg_str pem = {.n = 0};
    unsigned char bytes[SG_ED25519_PUBLIC_BYTES];
    size_t count = sizeof bytes;
    sg_arena_init(&scratch, SCRATCH_BYTES_MAX);
    enum sg_status status = read_file(path, false, &scratch, &pem, reterr);
    if (status == SG_OK) {
        EVP_PKEY *key = parse(pem, false);
        if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
            EVP_PKEY_get_raw_public_key(key, bytes, &count) != 1) {
            status = refuse(path, pem, key, false, reterr);
        } else {
            memcpy(ret, bytes, sizeof bytes);
        }
        EVP_PKEY_free(key);
    }
    sg_arena_wipe(&scratch); /* it may have held a private key by mistake */
    return status;
}

/* --- signatures ------------------------------------------------------------------------------- */

static const unsigned char *bytes_of(struct sg_str text)
{
    return (const unsigned char *)(text.p != NULL ? text.p : "");
}

enum sg_status sg_ed25519_sign(const struct sg_ed25519_private *key, struct sg_str text,
                               unsigned char ret[SG_ED25519_SIGNATURE_BYTES])
{
    unsigned char signature[SG_ED25519_SIGNATURE_BYTES];
    size_t count = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key->key) == 1 &&
                EVP_DigestSign(context, signature, &count, bytes_of(text), text.n) == 1 &&
                count == sizeof signature;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    if (good) {
        memcpy(ret, signature, sizeof signature);
    }
    return good ? SG_OK : SG_INTERNAL;
}

bool sg_ed25519_verify(const unsigned char public_key[SG_ED25519_PUBLIC_BYTES], struct sg_str text,
                       const unsigned char signature[SG_ED25519_SIGNATURE_BYTES])
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, SG_ED25519_PUBLIC_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = key != NULL && context != NULL &&
                EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, SG_ED25519_SIGNATURE_BYTES, bytes_of(text),
                                 text.n) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}
