/*
 * The front as a whole: a caller's bytes through gate and evhttp, over loopback.
 *
 * A parser of this file, as plain as can be and written from RFC 9112 and the product's rules
 * alone, says which requests a stream holds up to the first that must be refused. The handlers must
 * see exactly those, in order, each once, with the same method, target and body; each gets one
 * answer, in order; behind a refusal or a close there is nothing. That the counts agree means, too,
 * that evhttp was told of no other request.
 *
 * The stream is made by a small grammar, so that one changed byte of the input is a changed request
 * and not only a broken one: most bytes stand for themselves, control bytes for the words of a
 * table, and 0x1f makes the next byte stand for itself.
 *
 * Input: a byte for each request in turn: how the handlers answer it (count first, as with cuts);
 * the cuts; the stream's text.
 *
 * Nothing waits for a timer: the clock stands still, the loop is stepped until what the parser
 * expects is there, and a bit longer for what it does not expect.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "fuzz.h"
#include "net/gate.h"
#include "net/listener.h"
#include "net/loop.h"

enum {
    STREAM_BYTES = 16 * 1024,
    ANSWER_BYTES = 256 * 1024,
    REQUESTS_MAX = 64,
    HEADER_BYTES = 1024,
    TARGET_BYTES = 256,
    HEADERS = 12,
    BODY_BYTES = 1000,
};

static const struct sg_front_limits limits = {
    .head = {.header_bytes = HEADER_BYTES,
             .target_bytes = TARGET_BYTES,
             .headers = HEADERS,
             .body_bytes = BODY_BYTES},
    .connections = 4,
    .header_ms = 1000,
    .body_ms = 1000,
    .write_ms = 1000,
    .idle_ms = 1000,
};

/* How a request is answered: bits of its byte of the input. */
enum { ANSWER_LATER = 1, LEAVE_BODY = 2, CLOSE = 4 };

/* --- the grammar ------------------------------------------------------------------------------ */

static const char *const words[] = {
    [0x01] = "GET /v1/a?b=1 HTTP/1.1\r\nHost: h\r\n\r\n",
    [0x02] = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    [0x03] =
        "PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n",
    [0x04] = "DELETE /v1/p/flows?x=y&a=b HTTP/1.1\r\nHost: gateway.internal:8080\r\n",
    [0x05] = "POST /d HTTP/1.1\r\nHost: h\r\n",
    [0x06] = "Content-Length: ",
    [0x07] = "Transfer-Encoding: chunked\r\n",
    [0x08] = " HTTP/1.1\r\n",
    [0x0b] = "Host: h\r\n",
    [0x0c] = "\r\n\r\n",
    [0x0e] = "Connection: close\r\n",
    [0x0f] = "Expect: 100-continue\r\n",
    [0x10] = "0\r\n\r\n",
    [0x11] = "5\r\nhello\r\n",
    [0x12] = "HEAD /v1/h HTTP/1.1\r\nHost: h\r\n",
    [0x13] = "GET /old HTTP/1.0\r\n",
    [0x14] = "Connection: keep-alive\r\n",
    [0x15] = "CONNECT /v1/x HTTP/1.1\r\nHost: h\r\n\r\n",
    [0x16] = "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789",
    [0x17] = "%C3%A9",
    [0x18] = "X-Filler: 0123456789012345678901234567890123456789012345678901234567890123456789"
             "012345678901234567890123456789012345678901234567890123456789\r\n",
    [0x19] = "OPTIONS /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /",
    [0x1a] = "\r\n",
};

static void expand(struct sg_str text, struct sg_buf *out)
{
    enum { LITERAL = 0x1f };
    while (text.n > 0 && out->n < STREAM_BYTES) {
        unsigned byte = fuzz_take_byte(&text);
        if (byte == LITERAL) {
            sg_buf_add_char(out, (char)fuzz_take_byte(&text));
        } else if (byte < sizeof words / sizeof *words && words[byte] != NULL) {
            sg_buf_add_text(out, words[byte]);
        } else {
            sg_buf_add_char(out, (char)byte);
        }
    }
    CHECK(!sg_buf_failed(out));
}

/* --- the plain parser ------------------------------------------------------------------------- */

enum verdict {
    GOOD = 0,
    REFUSED, /* an answer of the gate's, and the end */
    PARTIAL, /* more must come; or it is refused early, when no end could make it good */
    EITHER,  /* absolute-form: its host rules have a target of their own */
};

