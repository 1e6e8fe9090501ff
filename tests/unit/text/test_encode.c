/* base64 and base64url: RFC 4648's vectors, round trips, and one spelling for each value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/encode.h"

static void test_vectors(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct sg_buf out;
        sg_buf_init(&out, 64);
        sg_base64_encode(&out, sg_str_from(vectors[i][0]));
        assert_true(sg_str_equal_text(sg_buf_str(&out), vectors[i][1]));
        sg_buf_clear(&out);
        assert_true(sg_base64_decode(&out, sg_str_from(vectors[i][1])));
        assert_true(sg_str_equal_text(sg_buf_str(&out), vectors[i][0]));
        sg_buf_done(&out);
    }
}

static void test_every_byte_comes_back(void **state)
{
    char bytes[256];
    struct sg_buf text, back;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)i;
    }
    for (size_t length = 0; length <= sizeof bytes; length++) {
        struct sg_str given = {.p = bytes, .n = length};
        sg_buf_init(&text, 1024);
        sg_buf_init(&back, 1024);
        sg_base64_encode(&text, given);
        assert_int_equal(text.n, (length + 2) / 3 * 4);
        assert_true(sg_base64_decode(&back, sg_buf_str(&text)));
        assert_true(sg_str_equal(sg_buf_str(&back), given));
        sg_buf_done(&text);
        sg_buf_done(&back);
    }
}

static void test_other_spellings_are_refused(void **state)
{
    static const char *const bad[] = {"Z",    "Zg",     "Zg=",  "Zg===",   "Zh==", "Zm9=",
                                      "====", "=Zg=",   "Zg=a", "Zm9v=",   "Zm-v", "Zm_v",
                                      "Zm v", "Zm9v\n", "A===", "Zg==Zg=="};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sg_buf out;
        sg_buf_init(&out, 64);
        if (sg_base64_decode(&out, sg_str_from(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
        sg_buf_done(&out);
    }
    struct sg_buf out;
    sg_buf_init(&out, 64);
    assert_true(sg_base64url_decode(&out, SG_STR("-_-_")));
    assert_false(sg_base64url_decode(&out, SG_STR("+/+/")));
    assert_false(sg_base64url_decode(&out, SG_STR("Zg==")));
    sg_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_byte_comes_back),
        cmocka_unit_test(test_other_spellings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
