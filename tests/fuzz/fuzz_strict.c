/*
 * Heads of requests and chunked bodies (http/strict): fed whole or in pieces the result is the
 * same; what is accepted says the same when it is written anew from its parts. The first byte
 * chooses what is fed, the second how it is cut.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "http/strict.h"

static const struct sg_strict_limits limits = {
    .header_bytes = 2048, .target_bytes = 512, .headers = 16, .body_bytes = 4096};

static bool same(struct sg_str a, struct sg_str b)
{
    return sg_str_equal(a, b);
}

/* Feed the first part, then all: as the gate does when bytes come in pieces. */
static enum sg_strict_result feed_pieces(struct sg_strict_request *head, const char *bytes,
                                         size_t count, size_t step)
{
    enum sg_strict_result result = SG_STRICT_MORE;
    for (size_t end = step < count ? step : count; result == SG_STRICT_MORE; end += step) {
        if (end > count) {
            end = count;
        }
        result = sg_strict_request_feed(head, bytes, end, &limits);
        if (end == count) {
            break;
        }
    }
    return result;
}

static void check_text(struct sg_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        HOLDS(text.p[i] != '\r' && text.p[i] != '\n' && text.p[i] != '\0');
    }
}

/* What was accepted, written anew from its parts, is accepted and says the same. */
static void check_accepted(const struct sg_strict_request *head)
{
    struct sg_strict_header headers[SG_STRICT_HEADERS_MAX];
    struct sg_strict_request again;
    struct sg_buf text;
    HOLDS(!(head->chunked && head->has_content_length));
    HOLDS(head->header_count <= limits.headers && head->target.n <= limits.target_bytes);
    HOLDS(head->content_length <= limits.body_bytes);
    HOLDS(head->minor == 0 || head->host.p != NULL);
    sg_buf_init(&text, 1 << 16);
    sg_buf_printf(&text, "%.*s %.*s HTTP/1.%d\r\n", SG_STR_ARG(head->method),
                  SG_STR_ARG(head->target), head->minor);
    check_text(head->method);
    check_text(head->target);
    for (size_t i = 0; i < head->header_count; i++) {
        check_text(head->headers[i].name);
        check_text(head->headers[i].value);
        sg_buf_add_str(&text, head->headers[i].name);
        sg_buf_add_char(&text, ':'); /* no space: never longer than it came */
        sg_buf_add_str(&text, head->headers[i].value);
        sg_buf_add_text(&text, "\r\n");
    }
    sg_buf_add_text(&text, "\r\n");
    sg_strict_request_init(&again, headers);
    HOLDS(sg_strict_request_feed(&again, text.p, text.n, &limits) == SG_STRICT_DONE);
    HOLDS(again.head_bytes == text.n && again.header_count == head->header_count);
    HOLDS(same(again.method, head->method) && same(again.target, head->target));
    HOLDS(same(again.host, head->host) && again.minor == head->minor);
    HOLDS(again.content_length == head->content_length && again.chunked == head->chunked);
    HOLDS(again.close == head->close && again.expect_continue == head->expect_continue);
    for (size_t i = 0; i < head->header_count; i++) {
        HOLDS(same(again.headers[i].name, head->headers[i].name));
        HOLDS(same(again.headers[i].value, head->headers[i].value));
    }
    sg_buf_done(&text);
}

static void run_request(const char *bytes, size_t count, size_t step)
{
    struct sg_strict_header headers[2][SG_STRICT_HEADERS_MAX];
    struct sg_strict_request whole, pieces;
    sg_strict_request_init(&whole, headers[0]);
    sg_strict_request_init(&pieces, headers[1]);
    enum sg_strict_result result = sg_strict_request_feed(&whole, bytes, count, &limits);
    HOLDS(feed_pieces(&pieces, bytes, count, step) == result);
    if (result == SG_STRICT_BAD) {
        HOLDS(whole.refusal != SG_REFUSAL_NONE && whole.detail != NULL);
        HOLDS(whole.refusal == pieces.refusal);
    } else if (result == SG_STRICT_DONE) {
        HOLDS(whole.head_bytes <= count && whole.head_bytes == pieces.head_bytes);
        HOLDS(whole.header_count == pieces.header_count && same(whole.host, pieces.host));
        HOLDS(same(whole.method, pieces.method) && same(whole.target, pieces.target));
        for (size_t i = 0; i < whole.header_count; i++) {
            HOLDS(same(whole.headers[i].name, pieces.headers[i].name));
            HOLDS(same(whole.headers[i].value, pieces.headers[i].value));
        }
        check_accepted(&whole);
    } else { /* a head that is not over is not over its limit by much */
        HOLDS(count <= limits.header_bytes + 2);
    }
}

/* Decode a body given in pieces of step bytes; the data goes to out. */
static enum sg_strict_result decode(const char *bytes, size_t count, size_t step,
                                    struct sg_buf *out, size_t *ret_used)
{
    struct sg_strict_chunked body;
    enum sg_strict_result result = SG_STRICT_MORE;
    size_t at = 0;
    sg_strict_chunked_init(&body);
    while (result == SG_STRICT_MORE && at < count) {
        size_t end = at + step < count ? at + step : count;
        while (result == SG_STRICT_MORE && at < end) {
            size_t used = 0;
            struct sg_str data = {.p = NULL};
            result = sg_strict_chunked_feed(&body, bytes + at, end - at, limits.body_bytes, &used,
                                            &data);
            HOLDS(used <= end - at && data.n <= used);
            HOLDS(result != SG_STRICT_MORE || used > 0);
            sg_buf_add_str(out, data);
            at += used;
        }
    }
    HOLDS(result != SG_STRICT_BAD || body.detail != NULL);
    *ret_used = at;
    return result;
}

static void run_chunked(const char *bytes, size_t count, size_t step)
{
    struct sg_buf whole, pieces;
    size_t used_whole, used_pieces;
    sg_buf_init(&whole, 1 << 20);
    sg_buf_init(&pieces, 1 << 20);
    enum sg_strict_result result = decode(bytes, count, count > 0 ? count : 1, &whole, &used_whole);
    HOLDS(decode(bytes, count, step, &pieces, &used_pieces) == result);
    HOLDS(whole.n <= limits.body_bytes);
    if (result == SG_STRICT_DONE) {
        HOLDS(used_whole == used_pieces && same(sg_buf_str(&whole), sg_buf_str(&pieces)));
    }
    sg_buf_done(&whole);
    sg_buf_done(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 2) {
        return 0;
    }
    size_t step = 1 + bytes[1] % 64;
    if (bytes[0] % 2 == 0) {
        run_request((const char *)bytes + 2, count - 2, step);
    } else {
        run_chunked((const char *)bytes + 2, count - 2, step);
    }
    return 0;
}
