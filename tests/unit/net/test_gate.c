/*
 * The gate on loopback with handlers of a test's own: the loop is stepped by the test, so that
 * nothing happens behind its back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "net/gate.h"
#include "net/listener.h"
#include "net/loop.h"

enum { ANSWER_BYTES = 1 << 20 };

#define HEAD  "DELETE /v1/a?b=1 HTTP/1.1\r\nHost: h\r\n"
#define PLAIN HEAD "\r\n"

static int64_t clock_us = 1000000;

static int64_t now_us(void *arg)
{
    (void)arg;
    return clock_us;
}

static const struct sg_clock fake_clock = {.monotonic_us = now_us, .realtime_us = now_us};

struct bench {
    struct sg_loop *loop;
    struct sg_front *front;
    uint16_t port;
    struct sg_gate *gate; /* of the request that waits for its answer */
    bool answers_at_once;
    bool reads_body;
    unsigned requests, refusals, gone, bodies, body_refusals, drained;
    enum sg_refusal refusal;
    char target[256];
    char body[64];
};

/* --- handlers --------------------------------------------------------------------------------- */

static void answer(struct bench *bench)
{
    struct sg_gate *gate = bench->gate;
    bench->gate = NULL;
    sg_gate_answer(gate, 200, SG_STR("X-A: b\r\n"), SG_STR("hello"), false);
}

static void on_request(void *arg, struct sg_gate *gate, const struct sg_gate_request *request)
{
    struct bench *bench = arg;
    bench->requests++;
    (void)snprintf(bench->target, sizeof bench->target, "%.*s?%.*s",
                   SG_STR_ARG(request->target->path), SG_STR_ARG(request->target->query));
    bench->gate = gate;
    sg_gate_set_context(gate, bench);
    if (request->has_body && bench->reads_body) {
        assert_int_equal(sg_gate_read_body(gate), SG_OK);
    } else if (bench->answers_at_once) {
        answer(bench);
    }
}

static void on_body(void *context, struct sg_str body)
{
    struct bench *bench = context;
    bench->bodies++;
    (void)snprintf(bench->body, sizeof bench->body, "%.*s", SG_STR_ARG(body));
    answer(bench);
}

static void on_body_refused(void *context, enum sg_refusal refusal, const char *detail)
{
    struct bench *bench = context;
    struct sg_gate *gate = bench->gate;
    (void)detail;
    bench->body_refusals++;
    bench->gate = NULL;
    sg_gate_answer(gate, sg_refusal_row(refusal)->status, SG_STR(""), SG_STR(""), false);
}

static void on_gone(void *context)
{
    struct bench *bench = context;
    bench->gone++;
    bench->gate = NULL;
}

static void on_drained(void *context)
{
    struct bench *bench = context;
    bench->drained++;
}

static void on_refused(void *arg, const struct sg_gate_refused *refused, struct sg_buf *headers,
                       struct sg_buf *body)
{
    struct bench *bench = arg;
    bench->refusals++;
    bench->refusal = refused->refusal;
    sg_buf_add_text(headers, "X-Refused: 1\r\n");
    sg_buf_add_text(body, "no");
}

/* --- setting up ------------------------------------------------------------------------------- */

static const struct sg_front_limits limits = {
    .head = {.header_bytes = 4096, .target_bytes = 1024, .headers = 32, .body_bytes = 1000},
    .body_memory = 1500,
    .connections = 50,
    .header_ms = 1000,
    .body_ms = 2000,
    .write_ms = 3000,
    .idle_ms = 5000,
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct sg_error error;
    char bound[SG_LISTENER_TEXT_BYTES];
    int fd;
    assert_non_null(bench);
    *state = bench;
    bench->answers_at_once = bench->reads_body = true;
    bench->loop = sg_loop_new(&fake_clock, &error);
    assert_non_null(bench->loop);
    const struct sg_gate_handlers handlers = {.on_request = on_request,
                                              .on_body = on_body,
                                              .on_body_refused = on_body_refused,
                                              .on_gone = on_gone,
                                              .on_drained = on_drained,
                                              .on_refused = on_refused,
                                              .arg = bench};
    bench->front = sg_front_new(bench->loop, &limits, &handlers, NULL, &error);
    assert_non_null(bench->front);
    assert_int_equal(sg_listener_bind("127.0.0.1:0", 1, &fd, bound, &error), SG_OK);
    bench->port = (uint16_t)strtoul(strrchr(bound, ':') + 1, NULL, 10);
    assert_int_equal(sg_front_add_listener(bench->front, fd, NULL, &error), SG_OK);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    sg_front_free(bench->front);
    sg_loop_free(bench->loop);
    free(bench);
    return 0;
}