struct request {
    struct sg_str method;
    char target[4 * TARGET_BYTES]; /* canonical */
    struct sg_str host;
    bool http10, close, keep_alive, chunked, has_length, expects;
    uint64_t length;
    struct sg_buf body;
};

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Whether all of s is letters, digits or of the set, and not empty. */
static bool holds_only(struct sg_str s, const char *set)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_alphanumeric(s.p[i]) && !is_one_of(s.p[i], set)) {
            return false;
        }
    }
    return s.n > 0;
}

static bool is_token(struct sg_str s)
{
    return holds_only(s, "!#$%&'*+-.^_`|~");
}

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Take what stands before the separator; false when that is nowhere. */
static bool cut(struct sg_str *rest, const char *separator, struct sg_str *ret)
{
    const char *at = rest->n > 0 ? memmem(rest->p, rest->n, separator, strlen(separator)) : NULL;
    if (at == NULL) {
        return false;
    }
    size_t count = (size_t)(at - rest->p);
    *ret = sg_str_slice(*rest, 0, count);
    *rest = sg_str_slice(*rest, count + strlen(separator), rest->n);
    return true;
}

static bool decode(struct sg_str s, bool in_path, struct sg_buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        int byte = (unsigned char)s.p[i];
        if (byte == '%') {
            if (i + 2 >= s.n || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0) {
                return false;
            }
            byte = hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]);
            i += 2;
            if (in_path && (byte == '/' || byte == '\\')) {
                return false;
            }
        }
        if (byte < 0x20 || byte == 0x7f) {
            return false;
        }
        sg_buf_add_char(out, (char)byte);
    }
    return sg_str_is_utf8(sg_buf_str(out));
}

static void encode(struct sg_str s, struct sg_buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_alphanumeric(s.p[i]) || is_one_of(s.p[i], "-._~")) {
            sg_buf_add_char(out, s.p[i]);
        } else {
            sg_buf_printf(out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
        }
    }
}

/* Canonical path to out. */
static bool read_path(struct sg_str path, struct sg_buf *out)
{
    enum { SEGMENTS_MAX = 32 };
    size_t count = 0;
    path = sg_str_slice(path, 1, path.n);
    sg_buf_add_char(out, '/');
    while (path.n > 0) {
        char bytes[TARGET_BYTES];
        struct sg_buf segment;
        size_t end = sg_str_find(path, '/');
        sg_buf_init_fixed(&segment, bytes, sizeof bytes);
        if (!decode(sg_str_slice(path, 0, end), true, &segment) || segment.n == 0 ||
            sg_str_equal_text(sg_buf_str(&segment), ".") ||
            sg_str_equal_text(sg_buf_str(&segment), "..") || ++count > SEGMENTS_MAX) {
            return false;
        }
        encode(sg_buf_str(&segment), out);
        if (end < path.n) {
            sg_buf_add_char(out, '/');
        }
        path = sg_str_slice(path, end + 1, path.n);
    }
    return true;
}

struct pair {
    struct sg_str name, value;
};

static int by_name_and_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = sg_str_compare(x->name, y->name);
    return order != 0 ? order : sg_str_compare(x->value, y->value);
}

/* Canonical query to out; the decoded parts stand one behind the other in bytes. */
static bool read_query(struct sg_str query, struct sg_buf *out)
{
    struct pair pairs[TARGET_BYTES];
    char bytes[TARGET_BYTES];
    size_t count = 0;
    struct sg_buf all;
    sg_buf_init_fixed(&all, bytes, sizeof bytes);
    for (bool more = true; more; count++) {
        size_t end = sg_str_find(query, '&');
        struct sg_str pair = sg_str_slice(query, 0, end);
        size_t equals = sg_str_find(pair, '=');
        struct sg_str halves[] = {sg_str_slice(pair, 0, equals),
                                  sg_str_slice(pair, equals + 1, pair.n)};
        for (int i = 0; i < 2; i++) {
            struct sg_buf part;
            sg_buf_init_fixed(&part, bytes + all.n, sizeof bytes - all.n);
            if (!decode(halves[i], false, &part)) {
                return false;
            }
            halves[i] = sg_buf_str(&part);
            all.n += part.n;
        }
        if (halves[0].n == 0) {
            return false;
        }
        pairs[count] = (struct pair){.name = halves[0], .value = halves[1]};
        more = end < query.n;
        query = sg_str_slice(query, end + 1, query.n);
    }
    qsort(pairs, count, sizeof *pairs, by_name_and_value);
    for (size_t i = 0; i < count; i++) {
        sg_buf_add_char(out, i == 0 ? '?' : '&');
        encode(pairs[i].name, out);
        sg_buf_add_char(out, '=');
        encode(pairs[i].value, out);
    }
    return true;
}

