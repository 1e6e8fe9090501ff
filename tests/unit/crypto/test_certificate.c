#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "crypto/certificate.h"
#include "pki.h"

static void assert_names(const struct sg_peer_names *names, const char *const *expected)
{
    size_t count = 0;
    for (; expected[count] != NULL; count++) {
        assert_true(count < names->count);
        if (!sg_str_equal_text(names->items[count], expected[count])) {
            fail_msg("name %zu is \"%.*s\", not \"%s\"", count, SG_STR_ARG(names->items[count]),
                     expected[count]);
        }
    }
    assert_int_equal(names->count, count);
}

static void names_are_read_by_their_kind(void **state)
{
    (void)state;
    struct pair pair = pair_new(&(struct wanted){
        .cn = "gr\xc3\xbc\xc3\x9f.example",
        .names = "URI:spiffe://corp.example/ns/vod/sa/harvester,DNS:one.example,IP:10.0.0.1,"
                 "email:a@b.example,DNS:two.example,URI:https://x.example/"});
    struct sg_peer_certificate *names = sg_certificate_names_new(pair.certificate);
    assert_non_null(names);
    assert_names(&names->san_uri, (const char *const[]){"spiffe://corp.example/ns/vod/sa/harvester",
                                                        "https://x.example/", NULL});
    assert_names(&names->san_dns, (const char *const[]){"one.example", "two.example", NULL});
    assert_names(&names->cn, (const char *const[]){"gr\xc3\xbc\xc3\x9f.example", NULL});
    sg_certificate_names_free(names);
    pair_free(&pair);
}

static void a_certificate_without_names_has_none(void **state)
{
    (void)state;
    struct pair pair = pair_new(&(struct wanted){.cn = NULL});
    struct sg_peer_certificate *names = sg_certificate_names_new(pair.certificate);
    assert_non_null(names);
    assert_int_equal(names->san_uri.count + names->san_dns.count + names->cn.count, 0);
    sg_certificate_names_free(names);
    sg_certificate_names_free(NULL);
    pair_free(&pair);
}

/* "trusted.example\0.evil" must be neither. */
static void a_name_with_a_nul_is_left_out(void **state)
{
    (void)state;
    static const char name[] = "trusted.example\0.evil";
    struct pair pair = pair_new(&(struct wanted){.cn = "x"});
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *entry = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    assert_int_equal(ASN1_STRING_set(text, name, sizeof name - 1), 1);
    GENERAL_NAME_set0_value(entry, GEN_DNS, text);
    assert_true(sk_GENERAL_NAME_push(names, entry) > 0);
    assert_int_equal(X509_add1_ext_i2d(pair.certificate, NID_subject_alt_name, names, 0, 0), 1);
    GENERAL_NAMES_free(names);
    struct sg_peer_certificate *read = sg_certificate_names_new(pair.certificate);
    assert_non_null(read);
    assert_int_equal(read->san_dns.count, 0);
    assert_int_equal(read->cn.count, 1);
    sg_certificate_names_free(read);
    pair_free(&pair);
}

/* A second extension of the kind cannot be read as one: no names rather than some. */
static void names_that_stand_twice_are_no_names(void **state)
{
    (void)state;
    struct pair pair = pair_new(&(struct wanted){.cn = "x", .names = "DNS:one.example"});
    add_extension(pair.certificate, NID_subject_alt_name, "DNS:two.example");
    assert_null(sg_certificate_names_new(pair.certificate));
    pair_free(&pair);
}

static void a_certificate_is_current_between_its_dates(void **state)
{
    (void)state;
    struct pair pair = pair_new(&(struct wanted){.cn = "x", .begin_s = -100, .end_s = 100});
    int64_t now_s = (int64_t)time(NULL);
    assert_true(sg_certificate_is_current(pair.certificate, now_s));
    assert_false(sg_certificate_is_current(pair.certificate, now_s + 102));
    assert_false(sg_certificate_is_current(pair.certificate, now_s - 102));
    pair_free(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_by_their_kind),
        cmocka_unit_test(a_certificate_without_names_has_none),
        cmocka_unit_test(a_name_with_a_nul_is_left_out),
        cmocka_unit_test(names_that_stand_twice_are_no_names),
        cmocka_unit_test(a_certificate_is_current_between_its_dates),
    };
    return cmocka_run_group_tests_name("crypto/certificate", tests, NULL, NULL);
}