/* One pass of the loop, without sleeping. */
static void step(struct bench *bench)
{
    (void)event_base_loop(sg_loop_base(bench->loop), EVLOOP_NONBLOCK);
    sg_loop_run_deferred(bench->loop);
}

static void steps(struct bench *bench)
{
    for (int i = 0; i < 8; i++) {
        step(bench);
    }
}

/* Let time pass for the deadlines: the clock jumps, one tick of the loop sees it. */
static void pass(struct bench *bench, int64_t ms)
{
    clock_us += ms * 1000;
    for (int i = 0; i < 3; i++) {
        (void)event_base_loop(sg_loop_base(bench->loop), EVLOOP_ONCE); /* a tick at least */
        sg_loop_run_deferred(bench->loop);
    }
}

static int dial(struct bench *bench)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(bench->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    steps(bench);
    return fd;
}

static void push(struct bench *bench, int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return;
        }
        if (sent > 0) {
            bytes += sent;
            count -= (size_t)sent;
        }
        steps(bench);
    }
}

static void push_text(struct bench *bench, int fd, const char *text)
{
    push(bench, fd, text, strlen(text));
}

/* What has come so far; *ret_end tells whether the gate has closed. */
static char *pull(struct bench *bench, int fd, bool *ret_end)
{
    char *text = calloc(1, ANSWER_BYTES);
    size_t at = 0;
    assert_non_null(text);
    *ret_end = false;
    for (int quiet = 0; quiet < 5;) {
        steps(bench);
        ssize_t got = recv(fd, text + at, ANSWER_BYTES - 1 - at, 0);
        if (got > 0) {
            at += (size_t)got;
            quiet = 0;
        } else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
            *ret_end = true;
            break;
        } else {
            quiet++;
        }
    }
    return text;
}

static unsigned count_answers(const char *text)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++) {
        count++;
    }
    return count;
}

/* Pull, and compare how many answers there are and whether the connection was closed. */
static void expect(struct bench *bench, int fd, unsigned answers, bool end, const char *holds)
{
    bool ended;
    char *text = pull(bench, fd, &ended);
    if (count_answers(text) != answers || ended != end || strstr(text, holds) == NULL) {
        fail_msg("expected %u answers%s with \"%s\", got%s:\n%s", answers,
                 end ? " and the end" : "", holds, ended ? " the end and" : "", text);
    }
    free(text);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_a_kept_connection_serves_a_thousand(void **state)
{
    struct bench *bench = *state;
    int fd = dial(bench);
    for (int i = 0; i < 1000; i++) {
        push_text(bench, fd, PLAIN);
        if (i % 100 == 99) {
            expect(bench, fd, 100, false, "hello");
        }
    }
    assert_int_equal(bench->requests, 1000);
    assert_string_equal(bench->target, "/v1/a?b=1");
    assert_int_equal(sg_front_counts(bench->front).accepted, 1);
    (void)close(fd);
}

static void test_pieces_and_pipelines_are_the_same_requests(void **state)
{
    static const char three[] = PLAIN "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                                      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                                      "chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n";
    struct bench *bench = *state;
    int fd = dial(bench);
    push(bench, fd, three, strlen(three));
    expect(bench, fd, 3, false, "hello");
    for (size_t cut = 1; cut < strlen(three); cut++) {
        push(bench, fd, three, cut);
        push(bench, fd, three + cut, strlen(three) - cut);
        expect(bench, fd, 3, false, "hello");
        assert_string_equal(bench->body, "xyz");
    }
    assert_int_equal(bench->requests, 3 * strlen(three));
    assert_int_equal(bench->bodies, 2 * strlen(three));
    (void)close(fd);
}

static void test_one_request_at_a_time(void **state)
{
    struct bench *bench = *state;
    int fd = dial(bench);
    bench->answers_at_once = false;
    push_text(bench, fd, PLAIN PLAIN);
    assert_int_equal(bench->requests, 1); /* the second waits for the first one's answer */
    answer(bench);
    steps(bench);
    assert_int_equal(bench->requests, 2);
    answer(bench);
    expect(bench, fd, 2, false, "hello");
    (void)close(fd);
}

static void test_a_refusal_ends_the_connection_and_what_is_behind_it(void **state)
{
    static const char *const cases[] = {
        HEAD "Content-Length: +5\r\n\r\n" PLAIN,
        HEAD "Transfer-Encoding: xchunked\r\n\r\n" PLAIN,
        HEAD "X-A : b\r\n\r\n" PLAIN,
        "GET /../a HTTP/1.1\r\nHost: h\r\n\r\n" PLAIN,
        "GET /a%2Fb HTTP/1.1\r\nHost: h\r\n\r\n" PLAIN,
        "GET /a?b&&c HTTP/1.1\r\nHost: h\r\n\r\n" PLAIN,
        "GET / HTTP/1.1\r\n\r\n" PLAIN,
        "\x16\x03\x01 not http\r\n\r\n" PLAIN,
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int bytewise = 0; bytewise < 2; bytewise++) {
            int fd = dial(bench);
            for (size_t at = 0; bytewise == 1 && at < strlen(cases[i]); at++) {
                push(bench, fd, cases[i] + at, 1);
            }
            if (bytewise == 0) {
                push_text(bench, fd, cases[i]);
            }
            expect(bench, fd, 1, true, "HTTP/1.1 400 ");
            (void)close(fd);
        }
    }
    assert_int_equal(bench->requests, 0);
    assert_int_equal(bench->refusals, 2 * sizeof cases / sizeof *cases);
}