static enum verdict read_target(struct sg_str target, struct request *request)
{
    struct sg_buf out;
    if (!holds_only(target, "-._~!$&'()*+,;=:@/?%") || target.n > TARGET_BYTES) {
        return REFUSED;
    }
    if (target.p[0] != '/') {
        return sg_str_find(target, ':') < target.n ? EITHER : REFUSED;
    }
    size_t mark = sg_str_find(target, '?');
    sg_buf_init_fixed(&out, request->target, sizeof request->target - 1);
    if (!read_path(sg_str_slice(target, 0, mark), &out) ||
        (mark < target.n && !read_query(sg_str_slice(target, mark + 1, target.n), &out))) {
        return REFUSED;
    }
    CHECK(!sg_buf_failed(&out));
    request->target[out.n] = '\0';
    return GOOD;
}

static bool read_number(struct sg_str digits, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' ||
            value > (max - (uint64_t)(digits.p[i] - '0')) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(digits.p[i] - '0');
    }
    *ret = value;
    return digits.n > 0;
}

static bool is_host(struct sg_str value)
{
    uint64_t port;
    size_t close = sg_str_find(value, ']');
    bool bracketed = value.n > 0 && value.p[0] == '[' && close < value.n;
    size_t end = bracketed ? close + 1 : sg_str_find(value, ':');
    struct sg_str name = sg_str_slice(value, 0, end), rest = sg_str_slice(value, end, value.n);
    if (bracketed) {
        name = sg_str_slice(name, 1, name.n - 1);
        for (size_t i = 0; i < name.n; i++) {
            if (hex(name.p[i]) < 0 && !is_one_of(name.p[i], ":.")) {
                return false;
            }
        }
        if (name.n < 2) {
            return false;
        }
    } else if (!holds_only(name, "-._")) {
        return false;
    }
    return rest.n == 0 ||
           (rest.p[0] == ':' &&
            (rest.n == 1 || read_number(sg_str_slice(rest, 1, rest.n), 65535, &port)));
}

/* Each element of the list, trimmed, is a token or nothing. */
static bool read_connection(struct sg_str list, struct request *request)
{
    while (list.n > 0) {
        struct sg_str token = sg_str_trim(fuzz_take_until(&list, ','));
        if (token.n > 0 && !is_token(token)) {
            return false;
        }
        request->close = request->close || sg_str_equal_fold(token, SG_STR("close"));
        request->keep_alive = request->keep_alive || sg_str_equal_fold(token, SG_STR("keep-alive"));
    }
    return true;
}

struct seen {
    unsigned hosts, types, expectations;
    bool bad_expectation;
};

static bool read_field(struct sg_str line, struct request *request, struct seen *seen)
{
    struct sg_str name;
    if (!cut(&line, ":", &name) || !is_token(name)) {
        return false;
    }
    bool ascii = true;
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
        ascii = ascii && c < 0x80;
    }
    struct sg_str value = sg_str_trim(line);
    if (sg_str_equal_fold(name, SG_STR("host"))) {
        return ++seen->hosts == 1 && is_host(value);
    }
    if (sg_str_equal_fold(name, SG_STR("content-type"))) {
        return ++seen->types == 1 && ascii;
    }
    if (sg_str_equal_fold(name, SG_STR("content-length"))) {
        bool first = !request->has_length;
        request->has_length = true;
        return first && (value.n == 1 || (value.n > 1 && value.p[0] != '0')) &&
               read_number(value, BODY_BYTES, &request->length);
    }
    if (sg_str_equal_fold(name, SG_STR("transfer-encoding"))) {
        bool first = !request->chunked;
        request->chunked = true;
        return first && sg_str_equal_fold(value, SG_STR("chunked"));
    }
    if (sg_str_equal_fold(name, SG_STR("expect"))) {
        seen->bad_expectation = seen->bad_expectation || ++seen->expectations > 1 ||
                                !sg_str_equal_fold(value, SG_STR("100-continue"));
        return true;
    }
    return !sg_str_equal_fold(name, SG_STR("connection")) || read_connection(value, request);
}

