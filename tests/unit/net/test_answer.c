#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "net/answer.h"

/*
 * Every answer is read whole, in two pieces cut at every place, and byte by byte; the result must
 * be the same each time. Pieces are copied into memory of their own size, so that the sanitizer
 * sees a look beyond them or back at an earlier one.
 */

enum { LIMIT_BYTES = 100, BODY_BYTES_MAX = 100000 };

struct result {
    enum sg_answer_step step; /* MORE: it is not over */
    unsigned heads;
    unsigned status;
    size_t header_count;
    char type[64]; /* Content-Type, as seen at the head */
    bool keep;
    bool left_over;
    const char *detail;
    struct sg_buf body;
};

static void see_head(const struct sg_answer *answer, struct result *result)
{
    const struct sg_strict_response *head = &answer->head;
    result->heads++;
    result->status = head->status;
    result->header_count = head->header_count;
    for (size_t i = 0; i < head->header_count; i++) {
        if (sg_str_equal_fold(head->headers[i].name, SG_STR("Content-Type"))) {
            assert_true(head->headers[i].value.n < sizeof result->type);
            memcpy(result->type, head->headers[i].value.p, head->headers[i].value.n);
        }
    }
}

/* Feed one piece; false when the answer is over. */
static bool feed(struct sg_answer *answer, struct sg_str piece, struct result *result)
{
    char *copy = malloc(piece.n > 0 ? piece.n : 1);
    assert_non_null(copy);
    if (piece.n > 0) {
        memcpy(copy, piece.p, piece.n);
    }
    struct sg_str bytes = {.p = copy, .n = piece.n};
    struct sg_str run;
    do {
        result->step = sg_answer_take(answer, &bytes, &run);
        if (result->step == SG_ANSWER_HEAD) {
            see_head(answer, result);
        } else if (result->step == SG_ANSWER_DATA) {
            assert_true(run.n > 0);
            sg_buf_add_str(&result->body, run);
        }
    } while (result->step == SG_ANSWER_HEAD || result->step == SG_ANSWER_DATA);
    if (result->step == SG_ANSWER_MORE) {
        assert_int_equal(bytes.n, 0);
    }
    result->left_over = bytes.n > 0;
    free(copy);
    return result->step == SG_ANSWER_MORE;
}

/* Read text cut at the places given: step bytes at a time, or first, then the rest. */
static void read_pieces(struct sg_answer *answer, struct sg_str text, size_t first, size_t step,
                        bool ends, struct result *result)
{
    *result = (struct result){.step = SG_ANSWER_MORE};
    sg_buf_init(&result->body, BODY_BYTES_MAX);
    sg_answer_begin(answer, LIMIT_BYTES);
    bool more = true;
    for (size_t at = 0; more && at < text.n;) {
        size_t count = at == 0 ? first : step;
        struct sg_str piece = sg_str_slice(text, at, at + count);
        more = feed(answer, piece, result);
        at += piece.n;
        result->left_over = result->left_over || (!more && at < text.n);
    }
    if (more && ends) {
        result->step = sg_answer_ended(answer, true);
    }
    result->keep = answer->keep;
    result->detail = answer->detail;
    assert_false(sg_buf_failed(&result->body));
}

static void expect_same(const struct result *a, const struct result *b)
{
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->heads, b->heads);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->header_count, b->header_count);
    assert_string_equal(a->type, b->type);
    assert_int_equal(a->left_over, b->left_over);
    assert_int_equal(a->keep, b->keep);
    if (a->detail != NULL) {
        assert_non_null(b->detail);
        assert_string_equal(a->detail, b->detail);
    }
    /* A rule may be broken in the piece that holds the data: what was handed on before may vary. */
    if (a->step != SG_ANSWER_BAD) {
        assert_int_equal(a->body.n, b->body.n);
        if (a->body.n > 0) {
            assert_memory_equal(a->body.p, b->body.p, a->body.n);
        }
    }
}