static void test_versions_and_methods(void **state)
{
    struct bench *bench = *state;
    int fd = dial(bench);
    push_text(bench, fd, "GET /a HTTP/1.0\r\n\r\n");
    expect(bench, fd, 1, true, "Connection: close");
    (void)close(fd);
    fd = dial(bench);
    push_text(bench, fd, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(bench, fd, 1, false, "Connection: keep-alive");
    push_text(bench, fd, HEAD "Connection: keep-alive, close\r\n\r\n");
    expect(bench, fd, 1, true, "Connection: close");
    (void)close(fd);
    static const char *const methods[] = {"GET",  "HEAD",    "OPTIONS", "TRACE",
                                          "BREW", "CONNECT", "delete",  "M-SEARCH"};
    fd = dial(bench);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char text[128];
        bool ended;
        (void)snprintf(text, sizeof text, "%s /a HTTP/1.1\r\nHost: h\r\n\r\n", methods[i]);
        push_text(bench, fd, text);
        char *got = pull(bench, fd, &ended);
        assert_false(ended);
        assert_int_equal(count_answers(got), 1);
        /* HEAD has the fields of the answer and none of its body. */
        assert_int_equal(strstr(got, "hello") == NULL, strcmp(methods[i], "HEAD") == 0);
        assert_non_null(strstr(got, "Content-Length: 5\r\n"));
        free(got);
    }
    (void)close(fd);
}

static void test_continue_comes_after_the_decision(void **state)
{
    struct bench *bench = *state;
    int fd = dial(bench);
    push_text(bench, fd,
              "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
              "Expect: 100-continue\r\n\r\n");
    bool ended;
    char *got = pull(bench, fd, &ended);
    assert_string_equal(got, "HTTP/1.1 100 Continue\r\n\r\n");
    free(got);
    push_text(bench, fd, "abc");
    expect(bench, fd, 1, false, "hello");
    assert_string_equal(bench->body, "abc");
    /* A body that is there already needs no invitation. */
    push_text(bench, fd,
              "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
              "Expect: 100-continue\r\n\r\nabc");
    expect(bench, fd, 1, false, "HTTP/1.1 200 ");
    bench->reads_body = false; /* refused on the head: no invitation, and the end */
    push_text(bench, fd,
              "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
              "Expect: 100-continue\r\n\r\n");
    expect(bench, fd, 1, true, "Connection: close");
    (void)close(fd);
}

