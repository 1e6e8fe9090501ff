#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/digest.h"

/* Hash text and compare, as hex and as bytes. */
static void check(struct sg_digest *digest, struct sg_str text, const char *expected)
{
    static const char digits[] = "0123456789abcdef";
    char hex[SG_DIGEST_HEX_BYTES + 1] = "";
    unsigned char bytes[SG_DIGEST_BYTES];
    assert_int_equal(sg_digest_run_hex(digest, text, hex), SG_OK);
    assert_string_equal(hex, expected);
    assert_int_equal(sg_digest_run(digest, text, bytes), SG_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(hex[2 * i], digits[bytes[i] >> 4]);
        assert_int_equal(hex[2 * i + 1], digits[bytes[i] & 15]);
    }
}

/* The examples of FIPS 180-4. */
static void test_sha256(void **state)
{
    (void)state;
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, NULL);
    assert_non_null(digest);
    check(digest, SG_STR("abc"),
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check(digest, SG_STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    sg_digest_free(digest);
}

static void test_empty_text(void **state)
{
    (void)state;
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, NULL);
    assert_non_null(digest);
    const struct sg_str nothing = {.p = NULL, .n = 0};
    check(digest, nothing, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check(digest, SG_STR(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sg_digest_free(digest);
}

/* One million times "a", then a short text: nothing of one is left for the next. */
static void test_kept_context(void **state)
{
    (void)state;
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, NULL);
    char *million = malloc(1000000);
    assert_non_null(digest);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    for (int i = 0; i < 3; i++) {
        check(digest, (struct sg_str){.p = million, .n = 1000000},
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
        check(digest, SG_STR("abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    free(million);
    sg_digest_free(digest);
}

/* GB/T 32905-2016, example 1. */
static void test_sm3(void **state)
{
    (void)state;
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SM3, NULL);
    assert_non_null(digest);
    check(digest, SG_STR("abc"),
          "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    sg_digest_free(digest);
}

static void test_free_nothing(void **state)
{
    (void)state;
    sg_digest_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),       cmocka_unit_test(test_empty_text),
        cmocka_unit_test(test_kept_context), cmocka_unit_test(test_sm3),
        cmocka_unit_test(test_free_nothing),
    };
    return cmocka_run_group_tests_name("crypto/digest", tests, NULL, NULL);
}