/* Take a head off the stream. */
static enum verdict read_head(struct sg_str *stream, struct request *request)
{
    struct sg_str head, line, method, target;
    struct seen seen = {.hosts = 0};
    size_t fields = 0;
    *request = (struct request){.chunked = false};
    if (!cut(stream, "\r\n\r\n", &head)) {
        return PARTIAL;
    }
    if (head.n + 2 > HEADER_BYTES) {
        return REFUSED;
    }
    head.n += 2; /* the CRLF of the last line */
    CHECK(cut(&head, "\r\n", &line));
    if (!cut(&line, " ", &method) || !is_token(method) || method.n > 64 ||
        !cut(&line, " ", &target)) {
        return REFUSED;
    }
    request->method = method;
    request->http10 = sg_str_equal_text(line, "HTTP/1.0");
    if (!request->http10 && !sg_str_equal_text(line, "HTTP/1.1")) {
        return REFUSED;
    }
    while (head.n > 0) {
        CHECK(cut(&head, "\r\n", &line));
        if (++fields > HEADERS || !read_field(line, request, &seen)) {
            return REFUSED;
        }
    }
    if ((request->chunked && (request->has_length || request->http10)) ||
        (!request->http10 && (seen.hosts == 0 || seen.bad_expectation))) {
        return REFUSED;
    }
    request->expects = !request->http10 && seen.expectations > 0;
    request->close = request->close || (request->http10 && !request->keep_alive);
    return read_target(target, request);
}

static bool has_body(const struct request *request)
{
    return request->chunked || request->length > 0;
}

static enum verdict read_chunks(struct sg_str *stream, struct sg_buf *body)
{
    for (;;) {
        struct sg_str digits, data;
        uint64_t size = 0;
        if (!cut(stream, "\r\n", &digits)) {
            return PARTIAL;
        }
        for (size_t i = 0; i < digits.n; i++) {
            if (hex(digits.p[i]) < 0 || i == 8) {
                return REFUSED;
            }
            size = size * 16 + (uint64_t)hex(digits.p[i]);
        }
        if (digits.n == 0 || size > BODY_BYTES - body->n) {
            return REFUSED;
        }
        data = sg_str_slice(*stream, 0, (size_t)size);
        *stream = sg_str_slice(*stream, (size_t)size, stream->n);
        sg_buf_add_str(body, data);
        if (stream->n < 2) {
            bool possible = data.n == size && (stream->n == 0 || stream->p[0] == '\r');
            return data.n < size || possible ? PARTIAL : REFUSED;
        }
        if (!sg_str_starts_with(*stream, SG_STR("\r\n"))) {
            return REFUSED;
        }
        *stream = sg_str_slice(*stream, 2, stream->n);
        if (size == 0) {
            return GOOD;
        }
    }
}

static enum verdict read_body(struct sg_str *stream, struct request *request)
{
    sg_buf_init(&request->body, BODY_BYTES);
    if (request->chunked) {
        return read_chunks(stream, &request->body);
    }
    sg_buf_add_str(&request->body, sg_str_slice(*stream, 0, (size_t)request->length));
    *stream = sg_str_slice(*stream, (size_t)request->length, stream->n);
    return request->body.n == request->length ? GOOD : PARTIAL;
}

/* What the stream holds. */
struct expectation {
    struct request requests[REQUESTS_MAX];
    size_t heads;     /* requests whose head is good: the handlers see them */
    size_t bodies;    /* of them, those whose body the handlers get */
    size_t answers;   /* final ones of the handlers' */
    enum verdict end; /* of what stands behind the last answer; GOOD: nothing does */
    bool closed;      /* the connection ends with the last answer */
    bool body_at_end; /* end is about the last request's body */
};

static unsigned plan_of(struct sg_str plans, size_t index)
{
    return plans.n > 0 ? (unsigned char)plans.p[index % plans.n] : 0;
}

