#define SG_RESOLVER_PRIVATE

#include "cloud.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "crypto/tls_context.h"
#include "net/resolver.h"
#include "net/upstream.h"

/*
 * The pool against a cloud that the test plays itself (cloud.h). Deadlines are met by setting the
 * clock ahead; the loop sees it at its next tick. A caller asserts in each handler that it comes in
 * its order and that none comes after the end.
 */

enum { BODY_MAX = 32 * 1024 * 1024 };

#define REQUEST "GET /v1/x HTTP/1.1\r\nHost: cloud\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK      OK_HEAD "Content-Length: 2\r\n\r\nok"

struct test {
    atomic_llong now_us;
    struct sg_clock clock;
    struct sg_loop *loop;
    struct sg_resolver *resolver;
    struct sg_upstream_spec spec;
    struct sg_upstream_pool *pool;
    struct cloud cloud;
    char folder[64];
    struct identity authority;
    struct identity server;
};

/* Where a caller does something to itself or another. */
enum point { NEVER = 0, RENDER, HEAD, DATA, READ_DONE, END, FAILED };

struct caller {
    struct test *test;
    struct sg_upstream_call *call;
    struct sg_str request;
    enum sg_status render_status;
    /* what happened */
    unsigned renders, heads, read_dones, ends, failures;
    unsigned status;
    struct sg_buf body;
    enum sg_refusal refusal;
    bool sent;
    char detail[300];
    /* what it does */
    enum point acts_at;
    void (*act)(struct caller *caller);
    struct caller *other;
    struct peer *peer;
};

static void act(struct caller *caller, enum point at)
{
    if (caller->acts_at == at) {
        caller->acts_at = NEVER;
        caller->act(caller);
    }
}

static bool is_over(const struct caller *caller)
{
    return caller->ends + caller->failures > 0;
}

static enum sg_status on_render(void *context, struct sg_buf *out)
{
    struct caller *caller = context;
    assert_false(is_over(caller));
    assert_int_equal(caller->heads, 0);
    assert_int_equal(out->n, 0);
    caller->renders++;
    sg_buf_add_str(out, caller->request);
    act(caller, RENDER);
    return caller->render_status;
}

static void on_head(void *context, const struct sg_strict_response *head)
{
    struct caller *caller = context;
    assert_false(is_over(caller));
    assert_true(caller->renders > 0);
    assert_int_equal(caller->heads, 0);
    caller->heads++;
    caller->status = head->status;
    act(caller, HEAD);
}

static void on_data(void *context, struct sg_str bytes)
{
    struct caller *caller = context;
    assert_false(is_over(caller));
    assert_int_equal(caller->heads, 1);
    assert_true(bytes.n > 0);
    sg_buf_add_str(&caller->body, bytes);
    act(caller, DATA);
}

static void on_read_done(void *context)
{
    struct caller *caller = context;
    assert_false(is_over(caller));
    assert_int_equal(caller->heads, 1);
    caller->read_dones++;
    act(caller, READ_DONE);
}

static void on_end(void *context)
{
    struct caller *caller = context;
    assert_false(is_over(caller));
    assert_int_equal(caller->heads, 1);
    caller->ends++;
    caller->call = NULL;
    act(caller, END);
}

static void on_failed(void *context, enum sg_refusal refusal, bool sent, const char *detail)
{
    struct caller *caller = context;
    assert_false(is_over(caller));
    caller->failures++;
    caller->refusal = refusal;
    caller->sent = sent;
    (void)snprintf(caller->detail, sizeof caller->detail, "%s", detail);
    caller->call = NULL;
    act(caller, FAILED);
}

static const struct sg_upstream_handlers handlers = {
    .on_render = on_render,
    .on_head = on_head,
    .on_data = on_data,
    .on_read_done = on_read_done,
    .on_end = on_end,
    .on_failed = on_failed,
};

/* --- set-up ----------------------------------------------------------------------------------- */

static int64_t test_now(void *arg)
{
    struct test *test = arg;
    return (int64_t)atomic_load(&test->now_us);
}

/* Set the clock ahead. What was armed before is late by that much at the loop's next tick. */
static void pass_ms(struct test *test, int64_t ms)
{
    atomic_fetch_add(&test->now_us, ms * 1000);
}

static int setup(void **state)
{
    struct test *test = calloc(1, sizeof *test);
    struct sg_error error;
    assert_non_null(test);
    atomic_store(&test->now_us, INT64_C(1000000000));
    test->clock = (struct sg_clock){.monotonic_us = test_now, .realtime_us = test_now, .arg = test};
    test->loop = sg_loop_new(&test->clock, &error);
    assert_non_null(test->loop);
    test->resolver = sg_resolver_new(&sg_clock_system, &error);
    assert_non_null(test->resolver);
    cloud_open(&test->cloud, 300);
    test->spec = (struct sg_upstream_spec){
        .host = "127.0.0.1",
        .port = test->cloud.port,
        .connect_ms = 3000,
        .response_ms = 60000,
        .idle_ms = 50000,
        .queue_ms = 5000,
        .max_connections = 32,
        .response_bytes = 100,
    };
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct test *test = *state;
    sg_upstream_pool_free(test->pool);
    sg_resolver_free(test->resolver);
    sg_loop_free(test->loop);
    cloud_close(&test->cloud);
    sg_tls_context_free(test->spec.tls_context);
    identity_free(&test->authority);
    identity_free(&test->server);
    if (test->folder[0] != 0) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/ca.pem", test->folder);
        (void)unlink(path);
        (void)rmdir(test->folder);
    }
    free(test);
    return 0;
}

static void make_pool(struct test *test)
{
    test->pool = sg_upstream_pool_new(test->loop, test->resolver, &test->spec, &handlers);
    assert_non_null(test->pool);
}

static void prepare(struct test *test, struct caller *caller)
{
    *caller = (struct caller){.test = test, .request = SG_STR(REQUEST)};
    sg_buf_init(&caller->body, BODY_MAX);
}

static void begin(struct test *test, struct caller *caller)
{
    caller->call = sg_upstream_begin(test->pool, caller);
    assert_non_null(caller->call);
    assert_false(is_over(caller)); /* never from within */
}

static void start(struct test *test, struct caller *caller)
{
    prepare(test, caller);
    begin(test, caller);
}

static void done(struct caller *caller)
{
    sg_buf_done(&caller->body);
}

static void expect_ok(struct test *test, struct caller *caller, unsigned status, const char *body)
{
    UNTIL(test->loop, is_over(caller));
    if (caller->failures > 0) {
        print_error("failed: %s\n", caller->detail);
    }
    assert_int_equal(caller->ends, 1);
    assert_int_equal(caller->status, status);
    assert_true(sg_str_equal_text(sg_buf_str(&caller->body), body));
    done(caller);
}

static void expect_failed(struct test *test, struct caller *caller, enum sg_refusal refusal,
                          bool sent, const char *part_of_detail)
{
    UNTIL(test->loop, is_over(caller));
    assert_int_equal(caller->failures, 1);
    if (caller->refusal != refusal || caller->sent != sent ||
        strstr(caller->detail, part_of_detail) == NULL) {
        print_error("refusal %d, sent %d, %s\n", (int)caller->refusal, caller->sent,
                    caller->detail);
        fail();
    }
    done(caller);
}

static struct peer take(struct test *test)
{
    return cloud_accept(&test->cloud, test->loop);
}

/* Take a connection and the request on it. */
static struct peer take_request(struct test *test)
{
    struct peer peer = take(test);
    peer_expect(&peer, test->loop, REQUEST);
    return peer;
}

