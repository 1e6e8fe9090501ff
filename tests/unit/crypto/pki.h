/*
 * Keys, certificates and revocation lists for tests, made now and written as PEM. Include after
 * cmocka.h.
 */
#ifndef SG_TEST_PKI_H
#define SG_TEST_PKI_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct pair {
    EVP_PKEY *key;
    X509 *certificate;
};

/* What a certificate says; empty members are left out. */
struct wanted {
    const char *cn;
    const char *names; /* of the subject alternative name, as openssl writes them */
    const struct pair *issuer;
    bool authority;
    long begin_s, end_s; /* from now; both 0: an hour from a minute ago on */
    long serial;
};

static inline void add_extension(X509 *certificate, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline struct pair pair_new(const struct wanted *wanted)
{
    struct pair pair = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
    X509 *certificate = pair.certificate;
    bool dated = wanted->begin_s != 0 || wanted->end_s != 0;
    assert_non_null(pair.key);
    assert_non_null(certificate);
    assert_int_equal(X509_set_version(certificate, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate),
                                      wanted->serial != 0 ? wanted->serial : 1),
                     1);
    assert_non_null(
        X509_gmtime_adj(X509_getm_notBefore(certificate), dated ? wanted->begin_s : -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), dated ? wanted->end_s : 3600));
    X509_NAME *subject = X509_get_subject_name(certificate);
    if (wanted->cn != NULL) {
        assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                                    (const unsigned char *)wanted->cn, -1, -1, 0),
                         1);
    }
    assert_int_equal(
        X509_set_issuer_name(certificate, wanted->issuer != NULL
                                              ? X509_get_subject_name(wanted->issuer->certificate)
                                              : subject),
        1);
    assert_int_equal(X509_set_pubkey(certificate, pair.key), 1);
    add_extension(certificate, NID_basic_constraints,
                  wanted->authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (wanted->names != NULL) {
        add_extension(certificate, NID_subject_alt_name, wanted->names);
    }
    assert_true(X509_sign(certificate, wanted->issuer != NULL ? wanted->issuer->key : pair.key,
                          EVP_sha256()) > 0);
    return pair;
}

static inline void pair_free(struct pair *pair)
{
    EVP_PKEY_free(pair->key);
    X509_free(pair->certificate);
    *pair = (struct pair){.key = NULL};
}

/* A list of an authority with one serial number on it; end_s from now. */
static inline X509_CRL *crl_new(const struct pair *issuer, long serial, long end_s)
{
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_TIME *begin = X509_gmtime_adj(NULL, -120), *end = X509_gmtime_adj(NULL, end_s);
    assert_true(crl != NULL && revoked != NULL && number != NULL && begin != NULL && end != NULL);
    assert_int_equal(X509_CRL_set_version(crl, 1), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate)), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, begin), 1);
    assert_int_equal(X509_CRL_set1_nextUpdate(crl, end), 1);
    assert_int_equal(ASN1_INTEGER_set(number, serial), 1);
    assert_int_equal(X509_REVOKED_set_serialNumber(revoked, number), 1);
    assert_int_equal(X509_REVOKED_set_revocationDate(revoked, begin), 1);
    assert_int_equal(X509_CRL_add0_revoked(crl, revoked), 1);
    assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(begin);
    ASN1_TIME_free(end);
    return crl;
}

static inline void write_certificate(const char *path, const struct pair *pair)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, pair->certificate), 1);
    assert_int_equal(fclose(file), 0);
}

static inline void write_key(const char *path, const struct pair *pair)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, pair->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static inline void write_crl(const char *path, X509_CRL *crl)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509_CRL(file, crl), 1);
    assert_int_equal(fclose(file), 0);
    X509_CRL_free(crl);
}

#endif