/* Read in every way; *ret is the result of reading it whole, its body to be done by the caller. */
static void read_all_ways(struct sg_str text, bool ends, struct result *ret)
{
    struct sg_answer *answer = malloc(sizeof *answer);
    struct result other;
    assert_non_null(answer);
    sg_answer_init(answer);
    read_pieces(answer, text, text.n, text.n, ends, ret);
    for (size_t cut = 1; cut < text.n; cut++) {
        read_pieces(answer, text, cut, text.n, ends, &other);
        expect_same(ret, &other);
        sg_buf_done(&other.body);
    }
    read_pieces(answer, text, 1, 1, ends, &other);
    expect_same(ret, &other);
    sg_buf_done(&other.body);
    sg_answer_done(answer);
    free(answer);
}

struct good {
    const char *text;
    unsigned status;
    const char *body;
    bool keep;
    bool left_over;
    bool ends; /* the connection's end is the answer's */
};

static void good_answers(void **state)
{
    static const struct good rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true, false, false},
        {"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true, false, false},
        {"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: "
         "2\r\n\r\n{}",
         400, "{}", true, false, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true, false, false},
        {"HTTP/1.1 599 x\r\nContent-Length: 1\r\n\r\nx", 599, "x", true, false, false},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false,
         false, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false, false, false},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, "ok",
         false, false, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: "
         "b\r\nC:\r\n\r\n",
         200, "hello", true, false, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
         200, "hello", true, false, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200, "", true, false,
         false},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", 200, "until the end", false,
         false, true},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 200, "", false, false, true},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end", false, false, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", true, false, false},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, "", true, false, false},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, "", false, false, false},
        {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, "", false, false,
         false},
        {"HTTP/1.1 304 Not Modified\r\n\r\n", 304, "", true, false, false},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n", 304, "", false, false, false},
        /* interim answers */
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok",
         true, false, false},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Type: x\r\n\r\n"
         "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 199 x\r\n\r\n"
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
         200, "ok", true, false, false},
        /* bytes behind it */
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", 200, "ok", true, true, false},
        {"HTTP/1.1 204 No Content\r\n\r\n!", 204, "", true, true, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n", 200, "ok",
         true, true, false},
        /* as long as it may be */
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "890123456789",
         200,
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "890123456789",
         true, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result result;
        read_all_ways(sg_str_from(rows[i].text), rows[i].ends, &result);
        if (result.step != SG_ANSWER_END || result.status != rows[i].status ||
            result.keep != rows[i].keep || result.left_over != rows[i].left_over ||
            result.heads != 1 || !sg_str_equal_text(sg_buf_str(&result.body), rows[i].body)) {
            print_error("row %zu: %s\n", i, rows[i].text);
            fail();
        }
        sg_buf_done(&result.body);
    }
}

static void the_head_is_seen_as_it_is(void **state)
{
    struct result result;
    (void)state;
    read_all_ways(SG_STR("HTTP/1.1 103 Early Hints\r\nContent-Type: wrong/one\r\n\r\n"
                         "HTTP/1.1 404 Not Found\r\nX-A: 1\r\ncontent-type:  text/plain \r\n"
                         "Content-Length: 3\r\nX-B: \xe4\r\n\r\nabc"),
                  false, &result);
    assert_int_equal(result.step, SG_ANSWER_END);
    assert_int_equal(result.status, 404);
    assert_int_equal(result.header_count, 4);
    assert_string_equal(result.type, "text/plain");
    sg_buf_done(&result.body);
}

#define HEAD "HTTP/1.1 200 OK\r\n"
#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"