static void turns(struct test *test, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        turn(test->loop);
    }
}

static struct sg_upstream_counts counts(const struct test *test)
{
    return sg_upstream_pool_counts(test->pool);
}

/* Make the pool and one call, answered, so that one connection is idle. */
static struct peer make_idle(struct test *test)
{
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    assert_int_equal(counts(test).idle, 1);
    return peer;
}

/* One more call, served by whoever connects anew. */
static void expect_new_connection(struct test *test)
{
    struct caller caller;
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    peer_close(&peer);
}

/* One more call, served on a connection that is there. */
static void expect_same_connection(struct test *test, struct peer *peer)
{
    struct caller caller;
    start(test, &caller);
    peer_expect(peer, test->loop, REQUEST);
    peer_write(peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    assert_false(cloud_has_caller(&test->cloud));
}

/* --- the way of a call ------------------------------------------------------------------------ */

static void a_call_gets_its_answer(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    assert_false(sg_upstream_was_sent(caller.call));
    struct peer peer = take_request(test);
    assert_true(sg_upstream_was_sent(caller.call));
    assert_int_equal(counts(test).busy, 1);
    peer_write(&peer, test->loop, "HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nhello");
    expect_ok(test, &caller, 400, "hello");
    assert_int_equal(caller.renders, 1);
    struct sg_upstream_counts now = counts(test);
    assert_int_equal(now.calls, 1);
    assert_int_equal(now.connects, 1);
    assert_int_equal(now.reused, 0);
    assert_int_equal(now.failed, 0);
    assert_int_equal(now.idle, 1);
    assert_int_equal(now.busy, 0);
    assert_int_equal(now.waiting, 0);
    peer_close(&peer);
}

static void a_connection_serves_many_calls(void **state)
{
    struct test *test = *state;
    struct peer peer = make_idle(test);
    for (unsigned i = 0; i < 5; i++) {
        expect_same_connection(test, &peer);
    }
    assert_int_equal(counts(test).connects, 1);
    assert_int_equal(counts(test).reused, 5);
    peer_close(&peer);
}

static void a_used_connection_is_rendered_from_within(void **state)
{
    struct test *test = *state;
    struct peer peer = make_idle(test);
    struct caller caller;
    start(test, &caller);
    assert_int_equal(caller.renders, 1); /* no turn of the loop is lost */
    peer_expect(&peer, test->loop, REQUEST);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    peer_close(&peer);
}

static void the_youngest_idle_connection_is_used_first(void **state)
{
    struct test *test = *state;
    struct caller a, b;
    make_pool(test);
    start(test, &a);
    struct peer first = take_request(test);
    start(test, &b);
    struct peer second = take_request(test);
    peer_write(&second, test->loop, OK);
    expect_ok(test, &b, 200, "ok");
    peer_write(&first, test->loop, OK);
    expect_ok(test, &a, 200, "ok");
    expect_same_connection(test, &first);
    expect_same_connection(test, &first);
    peer_close(&first);
    turns(test, 5);
    expect_same_connection(test, &second);
    peer_close(&second);
}

static void calls_above_the_maximum_wait_in_order(void **state)
{
    struct test *test = *state;
    struct caller callers[5];
    test->spec.max_connections = 2;
    make_pool(test);
    for (unsigned i = 0; i < 5; i++) {
        start(test, &callers[i]);
    }
    struct peer a = take_request(test);
    struct peer b = take_request(test);
    turns(test, 5);
    assert_false(cloud_has_caller(&test->cloud));
    assert_int_equal(counts(test).waiting, 3);
    for (unsigned i = 2; i < 5; i++) {
        assert_int_equal(callers[i].renders, 0);
        peer_write(&a, test->loop, OK);
        peer_expect(&a, test->loop, REQUEST);
        assert_int_equal(callers[i].renders, 1);
    }
    peer_write(&a, test->loop, OK);
    peer_write(&b, test->loop, OK);
    for (unsigned i = 0; i < 5; i++) {
        expect_ok(test, &callers[i], 200, "ok");
    }
    assert_int_equal(counts(test).connects, 2);
    assert_int_equal(counts(test).idle, 2);
    peer_close(&a);
    peer_close(&b);
}

static void a_lost_connection_makes_room_for_one_who_waits(void **state)
{
    struct test *test = *state;
    struct caller a, b;
    test->spec.max_connections = 1;
    make_pool(test);
    start(test, &a);
    start(test, &b);
    struct peer peer = take_request(test);
    peer_close(&peer);
    expect_failed(test, &a, SG_REFUSAL_UPSTREAM, true, "closed the connection before it answered");
    peer = take_request(test);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &b, 200, "ok");
    peer_close(&peer);
}

static void the_queue_has_an_end(void **state)
{
    struct test *test = *state;
    struct caller first, *waiting = calloc(256, sizeof *waiting), extra;
    assert_non_null(waiting);
    test->spec.max_connections = 1;
    make_pool(test);
    start(test, &first);
    for (unsigned i = 0; i < 256; i++) {
        start(test, &waiting[i]);
    }
    prepare(test, &extra);
    assert_null(sg_upstream_begin(test->pool, &extra));
    sg_upstream_cancel(waiting[100].call);
    begin(test, &extra);
    pass_ms(test, 5001);
    for (unsigned i = 0; i < 256; i++) {
        if (i != 100) {
            expect_failed(test, &waiting[i], SG_REFUSAL_OVERLOADED, false, "within 5000 ms");
        }
    }
    expect_failed(test, &extra, SG_REFUSAL_OVERLOADED, false, "became free");
    assert_false(is_over(&first));
    sg_upstream_cancel(first.call);
    free(waiting);
}

static void a_request_that_cannot_be_signed_fails_and_costs_no_connection(void **state)
{
    struct test *test = *state;
    struct peer peer = make_idle(test);
    struct caller caller;
    prepare(test, &caller);
    caller.render_status = SG_NOT_FOUND;
    begin(test, &caller);
    expect_failed(test, &caller, SG_REFUSAL_NO_CREDENTIAL, false, "could not be signed");
    expect_same_connection(test, &peer);
    peer_close(&peer);
}

static void no_body_is_longer_than_it_may_be(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Content-Length: 101\r\n\r\n");
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "longer than response_bytes");
    assert_int_equal(caller.heads, 0);
    peer_expect_end(&peer, test->loop);
    peer_close(&peer);
    start(test, &caller);
    peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n64\r\n");
    UNTIL(test->loop, caller.heads == 1);
    peer_write(&peer, test->loop,
               "0123456789012345678901234567890123456789012345678901234567890123456789"
               "012345678901234567890123456789\r\n1\r\n");
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "grew beyond response_bytes");
    peer_expect_end(&peer, test->loop);
    peer_close(&peer);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Write in one piece, or a byte at a time with a turn of the loop after each. */
static void write_answer(struct test *test, struct peer *peer, const char *text, bool split)
{
    if (!split) {
        peer_write(peer, test->loop, text);
        return;
    }
    for (size_t i = 0; text[i] != 0; i++) {
        ssize_t taken = send(peer->fd, text + i, 1, MSG_NOSIGNAL);
        if (taken != 1) {
            return; /* judged already */
        }
        turn(test->loop);
    }
}

