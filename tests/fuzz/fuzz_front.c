/*
 * Gate and evhttp together, with a stream of requests that the input describes: good ones in many
 * forms, ones that are known to be bad, and bytes of the input as they are. Asserted:
 *
 *   - good requests are seen in order, each once, with their method, target and body;
 *   - a bad one is refused once, and nothing behind it is seen;
 *   - gate and evhttp see the same: where they did not, the gate would answer Busy, and it never
 * does;
 *   - in one piece and in many the same is seen, and each request and each refusal has one answer.
 *
 * Each byte of the input is a step: see build().
 */
#include "fuzz.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/gate.h"
#include "net/listener.h"
#include "net/loop.h"

enum { STREAM_BYTES = 16384, EVENTS_MAX = 128, EVENT_BYTES = 160, STEPS = 12 };

/* What is seen, or expected: "METHOD TARGET BODY" of a request, "refused" of a refusal. */
struct events {
    size_t count;
    char texts[EVENTS_MAX][EVENT_BYTES];
};

static struct bench {
    struct sg_loop *loop;
    struct sg_front *front;
    char path[64];
    struct events *seen;
    struct sg_gate *waiting; /* answered at the next step */
    bool defers;
    char head[EVENT_BYTES];
} bench;

/* --- the stream ------------------------------------------------------------------------------- */

static const char *const methods[] = {"GET",  "DELETE",  "PUT",   "POST",    "PATCH",
                                      "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW"};
static const char *const targets[] = {
    "/", "/v1/a", "/v1/a/", "/v1/%41", "/v1/x?b=2&a=1", "/v1/x?a=%c3%bc", "/v1/x?a=1+1", "/v1/a?x",
};
static const char *const canonical[] = {
    "/?",       "/v1/a?", "/v1/a/?", "/v1/A?", "/v1/x?a=1&b=2", "/v1/x?a=%C3%BC", "/v1/x?a=1%2B1",
    "/v1/a?x=",
};
static const char *const fields[] = {
    "",
    "Accept: */*\r\n",
    "X-A:\r\nX-B:\t b \r\n",
    "Connection: keep-alive\r\n",
    "content-type: application/json\r\n",
    "Content-Length: 0\r\n",
    "Cookie: a=b; c=\"d\"\r\nX-\xc3\xbc: 1\r\n", /* bad: a name that is no token */
    "Connection: Keep-Alive, upgrade\r\nUpgrade: h2c\r\n",
};
enum { BAD_FIELDS = 6, LENGTH_FIELDS = 5 };

static const char *const bad[] = {
    "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\nHost: h\n\n",
    "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: "
    "chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0b"
    "chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n",
    "GET /../x HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a%2fb HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a%00 HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET http://other/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /#x HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nExpect: nothing\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

struct stream {
    char bytes[STREAM_BYTES];
    size_t count;
    struct events expected;
    bool certain; /* all of it was made by rule: what is seen is known */
    bool over;    /* by a refusal or a closing answer: nothing behind it is seen */
};

static void add(struct stream *stream, const char *bytes, size_t count)
{
    if (count <= STREAM_BYTES - stream->count) {
        memcpy(stream->bytes + stream->count, bytes, count);
        stream->count += count;
    } else {
        stream->certain = false; /* cut short */
    }
}

static void add_text(struct stream *stream, const char *text)
{
    add(stream, text, strlen(text));
}

static void expect(struct stream *stream, const char *text)
{
    if (!stream->over && stream->expected.count < EVENTS_MAX) {
        (void)snprintf(stream->expected.texts[stream->expected.count++], EVENT_BYTES, "%s", text);
    }
}

/* A request that is good, but for a field that is not. Its bytes are chosen by four of the input.
 */
static void add_good(struct stream *stream, const uint8_t *choice)
{
    const char *method = methods[choice[0] % COUNT(methods)];
    const size_t target = choice[1] % COUNT(targets), field = choice[2] % COUNT(fields);
    const unsigned body = field == LENGTH_FIELDS ? 0 : choice[3] % 4, length = choice[3] / 4 % 20;
    const bool last = choice[1] >= 240;
    char text[EVENT_BYTES], content[32] = "";
    for (unsigned i = 0; i < length && body > 0; i++) {
        content[i] = (char)('a' + i);
    }
    (void)snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: h\r\n%s", method, targets[target],
                   fields[field]);
    add_text(stream, text);
    add_text(stream, last ? "Connection: close\r\n" : "");
    if (body == 1) {
        (void)snprintf(text, sizeof text, "Content-Length: %u\r\n\r\n%s", length, content);
        add_text(stream, text);
    } else if (body >= 2) {
        add_text(stream, "Transfer-Encoding: Chunked\r\n\r\n");
        for (unsigned i = 0; i < length; i += body) { /* in pieces of 2 or 3 bytes */
            unsigned piece = i + body <= length ? body : length - i;
            (void)snprintf(text, sizeof text, "%X\r\n%.*s\r\n", piece, (int)piece, content + i);
            add_text(stream, text);
        }
        add_text(stream, "0\r\n\r\n");
    } else {
        add_text(stream, "\r\n");
    }
    if (field == BAD_FIELDS) {
        expect(stream, "refused");
        stream->over = true;
        return;
    }
    (void)snprintf(text, sizeof text, "%s %s %s", method, canonical[target], content);
    expect(stream, text);
    stream->over = stream->over || last;
}

