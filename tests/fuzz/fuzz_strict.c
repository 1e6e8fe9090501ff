/*
 * http/strict: heads of requests and chunked bodies.
 *
 * The same bytes are fed whole and in pieces, each feed from fresh memory of exactly its size: the
 * outcome is the same. What is accepted obeys the rules that everything behind relies on, and
 * written anew from what was understood it is understood the same.
 *
 * Input: "h" for a head or "c" for a chunked body, the cuts, the bytes.
 */
#include "base/buf.h"
#include "fuzz.h"
#include "http/strict.h"

static const struct sg_strict_limits limits = {
    .header_bytes = 512, .target_bytes = 128, .headers = 8, .body_bytes = 1000};

/* --- heads ------------------------------------------------------------------------------------ */

struct outcome {
    enum sg_strict_result result;
    struct sg_strict_request head;
    struct sg_strict_header headers[SG_STRICT_HEADERS_MAX];
    char *bytes; /* what the slices point into */
};

/* cuts NULL: whole. */
static void feed(struct outcome *outcome, struct sg_str text, struct fuzz_cuts *cuts,
                 const struct sg_strict_limits *within)
{
    size_t count = 0;
    sg_strict_request_init(&outcome->head, outcome->headers);
    outcome->result = SG_STRICT_MORE;
    outcome->bytes = NULL;
    while (outcome->result == SG_STRICT_MORE && (count < text.n || outcome->bytes == NULL)) {
        count += cuts != NULL ? fuzz_next_cut(cuts, text.n - count) : text.n;
        free(outcome->bytes);
        outcome->bytes = fuzz_copy(sg_str_slice(text, 0, count));
        outcome->result = sg_strict_request_feed(&outcome->head, outcome->bytes, count, within);
        if (outcome->result == SG_STRICT_MORE) {
            /* Others may use the table between feeds. */
            memset(outcome->headers, 0xa5, sizeof outcome->headers);
        }
    }
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    const struct sg_strict_request *x = &a->head, *y = &b->head;
    CHECK(a->result == b->result);
    CHECK(x->refusal == y->refusal);
    if (a->result != SG_STRICT_DONE) {
        return;
    }
    CHECK(sg_str_equal(x->method, y->method));
    CHECK(sg_str_equal(x->target, y->target));
    CHECK(x->minor == y->minor);
    CHECK(sg_str_equal(x->host, y->host));
    CHECK(sg_str_equal(x->content_type, y->content_type));
    CHECK(x->content_length == y->content_length);
    CHECK(x->has_content_length == y->has_content_length);
    CHECK(x->chunked == y->chunked);
    CHECK(x->close == y->close);
    CHECK(x->expect_continue == y->expect_continue);
    CHECK(x->header_count == y->header_count);
    for (size_t i = 0; i < x->header_count; i++) {
        CHECK(sg_str_equal(a->headers[i].name, b->headers[i].name));
        CHECK(sg_str_equal(a->headers[i].value, b->headers[i].value));
    }
}

/* Whether no byte of s could end a line or a text. */
static bool is_inert(struct sg_str s)
{
    return sg_str_find(s, '\r') == s.n && sg_str_find(s, '\n') == s.n &&
           sg_str_find(s, '\0') == s.n;
}

static void check_accepted(const struct outcome *outcome, size_t count)
{
    const struct sg_strict_request *head = &outcome->head;
    CHECK(head->head_bytes <= count && head->head_bytes <= limits.header_bytes + 2);
    CHECK(head->header_count <= limits.headers);
    CHECK(head->target.n > 0 && head->target.n <= limits.target_bytes && is_inert(head->target));
    CHECK(sg_str_find(head->target, ' ') == head->target.n);
    CHECK(sg_is_token(head->method) && is_inert(head->method));
    CHECK(!(head->chunked && head->has_content_length));
    CHECK(!(head->chunked && head->minor == 0));
    CHECK(head->minor == 0 || head->host.n > 0);
    CHECK(head->content_length <= limits.body_bytes);
    CHECK(head->has_content_length || head->content_length == 0);
    CHECK(head->refusal == SG_REFUSAL_NONE);
    size_t framings = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        struct sg_strict_header header = outcome->headers[i];
        CHECK(sg_is_token(header.name) && is_inert(header.value));
        CHECK(sg_str_equal(header.value, sg_str_trim(header.value)));
        framings += sg_str_equal_fold(header.name, SG_STR("Content-Length")) ||
                    sg_str_equal_fold(header.name, SG_STR("Transfer-Encoding"));
    }
    CHECK(framings == (head->chunked || head->has_content_length ? 1 : 0));
}