static void good_answers_in_every_framing(void **state)
{
    static const struct {
        const char *text, *body;
        unsigned status;
        bool closes; /* the end of the connection is the end of the answer */
        bool kept;
    } rows[] = {
        {OK, "ok", 200, false, true},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", "ok", 200,
         false, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, false, true},
        {"HTTP/1.1 304 Not Modified\r\n\r\n", "", 304, false, true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "", 304, false, false},
        {OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false, false},
        {OK_HEAD "Connection: close\r\n\r\nok", "ok", 200, true, false},
        {"HTTP/1.0 200 OK\r\n\r\nok", "ok", 200, true, false},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", 200,
         false, false},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: a\r\n\r\n" OK, "ok", 200, false,
         true},
    };
    struct test *test = *state;
    make_pool(test);
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        struct caller caller;
        start(test, &caller);
        struct peer peer = take_request(test);
        write_answer(test, &peer, rows[i / 2].text, i % 2 == 1);
        if (rows[i / 2].closes) {
            peer_close(&peer);
        }
        expect_ok(test, &caller, rows[i / 2].status, rows[i / 2].body);
        assert_int_equal(counts(test).idle, rows[i / 2].kept ? 1 : 0);
        if (!rows[i / 2].closes && !rows[i / 2].kept) {
            peer_expect_end(&peer, test->loop);
        }
        peer_close(&peer);
        UNTIL(test->loop, counts(test).idle == 0);
    }
}

static void bad_answers_cost_the_connection(void **state)
{
    static const struct {
        const char *text;
        unsigned heads;
    } rows[] = {
        {"nonsense\r\n\r\n", 0},
        {"HTTP/1.1 99999 x\r\nContent-Length: 0\r\n\r\n", 0},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 0},
        {"HTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\n"
         "HTTP/1.1 100 a\r\n\r\n" OK,
         0},
        {OK_HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", 0},
        {OK_HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
        {OK_HEAD "Connection: keep-alive\r\n\r\nok", 0},
        {OK_HEAD "Content-Length: 2\n\r\nok", 0},
        {OK_HEAD "X: a\r\n b\r\nContent-Length: 2\r\n\r\nok", 0},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\n\r\n", 1},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n", 1},
    };
    struct test *test = *state;
    make_pool(test);
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        struct caller caller;
        start(test, &caller);
        struct peer peer = take_request(test);
        write_answer(test, &peer, rows[i / 2].text, i % 2 == 1);
        expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "bad answer from 127.0.0.1:");
        assert_int_equal(caller.heads, rows[i / 2].heads);
        assert_int_equal(caller.renders, 1);
        assert_int_equal(counts(test).idle + counts(test).busy, 0);
        peer_expect_end(&peer, test->loop);
        peer_close(&peer);
    }
    assert_int_equal(counts(test).retried, 0);
}

static void bytes_behind_an_answer_cost_the_connection(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK OK); /* the second might pass for the next call's */
    expect_ok(test, &caller, 200, "ok");
    assert_int_equal(counts(test).idle, 0);
    peer_expect_end(&peer, test->loop);
    peer_close(&peer);
    expect_new_connection(test);
}

static void bytes_on_an_idle_connection_cost_it(void **state)
{
    struct test *test = *state;
    struct peer peer = make_idle(test);
    peer_write(&peer, test->loop, OK);
    UNTIL(test->loop, counts(test).idle == 0);
    peer_close(&peer);
    /* The same, with no turn of the loop between the bytes and the call. */
    struct caller caller;
    start(test, &caller);
    peer = take_request(test);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    assert_int_equal(send(peer.fd, OK, strlen(OK), MSG_NOSIGNAL), (ssize_t)strlen(OK));
    expect_new_connection(test);
    peer_close(&peer);
    assert_int_equal(counts(test).retried, 0);
}

static void who_speaks_first_gets_no_request(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    /* The kernel has connected already; the loop has not seen it. */
    struct peer peer = cloud_accept_tcp(&test->cloud, test->loop);
    assert_int_equal(send(peer.fd, OK, strlen(OK), MSG_NOSIGNAL), (ssize_t)strlen(OK));
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false, "spoke before it was asked");
    assert_int_equal(caller.renders, 0);
    peer_expect_end(&peer, test->loop);
    peer_close(&peer);
    expect_new_connection(test);
}

static void every_end_before_the_answer_is_whole_fails(void **state)
{
    static const struct {
        const char *text, *detail;
        unsigned heads;
    } rows[] = {
        {"", "closed the connection before it answered", 0},
        {"H", "its head broke off", 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "its head broke off", 0},
        {"HTTP/1.1 100 Continue\r\n\r\n", "its head broke off", 0},
        {OK_HEAD "Content-Length: 2\r\n\r\n", "it broke off", 1},
        {OK_HEAD "Content-Length: 2\r\n\r\no", "it broke off", 1},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", "it broke off", 1},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "it broke off", 1},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r", "it broke off", 1},
    };
    struct test *test = *state;
    make_pool(test);
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        struct caller caller;
        start(test, &caller);
        struct peer peer = take_request(test);
        peer_write(&peer, test->loop, rows[i / 2].text);
        turns(test, 2);
        assert_int_equal(caller.heads, rows[i / 2].heads);
        if (i % 2 == 0) {
            peer_close(&peer);
        } else {
            peer_reset(&peer);
        }
        expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, rows[i / 2].detail);
        assert_int_equal(caller.renders, 1);
    }
    assert_int_equal(counts(test).retried, 0);
}

static void a_reset_ends_no_body(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Connection: close\r\n\r\nok");
    UNTIL(test->loop, caller.body.n == 2);
    peer_reset(&peer);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "it broke off");
}

static void heads_and_data_come_as_they_are_read(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Content-Length: 4\r\n\r\n");
    UNTIL(test->loop, caller.heads == 1);
    assert_int_equal(caller.read_dones, 1);
    peer_write(&peer, test->loop, "ab");
    UNTIL(test->loop, caller.body.n == 2);
    assert_int_equal(caller.read_dones, 2);
    peer_write(&peer, test->loop, "cd");
    expect_ok(test, &caller, 200, "abcd");
    peer_close(&peer);
}

/* --- connections that went away --------------------------------------------------------------- */

static void an_idle_connection_that_ends_is_discarded(void **state)
{
    struct test *test = *state;
    struct peer peer = make_idle(test);
    peer_close(&peer);
    UNTIL(test->loop, counts(test).idle == 0);
    expect_new_connection(test);
    UNTIL(test->loop, counts(test).idle == 0);
    /* The same, with no turn of the loop between the end and the call. */
    struct caller caller;
    start(test, &caller);
    peer = take_request(test);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    peer_close(&peer);
    expect_new_connection(test);
    assert_int_equal(counts(test).failed, 0);
    assert_int_equal(counts(test).retried, 0);
    assert_int_equal(counts(test).reused, 0);
}

static void close_peer(struct caller *caller)
{
    peer_close(caller->peer);
}

static void reset_peer(struct caller *caller)
{
    peer_reset(caller->peer);
}

/* The cloud goes between the look at the connection and the write. */
static void check_sent_again(struct test *test, void (*how)(struct caller *caller))
{
    struct peer old = make_idle(test);
    struct caller caller;
    prepare(test, &caller);
    caller.acts_at = RENDER;
    caller.act = how;
    caller.peer = &old;
    begin(test, &caller);
    struct peer peer = take_request(test);
    assert_int_equal(caller.renders, 2); /* signed anew */
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    assert_int_equal(counts(test).retried, 1);
    peer_close(&peer);
}

static void what_nobody_took_is_sent_again_after_a_fin(void **state)
{
    check_sent_again(*state, close_peer);
}

static void what_nobody_took_is_sent_again_after_a_reset(void **state)
{
    check_sent_again(*state, reset_peer);
}