/* Read the input as steps: what to add next. */
static void build(struct stream *stream, const uint8_t *bytes, size_t count)
{
    *stream = (struct stream){.certain = true};
    for (size_t at = 0; at < count;) {
        unsigned step = bytes[at++];
        if (step < 128 && at + 4 <= count) {
            add_good(stream, bytes + at);
            at += 4;
        } else if (step < 192) {
            add_text(stream, bad[step % COUNT(bad)]);
            expect(stream, "refused");
            stream->over = true;
        } else { /* bytes as they are */
            size_t length = step - 191 < count - at ? step - 191 : count - at;
            add(stream, (const char *)bytes + at, length);
            at += length;
            stream->certain = stream->certain && stream->over;
        }
    }
}

/* --- the gateway's side ----------------------------------------------------------------------- */

static void see(const char *text)
{
    HOLDS(bench.seen->count < EVENTS_MAX);
    (void)snprintf(bench.seen->texts[bench.seen->count++], EVENT_BYTES, "%s", text);
}

static void answer(struct sg_gate *gate)
{
    sg_gate_answer(gate, 200, SG_STR("X-A: b\r\n"), SG_STR("hello"), false);
}

static void answer_or_wait(struct sg_gate *gate)
{
    if (bench.defers) {
        bench.waiting = gate;
    } else {
        answer(gate);
    }
}

static void on_request(void *arg, struct sg_gate *gate, const struct sg_gate_request *request)
{
    (void)arg;
    (void)snprintf(bench.head, sizeof bench.head, "%.*s %.*s?%.*s",
                   SG_STR_ARG(request->head->method), SG_STR_ARG(request->target->path),
                   SG_STR_ARG(request->target->query));
    sg_gate_set_context(gate, gate);
    if (request->has_body) {
        HOLDS(sg_gate_read_body(gate) == SG_OK);
    } else {
        char text[EVENT_BYTES + 1];
        (void)snprintf(text, sizeof text, "%s ", bench.head);
        see(text);
        answer_or_wait(gate);
    }
}

static void on_body(void *context, struct sg_str body)
{
    char text[2 * EVENT_BYTES];
    (void)snprintf(text, sizeof text, "%s %.*s", bench.head, SG_STR_ARG(body));
    see(text);
    answer_or_wait(context);
}

static void on_body_refused(void *context, enum sg_refusal refusal, const char *detail)
{
    (void)detail;
    see("refused");
    sg_gate_answer(context, sg_refusal_row(refusal)->status, SG_STR(""), SG_STR("no"), true);
}

static void on_gone(void *context)
{
    (void)context;
    bench.waiting = NULL;
}

static void on_drained(void *context)
{
    (void)context;
}

static void on_refused(void *arg, const struct sg_gate_refused *refused, struct sg_buf *headers,
                       struct sg_buf *body)
{
    (void)arg;
    (void)headers;
    HOLDS(refused->refusal != SG_REFUSAL_BUSY); /* evhttp saw something else than the gate */
    sg_buf_add_text(body, "no");
    see("refused");
}

static void on_handshake_failed(void *arg, const struct sg_peer *peer, const char *detail)
{
    (void)arg;
    (void)peer;
    (void)detail;
}

static int64_t now_us(void *arg)
{
    (void)arg;
    return 1000000; /* no time passes: no deadline ends */
}

