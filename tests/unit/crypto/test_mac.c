#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "crypto/mac.h"

static void check(struct sg_mac *mac, struct sg_str text, const char *expected)
{
    unsigned char bytes[SG_DIGEST_BYTES];
    struct sg_buf hex;
    sg_buf_init(&hex, 2 * SG_DIGEST_BYTES);
    assert_int_equal(sg_mac_run(mac, text, bytes), SG_OK);
    sg_buf_add_hex(&hex, bytes, sizeof bytes);
    assert_int_equal(hex.n, strlen(expected));
    assert_memory_equal(hex.p, expected, hex.n);
    sg_buf_done(&hex);
}

static void check_key(struct sg_str key, struct sg_str text, const char *expected)
{
    struct sg_mac *mac = sg_mac_new(SG_DIGEST_SHA256, key, NULL);
    assert_non_null(mac);
    check(mac, text, expected);
    sg_mac_free(mac);
}

/* RFC 4231, cases 1 to 4, 6 and 7: keys shorter and longer than a block. */
static void test_rfc_4231(void **state)
{
    (void)state;
    char key[131], data[50], counted[25];
    memset(key, 0x0b, 20);
    check_key((struct sg_str){.p = key, .n = 20}, SG_STR("Hi There"),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_key(SG_STR("Jefe"), SG_STR("what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    check_key((struct sg_str){.p = key, .n = 20}, (struct sg_str){.p = data, .n = 50},
              "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    for (size_t i = 0; i < sizeof counted; i++) {
        counted[i] = (char)(i + 1);
    }
    memset(data, 0xcd, sizeof data);
    check_key((struct sg_str){.p = counted, .n = 25}, (struct sg_str){.p = data, .n = 50},
              "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    check_key((struct sg_str){.p = key, .n = 131},
              SG_STR("Test Using Larger Than Block-Size Key - Hash Key First"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check_key((struct sg_str){.p = key, .n = 131},
              SG_STR("This is a test using a larger than block-size key and a larger than "
                     "block-size data. The key needs to be hashed before being used by the HMAC "
                     "algorithm."),
              "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* An empty key is a key, not "the one from before". */
static void test_empty_key(void **state)
{
    (void)state;
    check_key(SG_STR(""), SG_STR(""),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    check_key((struct sg_str){.p = NULL, .n = 0}, (struct sg_str){.p = NULL, .n = 0},
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* Keyed once, used often, by turns with another key. */
static void test_kept_key(void **state)
{
    (void)state;
    struct sg_mac *one = sg_mac_new(SG_DIGEST_SHA256, SG_STR("Jefe"), NULL);
    struct sg_mac *two = sg_mac_new(SG_DIGEST_SHA256, SG_STR("key"), NULL);
    assert_non_null(one);
    assert_non_null(two);
    for (int i = 0; i < 3; i++) {
        check(one, SG_STR("what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        check(two, SG_STR("The quick brown fox jumps over the lazy dog"),
              "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
    }
    sg_mac_free(one);
    sg_mac_free(two);
}

static void test_algorithm_matters(void **state)
{
    (void)state;
    struct sg_mac *sm3 = sg_mac_new(SG_DIGEST_SM3, SG_STR("Jefe"), NULL);
    assert_non_null(sm3);
    check(sm3, SG_STR("what do ya want for nothing?"),
          "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882");
    sg_mac_free(sm3);
}

static void test_free_nothing(void **state)
{
    (void)state;
    sg_mac_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_4231),     cmocka_unit_test(test_empty_key),
        cmocka_unit_test(test_kept_key),     cmocka_unit_test(test_algorithm_matters),
        cmocka_unit_test(test_free_nothing),
    };
    return cmocka_run_group_tests_name("crypto/mac", tests, NULL, NULL);
}
