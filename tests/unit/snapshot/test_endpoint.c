/* The authority of a URL, taken apart or refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "snapshot/endpoint.h"

static void test_good_ones(void **state)
{
    static const struct {
        const char *authority;
        uint16_t default_port;
        const char *host;
        uint16_t port;
        const char *written;
    } rows[] = {
        {"Log.Example.com", 443, "log.example.com", 443, "log.example.com"},
        {"log.example.com:443", 443, "log.example.com", 443, "log.example.com"},
        {"log.example.com:8443", 443, "log.example.com", 8443, "log.example.com:8443"},
        {"10.1.2.3:514", 0, "10.1.2.3", 514, "10.1.2.3:514"},
        {"[2001:DB8::1]:6514", 0, "2001:db8::1", 6514, "[2001:db8::1]:6514"},
        {"[::1]", 80, "::1", 80, "[::1]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_endpoint endpoint;
        struct sg_arena arena;
        sg_arena_init(&arena, 1 << 16);
        assert_int_equal(sg_endpoint_parse(&arena, sg_str_from(rows[i].authority),
                                           rows[i].default_port, &endpoint),
                         SG_OK);
        assert_string_equal(endpoint.host, rows[i].host);
        assert_int_equal(endpoint.port, rows[i].port);
        assert_true(sg_str_equal_text(endpoint.authority, rows[i].written));
        sg_arena_done(&arena);
    }
}

static void test_bad_ones(void **state)
{
    static const char *const bad[] = {
        "",         ":514",        "host:",     "host:0",   "host:65536", "host:51 4",
        "host:x",   "a b:514",     "me@host:1", "[::1:514", "[::g]:514",  "[10.0.0.1]x:1",
        "host/a:1", "caf\xc3\xa9", "host:1:2",  "[::1]514",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sg_endpoint endpoint;
        struct sg_arena arena;
        sg_arena_init(&arena, 1 << 16);
        assert_int_equal(sg_endpoint_parse(&arena, sg_str_from(bad[i]), 443, &endpoint),
                         SG_MALFORMED);
        sg_arena_done(&arena);
    }
}

static void test_a_port_that_must_be_given(void **state)
{
    struct sg_endpoint endpoint;
    struct sg_arena arena;
    (void)state;
    sg_arena_init(&arena, 1 << 16);
    assert_int_equal(sg_endpoint_parse(&arena, SG_STR("log.example.com"), 0, &endpoint),
                     SG_MALFORMED);
    sg_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),
        cmocka_unit_test(test_bad_ones),
        cmocka_unit_test(test_a_port_that_must_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