static void close_newcomer(struct caller *caller)
{
    struct peer newcomer = {
        .fd = accept4(caller->test->cloud.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    assert_true(newcomer.fd >= 0);
    peer_close(&newcomer);
    caller->acts_at = RENDER;
}

static void it_is_sent_again_once_only(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    prepare(test, &caller);
    caller.acts_at = RENDER;
    caller.act = close_newcomer;
    begin(test, &caller);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false,
                  "closed the connection before it answered");
    assert_int_equal(caller.renders, 2);
    assert_int_equal(counts(test).retried, 1);
    assert_int_equal(counts(test).connects, 2);
}

static void what_was_read_is_never_sent_again(void **state)
{
    struct test *test = *state;
    /* A connection that is in use for long acknowledges late: the reset's own is not counted. */
    struct peer peer = make_idle(test);
    for (unsigned i = 0; i < 30; i++) {
        expect_same_connection(test, &peer);
    }
    struct caller caller;
    start(test, &caller);
    peer_expect(&peer, test->loop, REQUEST);
    peer_reset(&peer);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "before it answered");
    start(test, &caller);
    peer = take_request(test);
    peer_close(&peer);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "before it answered");
    assert_int_equal(counts(test).retried, 0);
    assert_false(cloud_has_caller(&test->cloud));
}

static void what_is_sent_again_goes_before_those_who_wait(void **state)
{
    struct test *test = *state;
    struct caller a, b;
    test->spec.max_connections = 1;
    struct peer old = make_idle(test);
    prepare(test, &a);
    a.acts_at = RENDER;
    a.act = close_peer;
    a.peer = &old;
    begin(test, &a);
    start(test, &b);
    struct peer peer = take_request(test);
    assert_int_equal(a.renders, 2);
    assert_int_equal(b.renders, 0);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &a, 200, "ok");
    peer_expect(&peer, test->loop, REQUEST);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &b, 200, "ok");
    peer_close(&peer);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void no_answer_in_time(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    pass_ms(test, 59000);
    turns(test, 120);
    assert_false(is_over(&caller));
    pass_ms(test, 1001);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM_TIMEOUT, true, "within 60000 ms");
    peer_expect_end(&peer, test->loop);
    peer_close(&peer);
}

static void an_answer_that_drips_ends_at_the_deadline(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Content-Length: 50\r\n\r\n");
    for (unsigned i = 0; i < 6; i++) {
        pass_ms(test, 9000);
        peer_write(&peer, test->loop, ".");
        UNTIL(test->loop, caller.body.n == i + 1);
        turns(test, 110); /* a tick at least: it looks at the deadlines */
    }
    assert_false(is_over(&caller));
    pass_ms(test, 6001);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM_TIMEOUT, true, "did not answer wholly");
    assert_int_equal(caller.heads, 1);
    peer_close(&peer);
}

static void idle_connections_end_at_their_limit(void **state)
{
    struct test *test = *state;
    struct peer peer = make_idle(test);
    pass_ms(test, 50001);
    UNTIL(test->loop, counts(test).idle == 0);
    peer_expect_end(&peer, test->loop);
    peer_close(&peer);
    expect_new_connection(test);
}

static void a_cloud_that_accepts_nobody_is_too_slow(void **state)
{
    struct test *test = *state;
    struct cloud full;
    int fillers[4];
    struct caller caller;
    cloud_open(&full, 0); /* room for one: all others get no answer to their SYN */
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(full.port),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    for (unsigned i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_true(fillers[i] >= 0);
        (void)connect(fillers[i], (const struct sockaddr *)&address, sizeof address);
    }
    test->spec.port = full.port;
    make_pool(test);
    start(test, &caller);
    turns(test, 20);
    assert_false(is_over(&caller));
    assert_int_equal(counts(test).busy, 1);
    pass_ms(test, 3001);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM_TIMEOUT, false, "no connection to 127.0.0.1:");
    assert_int_equal(counts(test).busy, 0);
    for (unsigned i = 0; i < 4; i++) {
        (void)close(fillers[i]);
    }
    cloud_close(&full);
}

/* --- names and addresses ---------------------------------------------------------------------- */

struct names {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool hang;
    int code;
    const char *first; /* addresses, in order */
    const char *second;
    atomic_uint told;
    bool ended;
};

static struct addrinfo *address_info(const char *text, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *info = NULL;
    return getaddrinfo(text, port, &hints, &info) == 0 ? info : NULL;
}

static int names_look_up(void *arg, const char *host, const char *port, struct addrinfo **ret)
{
    struct names *names = arg;
    (void)host;
    (void)pthread_mutex_lock(&names->mutex);
    while (names->hang) {
        (void)pthread_cond_wait(&names->changed, &names->mutex);
    }
    int code = names->code;
    (void)pthread_mutex_unlock(&names->mutex);
    if (code == 0) {
        *ret = address_info(names->first, port);
        if (*ret != NULL && names->second != NULL) {
            (*ret)->ai_next = address_info(names->second, port);
        }
    }
    return code;
}

static void names_release(void *arg, struct addrinfo *list)
{
    (void)arg;
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        list->ai_next = NULL;
        freeaddrinfo(list);
        list = next;
    }
}

static void names_ended(void *arg)
{
    struct names *names = arg;
    (void)pthread_mutex_lock(&names->mutex);
    names->ended = true;
    (void)pthread_cond_broadcast(&names->changed);
    (void)pthread_mutex_unlock(&names->mutex);
}

static void names_told(void *arg)
{
    struct names *names = arg;
    atomic_fetch_add(&names->told, 1);
}

static void names_open(struct test *test, struct names *names)
{
    const struct sg_resolver_system system = {
        .look_up = names_look_up, .release = names_release, .ended = names_ended, .arg = names};
    struct sg_error error;
    assert_int_equal(pthread_mutex_init(&names->mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&names->changed, NULL), 0);
    sg_resolver_free(test->resolver);
    test->resolver = sg_resolver_new_over(&sg_clock_system, &system, &error);
    assert_non_null(test->resolver);
    sg_resolver_set_on_change(test->resolver, names_told, names);
    test->spec.host = "cloud.localhost";
    make_pool(test);
}

static void names_let_go(struct names *names)
{
    (void)pthread_mutex_lock(&names->mutex);
    names->hang = false;
    (void)pthread_cond_broadcast(&names->changed);
    (void)pthread_mutex_unlock(&names->mutex);
}

static void names_close(struct test *test, struct names *names)
{
    sg_upstream_pool_free(test->pool);
    test->pool = NULL;
    sg_resolver_free(test->resolver);
    test->resolver = NULL;
    (void)pthread_mutex_lock(&names->mutex);
    while (!names->ended) {
        (void)pthread_cond_wait(&names->changed, &names->mutex);
    }
    (void)pthread_mutex_unlock(&names->mutex);
    (void)pthread_mutex_destroy(&names->mutex);
    (void)pthread_cond_destroy(&names->changed);
}

static void a_call_waits_for_its_name(void **state)
{
    struct test *test = *state;
    struct names names = {.hang = true, .first = "127.0.0.1"};
    struct caller caller;
    names_open(test, &names);
    start(test, &caller);
    turns(test, 5);
    sg_upstream_pool_resolved(test->pool); /* another name */
    turns(test, 5);
    assert_false(is_over(&caller));
    names_let_go(&names);
    UNTIL(test->loop, atomic_load(&names.told) == 1);
    sg_upstream_pool_resolved(test->pool);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    peer_close(&peer);
    names_close(test, &names);
}

