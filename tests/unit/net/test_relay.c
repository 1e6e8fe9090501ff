#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/relay.h"

enum { MAX_BYTES = 4096 };

/* Relay a head of these fields and compare what is left. */
static void check(const struct sg_strict_header *headers, size_t count, const char *expected)
{
    struct sg_strict_header copy[8];
    struct sg_strict_response head = {.status = 200, .header_count = count, .headers = copy};
    struct sg_buf out;
    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++) {
        copy[i] = headers[i];
    }
    sg_buf_init(&out, MAX_BYTES);
    sg_relay_headers(&out, &head);
    assert_false(sg_buf_failed(&out));
    assert_int_equal(out.n, strlen(expected));
    if (out.n > 0) {
        assert_memory_equal(out.p, expected, out.n);
    }
    sg_buf_done(&out);
}

#define HEADER(n, v)         \
    {                        \
        SG_STR(n), SG_STR(v) \
    }
#define CHECK(expected, ...)                                       \
    check((const struct sg_strict_header[]){__VA_ARGS__},          \
          sizeof((const struct sg_strict_header[]){__VA_ARGS__}) / \
              sizeof(struct sg_strict_header),                     \
          (expected))

static void no_fields_give_nothing(void **state)
{
    (void)state;
    check(NULL, 0, "");
}

static void end_to_end_fields_pass_as_they_were(void **state)
{
    (void)state;
    CHECK("Content-Type: application/json\r\nX-Request-Id: aB-1\r\nvia: \r\nETag: \"x, y\"\r\n"
          "X-Eight: \xc3\xa4\r\n",
          HEADER("Content-Type", "application/json"), HEADER("X-Request-Id", "aB-1"),
          HEADER("via", ""), HEADER("ETag", "\"x, y\""), HEADER("X-Eight", "\xc3\xa4"));
}

static void a_field_twice_stays_twice(void **state)
{
    (void)state;
    CHECK("Warning: a\r\nwarning: b\r\n", HEADER("Warning", "a"), HEADER("warning", "b"));
}

static void fields_of_one_hop_stay_here(void **state)
{
    (void)state;
    CHECK("Date: d\r\n", HEADER("Connection", "close"), HEADER("keep-ALIVE", "timeout=5"),
          HEADER("Proxy-Connection", "close"), HEADER("Transfer-Encoding", "chunked"),
          HEADER("TE", "trailers"), HEADER("Upgrade", "h2c"), HEADER("Date", "d"));
}

static void framing_cookies_and_our_own_names_stay_here(void **state)
{
    (void)state;
    CHECK("", HEADER("content-length", "5"), HEADER("Trailer", "X-Sum"),
          HEADER("Set-Cookie", "a=b"), HEADER("SET-cookie", "c=d"),
          HEADER("Signgate-Request-Id", "forged"), HEADER("signgate-error", "forged"));
}

static void names_that_only_look_alike_pass(void **state)
{
    (void)state;
    CHECK("Set-Cookies: a\r\nX-Connection: close\r\nSigngate: x\r\n", HEADER("Set-Cookies", "a"),
          HEADER("X-Connection", "close"), HEADER("Signgate", "x"));
}

static void what_connection_names_stays_here(void **state)
{
    (void)state;
    CHECK("X-C: 3\r\n", HEADER("X-A", "1"), HEADER("Connection", "keep-alive, x-a"),
          HEADER("X-B", "2"), HEADER("connection", "X-B"), HEADER("X-C", "3"));
}

static void a_full_buffer_is_noticed(void **state)
{
    (void)state;
    struct sg_strict_header headers[] = {HEADER("Content-Type", "application/json")};
    struct sg_strict_response head = {.header_count = 1, .headers = headers};
    struct sg_buf out;
    sg_buf_init(&out, 10);
    sg_relay_headers(&out, &head);
    assert_true(sg_buf_failed(&out));
    sg_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fields_give_nothing),
        cmocka_unit_test(end_to_end_fields_pass_as_they_were),
        cmocka_unit_test(a_field_twice_stays_twice),
        cmocka_unit_test(fields_of_one_hop_stay_here),
        cmocka_unit_test(framing_cookies_and_our_own_names_stay_here),
        cmocka_unit_test(names_that_only_look_alike_pass),
        cmocka_unit_test(what_connection_names_stays_here),
        cmocka_unit_test(a_full_buffer_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
