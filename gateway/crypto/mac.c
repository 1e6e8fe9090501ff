#include "crypto/mac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

struct sg_mac {
    EVP_MAC_CTX *context; /* keyed; re-initialised without a key for each text */
};

struct sg_mac *sg_mac_new(enum sg_digest_algorithm algorithm, struct sg_str key,
                          struct sg_error *reterr)
{
    char sha256[] = "SHA256", sm3[] = "SM3"; /* a parameter's text is not const */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         algorithm == SG_DIGEST_SM3 ? sm3 : sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    struct sg_mac *mac = calloc(1, sizeof *mac);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (mac != NULL && hmac != NULL) {
        mac->context = EVP_MAC_CTX_new(hmac);
    }
    EVP_MAC_free(hmac); /* the context holds its own reference */
    if (mac == NULL || mac->context == NULL) {
        (void)sg_error_set(reterr, SG_CONFIG, NULL, "OpenSSL does not offer HMAC here");
        sg_mac_free(mac);
        return NULL;
    }
    /* An empty key is a key; a NULL one would mean "the one from before". */
    const unsigned char *bytes = (const unsigned char *)(key.p != NULL ? key.p : "");
    if (EVP_MAC_init(mac->context, bytes, key.n, params) != 1) {
        (void)sg_error_set(reterr, SG_CONFIG, NULL, "OpenSSL refuses the key for HMAC");
        sg_mac_free(mac);
        return NULL;
    }
    return mac;
}

void sg_mac_free(struct sg_mac *mac)
{
    if (mac != NULL) {
        EVP_MAC_CTX_free(mac->context); /* wipes the key */
        free(mac);
    }
}

enum sg_status sg_mac_run(struct sg_mac *mac, struct sg_str text,
                          unsigned char ret[SG_DIGEST_BYTES])
{
    size_t length = 0;
    const unsigned char *bytes = (const unsigned char *)(text.p != NULL ? text.p : "");
    if (EVP_MAC_init(mac->context, NULL, 0, NULL) != 1 ||
        EVP_MAC_update(mac->context, bytes, text.n) != 1 ||
        EVP_MAC_final(mac->context, ret, &length, SG_DIGEST_BYTES) != 1 ||
        length != SG_DIGEST_BYTES) {
        return SG_INTERNAL;
    }
    return SG_OK;
}