static void a_name_that_takes_too_long_is_a_timeout(void **state)
{
    struct test *test = *state;
    struct names names = {.hang = true, .first = "127.0.0.1"};
    struct caller caller;
    names_open(test, &names);
    start(test, &caller);
    turns(test, 2);
    pass_ms(test, 3001);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM_TIMEOUT, false, "was not looked up");
    names_let_go(&names);
    names_close(test, &names);
}

static void a_name_that_does_not_exist_fails(void **state)
{
    struct test *test = *state;
    struct names names = {.code = EAI_NONAME};
    struct caller caller;
    names_open(test, &names);
    start(test, &caller); /* waits, or fails already */
    UNTIL(test->loop, atomic_load(&names.told) == 1);
    sg_upstream_pool_resolved(test->pool);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false, "there is no such name");
    start(test, &caller);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false, "there is no such name");
    names_close(test, &names);
}

static void the_next_address_is_tried(void **state)
{
    struct test *test = *state;
    struct names names = {.first = "127.0.0.2", .second = "127.0.0.1"};
    struct caller caller;
    names_open(test, &names);
    UNTIL(test->loop, atomic_load(&names.told) == 1);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    assert_int_equal(counts(test).connects, 1);
    peer_close(&peer);
    names_close(test, &names);
}

static void no_address_takes_the_connection(void **state)
{
    struct test *test = *state;
    struct names names = {.first = "127.0.0.2", .second = "127.0.0.3"};
    struct caller caller;
    names_open(test, &names);
    UNTIL(test->loop, atomic_load(&names.told) == 1);
    start(test, &caller);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false, "Connection refused");
    names_close(test, &names);
}

static void a_refused_connection_fails(void **state)
{
    struct test *test = *state;
    struct caller caller;
    (void)close(test->cloud.listen_fd);
    test->cloud.listen_fd = -1;
    make_pool(test);
    start(test, &caller);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false, "Connection refused");
    assert_int_equal(counts(test).connects, 0);
    assert_int_equal(counts(test).busy, 0);
    assert_int_equal(counts(test).failed, 1);
}

/* --- large requests and answers --------------------------------------------------------------- */

static char *make_pattern(size_t count)
{
    char *text = malloc(count);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        text[i] = (char)('a' + i * 7 % 26);
    }
    return text;
}

static void a_large_request_is_sent_piece_by_piece(void **state)
{
    enum { BYTES = 6 * 1024 * 1024 };
    struct test *test = *state;
    struct caller caller;
    struct sg_buf got;
    char *pattern = make_pattern(BYTES);
    sg_buf_init(&got, CLOUD_BUFFER_MAX);
    make_pool(test);
    prepare(test, &caller);
    caller.request = (struct sg_str){.p = pattern, .n = BYTES};
    begin(test, &caller);
    struct peer peer = take(test);
    turns(test, 20);
    peer_read(&peer, test->loop, BYTES, &got);
    assert_memory_equal(got.p, pattern, BYTES);
    /* The deadline begins with the last byte. */
    pass_ms(test, 59000);
    turns(test, 120);
    assert_false(is_over(&caller));
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    expect_same_connection(test, &peer);
    peer_close(&peer);
    sg_buf_done(&got);
    free(pattern);
}

static void a_cloud_that_takes_nothing_is_too_slow(void **state)
{
    enum { BYTES = 12 * 1024 * 1024 };
    struct test *test = *state;
    struct caller caller;
    char *pattern = make_pattern(BYTES);
    make_pool(test);
    prepare(test, &caller);
    caller.request = (struct sg_str){.p = pattern, .n = BYTES};
    begin(test, &caller);
    struct peer peer = take(test);
    turns(test, 20);
    pass_ms(test, 60001);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM_TIMEOUT, true, "did not take the request");
    peer_close(&peer);
    free(pattern);
}

/* An answer while the request is still being written; then the cloud ends in some way. */
static void check_early_answer(struct test *test, void (*end)(struct peer *peer))
{
    enum { BYTES = 12 * 1024 * 1024 };
    struct caller caller;
    char *pattern = make_pattern(BYTES);
    make_pool(test);
    prepare(test, &caller);
    caller.request = (struct sg_str){.p = pattern, .n = BYTES};
    begin(test, &caller);
    struct peer peer = take(test);
    turns(test, 20);
    peer_write(&peer, test->loop,
               "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    if (end != NULL) {
        end(&peer);
    }
    expect_ok(test, &caller, 413, "no");
    assert_int_equal(counts(test).idle + counts(test).busy, 0);
    if (end == NULL) {
        peer_close(&peer);
    }
    free(pattern);
}

static void an_early_answer_is_taken(void **state)
{
    check_early_answer(*state, NULL);
}

static void an_early_answer_before_a_close_is_taken(void **state)
{
    check_early_answer(*state, peer_close); /* unread bytes: the kernel sends RST */
}

static void an_early_answer_without_close_costs_the_connection(void **state)
{
    enum { BYTES = 12 * 1024 * 1024 };
    struct test *test = *state;
    struct caller caller;
    char *pattern = make_pattern(BYTES);
    make_pool(test);
    prepare(test, &caller);
    caller.request = (struct sg_str){.p = pattern, .n = BYTES};
    begin(test, &caller);
    struct peer peer = take(test);
    turns(test, 20);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &caller, 200, "ok");
    assert_int_equal(counts(test).idle, 0);
    peer_close(&peer);
    free(pattern);
}

static void pause_now(struct caller *caller)
{
    sg_upstream_pause(caller->call);
}

static void check_pause(struct test *test)
{
    enum { BYTES = 8 * 1024 * 1024, READ_MAX = 16 * 1024 };
    struct caller caller;
    char *pattern = make_pattern(BYTES);
    char head[100];
    test->spec.response_bytes = 0;
    make_pool(test);
    prepare(test, &caller);
    caller.acts_at = DATA;
    caller.act = pause_now;
    begin(test, &caller);
    struct peer peer = take_request(test);
    (void)snprintf(head, sizeof head, OK_HEAD "Content-Length: %d\r\n\r\n", BYTES);
    peer_write(&peer, test->loop, head);
    size_t written = 0;
    while (caller.body.n < BYTES) {
        /* The cloud writes all it can; meanwhile nothing is handed on but the rest of one read. */
        size_t before = caller.body.n;
        for (unsigned i = 0; i < 3; i++) {
            ssize_t taken = 0;
            if (written < BYTES && peer.ssl == NULL) {
                taken = send(peer.fd, pattern + written, BYTES - written, MSG_NOSIGNAL);
            } else if (written < BYTES) {
                ERR_clear_error();
                taken = SSL_write(peer.ssl, pattern + written, (int)(BYTES - written));
            }
            written += taken > 0 ? (size_t)taken : 0;
            turn(test->loop);
        }
        assert_true(caller.body.n - before <= 2 * READ_MAX);
        if (caller.call != NULL) {
            caller.acts_at = DATA;
            sg_upstream_resume(caller.call);
        }
    }
    UNTIL(test->loop, is_over(&caller));
    assert_int_equal(caller.ends, 1);
    assert_int_equal(caller.body.n, BYTES);
    assert_memory_equal(caller.body.p, pattern, BYTES);
    done(&caller);
    expect_same_connection(test, &peer); /* the pause is over with the call */
    peer_close(&peer);
    free(pattern);
}

static void a_pause_holds_the_answer_back(void **state)
{
    check_pause(*state);
}

static void an_end_while_paused_is_seen_after_it(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    prepare(test, &caller);
    caller.acts_at = HEAD;
    caller.act = pause_now;
    begin(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Content-Length: 2\r\n\r\no");
    UNTIL(test->loop, caller.heads == 1);
    peer_close(&peer);
    turns(test, 5);
    assert_false(is_over(&caller));
    sg_upstream_resume(caller.call);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "it broke off");
}