static void bad_answers(void **state)
{
    static const struct {
        const char *text;
        unsigned heads;     /* 1: only the body is bad */
        const char *detail; /* part of it, or NULL */
    } rows[] = {
        /* status lines */
        {"garbage\r\n\r\n", 0, NULL},
        {"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n", 0, "status"},
        {"HTTP/1.1 -5 OK\r\nContent-Length: 0\r\n\r\n", 0, "status"},
        {"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", 0, "status"},
        {"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", 0, "status"},
        {"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", 0, "status"},
        {"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {"HTTP/1.1 200 O\001K\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        /* header lines */
        {HEAD "Content-Length: 0\nX: y\r\n\r\n", 0, "LF"},
        {HEAD "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {HEAD " X: a\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {HEAD "X : a\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {HEAD ": a\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {HEAD "X a\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {HEAD "X: a\rb\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        {HEAD "X: a\177b\r\nContent-Length: 0\r\n\r\n", 0, NULL},
        /* framing */
        {HEAD "Content-Length: 5\r\nContent-Length: 3\r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: 5, 5\r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: +5\r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: 05\r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: -1\r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: 0x5\r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: \r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: 99999999999999999999\r\n\r\nhello", 0, "Content-Length"},
        {HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, NULL},
        {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 0, NULL},
        {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, "Transfer-Encoding"},
        {HEAD "Transfer-Encoding: identity\r\n\r\n", 0, "Transfer-Encoding"},
        {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
         "Transfer-Encoding"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "HTTP/1.0"},
        {HEAD "\r\n", 0, "length is not told"},
        {HEAD "Connection: keep-alive\r\n\r\n", 0, "length is not told"},
        /* interim answers */
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", 0, "switches protocols"},
        {"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" HEAD "Content-Length: 0\r\n\r\n", 0,
         "interim"},
        {"HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\n" HEAD "Content-Length: 0\r\n\r\n", 0,
         "interim"},
        {"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 100 x\r\n\r\nHTTP/1.1 100 x\r\n\r\nHTTP/1.1 100 x\r\n\r\n"
         "HTTP/1.1 100 x\r\n\r\n" HEAD "Content-Length: 0\r\n\r\n",
         0, "too many interim"},
        /* too long */
        {HEAD "Content-Length: 101\r\n\r\n", 0, "longer than response_bytes"},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n65\r\n", 1, "beyond response_bytes"},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n46\r\n" LONG "\r\n1f\r\n", 1,
         "beyond response_bytes"},
        {HEAD "Connection: close\r\n\r\n" LONG LONG, 1, "beyond response_bytes"},
        /* chunks */
        {HEAD "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 1, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", 1, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 1, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n", 1, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 1, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n000000005\r\nhello\r\n0\r\n\r\n", 1, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n", 1, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\njunk\r\n\r\n", 1, "trailer"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result result;
        read_all_ways(sg_str_from(rows[i].text), false, &result);
        if (result.step != SG_ANSWER_BAD || result.heads != rows[i].heads ||
            result.detail == NULL || result.keep ||
            (rows[i].detail != NULL && strstr(result.detail, rows[i].detail) == NULL)) {
            print_error("row %zu: step %d, %s: %s\n", i, (int)result.step,
                        result.detail != NULL ? result.detail : "no detail", rows[i].text);
            fail();
        }
        sg_buf_done(&result.body);
    }
}

static void a_nul_in_the_head_is_bad(void **state)
{
    struct result result;
    (void)state;
    read_all_ways(SG_STR(HEAD "X: a\0b\r\nContent-Length: 0\r\n\r\n"), false, &result);
    assert_int_equal(result.step, SG_ANSWER_BAD);
    sg_buf_done(&result.body);
    read_all_ways(SG_STR(HEAD "\0\r\nContent-Length: 0\r\n\r\n"), false, &result);
    assert_int_equal(result.step, SG_ANSWER_BAD);
    sg_buf_done(&result.body);
}

/* Whatever part of an answer came: its end breaks it off, but for bodies that last until then. */
static void an_end_too_early_is_bad(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    };
    struct sg_answer *answer = malloc(sizeof *answer);
    struct result result;
    (void)state;
    assert_non_null(answer);
    sg_answer_init(answer);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t count = 0; count < strlen(texts[i]); count++) {
            read_pieces(answer, (struct sg_str){.p = texts[i], .n = count}, count, count, true,
                        &result);
            assert_int_equal(result.step, SG_ANSWER_BAD);
            assert_string_equal(result.detail,
                                result.heads > 0 ? "it broke off" : "its head broke off");
            assert_false(result.keep);
            sg_buf_done(&result.body);
        }
    }
    sg_answer_done(answer);
    free(answer);
}

static void an_unclean_end_ends_no_body(void **state)
{
    struct sg_answer *answer = malloc(sizeof *answer);
    struct result result;
    (void)state;
    assert_non_null(answer);
    sg_answer_init(answer);
    read_pieces(answer, SG_STR(HEAD "Connection: close\r\n\r\nhello"), 100, 100, false, &result);
    assert_int_equal(result.step, SG_ANSWER_MORE);
    assert_int_equal(sg_answer_ended(answer, false), SG_ANSWER_BAD);
    sg_buf_done(&result.body);
    sg_answer_done(answer);
    free(answer);
}

static void a_head_has_limits(void **state)
{
    struct sg_buf text;
    struct result result;
    struct sg_answer *answer = malloc(sizeof *answer);
    (void)state;
    assert_non_null(answer);
    sg_answer_init(answer);
    sg_buf_init(&text, 1 << 20);
    for (unsigned extra = 0; extra < 2; extra++) { /* as many fields as may be, and one more */
        sg_buf_clear(&text);
        sg_buf_add_text(&text, HEAD "Content-Length: 0\r\n");
        for (unsigned i = 1; i < SG_ANSWER_HEADERS + extra; i++) {
            sg_buf_printf(&text, "X-%u: y\r\n", i);
        }
        sg_buf_add_text(&text, "\r\n");
        read_pieces(answer, sg_buf_str(&text), 7, 7, false, &result);
        assert_int_equal(result.step, extra == 0 ? SG_ANSWER_END : SG_ANSWER_BAD);
        sg_buf_done(&result.body);
    }
    for (unsigned extra = 0; extra < 2; extra++) { /* as many bytes as may be, and one more */
        static const size_t sizes[] = {1, 1000, 16384, 1 << 20};
        sg_buf_clear(&text);
        sg_buf_add_text(&text, HEAD "Content-Length: 0\r\nX: ");
        while (text.n < SG_ANSWER_HEAD_BYTES - 4 + extra) {
            sg_buf_add_char(&text, 'x');
        }
        sg_buf_add_text(&text, "\r\n\r\n");
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            read_pieces(answer, sg_buf_str(&text), sizes[i], sizes[i], false, &result);
            assert_int_equal(result.step, extra == 0 ? SG_ANSWER_END : SG_ANSWER_BAD);
            sg_buf_done(&result.body);
        }
    }
    sg_buf_clear(&text); /* a line without end */
    sg_buf_add_text(&text, HEAD "X: ");
    while (text.n < 100000) {
        sg_buf_add_char(&text, 'x');
    }
    read_pieces(answer, sg_buf_str(&text), 1000, 1000, false, &result);
    assert_int_equal(result.step, SG_ANSWER_BAD);
    sg_buf_done(&result.body);
    sg_buf_done(&text);
    sg_answer_done(answer);
    free(answer);
}

static void without_a_limit_bodies_are_long(void **state)
{
    struct sg_answer *answer = malloc(sizeof *answer);
    struct sg_str bytes = SG_STR(HEAD "Content-Length: 999999999999\r\n\r\nabc");
    struct sg_str run;
    (void)state;
    assert_non_null(answer);
    sg_answer_init(answer);
    sg_answer_begin(answer, 0);
    assert_int_equal(sg_answer_take(answer, &bytes, &run), SG_ANSWER_HEAD);
    assert_int_equal(sg_answer_take(answer, &bytes, &run), SG_ANSWER_DATA);
    assert_int_equal(run.n, 3);
    assert_int_equal(sg_answer_take(answer, &bytes, &run), SG_ANSWER_MORE);
    sg_answer_done(answer);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_answers),
        cmocka_unit_test(the_head_is_seen_as_it_is),
        cmocka_unit_test(bad_answers),
        cmocka_unit_test(a_nul_in_the_head_is_bad),
        cmocka_unit_test(an_end_too_early_is_bad),
        cmocka_unit_test(an_unclean_end_ends_no_body),
        cmocka_unit_test(a_head_has_limits),
        cmocka_unit_test(without_a_limit_bodies_are_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
