/*
 * Framing, judged whole and cut at every byte: the result must be the same. Heads, answers, chunked
 * bodies, what is valid in unusual forms and what two parsers could read in two ways.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/headers.h"
#include "http/strict.h"

static const struct sg_strict_limits limits = {
    .header_bytes = 1024, .target_bytes = 256, .headers = 16, .body_bytes = 1000};

static struct sg_strict_header table[SG_STRICT_HEADERS_MAX];

/* Feed bytes in two pieces, in memory that ends where the piece ends and moves between them. */
static enum sg_strict_result feed_cut(struct sg_strict_request *head, struct sg_str bytes,
                                      size_t cut, char **kept)
{
    sg_strict_request_init(head, table);
    char *first = malloc(cut + 1);
    assert_non_null(first);
    memcpy(first, bytes.p, cut);
    enum sg_strict_result result = sg_strict_request_feed(head, first, cut, &limits);
    *kept = first;
    if (result == SG_STRICT_MORE) {
        free(first);
        memset(table, 0x5a, sizeof table); /* other connections use the table between feeds */
        *kept = malloc(bytes.n);
        assert_non_null(*kept);
        memcpy(*kept, bytes.p, bytes.n);
        result = sg_strict_request_feed(head, *kept, bytes.n, &limits);
    }
    return result;
}

/* Judge a head whole and cut everywhere; returns the whole judgement. */
static struct sg_strict_request judge(struct sg_str bytes, enum sg_strict_result expected)
{
    struct sg_strict_request whole, cut;
    for (size_t at = 1; at < bytes.n; at++) {
        char *kept;
        enum sg_strict_result result = feed_cut(&cut, bytes, at, &kept);
        sg_strict_request_init(&whole, table);
        if (result != expected) {
            fail_msg("cut at %zu of \"%.*s\": %d, %s", at, SG_STR_ARG(bytes), result,
                     cut.detail != NULL ? cut.detail : "");
        }
        if (result == SG_STRICT_DONE) {
            assert_int_equal(cut.head_bytes <= bytes.n, 1);
            for (size_t i = 0; i < cut.header_count; i++) {
                assert_true(sg_is_token(cut.headers[i].name) || cut.headers[i].name.n == 0);
            }
        }
        free(kept);
    }
    sg_strict_request_init(&whole, table);
    enum sg_strict_result result = sg_strict_request_feed(&whole, bytes.p, bytes.n, &limits);
    if (result != expected) {
        fail_msg("\"%.*s\": %d, %s", SG_STR_ARG(bytes), result,
                 whole.detail != NULL ? whole.detail : "");
    }
    return whole;
}

#define LINE "DELETE /v1/a?b=1 HTTP/1.1\r\n"
#define HOST "Host: gateway.internal\r\n"
#define BAD(text, code)    \
    {                      \
        SG_STR(text), code \
    }