/* --- cancelling ------------------------------------------------------------------------------- */

static void cancel_now(struct caller *caller)
{
    sg_upstream_cancel(caller->call);
    caller->call = NULL;
}

/* After a cancel nothing comes, and the next call works. */
static void expect_silence(struct test *test, struct caller *caller)
{
    const struct caller before = *caller;
    turns(test, 5);
    assert_false(is_over(caller));
    assert_int_equal(caller->renders, before.renders);
    assert_int_equal(caller->heads, before.heads);
    assert_int_equal(caller->body.n, before.body.n);
    done(caller);
    assert_int_equal(counts(test).busy, 0);
    assert_int_equal(counts(test).waiting, 0);
    expect_new_connection(test);
}

static void cancel_while_waiting(void **state)
{
    struct test *test = *state;
    struct caller a, b;
    test->spec.max_connections = 1;
    make_pool(test);
    start(test, &a);
    start(test, &b);
    struct peer peer = take_request(test);
    cancel_now(&b);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &a, 200, "ok");
    assert_int_equal(b.renders, 0);
    peer_close(&peer);
    UNTIL(test->loop, counts(test).idle == 0);
    expect_silence(test, &b);
}

static void cancel_while_resolving(void **state)
{
    struct test *test = *state;
    struct names names = {.hang = true, .first = "127.0.0.1"};
    struct caller caller;
    names_open(test, &names);
    start(test, &caller);
    turns(test, 2);
    cancel_now(&caller);
    names_let_go(&names);
    UNTIL(test->loop, atomic_load(&names.told) == 1);
    sg_upstream_pool_resolved(test->pool);
    expect_silence(test, &caller);
    names_close(test, &names);
}

static void cancel_while_connecting(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    cancel_now(&caller);
    struct peer peer = take(test);
    peer_expect_end(&peer, test->loop);
    peer_close(&peer);
    expect_silence(test, &caller);
}

static void cancel_after_sending(void **state)
{
    static const char *const answers[] = {"", "HTTP/1.1 2", OK_HEAD "Content-Length: 5\r\n\r\nhe"};
    struct test *test = *state;
    make_pool(test);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct caller caller;
        start(test, &caller);
        struct peer peer = take_request(test);
        peer_write(&peer, test->loop, answers[i]);
        turns(test, 3);
        assert_true(sg_upstream_was_sent(caller.call));
        cancel_now(&caller);
        peer_expect_end(&peer, test->loop);
        peer_close(&peer);
        expect_silence(test, &caller);
    }
}

static void cancel_while_sending(void **state)
{
    enum { BYTES = 12 * 1024 * 1024 };
    struct test *test = *state;
    struct caller caller;
    char *pattern = make_pattern(BYTES);
    make_pool(test);
    prepare(test, &caller);
    caller.request = (struct sg_str){.p = pattern, .n = BYTES};
    begin(test, &caller);
    struct peer peer = take(test);
    turns(test, 5);
    cancel_now(&caller);
    peer_close(&peer);
    expect_silence(test, &caller);
    free(pattern);
}

static void cancel_from_within(void **state)
{
    static const enum point points[] = {HEAD, DATA, READ_DONE};
    struct test *test = *state;
    make_pool(test);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct caller caller;
        prepare(test, &caller);
        caller.acts_at = points[i];
        caller.act = cancel_now;
        begin(test, &caller);
        struct peer peer = take_request(test);
        peer_write(&peer, test->loop,
                   OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n");
        UNTIL(test->loop, caller.call == NULL);
        assert_int_equal(caller.body.n, points[i] == HEAD ? 0 : points[i] == DATA ? 1 : 2);
        peer_expect_end(&peer, test->loop);
        peer_close(&peer);
        expect_silence(test, &caller);
    }
}

static void cancel_within_rendering_keeps_the_connection(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    prepare(test, &caller);
    caller.acts_at = RENDER;
    caller.act = cancel_now;
    begin(test, &caller);
    struct peer peer = take(test);
    UNTIL(test->loop, caller.renders == 1);
    assert_int_equal(counts(test).idle, 1);
    expect_same_connection(test, &peer);
    assert_false(is_over(&caller));
    done(&caller);
    peer_close(&peer);
}

static void cancel_before_the_failure_is_told(void **state)
{
    struct test *test = *state;
    struct peer peer = make_idle(test);
    struct caller caller;
    prepare(test, &caller);
    caller.render_status = SG_NOT_FOUND;
    begin(test, &caller); /* has failed within, and is told later */
    assert_int_equal(caller.renders, 1);
    cancel_now(&caller);
    turns(test, 3);
    assert_false(is_over(&caller));
    done(&caller);
    expect_same_connection(test, &peer);
    peer_close(&peer);
}

static void cancel_other(struct caller *caller)
{
    sg_upstream_cancel(caller->other->call);
    caller->other->call = NULL;
}

static void handlers_may_cancel_others(void **state)
{
    static const enum point points[] = {RENDER, HEAD, DATA, END};
    struct test *test = *state;
    make_pool(test);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct caller a, b;
        start(test, &b);
        struct peer other = take_request(test);
        prepare(test, &a);
        a.acts_at = points[i];
        a.act = cancel_other;
        a.other = &b;
        begin(test, &a);
        struct peer peer = take_request(test);
        peer_write(&peer, test->loop, OK);
        expect_ok(test, &a, 200, "ok");
        peer_expect_end(&other, test->loop);
        peer_close(&other);
        peer_close(&peer);
        UNTIL(test->loop, counts(test).idle == 0);
        expect_silence(test, &b);
        UNTIL(test->loop, counts(test).idle == 0);
    }
}

static void begin_other(struct caller *caller)
{
    begin(caller->test, caller->other);
}

static void handlers_may_begin_others(void **state)
{
    static const enum point points[] = {RENDER, HEAD, DATA, END};
    struct test *test = *state;
    test->spec.max_connections = 1;
    make_pool(test);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct caller a, b;
        prepare(test, &a);
        prepare(test, &b);
        a.acts_at = points[i];
        a.act = begin_other;
        a.other = &b;
        begin(test, &a);
        struct peer peer = take_request(test);
        assert_int_equal(b.renders, 0); /* one request is never rendered inside another */
        peer_write(&peer, test->loop, OK);
        expect_ok(test, &a, 200, "ok");
        peer_expect(&peer, test->loop, REQUEST);
        peer_write(&peer, test->loop, OK);
        expect_ok(test, &b, 200, "ok");
        peer_close(&peer);
        UNTIL(test->loop, counts(test).idle == 0);
    }
}

static void a_failure_may_begin_another(void **state)
{
    struct test *test = *state;
    struct caller a, b;
    make_pool(test);
    prepare(test, &a);
    prepare(test, &b);
    a.acts_at = FAILED;
    a.act = begin_other;
    a.other = &b;
    begin(test, &a);
    struct peer peer = take_request(test);
    peer_close(&peer);
    expect_failed(test, &a, SG_REFUSAL_UPSTREAM, true, "before it answered");
    peer = take_request(test);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &b, 200, "ok");
    peer_close(&peer);
}

/* --- the end of a pool ------------------------------------------------------------------------ */

