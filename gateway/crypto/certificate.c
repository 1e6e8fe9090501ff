#include "crypto/certificate.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/*
 * Names are read in two passes over the same walk: the first counts names and bytes, the second
 * fills the one block that holds the lists and the texts.
 */

struct walk {
    struct sg_peer_certificate *names; /* NULL while counting */
    size_t uris, dns, cns;
    size_t bytes;
    char *text; /* where the next name goes */
    bool failed;
};

static void add(struct walk *walk, struct sg_peer_names *list, size_t *count, const char *bytes,
                size_t length)
{
    if (memchr(bytes, '\0', length) != NULL) {
        return;
    }
    if (walk->names != NULL && length > 0) {
        memcpy(walk->text, bytes, length);
    }
    if (walk->names != NULL) {
        list->items[list->count++] = (struct sg_str){.p = walk->text, .n = length};
        walk->text += length;
    }
    (*count)++;
    walk->bytes += length;
}

static void walk_alternative_names(struct walk *walk, const X509 *certificate)
{
    int critical = -1;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (names == NULL) {
        walk->failed = critical != -1; /* -1: there is none */
        return;
    }
    struct sg_peer_names none = {.count = 0};
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_URI && type != GEN_DNS) {
            continue;
        }
        struct sg_peer_names *uris = walk->names != NULL ? &walk->names->san_uri : &none;
        struct sg_peer_names *dns = walk->names != NULL ? &walk->names->san_dns : &none;
        add(walk, type == GEN_URI ? uris : dns, type == GEN_URI ? &walk->uris : &walk->dns,
            (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    }
    GENERAL_NAMES_free(names);
}

static void walk_common_names(struct walk *walk, const X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    struct sg_peer_names none = {.count = 0};
    for (int at = -1; (at = X509_NAME_get_index_by_NID((X509_NAME *)(uintptr_t)subject,
                                                       NID_commonName, at)) >= 0;) {
        const ASN1_STRING *value =
            X509_NAME_ENTRY_get_data(X509_NAME_get_entry((X509_NAME *)(uintptr_t)subject, at));
        unsigned char *utf8 = NULL;
        int length = ASN1_STRING_to_UTF8(&utf8, value);
        if (length < 0) {
            walk->failed = true;
            continue;
        }
        add(walk, walk->names != NULL ? &walk->names->cn : &none, &walk->cns, (const char *)utf8,
            (size_t)length);
        OPENSSL_free(utf8);
    }
}

static void walk_names(struct walk *walk, const X509 *certificate)
{
    ERR_clear_error();
    walk_alternative_names(walk, certificate);
    walk_common_names(walk, certificate);
    ERR_clear_error();
}

struct sg_peer_certificate *sg_certificate_names_new(const struct x509_st *certificate)
{
    struct walk sizes = {.names = NULL};
    walk_names(&sizes, certificate);
    if (sizes.failed) {
        return NULL;
    }
    size_t count = sizes.uris + sizes.dns + sizes.cns;
    struct sg_peer_certificate *names =
        calloc(1, sizeof *names + count * sizeof(struct sg_str) + sizes.bytes);
    if (names == NULL) {
        return NULL;
    }
    struct sg_str *lists = (struct sg_str *)(names + 1);
    names->san_uri.items = lists;
    names->san_dns.items = lists + sizes.uris;
    names->cn.items = lists + sizes.uris + sizes.dns;
    struct walk fill = {.names = names, .text = (char *)(lists + count)};
    walk_names(&fill, certificate);
    return names;
}

void sg_certificate_names_free(struct sg_peer_certificate *names)
{
    free(names);
}

bool sg_certificate_is_current(const struct x509_st *certificate, int64_t now_s)
{
    time_t now = (time_t)now_s;
    return X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &now) > 0;
}