static void foresee(struct sg_str stream, struct sg_str plans, struct expectation *ret)
{
    *ret = (struct expectation){.end = GOOD};
    while (stream.n > 0 && !ret->closed && ret->heads < REQUESTS_MAX) {
        struct request *request = &ret->requests[ret->heads];
        unsigned plan = plan_of(plans, ret->heads);
        ret->end = read_head(&stream, request);
        if (ret->end != GOOD) {
            return;
        }
        ret->heads++;
        bool left = has_body(request) && (plan & LEAVE_BODY) != 0;
        if (has_body(request) && !left) {
            ret->end = read_body(&stream, request);
            if (ret->end != GOOD) {
                ret->body_at_end = true;
                return;
            }
            ret->bodies++;
        }
        ret->answers++;
        ret->closed = left || request->close || (plan & CLOSE) != 0;
    }
}

/* --- the front, and what its handlers see ----------------------------------------------------- */

struct bench {
    struct sg_loop *loop;
    struct sg_front *front;
    uint16_t port;
    /* of one run */
    const struct expectation *expected;
    struct sg_str plans;
    struct sg_gate *waiting; /* for its answer */
    bool reading;            /* the gate reads its body first */
    size_t heads, bodies, answers, refusals, body_refusals, gone;
    bool took_either; /* a request that may be good or not was taken for good */
};

static void answer(struct bench *bench)
{
    struct sg_gate *gate = bench->waiting;
    char headers[32];
    size_t index = bench->answers++;
    bench->waiting = NULL;
    (void)snprintf(headers, sizeof headers, "X-Index: %zu\r\n", index);
    sg_gate_answer(gate, 200, sg_str_from(headers), SG_STR("hello"),
                   (plan_of(bench->plans, index) & CLOSE) != 0);
}

static void answer_by_plan(struct bench *bench)
{
    if ((plan_of(bench->plans, bench->heads - 1) & ANSWER_LATER) == 0) {
        answer(bench);
    }
}

static void check_head(const struct request *expected, const struct sg_gate_request *request)
{
    char target[4 * TARGET_BYTES];
    CHECK(sg_str_equal(request->head->method, expected->method));
    (void)snprintf(target, sizeof target, "%.*s%s%.*s", SG_STR_ARG(request->target->path),
                   request->target->query.n > 0 ? "?" : "", SG_STR_ARG(request->target->query));
    CHECK(strcmp(target, expected->target) == 0);
    CHECK(request->has_body == has_body(expected));
    CHECK(request->head->chunked == expected->chunked);
    CHECK(request->head->content_length == expected->length);
}

static void on_request(void *arg, struct sg_gate *gate, const struct sg_gate_request *request)
{
    struct bench *bench = arg;
    size_t index = bench->heads++;
    CHECK(bench->waiting == NULL); /* one at a time */
    bench->waiting = gate;
    sg_gate_set_context(gate, bench);
    if (index >= bench->expected->heads) {
        CHECK(bench->expected->end == EITHER);
        bench->took_either = true;
        bench->waiting = NULL;
        sg_gate_answer(gate, 200, SG_STR(""), SG_STR(""), true);
        return;
    }
    check_head(&bench->expected->requests[index], request);
    if (request->has_body && (plan_of(bench->plans, index) & LEAVE_BODY) == 0) {
        bench->reading = true; /* on_body may come within the call */
        CHECK(sg_gate_read_body(gate) == SG_OK);
    } else {
        answer_by_plan(bench);
    }
}

static void on_body(void *context, struct sg_str body)
{
    struct bench *bench = context;
    const struct request *expected = &bench->expected->requests[bench->heads - 1];
    CHECK(bench->heads < bench->expected->heads || !bench->expected->body_at_end);
    CHECK(sg_str_equal(body, sg_buf_str(&expected->body)));
    bench->bodies++;
    bench->reading = false;
    answer_by_plan(bench);
}

static void on_body_refused(void *context, enum sg_refusal refusal, const char *detail)
{
    struct bench *bench = context;
    struct sg_gate *gate = bench->waiting;
    CHECK(detail != NULL && bench->heads == bench->expected->heads);
    CHECK(bench->expected->body_at_end);
    bench->body_refusals++;
    bench->reading = false;
    bench->waiting = NULL;
    sg_gate_answer(gate, sg_refusal_row(refusal)->status, SG_STR("X-Refused: 1\r\n"), SG_STR("no"),
                   false);
}

static void on_gone(void *context)
{
    struct bench *bench = context;
    bench->gone++;
    bench->waiting = NULL;
}

static void on_drained(void *context)
{
    (void)context;
}