static void a_retired_pool_serves_what_has_begun(void **state)
{
    struct test *test = *state;
    struct caller a, b, c;
    test->spec.max_connections = 2;
    struct peer idle = make_idle(test);
    start(test, &a);
    peer_expect(&idle, test->loop, REQUEST);
    start(test, &b);
    struct peer peer = take_request(test);
    start(test, &c); /* waits */
    sg_upstream_pool_retire(test->pool);
    assert_null(sg_upstream_begin(test->pool, &a));
    peer_write(&idle, test->loop, OK);
    expect_ok(test, &a, 200, "ok");
    peer_expect(&idle, test->loop, REQUEST);
    peer_write(&idle, test->loop, OK);
    expect_ok(test, &c, 200, "ok");
    peer_expect_end(&idle, test->loop);
    peer_write(&peer, test->loop, OK);
    expect_ok(test, &b, 200, "ok");
    test->pool = NULL; /* gone by itself */
    peer_expect_end(&peer, test->loop);
    peer_close(&idle);
    peer_close(&peer);
}

static void retire_pool(struct caller *caller)
{
    sg_upstream_pool_retire(caller->test->pool);
    caller->test->pool = NULL;
}

static void a_pool_may_be_retired_from_within(void **state)
{
    static const enum point points[] = {RENDER, HEAD, DATA, READ_DONE, END};
    struct test *test = *state;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct caller caller;
        make_pool(test);
        prepare(test, &caller);
        caller.acts_at = points[i];
        caller.act = retire_pool;
        begin(test, &caller);
        struct peer peer = take_request(test);
        peer_write(&peer, test->loop, OK_HEAD "Content-Length: 2\r\n\r\no");
        turns(test, 3);
        peer_write(&peer, test->loop, "k");
        expect_ok(test, &caller, 200, "ok");
        assert_null(test->pool);
        peer_expect_end(&peer, test->loop);
        peer_close(&peer);
    }
    struct caller caller;
    make_pool(test);
    prepare(test, &caller);
    caller.acts_at = FAILED;
    caller.act = retire_pool;
    begin(test, &caller);
    struct peer peer = take_request(test);
    peer_close(&peer);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "before it answered");
    assert_null(test->pool);
}

static void cancel_and_retire(struct caller *caller)
{
    sg_upstream_pool_retire(caller->test->pool);
    caller->test->pool = NULL;
    cancel_now(caller);
}

static void a_pool_may_lose_its_last_call_while_it_renders(void **state)
{
    struct test *test = *state;
    struct caller caller;
    make_pool(test);
    prepare(test, &caller);
    caller.acts_at = RENDER;
    caller.act = cancel_and_retire;
    begin(test, &caller);
    struct peer peer = take(test);
    peer_expect_end(&peer, test->loop);
    assert_int_equal(caller.renders, 1);
    assert_false(is_over(&caller));
    done(&caller);
    peer_close(&peer);
}

static void an_idle_pool_goes_at_once(void **state)
{
    struct test *test = *state;
    struct peer peer = make_idle(test);
    sg_upstream_pool_retire(test->pool);
    test->pool = NULL;
    peer_expect_end(&peer, test->loop);
    peer_close(&peer);
}

static void a_freed_pool_fails_every_call(void **state)
{
    struct test *test = *state;
    struct caller sent, body, waits, unsigned_one;
    test->spec.max_connections = 3;
    struct peer idle = make_idle(test);
    prepare(test, &unsigned_one);
    start(test, &body);
    peer_expect(&idle, test->loop, REQUEST);
    peer_write(&idle, test->loop, OK_HEAD "Content-Length: 5\r\n\r\nhe");
    UNTIL(test->loop, body.body.n == 2);
    start(test, &sent);
    struct peer peer = take_request(test);
    struct caller connects;
    start(test, &connects);
    start(test, &waits);
    sg_upstream_pool_free(test->pool);
    test->pool = NULL;
    assert_int_equal(body.failures + sent.failures + connects.failures + waits.failures, 4);
    assert_true(body.sent && sent.sent);
    assert_false(connects.sent || waits.sent);
    turns(test, 3);
    peer_expect_end(&peer, test->loop);
    peer_close(&idle);
    peer_close(&peer);
    done(&sent);
    done(&body);
    done(&waits);
    done(&connects);
    done(&unsigned_one);
}

/* --- TLS -------------------------------------------------------------------------------------- */

/* Let the cloud speak TLS with a certificate for these names, and trust its authority. */
static void use_tls(struct test *test, const char *host, const char *names, long ends_in)
{
    char path[128];
    struct sg_error error;
    (void)snprintf(test->folder, sizeof test->folder, "/tmp/test_upstream.XXXXXX");
    assert_non_null(mkdtemp(test->folder));
    (void)snprintf(path, sizeof path, "%s/ca.pem", test->folder);
    test->authority = identity_make(NULL, "authority", NULL, 3600);
    test->server = identity_make(&test->authority, "cloud", names, ends_in);
    identity_write(&test->authority, path);
    test->cloud.tls = identity_context(&test->server);
    test->spec.tls = true;
    test->spec.host = host;
    test->spec.tls_context = sg_tls_context_new_client(path, &error);
    assert_non_null(test->spec.tls_context);
    (void)ERR_peek_error();
    /* localhost is to be known before the first call, so that no test needs to wait for it */
    struct sg_address_list list;
    sg_resolver_add(test->resolver, host, test->spec.port);
    UNTIL(test->loop, sg_resolver_get(test->resolver, host, test->spec.port, &list));
}

static void tls_serves_many_calls(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    struct peer peer = make_idle(test);
    assert_string_equal(SSL_get_servername(peer.ssl, TLSEXT_NAMETYPE_host_name), "localhost");
    for (unsigned i = 0; i < 5; i++) {
        expect_same_connection(test, &peer);
    }
    assert_int_equal(counts(test).reused, 5);
    peer_close(&peer);
    UNTIL(test->loop, counts(test).idle == 0);
    expect_new_connection(test);
    assert_int_equal(counts(test).failed, 0);
}

static void tls_verifies_addresses(void **state)
{
    struct test *test = *state;
    use_tls(test, "127.0.0.1", "IP:127.0.0.1", 3600);
    struct peer peer = make_idle(test);
    assert_null(SSL_get_servername(peer.ssl, TLSEXT_NAMETYPE_host_name));
    peer_close(&peer);
}

/* The handshake must fail, and no byte of the request may have left. */
static void expect_refused_certificate(struct test *test, const char *part_of_detail)
{
    struct caller caller;
    make_pool(test);
    start(test, &caller);
    struct peer peer = cloud_accept_tcp(&test->cloud, test->loop);
    char byte;
    if (peer_shake_hands(&peer, test->cloud.tls, test->loop)) {
        /* TLS 1.3: the server is through before the client looks at its certificate */
        const time_t limit = cloud_limit();
        while (peer_read_some(&peer, &byte, 1) == 0) {
            assert_true(cloud_limit() - CLOUD_LIMIT_SECONDS <= limit);
            turn(test->loop);
        }
        assert_int_equal(peer_read_some(&peer, &byte, 1), -1);
    }
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false, part_of_detail);
    assert_non_null(strstr(caller.detail, "the certificate"));
    assert_int_equal(caller.renders, 0);
    assert_int_equal(counts(test).busy, 0);
    peer_truncate(&peer);
}

static void tls_refuses_another_name(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:other.example", 3600);
    expect_refused_certificate(test, "hostname mismatch");
}

static void tls_refuses_another_address(void **state)
{
    struct test *test = *state;
    use_tls(test, "127.0.0.1", "DNS:127.0.0.1, IP:127.0.0.2", 3600);
    expect_refused_certificate(test, "IP address mismatch");
}