static void check_written_anew(const struct outcome *outcome)
{
    const struct sg_strict_request *head = &outcome->head;
    const struct sg_strict_limits wider = {.header_bytes = 2 * limits.header_bytes,
                                           .target_bytes = limits.target_bytes,
                                           .headers = limits.headers,
                                           .body_bytes = limits.body_bytes};
    struct outcome again;
    struct sg_buf out;
    sg_buf_init(&out, wider.header_bytes);
    sg_buf_add_str(&out, head->method);
    sg_buf_add_char(&out, ' ');
    sg_buf_add_str(&out, head->target);
    sg_buf_printf(&out, " HTTP/1.%u\r\n", head->minor);
    for (size_t i = 0; i < head->header_count; i++) {
        sg_buf_add_str(&out, outcome->headers[i].name);
        sg_buf_add_text(&out, ": ");
        sg_buf_add_str(&out, outcome->headers[i].value);
        sg_buf_add_text(&out, "\r\n");
    }
    sg_buf_add_text(&out, "\r\n");
    CHECK(!sg_buf_failed(&out));
    feed(&again, sg_buf_str(&out), NULL, &wider);
    check_same(outcome, &again);
    CHECK(again.head.head_bytes == out.n);
    free(again.bytes);
    sg_buf_done(&out);
}

static void run_head(struct sg_str text, struct fuzz_cuts cuts)
{
    struct outcome whole, pieces;
    feed(&whole, text, NULL, &limits);
    feed(&pieces, text, &cuts, &limits);
    check_same(&whole, &pieces);
    if (whole.result == SG_STRICT_DONE) {
        CHECK(whole.head.head_bytes == pieces.head.head_bytes);
        check_accepted(&whole, text.n);
        check_written_anew(&whole);
    } else if (whole.result == SG_STRICT_BAD) {
        CHECK(whole.head.refusal != SG_REFUSAL_NONE && whole.head.detail != NULL);
    } else {
        CHECK(text.n <= limits.header_bytes + 1); /* no more is kept than the limit, and a CR */
    }
    free(whole.bytes);
    free(pieces.bytes);
}

/* --- chunked bodies --------------------------------------------------------------------------- */

struct body {
    enum sg_strict_result result;
    struct sg_strict_chunked chunked;
    struct sg_buf data;
    size_t used;
};

static void feed_body(struct body *body, struct sg_str text, struct fuzz_cuts *cuts)
{
    *body = (struct body){.result = SG_STRICT_MORE};
    sg_strict_chunked_init(&body->chunked);
    sg_buf_init(&body->data, limits.body_bytes);
    while (body->result == SG_STRICT_MORE && body->used < text.n) {
        size_t left = text.n - body->used;
        size_t count = cuts != NULL ? fuzz_next_cut(cuts, left) : left;
        char *bytes = fuzz_copy(sg_str_slice(text, body->used, body->used + count));
        for (size_t at = 0; body->result == SG_STRICT_MORE && at < count;) {
            size_t used = 0;
            struct sg_str data = {.p = NULL};
            body->result = sg_strict_chunked_feed(&body->chunked, bytes + at, count - at,
                                                  limits.body_bytes, &used, &data);
            CHECK(used > 0 && used <= count - at);
            sg_buf_add_str(&body->data, data);
            at += used;
            body->used += used;
        }
        free(bytes);
    }
    CHECK(!sg_buf_failed(&body->data)); /* within the limit at any time */
}

static void run_body(struct sg_str text, struct fuzz_cuts cuts)
{
    struct body whole, pieces, again;
    feed_body(&whole, text, NULL);
    feed_body(&pieces, text, &cuts);
    CHECK(whole.result == pieces.result);
    CHECK(whole.used == pieces.used);
    CHECK(whole.chunked.refusal == pieces.chunked.refusal);
    CHECK(sg_str_equal(sg_buf_str(&whole.data), sg_buf_str(&pieces.data)));
    if (whole.result == SG_STRICT_DONE) {
        struct sg_buf out;
        sg_buf_init(&out, limits.body_bytes + 64);
        if (whole.data.n > 0) {
            sg_buf_printf(&out, "%zx\r\n", whole.data.n);
            sg_buf_add_str(&out, sg_buf_str(&whole.data));
            sg_buf_add_text(&out, "\r\n");
        }
        sg_buf_add_text(&out, "0\r\n\r\n");
        feed_body(&again, sg_buf_str(&out), NULL);
        CHECK(again.result == SG_STRICT_DONE && again.used == out.n);
        CHECK(sg_str_equal(sg_buf_str(&whole.data), sg_buf_str(&again.data)));
        sg_buf_done(&again.data);
        sg_buf_done(&out);
    }
    sg_buf_done(&whole.data);
    sg_buf_done(&pieces.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_str input = {.p = (const char *)data, .n = size};
    unsigned kind = fuzz_take_byte(&input);
    struct fuzz_cuts cuts = fuzz_take_cuts(&input);
    if ((kind & 1) == ('h' & 1)) {
        run_head(input, cuts);
    } else {
        run_body(input, cuts);
    }
    return 0;
}