static void test_what_is_refused(void **state)
{
    static const struct {
        struct sg_str bytes;
        enum sg_refusal refusal;
    } cases[] = {
        /* request lines */
        BAD(" DELETE /a HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("\r\n" LINE HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET  /a HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a  HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a HTTP/1.1 \r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET\t/a HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a b HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a http/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a HTTP/1.1\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a HTTP/+1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a HTTP/1.10\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a HTTP/2.0\r\n" HOST "\r\n", SG_REFUSAL_HTTP_VERSION),
        BAD("GET /a HTTP/1.2\r\n" HOST "\r\n", SG_REFUSAL_HTTP_VERSION),
        BAD("GET /a HTTP/0.9\r\n" HOST "\r\n", SG_REFUSAL_HTTP_VERSION),
        BAD("GET /a#b HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a\"b HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("GET /a\x80 HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD("G\x01T /a HTTP/1.1\r\n" HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        /* lines and names */
        BAD(LINE HOST " X-A: folded\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "X-A: a\r\n\tfolded\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "X-A: a\nX-B: b\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "X-A: a\rb\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "X-A : a\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST ": a\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "no colon\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "X-A: \0\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "\0X-A: a\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "X-A: \x7f\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "X\xe9: a\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "X-A: a\r\n\n", SG_REFUSAL_BAD_REQUEST),
        /* hosts */
        BAD(LINE "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST HOST "\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE "Host:\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE "Host: a b\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE "Host: u@h\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE "Host: h:99999\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE "Host: h:1x\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE "Host: [::1\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE "Host: a,b\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        /* lengths */
        BAD(LINE HOST "Content-Length: +5\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length: -1\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length: 0x5\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length: 05\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length: 5,5\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length: 5 5\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length:\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length: 36893488147419103237\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Content-Length: 18446744073709551615\r\n\r\n", SG_REFUSAL_BODY_TOO_LARGE),
        BAD(LINE HOST "Content-Length: 1001\r\n\r\n", SG_REFUSAL_BODY_TOO_LARGE),
        /* transfer codings */
        BAD(LINE HOST "Transfer-Encoding: gzip\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Transfer-Encoding: xchunked\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Transfer-Encoding: identity, chunked\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Transfer-Encoding: chunked;q=1\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            SG_REFUSAL_BAD_REQUEST),
        BAD("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        /* others that are interpreted */
        BAD(LINE HOST "Expect: something\r\n\r\n", SG_REFUSAL_EXPECTATION_FAILED),
        BAD(LINE HOST "Content-Type: a\r\nContent-Type: a\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
        BAD(LINE HOST "Connection: a b\r\n\r\n", SG_REFUSAL_BAD_REQUEST),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_strict_request head = judge(cases[i].bytes, SG_STRICT_BAD);
        if (head.refusal != cases[i].refusal) {
            fail_msg("\"%.*s\": %s", SG_STR_ARG(cases[i].bytes),
                     sg_refusal_row(head.refusal)->code);
        }
        assert_non_null(head.detail);
    }
}

static void test_what_is_valid(void **state)
{
    static const struct sg_str cases[] = {
        SG_STR(LINE HOST "\r\n"),
        SG_STR("BREW /a HTTP/1.1\r\n" HOST "\r\n"),
        SG_STR("delete /a HTTP/1.1\r\n" HOST "\r\n"),
        SG_STR("GET http://gateway.internal/a HTTP/1.1\r\n" HOST "\r\n"),
        SG_STR("GET /a HTTP/1.0\r\n\r\n"),
        SG_STR("GET /a HTTP/1.0\r\nExpect: anything\r\n\r\n"),
        SG_STR(LINE "hOsT:gateway.internal:8080 \t\r\n\r\n"),
        SG_STR(LINE "Host: [::1]:80\r\n\r\n"),
        SG_STR(LINE HOST "X-Empty:\r\nX-8-Bit: caf\xe9\r\n\r\n"),
        SG_STR(LINE HOST "Connection: ,, keep-alive,\r\n\r\n"),
        SG_STR(LINE HOST "Content-Length: 0\r\n\r\n"),
        SG_STR(LINE HOST "Content-Length: 1000\r\n\r\n"),
        SG_STR(LINE HOST "transfer-encoding: CHUNKED\r\n\r\n"),
        SG_STR(LINE HOST "Expect: 100-Continue\r\n\r\n"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_strict_request head = judge(cases[i], SG_STRICT_DONE);
        assert_int_equal(head.head_bytes, cases[i].n);
    }
}

static void test_what_a_head_says(void **state)
{
    (void)state;
    struct sg_strict_request head =
        judge(SG_STR("POST /a?b HTTP/1.1\r\nHost: h:1\r\nContent-Type: application/json\r\n"
                     "Content-Length: 12\r\nConnection: Close\r\nX-A:  a b \r\n\r\nbehind"),
              SG_STRICT_DONE);
    assert_true(sg_str_equal(head.method, SG_STR("POST")));
    assert_true(sg_str_equal(head.target, SG_STR("/a?b")));
    assert_true(sg_str_equal(head.host, SG_STR("h:1")));
    assert_true(sg_str_equal(head.content_type, SG_STR("application/json")));
    assert_int_equal(head.content_length, 12);
    assert_true(head.close);
    assert_int_equal(head.header_count, 5);
    assert_true(sg_str_equal(head.headers[4].value, SG_STR("a b")));
    assert_false(
        judge(SG_STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), SG_STRICT_DONE).close);
    assert_true(judge(SG_STR("GET / HTTP/1.0\r\n\r\n"), SG_STRICT_DONE).close);
    assert_true(
        judge(SG_STR("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"), SG_STRICT_DONE)
            .close);
    assert_true(
        judge(SG_STR(LINE HOST "Expect: 100-continue\r\n\r\n"), SG_STRICT_DONE).expect_continue);
}

/* A head of exactly that many bytes without the last CRLF; malloc'd. */
static char *head_of(size_t bytes)
{
    char *text = malloc(bytes + 3);
    assert_non_null(text);
    const size_t fixed = strlen(LINE HOST "X-A: \r\n");
    memcpy(text, LINE HOST "X-A: ", fixed - 2);
    memset(text + fixed - 2, 'a', bytes - fixed);
    memcpy(text + bytes - 2, "\r\n\r\n", 4);
    return text;
}

static void test_limits_hold_to_the_byte(void **state)
{
    struct sg_strict_request head;
    char text[2048];
    (void)state;
    char *most = head_of(limits.header_bytes), *more = head_of(limits.header_bytes + 1);
    sg_strict_request_init(&head, table);
    assert_int_equal(sg_strict_request_feed(&head, most, limits.header_bytes + 2, &limits),
                     SG_STRICT_DONE);
    sg_strict_request_init(&head, table);
    assert_int_equal(sg_strict_request_feed(&head, more, limits.header_bytes + 3, &limits),
                     SG_STRICT_BAD);
    assert_int_equal(head.refusal, SG_REFUSAL_HEADERS_TOO_LARGE);
    free(most);
    free(more);
    for (size_t length = limits.target_bytes; length <= limits.target_bytes + 1; length++) {
        memcpy(text, "GET /", 5);
        memset(text + 5, 'a', length - 1);
        memcpy(text + 4 + length, " HTTP/1.1\r\n" HOST "\r\n", strlen(" HTTP/1.1\r\n" HOST "\r\n"));
        bool fits = length == limits.target_bytes;
        head =
            judge((struct sg_str){.p = text, .n = 4 + length + strlen(" HTTP/1.1\r\n" HOST "\r\n")},
                  fits ? SG_STRICT_DONE : SG_STRICT_BAD);
        assert_int_equal(head.refusal, fits ? SG_REFUSAL_NONE : SG_REFUSAL_TARGET_TOO_LONG);
    }
    for (size_t count = limits.headers; count <= limits.headers + 1; count++) {
        size_t at = strlen(LINE HOST);
        memcpy(text, LINE HOST, at);
        for (size_t i = 1; i < count; i++, at += 6) {
            memcpy(text + at, "X: y\r\n", 6);
        }
        memcpy(text + at, "\r\n", 2);
        bool fits = count == limits.headers;
        head =
            judge((struct sg_str){.p = text, .n = at + 2}, fits ? SG_STRICT_DONE : SG_STRICT_BAD);
        assert_int_equal(head.refusal, fits ? SG_REFUSAL_NONE : SG_REFUSAL_HEADERS_TOO_LARGE);
    }
}

/* Endless input is refused while it comes, not when it ends. */
static void test_endless_lines_end_at_the_limit(void **state)
{
    static const struct {
        const char *start;
        enum sg_refusal refusal;
    } cases[] = {
        {"GET /", SG_REFUSAL_TARGET_TOO_LONG},
        {"", SG_REFUSAL_BAD_REQUEST}, /* an endless method */
        {LINE HOST "X-A: ", SG_REFUSAL_HEADERS_TOO_LARGE},
        {LINE HOST, SG_REFUSAL_HEADERS_TOO_LARGE},
    };
    char text[4096];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_strict_request head;
        size_t at = strlen(cases[i].start);
        enum sg_strict_result result = SG_STRICT_MORE;
        memset(text, 'a', sizeof text);
        memcpy(text, cases[i].start, at);
        sg_strict_request_init(&head, table);
        while (result == SG_STRICT_MORE && at < sizeof text) {
            result = sg_strict_request_feed(&head, text, ++at, &limits);
        }
        assert_int_equal(result, SG_STRICT_BAD);
        assert_int_equal(head.refusal, cases[i].refusal);
        assert_true(at <= limits.header_bytes + 3);
    }
}

/* A bare LF behind a limit: whole or in pieces, the limit was passed first. */
static void test_a_limit_answers_before_a_bare_lf_behind_it(void **state)
{
    static const struct {
        const char *start;
        size_t filler;
        enum sg_refusal refusal;
    } cases[] = {
        {"GET /", 300, SG_REFUSAL_TARGET_TOO_LONG},
        {LINE HOST "X-A: ", 1100, SG_REFUSAL_HEADERS_TOO_LARGE},
        {"GET /", 30, SG_REFUSAL_BAD_REQUEST},
        {LINE HOST "X-A: ", 30, SG_REFUSAL_BAD_REQUEST},
    };
    char text[2048];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_strict_request head;
        size_t at = strlen(cases[i].start), count = at + cases[i].filler;
        memcpy(text, cases[i].start, at);
        memset(text + at, 'a', cases[i].filler);
        memcpy(text + count, "\n\r\n", 3);
        head = judge((struct sg_str){.p = text, .n = count + 3}, SG_STRICT_BAD);
        assert_int_equal(head.refusal, cases[i].refusal);
        char *kept;
        assert_int_equal(feed_cut(&head, (struct sg_str){.p = text, .n = count + 3}, count, &kept),
                         SG_STRICT_BAD);
        assert_int_equal(head.refusal, cases[i].refusal);
        free(kept);
    }
}

/* --- chunked bodies --------------------------------------------------------------------------- */

/* Walk a body in pieces of `step` bytes; the data goes to out. */
static enum sg_strict_result walk(struct sg_str bytes, size_t step, struct sg_buf *out,
                                  size_t *ret_used, enum sg_refusal *ret_refusal)
{
    struct sg_strict_chunked body;
    enum sg_strict_result result = SG_STRICT_MORE;
    size_t at = 0;
    sg_strict_chunked_init(&body);
    sg_buf_clear(out);
    while (at < bytes.n && result == SG_STRICT_MORE) {
        size_t count = step < bytes.n - at ? step : bytes.n - at, used;
        struct sg_str data;
        result =
            sg_strict_chunked_feed(&body, bytes.p + at, count, limits.body_bytes, &used, &data);
        sg_buf_add_str(out, data);
        assert_true(used <= count);
        assert_true(used > 0 || result != SG_STRICT_MORE);
        at += used;
    }
    *ret_used = at;
    *ret_refusal = body.refusal;
    return result;
}

static void test_chunked_bodies(void **state)
{
    static const struct {
        struct sg_str bytes;
        enum sg_strict_result result;
        const char *data; /* or the code of the refusal */
        size_t used;
    } cases[] = {
        {SG_STR("5\r\nhello\r\n0\r\n\r\nGET /"), SG_STRICT_DONE, "hello", 15},
        {SG_STR("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), SG_STRICT_DONE,
         "01234567890123456789", 35},
        {SG_STR("0\r\n\r\n"), SG_STRICT_DONE, "", 5},
        {SG_STR("5\r\nhel"), SG_STRICT_MORE, "hel", 6},
        {SG_STR("0x5\r\nhello\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("+5\r\nhello\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR(" 5\r\nhello\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("5 \r\nhello\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("5;a=b\r\nhello\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("5\nhello\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("\r\nhello\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("5\r\nhello0\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("5\r\nhello\n0\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("0\r\nX-A: b\r\n\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("000000005\r\nhello\r\n"), SG_STRICT_BAD, "SIGNGATE.BadRequest", 0},
        {SG_STR("3e9\r\n"), SG_STRICT_BAD, "SIGNGATE.BodyTooLarge", 0},
        {SG_STR("ffffffff\r\n"), SG_STRICT_BAD, "SIGNGATE.BodyTooLarge", 0},
    };
    struct sg_buf out;
    (void)state;
    sg_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 1; step <= cases[i].bytes.n; step++) {
            size_t used;
            enum sg_refusal refusal;
            assert_int_equal(walk(cases[i].bytes, step, &out, &used, &refusal), cases[i].result);
            if (cases[i].result == SG_STRICT_BAD) {
                assert_string_equal(sg_refusal_row(refusal)->code, cases[i].data);
            } else {
                assert_true(sg_str_equal_text(sg_buf_str(&out), cases[i].data));
                assert_int_equal(used, cases[i].used);
            }
        }
    }
    sg_buf_done(&out);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void test_answers(void **state)
{
    static const struct {
        struct sg_str bytes;
        enum sg_strict_result result;
        unsigned status;
    } cases[] = {
        {SG_STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), SG_STRICT_DONE, 200},
        {SG_STR("HTTP/1.1 204\r\n\r\n"), SG_STRICT_DONE, 204},
        {SG_STR("HTTP/1.0 599 caf\xe9\r\n\r\n"), SG_STRICT_DONE, 599},
        {SG_STR("HTTP/1.1 100 Continue\r\n\r\n"), SG_STRICT_DONE, 100},
        {SG_STR("HTTP/1.1 99999 X\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 2x0 X\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 -20 X\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 600 X\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/2.0 200 OK\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1  200 OK\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 200 O\0K\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 200 OK\nA: b\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"), SG_STRICT_BAD,
         0},
        {SG_STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
         SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), SG_STRICT_BAD, 0},
        {SG_STR("garbage\r\n\r\n"), SG_STRICT_BAD, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t at = 0; at < cases[i].bytes.n; at++) {
            struct sg_strict_response head;
            sg_strict_response_init(&head, table);
            enum sg_strict_result result =
                sg_strict_response_feed(&head, cases[i].bytes.p, at, &limits);
            if (result == SG_STRICT_MORE) {
                result =
                    sg_strict_response_feed(&head, cases[i].bytes.p, cases[i].bytes.n, &limits);
            }
            if (result != cases[i].result) {
                fail_msg("cut at %zu: %.*s", at, SG_STR_ARG(cases[i].bytes));
            }
            if (result == SG_STRICT_DONE) {
                assert_int_equal(head.status, cases[i].status);
            } else {
                assert_non_null(head.detail);
            }
        }
    }
}

static void test_header_tables(void **state)
{
    (void)state;
    assert_true(sg_header_is_hop_by_hop(SG_STR("cOnNeCtIoN")));
    assert_false(sg_header_is_hop_by_hop(SG_STR("Content-Type")));
    assert_true(sg_header_is_caller_credential(SG_STR("x-sdk-anything")));
    assert_true(sg_header_is_caller_credential(SG_STR("Authorization")));
    assert_false(sg_header_is_caller_credential(SG_STR("X-Sdk")));
    assert_true(sg_header_is_dropped_from_answer(SG_STR("Set-Cookie")));
    assert_true(sg_header_is_dropped_from_answer(SG_STR("signgate-error")));
    assert_true(sg_header_is_dropped_from_answer(SG_STR("Transfer-Encoding")));
    assert_false(sg_header_is_dropped_from_answer(SG_STR("X-Request-Id")));
    assert_true(sg_list_has_token(SG_STR(" a , CLOSE"), SG_STR("close")));
    assert_false(sg_list_has_token(SG_STR("closed, close-it"), SG_STR("close")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_what_is_valid),
        cmocka_unit_test(test_what_a_head_says),
        cmocka_unit_test(test_limits_hold_to_the_byte),
        cmocka_unit_test(test_endless_lines_end_at_the_limit),
        cmocka_unit_test(test_a_limit_answers_before_a_bare_lf_behind_it),
        cmocka_unit_test(test_chunked_bodies),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_header_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