static void tls_refuses_an_expired_certificate(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", -60);
    expect_refused_certificate(test, "certificate has expired");
}

static void tls_refuses_an_unknown_authority(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    struct identity stranger = identity_make(NULL, "stranger", NULL, 3600);
    struct identity forged = identity_make(&stranger, "cloud", "DNS:localhost", 3600);
    SSL_CTX_free(test->cloud.tls);
    test->cloud.tls = identity_context(&forged);
    expect_refused_certificate(test, "unable to get local issuer certificate");
    identity_free(&forged);
    identity_free(&stranger);
}

static void tls_with_a_cloud_that_speaks_plain_fails(void **state)
{
    struct test *test = *state;
    struct caller caller;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    make_pool(test);
    start(test, &caller);
    struct peer peer = cloud_accept_tcp(&test->cloud, test->loop);
    peer_write(&peer, test->loop, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false, "the TLS handshake failed");
    peer_close(&peer);
    start(test, &caller);
    peer = cloud_accept_tcp(&test->cloud, test->loop);
    peer_close(&peer);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, false, "the TLS handshake failed");
}

static void tls_handshakes_have_a_deadline(void **state)
{
    struct test *test = *state;
    struct caller caller;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    make_pool(test);
    start(test, &caller);
    struct peer peer = cloud_accept_tcp(&test->cloud, test->loop);
    turns(test, 5);
    pass_ms(test, 3001);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM_TIMEOUT, false, "within 3000 ms");
    peer_close(&peer);
    start(test, &caller);
    peer = cloud_accept_tcp(&test->cloud, test->loop);
    turns(test, 5);
    cancel_now(&caller);
    turns(test, 3);
    assert_false(is_over(&caller));
    assert_int_equal(counts(test).busy, 0);
    done(&caller);
    peer_close(&peer);
}

static void tls_bodies_end_with_close_notify_only(void **state)
{
    struct test *test = *state;
    struct caller caller;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Connection: close\r\n\r\nok");
    peer_close(&peer);
    expect_ok(test, &caller, 200, "ok");
    start(test, &caller);
    peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Connection: close\r\n\r\nok");
    peer_truncate(&peer);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "it broke off");
    assert_int_equal(caller.heads, 1);
    /* A length tells more than the way of the end. */
    start(test, &caller);
    peer = take_request(test);
    peer_write(&peer, test->loop, OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\nok");
    peer_truncate(&peer);
    expect_ok(test, &caller, 200, "ok");
}

static void tls_sends_again_what_nobody_took(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    check_sent_again(test, close_peer);
}

static void truncate_peer(struct caller *caller)
{
    peer_truncate(caller->peer);
}

static void tls_sends_again_after_a_bare_fin(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    check_sent_again(test, truncate_peer);
}

static void tls_sends_again_after_a_reset(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    check_sent_again(test, reset_peer);
}

static void tls_never_sends_again_what_was_read(void **state)
{
    struct test *test = *state;
    struct caller caller;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    make_pool(test);
    start(test, &caller);
    struct peer peer = take_request(test);
    peer_close(&peer);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "before it answered");
    start(test, &caller);
    peer = take_request(test);
    peer_reset(&peer);
    expect_failed(test, &caller, SG_REFUSAL_UPSTREAM, true, "before it answered");
    assert_int_equal(counts(test).retried, 0);
}

static void tls_takes_an_early_answer(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    check_early_answer(test, NULL);
}

static void tls_takes_an_early_answer_before_a_close(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    check_early_answer(test, peer_close);
}

static void tls_holds_the_answer_back(void **state)
{
    struct test *test = *state;
    use_tls(test, "localhost", "DNS:localhost", 3600);
    check_pause(test);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_call_gets_its_answer),
        TEST(a_connection_serves_many_calls),
        TEST(a_used_connection_is_rendered_from_within),
        TEST(the_youngest_idle_connection_is_used_first),
        TEST(calls_above_the_maximum_wait_in_order),
        TEST(a_lost_connection_makes_room_for_one_who_waits),
        TEST(the_queue_has_an_end),
        TEST(a_request_that_cannot_be_signed_fails_and_costs_no_connection),
        TEST(no_body_is_longer_than_it_may_be),
        TEST(good_answers_in_every_framing),
        TEST(bad_answers_cost_the_connection),
        TEST(bytes_behind_an_answer_cost_the_connection),
        TEST(bytes_on_an_idle_connection_cost_it),
        TEST(who_speaks_first_gets_no_request),
        TEST(every_end_before_the_answer_is_whole_fails),
        TEST(a_reset_ends_no_body),
        TEST(heads_and_data_come_as_they_are_read),
        TEST(an_idle_connection_that_ends_is_discarded),
        TEST(what_nobody_took_is_sent_again_after_a_fin),
        TEST(what_nobody_took_is_sent_again_after_a_reset),
        TEST(it_is_sent_again_once_only),
        TEST(what_was_read_is_never_sent_again),
        TEST(what_is_sent_again_goes_before_those_who_wait),
        TEST(no_answer_in_time),
        TEST(an_answer_that_drips_ends_at_the_deadline),
        TEST(idle_connections_end_at_their_limit),
        TEST(a_cloud_that_accepts_nobody_is_too_slow),
        TEST(a_call_waits_for_its_name),
        TEST(a_name_that_takes_too_long_is_a_timeout),
        TEST(a_name_that_does_not_exist_fails),
        TEST(the_next_address_is_tried),
        TEST(no_address_takes_the_connection),
        TEST(a_refused_connection_fails),
        TEST(a_large_request_is_sent_piece_by_piece),
        TEST(a_cloud_that_takes_nothing_is_too_slow),
        TEST(an_early_answer_is_taken),
        TEST(an_early_answer_before_a_close_is_taken),
        TEST(an_early_answer_without_close_costs_the_connection),
        TEST(a_pause_holds_the_answer_back),
        TEST(an_end_while_paused_is_seen_after_it),
        TEST(cancel_while_waiting),
        TEST(cancel_while_resolving),
        TEST(cancel_while_connecting),
        TEST(cancel_after_sending),
        TEST(cancel_while_sending),
        TEST(cancel_from_within),
        TEST(cancel_within_rendering_keeps_the_connection),
        TEST(cancel_before_the_failure_is_told),
        TEST(handlers_may_cancel_others),
        TEST(handlers_may_begin_others),
        TEST(a_failure_may_begin_another),
        TEST(a_retired_pool_serves_what_has_begun),
        TEST(a_pool_may_be_retired_from_within),
        TEST(a_pool_may_lose_its_last_call_while_it_renders),
        TEST(an_idle_pool_goes_at_once),
        TEST(a_freed_pool_fails_every_call),
        TEST(tls_serves_many_calls),
        TEST(tls_verifies_addresses),
        TEST(tls_refuses_another_name),
        TEST(tls_refuses_another_address),
        TEST(tls_refuses_an_expired_certificate),
        TEST(tls_refuses_an_unknown_authority),
        TEST(tls_with_a_cloud_that_speaks_plain_fails),
        TEST(tls_handshakes_have_a_deadline),
        TEST(tls_bodies_end_with_close_notify_only),
        TEST(tls_sends_again_what_nobody_took),
        TEST(tls_sends_again_after_a_bare_fin),
        TEST(tls_sends_again_after_a_reset),
        TEST(tls_never_sends_again_what_was_read),
        TEST(tls_takes_an_early_answer),
        TEST(tls_takes_an_early_answer_before_a_close),
        TEST(tls_holds_the_answer_back),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does; OpenSSL writes without MSG_NOSIGNAL */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