static void prepare(void)
{
    static const struct sg_clock clock = {.monotonic_us = now_us, .realtime_us = now_us};
    static const struct sg_front_limits limits = {
        .head = {.header_bytes = 4096, .target_bytes = 1024, .headers = 32, .body_bytes = 1000},
        .body_memory = 1 << 20,
        .connections = 100,
        .header_ms = 1000,
        .body_ms = 1000,
        .write_ms = 1000,
        .idle_ms = 1000};
    const struct sg_gate_handlers handlers = {.on_request = on_request,
                                              .on_body = on_body,
                                              .on_body_refused = on_body_refused,
                                              .on_gone = on_gone,
                                              .on_drained = on_drained,
                                              .on_refused = on_refused,
                                              .on_handshake_failed = on_handshake_failed};
    struct sg_listener_file file;
    struct sg_error error;
    char bound[SG_LISTENER_TEXT_BYTES];
    int fd;
    (void)snprintf(bench.path, sizeof bench.path, "/tmp/sg-fuzz-front.%ld", (long)getpid());
    const struct sg_listener_socket socket = {
        .path = bench.path, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1};
    bench.loop = sg_loop_new(&clock, &error);
    HOLDS(bench.loop != NULL);
    bench.front = sg_front_new(bench.loop, &limits, &handlers, NULL, &error);
    HOLDS(bench.front != NULL);
    HOLDS(sg_listener_bind_unix(&socket, 1, &fd, &file, bound, &error) == SG_OK);
    HOLDS(sg_front_add_listener(bench.front, fd, NULL, &error) == SG_OK);
}

static void dismantle(void)
{
    sg_front_free(bench.front);
    sg_loop_free(bench.loop);
    (void)unlink(bench.path);
}

/* --- the caller's side ------------------------------------------------------------------------ */

static void step(void)
{
    (void)event_base_loop(sg_loop_base(bench.loop), EVLOOP_NONBLOCK);
    sg_loop_run_deferred(bench.loop);
    if (bench.waiting != NULL) {
        struct sg_gate *gate = bench.waiting;
        bench.waiting = NULL;
        answer(gate);
    }
}

/* How many final answers stand in the text; it must hold nothing else. HEAD's have no body. */
static size_t count_answers(const char *bytes, size_t count)
{
    size_t answers = 0;
    for (size_t i = 0; i + 9 <= count; i++) {
        answers += memcmp(bytes + i, "HTTP/1.1 ", 9) == 0 && bytes[i + 9] != '1';
    }
    return answers;
}

/* Send the stream in pieces and collect what is seen. */
static void play(const struct stream *stream, size_t piece, bool defers, struct events *ret)
{
    static char back[1 << 20];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t got = 0;
    *ret = (struct events){.count = 0};
    bench.seen = ret;
    bench.defers = defers;
    memcpy(address.sun_path, bench.path, sizeof bench.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    HOLDS(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    for (size_t at = 0; at < stream->count; at += piece) {
        size_t now = at + piece <= stream->count ? piece : stream->count - at;
        ssize_t sent = send(fd, stream->bytes + at, now, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent != (ssize_t)now) {
            break; /* the gate has closed after a refusal */
        }
        step();
    }
    for (int i = 0; i < STEPS * EVENTS_MAX; i++) {
        size_t before = ret->count;
        step();
        ssize_t more = recv(fd, back + got, sizeof back - got, MSG_DONTWAIT);
        got += more > 0 ? (size_t)more : 0;
        if (i > STEPS && more <= 0 && before == ret->count && bench.waiting == NULL) {
            break;
        }
    }
    HOLDS(count_answers(back, got) == ret->count);
    HOLDS(close(fd) == 0);
    for (int i = 0; i < STEPS; i++) {
        step();
    }
    HOLDS(sg_front_connections(bench.front) == 0);
    HOLDS(sg_front_requests(bench.front) == 0);
}

static void compare(const struct events *a, const struct events *b)
{
    for (size_t i = 0; i < a->count || i < b->count; i++) {
        const char *one = i < a->count ? a->texts[i] : "nothing";
        const char *other = i < b->count ? b->texts[i] : "nothing";
        if (strcmp(one, other) != 0) {
            (void)fprintf(stderr, "event %zu: \"%s\", \"%s\"\n", i, one, other);
        }
        HOLDS(strcmp(one, other) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct stream stream;
    static struct events whole, pieces;
    if (count < 2 || count > 400) {
        return 0;
    }
    if (bench.loop == NULL) {
        prepare();
        HOLDS(atexit(dismantle) == 0);
    }
    build(&stream, bytes + 1, count - 1);
    play(&stream, stream.count > 0 ? stream.count : 1, bytes[0] % 2 == 1, &whole);
    play(&stream, 1 + bytes[0] / 2 % 40, bytes[0] % 2 == 0, &pieces);
    compare(&whole, &pieces);
    if (stream.certain) {
        compare(&whole, &stream.expected);
    }
    return 0;
}