static void on_refused(void *arg, const struct sg_gate_refused *refused, struct sg_buf *headers,
                       struct sg_buf *body)
{
    struct bench *bench = arg;
    CHECK(refused->refusal != SG_REFUSAL_NONE && refused->detail.n > 0);
    bench->refusals++;
    sg_buf_add_text(headers, "X-Refused: 1\r\n");
    sg_buf_add_text(body, "no");
}

static int64_t now_us(void *arg)
{
    (void)arg;
    return 1000000;
}

static struct bench *make_bench(void)
{
    static struct bench bench; /* for as long as the program runs */
    static const struct sg_clock clock = {.monotonic_us = now_us, .realtime_us = now_us};
    struct sg_error error;
    char bound[SG_LISTENER_TEXT_BYTES];
    int fd;
    const struct sg_gate_handlers handlers = {.on_request = on_request,
                                              .on_body = on_body,
                                              .on_body_refused = on_body_refused,
                                              .on_gone = on_gone,
                                              .on_drained = on_drained,
                                              .on_refused = on_refused,
                                              .arg = &bench};
    bench.loop = sg_loop_new(&clock, &error);
    CHECK(bench.loop != NULL);
    bench.front = sg_front_new(bench.loop, &limits, &handlers, NULL, &error);
    CHECK(bench.front != NULL);
    CHECK(sg_listener_bind("127.0.0.1:0", 1, &fd, bound, &error) == SG_OK);
    bench.port = (uint16_t)strtoul(strrchr(bound, ':') + 1, NULL, 10);
    CHECK(sg_front_add_listener(bench.front, fd, NULL, &error) == SG_OK);
    return &bench;
}

/* --- a caller --------------------------------------------------------------------------------- */

/* One pass of the loop, then the answer that was put off. */
static void step(struct bench *bench)
{
    (void)event_base_loop(sg_loop_base(bench->loop), EVLOOP_NONBLOCK);
    sg_loop_run_deferred(bench->loop);
    if (bench->waiting != NULL && !bench->reading) {
        answer(bench);
    }
}

static int dial(struct bench *bench)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(bench->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct linger at_once = {.l_onoff = 1}; /* no TIME_WAIT: ports would run out */
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

/* Read what has come; true at the end of the connection. */
static bool pull(int fd, struct sg_buf *out)
{
    char bytes[4096];
    for (;;) {
        ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        if (count <= 0) {
            return count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        }
        sg_buf_add(out, bytes, (size_t)count);
        CHECK(!sg_buf_failed(out));
    }
}

static bool push(struct bench *bench, int fd, struct sg_str stream, struct fuzz_cuts *cuts,
                 struct sg_buf *out)
{
    enum { PIECES_MAX = 64 }; /* then all that is left: one run stays short */
    bool ended = false;
    for (int pieces = 1; stream.n > 0 && !ended; pieces++) {
        size_t count = pieces < PIECES_MAX ? fuzz_next_cut(cuts, stream.n) : stream.n;
        ssize_t sent = send(fd, stream.p, count, MSG_NOSIGNAL);
        if (sent > 0) {
            stream = sg_str_slice(stream, (size_t)sent, stream.n);
        } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return true;
        }
        step(bench);
        ended = pull(fd, out);
    }
    return ended;
}

/* Final answers in what was written; each is well-formed and whole, and in its place. */
static size_t check_answers(const struct bench *bench, struct sg_str text)
{
    size_t count = 0;
    while (text.n > 0) {
        struct sg_str head, line;
        bool refused = false;
        uint64_t length = 0, index = count;
        CHECK(cut(&text, "\r\n\r\n", &head));
        head.n += 2;
        CHECK(cut(&head, "\r\n", &line));
        CHECK(sg_str_starts_with(line, SG_STR("HTTP/1.1 ")));
        if (sg_str_equal_text(line, "HTTP/1.1 100 Continue")) {
            CHECK(count < bench->expected->heads && bench->expected->requests[count].expects);
            continue;
        }
        while (cut(&head, "\r\n", &line)) {
            struct sg_str name;
            CHECK(cut(&line, ": ", &name));
            if (sg_str_equal_text(name, "Content-Length")) {
                CHECK(read_number(line, ANSWER_BYTES, &length));
            } else if (sg_str_equal_text(name, "X-Index")) {
                CHECK(read_number(line, REQUESTS_MAX, &index));
            }
            refused = refused || sg_str_equal_text(name, "X-Refused");
        }
        bool is_head = count < bench->expected->heads &&
                       sg_str_equal_text(bench->expected->requests[count].method, "HEAD");
        CHECK(index == count);
        CHECK(!refused || count == bench->expected->answers);
        /* A refused request may have been a HEAD too. */
        if (is_head || (refused && text.n == 0)) {
            length = 0;
        }
        CHECK(text.n >= length);
        text = sg_str_slice(text, (size_t)length, text.n);
        CHECK(!refused || text.n == 0); /* nothing comes behind it */
        count++;
    }
    return count;
}