static void test_bodies_have_their_limits(void **state)
{
    struct bench *bench = *state;
    char text[2048];
    int fd = dial(bench);
    (void)snprintf(text, sizeof text,
                   "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n%01000d", 7);
    push_text(bench, fd, text);
    expect(bench, fd, 1, false, "HTTP/1.1 200 ");
    push_text(bench, fd, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
    expect(bench, fd, 1, true, "HTTP/1.1 413 ");
    (void)close(fd);
    fd = dial(bench);
    (void)snprintf(text, sizeof text,
                   "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3e8\r\n%01000d\r\n1\r\nx\r\n0\r\n\r\n",
                   7);
    push_text(bench, fd, text);
    expect(bench, fd, 1, true, "HTTP/1.1 413 ");
    assert_int_equal(bench->body_refusals, 1);
    (void)close(fd);
}

static void test_a_caller_that_leaves_is_noticed(void **state)
{
    struct bench *bench = *state;
    bench->answers_at_once = false;
    for (int way = 0; way < 3; way++) {
        const struct linger none = {.l_onoff = 1};
        int fd = dial(bench);
        push_text(bench, fd, PLAIN);
        assert_non_null(bench->gate);
        if (way == 0) {
            assert_int_equal(shutdown(fd, SHUT_WR), 0); /* a half-close counts */
        } else if (way == 1) {
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
        }
        if (way > 0) {
            (void)close(fd);
        }
        steps(bench);
        assert_int_equal(bench->gone, way + 1);
        assert_int_equal(sg_front_connections(bench->front), 0);
        if (way == 0) {
            (void)close(fd);
        }
    }
}

static void test_pieces_of_an_answer(void **state)
{
    struct bench *bench = *state;
    int fd = dial(bench);
    bench->answers_at_once = false;
    push_text(bench, fd, PLAIN);
    struct sg_gate *gate = bench->gate;
    sg_gate_answer_begin(gate, 200, SG_STR(""), false, 0);
    sg_gate_answer_data(gate, SG_STR("abc"));
    sg_gate_answer_flush(gate);
    sg_gate_answer_data(gate, SG_STR("defg"));
    sg_gate_answer_end(gate);
    expect(bench, fd, 1, false, "\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    push_text(bench, fd, PLAIN);
    sg_gate_answer_begin(bench->gate, 204, SG_STR(""), true, 0);
    sg_gate_answer_end(bench->gate);
    bool ended;
    char *got = pull(bench, fd, &ended);
    assert_null(strstr(got, "Content-Length")); /* a 204 has none (RFC 9110 section 8.6) */
    free(got);
    push_text(bench, fd, PLAIN);
    sg_gate_answer_begin(bench->gate, 200, SG_STR(""), true, 100);
    sg_gate_answer_data(bench->gate, SG_STR("half"));
    sg_gate_answer_flush(bench->gate);
    gate = bench->gate;
    sg_gate_cut(gate);
    assert_int_equal(bench->gone, 0); /* it was ours to end */
    expect(bench, fd, 1, true, "Content-Length: 100");
    (void)close(fd);
}

static void test_a_slow_caller_holds_the_answer_back(void **state)
{
    struct bench *bench = *state;
    char *block = calloc(1, 65536);
    int fd = dial(bench);
    assert_non_null(block);
    bench->answers_at_once = false;
    push_text(bench, fd, PLAIN);
    struct sg_gate *gate = bench->gate;
    const uint64_t blocks = 640; /* 40 MiB: more than two kernels' buffers take by themselves */
    sg_gate_answer_begin(gate, 200, SG_STR(""), true, blocks * 65536);
    for (uint64_t i = 0; i < blocks; i++) {
        sg_gate_answer_data(gate, (struct sg_str){.p = block, .n = 65536});
        sg_gate_answer_flush(gate);
    }
    assert_true(sg_gate_pending(gate) > SG_GATE_HIGH_BYTES);
    size_t got = 0;
    while (bench->drained == 0) {
        ssize_t count = recv(fd, block, 65536, 0);
        got += count > 0 ? (size_t)count : 0;
        step(bench);
    }
    assert_true(sg_gate_pending(gate) < SG_GATE_LOW_BYTES);
    sg_gate_answer_end(gate);
    while (got < blocks * 65536) {
        ssize_t count = recv(fd, block, 65536, 0);
        assert_true(count != 0);
        got += count > 0 ? (size_t)count : 0;
        step(bench);
    }
    free(block);
    (void)close(fd);
}

static void test_time_is_up(void **state)
{
    struct bench *bench = *state;
    int silent = dial(bench), head = dial(bench), body = dial(bench), idle = dial(bench);
    push_text(bench, idle, PLAIN);
    expect(bench, idle, 1, false, "hello");
    push_text(bench, head, "GET /a HT");
    push_text(bench, body, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na");
    pass(bench, limits.header_ms + 100);
    expect(bench, head, 1, true, "HTTP/1.1 408 ");
    pass(bench, limits.body_ms);
    expect(bench, body, 1, true, "HTTP/1.1 408 ");
    expect(bench, idle, 0, false, "");
    pass(bench, limits.idle_ms);
    expect(bench, idle, 0, true, "");
    expect(bench, silent, 0, true, "");
    assert_int_equal(bench->refusals, 1);
    assert_int_equal(bench->body_refusals, 1);
    (void)close(silent);
    (void)close(head);
    (void)close(body);
    (void)close(idle);
    steps(bench);
    pass(bench, 3000); /* lingering ends too */
    assert_int_equal(sg_front_connections(bench->front), 0);
}

static void test_the_cap_pauses_accepting(void **state)
{
    struct bench *bench = *state;
    int fds[60];
    for (size_t i = 0; i < 60; i++) {
        fds[i] = dial(bench);
    }
    assert_int_equal(sg_front_connections(bench->front), limits.connections);
    for (size_t i = 0; i < 20; i++) {
        (void)close(fds[i]);
    }
    steps(bench);
    assert_int_equal(sg_front_connections(bench->front), 40);
    push_text(bench, fds[59], PLAIN);
    expect(bench, fds[59], 1, false, "hello"); /* the last one was let in */
    for (size_t i = 20; i < 60; i++) {
        (void)close(fds[i]);
    }
}

static void test_a_drain(void **state)
{
    struct bench *bench = *state;
    bench->answers_at_once = false;
    int busy = dial(bench), idle = dial(bench);
    push_text(bench, idle, PLAIN);
    answer(bench);
    expect(bench, idle, 1, false, "hello");
    push_text(bench, busy, PLAIN);
    sg_front_stop_accepting(bench->front);
    steps(bench);
    expect(bench, idle, 0, true, ""); /* nothing has begun there */
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(bench->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(late, (const struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    answer(bench);
    expect(bench, busy, 1, true, "Connection: close");
    (void)close(late);
    (void)close(busy);
    (void)close(idle);
}

static void test_a_refusal_arrives_though_the_caller_pushes(void **state)
{
    struct bench *bench = *state;
    char *flood = malloc(1 << 19);
    assert_non_null(flood);
    memset(flood, 'x', 1 << 19);
    int fd = dial(bench);
    push_text(bench, fd, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 524288\r\n\r\n");
    push(bench, fd, flood, 1 << 19);
    expect(bench, fd, 1, true, "HTTP/1.1 413 ");
    free(flood);
    (void)close(fd);
}

static void test_the_end_tells_the_handlers(void **state)
{
    struct bench *bench = *state;
    bench->answers_at_once = false;
    int fd = dial(bench);
    push_text(bench, fd, PLAIN);
    assert_int_equal(sg_front_requests(bench->front), 1);
    (void)close(fd); /* and the teardown frees the front before it was noticed */
}

static void test_the_assumptions_about_libevent_hold(void **state)
{
    struct sg_error error = {.text = ""};
    (void)state;
    if (sg_gate_self_test(&error) != SG_OK) {
        fail_msg("%s", error.text);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_kept_connection_serves_a_thousand),
        TEST(test_pieces_and_pipelines_are_the_same_requests),
        TEST(test_one_request_at_a_time),
        TEST(test_a_refusal_ends_the_connection_and_what_is_behind_it),
        TEST(test_versions_and_methods),
        TEST(test_continue_comes_after_the_decision),
        TEST(test_bodies_have_their_limits),
        TEST(test_a_caller_that_leaves_is_noticed),
        TEST(test_pieces_of_an_answer),
        TEST(test_a_slow_caller_holds_the_answer_back),
        TEST(test_time_is_up),
        TEST(test_the_cap_pauses_accepting),
        TEST(test_a_drain),
        TEST(test_a_refusal_arrives_though_the_caller_pushes),
        TEST(test_the_end_tells_the_handlers),
        cmocka_unit_test(test_the_assumptions_about_libevent_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