/* All that the stream must lead to has happened, as far as the handlers and the caller see. */
static bool is_over(const struct bench *bench, bool ended)
{
    const struct expectation *expected = bench->expected;
    bool refused = bench->refusals + bench->body_refusals > 0;
    switch (expected->end) {
    case GOOD:
        return bench->answers == expected->answers && (ended || !expected->closed);
    case REFUSED:
        return refused && ended;
    case PARTIAL:
        return bench->heads == expected->heads && bench->answers == expected->answers;
    case EITHER:
        return (refused || bench->took_either) && ended;
    }
    return false;
}

static void check_end(const struct bench *bench, struct sg_str answers, bool ended)
{
    const struct expectation *expected = bench->expected;
    size_t refusals = bench->refusals + bench->body_refusals;
    if (expected->end == EITHER) {
        CHECK(refusals == (bench->took_either ? 0 : 1));
        return;
    }
    CHECK(bench->heads == expected->heads);
    CHECK(bench->bodies == expected->bodies);
    CHECK(bench->answers == expected->answers);
    CHECK(expected->end == PARTIAL ? refusals <= 1
                                   : refusals == (expected->end == REFUSED ? 1 : 0));
    CHECK((expected->closed || refusals == 1) == ended);
    CHECK(check_answers(bench, answers) == expected->answers + refusals);
}

static void run(struct bench *bench, struct sg_str stream, struct fuzz_cuts cuts)
{
    enum { WAITS_MAX = 2000, QUIET_PASSES = 3 };
    struct sg_front_counts before = sg_front_counts(bench->front);
    struct sg_buf out;
    sg_buf_init(&out, ANSWER_BYTES);
    int fd = dial(bench);
    bool ended = push(bench, fd, stream, &cuts, &out);
    for (int i = 0; i < WAITS_MAX && !is_over(bench, ended); i++) {
        step(bench);
        ended = pull(fd, &out) || ended;
        if (i > 50) {
            (void)poll(NULL, 0, 1); /* the machine is busy */
        }
    }
    for (int i = 0; i < QUIET_PASSES; i++) {
        step(bench);
        ended = pull(fd, &out) || ended;
    }
    check_end(bench, sg_buf_str(&out), ended);
    struct sg_front_counts after = sg_front_counts(bench->front);
    CHECK(after.requests - before.requests == bench->heads);
    CHECK(after.refused - before.refused == bench->refusals);
    CHECK(after.memory == before.memory);
    (void)close(fd);
    for (int i = 0; i < WAITS_MAX && sg_front_connections(bench->front) > 0; i++) {
        step(bench);
        if (i > 50) {
            (void)poll(NULL, 0, 1);
        }
    }
    CHECK(sg_front_connections(bench->front) == 0 && sg_front_requests(bench->front) == 0);
    CHECK(bench->gone <= 1 && bench->waiting == NULL);
    sg_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bench *bench;
    static struct expectation expected;
    struct sg_str input = {.p = (const char *)data, .n = size};
    struct fuzz_cuts plans = fuzz_take_cuts(&input);
    struct fuzz_cuts cuts = fuzz_take_cuts(&input);
    struct sg_buf stream;
    bench = bench != NULL ? bench : make_bench();
    sg_buf_init(&stream, 2 * STREAM_BYTES);
    expand(input, &stream);
    foresee(sg_buf_str(&stream), plans.sizes, &expected);
    if (expected.heads < REQUESTS_MAX) {
        *bench = (struct bench){.loop = bench->loop,
                                .front = bench->front,
                                .port = bench->port,
                                .expected = &expected,
                                .plans = plans.sizes};
        run(bench, sg_buf_str(&stream), cuts);
    }
    for (size_t i = 0; i < expected.heads; i++) {
        sg_buf_done(&expected.requests[i].body);
    }
    sg_buf_done(&stream);
    return 0;
}
