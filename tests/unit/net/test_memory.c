/*
 * Memory that runs out at any one place of a conversation: the gateway answers 503 or closes, never
 * dies, and serves again when there is some. The linker gives our allocations to the functions
 * below (--wrap); libevent's come through net/memory's pool, so its are among them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "net/gate.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/memory.h"

enum {
    STEPS = 24,
    IN_A_ROW = 40,
    CONNECTIONS = 3,
    TICKS_MAX = 20,
    FILLERS_MAX = 8192,
    ROOM_MAX = 40,
    SMALL_FILLERS = 5,
    SLAB_LIKE_BYTES = 60000,
    ALLOCATIONS_MAX = 100000
};

/* --- allocations that fail -------------------------------------------------------------------- */

static unsigned counted;             /* since the last reset */
static unsigned fail_from, fail_for; /* the first that fails, and how many; 0: none */
static size_t fail_bytes;            /* smaller ones do not */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);

static bool fails(size_t size)
{
    if (size < fail_bytes) {
        return false;
    }
    counted++;
    return fail_for > 0 && counted >= fail_from && counted - fail_from < fail_for;
}

void *__wrap_malloc(size_t size)
{
    return fails(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(count * size) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
    return fails(size) ? NULL : __real_realloc(pointer, size);
}

/* --- a front ---------------------------------------------------------------------------------- */

static struct {
    struct sg_loop *loop;
    struct sg_front *front;
    char path[64];
} bench;

static int64_t clock_us = 1000000;

static int64_t now_us(void *arg)
{
    (void)arg;
    return clock_us;
}

static void answer(struct sg_gate *gate)
{
    sg_gate_answer(gate, 200, SG_STR("X-A: b\r\n"), SG_STR("hello"), false);
}

static void on_request(void *arg, struct sg_gate *gate, const struct sg_gate_request *request)
{
    (void)arg;
    sg_gate_set_context(gate, gate);
    if (!request->has_body) {
        answer(gate);
    } else if (sg_gate_read_body(gate) != SG_OK) {
        sg_gate_answer(gate, 503, SG_STR(""), SG_STR(""), true);
    }
}

static void on_body(void *context, struct sg_str body)
{
    (void)body;
    answer(context);
}

static void on_body_refused(void *context, enum sg_refusal refusal, const char *detail)
{
    (void)detail;
    sg_gate_answer(context, sg_refusal_row(refusal)->status, SG_STR(""), SG_STR(""), true);
}

static void on_event(void *context)
{
    (void)context;
}

static void on_refused(void *arg, const struct sg_gate_refused *refused, struct sg_buf *headers,
                       struct sg_buf *body)
{
    (void)arg;
    (void)headers;
    (void)body;
    assert_int_equal(refused->refusal, SG_REFUSAL_BUSY); /* nothing the caller sent is wrong */
}

static void open_front(void)
{
    static const struct sg_clock clock = {.monotonic_us = now_us, .realtime_us = now_us};
    static const struct sg_front_limits limits = {
        .head = {.header_bytes = 4096, .target_bytes = 1024, .headers = 32, .body_bytes = 100000},
        .connections = 50,
        .header_ms = 100000,
        .body_ms = 100000,
        .write_ms = 100000,
        .idle_ms = 100000};
    const struct sg_gate_handlers handlers = {.on_request = on_request,
                                              .on_body = on_body,
                                              .on_body_refused = on_body_refused,
                                              .on_gone = on_event,
                                              .on_drained = on_event,
                                              .on_refused = on_refused};
    struct sg_listener_file file;
    struct sg_error error;
    char bound[SG_LISTENER_TEXT_BYTES];
    int fd;
    (void)snprintf(bench.path, sizeof bench.path, "/tmp/sg-test-memory.%ld", (long)getpid());
    const struct sg_listener_socket socket = {
        .path = bench.path, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1};
    bench.loop = sg_loop_new(&clock, &error);
    assert_non_null(bench.loop);
    bench.front = sg_front_new(bench.loop, &limits, &handlers, NULL, &error);
    assert_non_null(bench.front);
    assert_int_equal(sg_listener_bind_unix(&socket, 1, &fd, &file, bound, &error), SG_OK);
    assert_int_equal(sg_front_add_listener(bench.front, fd, NULL, &error), SG_OK);
}

static void close_front(void)
{
    sg_front_free(bench.front);
    sg_loop_free(bench.loop);
    sg_memory_thread_done();
    (void)unlink(bench.path);
}

static void step(void)
{
    (void)event_base_loop(sg_loop_base(bench.loop), EVLOOP_NONBLOCK);
    sg_loop_run_deferred(bench.loop);
}

/* --- a conversation --------------------------------------------------------------------------- */

/* Requests on a connection, one after the other; how many 200 came. Others are 503, or an end. */
static unsigned converse(void)
{
    static char body[40000];
    static char stream[sizeof body + 1024];
    static const char *const heads[] = {
        "GET /v1/a?b=1 HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /v1/a?c=%C3%BC HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n",
        "DELETE /v1/aa/bb/cc HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n",
    };
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned good = 0;
    memcpy(address.sun_path, bench.path, sizeof bench.path);
    memset(body, 'x', sizeof body);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char back[4096] = "";
        size_t got = 0, count = strlen(heads[i]), sent = 0;
        memcpy(stream, heads[i], count);
        if (i == 1) {
            memcpy(stream + count, body, sizeof body);
            count += sizeof body;
        }
        for (int k = 0; k < STEPS; k++) {
            size_t piece = count - sent < 9000 ? count - sent : 9000;
            ssize_t now = piece > 0 ? send(fd, stream + sent, piece, MSG_NOSIGNAL) : 0;
            sent += now > 0 ? (size_t)now : 0;
            step();
            ssize_t more = recv(fd, back + got, sizeof back - 1 - got, 0);
            got += more > 0 ? (size_t)more : 0;
        }
        back[got] = '\0';
        if (strncmp(back, "HTTP/1.1 200 OK\r\n", 17) != 0) {
            /* One whole refusal of ours, or not a byte; never evhttp's HTML. */
            assert_true(got == 0 || strncmp(back, "HTTP/1.1 503 ", 13) == 0);
            assert_null(strstr(back, "<HTML>"));
            break;
        }
        assert_non_null(strstr(back, "\r\n\r\nhello"));
        good++;
    }
    assert_int_equal(close(fd), 0);
    for (int k = 0; k < 4; k++) {
        step();
    }
    return good;
}

/* A tick makes spares and goes on accepting. */
static void wait_for_a_tick(void)
{
    clock_us += 100000;
    (void)event_base_loop(sg_loop_base(bench.loop), EVLOOP_ONCE);
    sg_loop_run_deferred(bench.loop);
}

/* count allocations fail, from the given one on; with memory again it serves within a few ticks. */
static void talk_while_failing(unsigned from, unsigned count)
{
    counted = 0;
    fail_from = from;
    fail_for = count;
    for (int i = 0; i < CONNECTIONS; i++) {
        (void)converse();
    }
    fail_for = 0;
    bool served = false;
    for (int i = 0; i < TICKS_MAX && !served; i++) {
        served = converse() == 3;
        if (!served) {
            wait_for_a_tick();
        }
    }
    assert_true(served);
}

/* The pool is empty after the front was made. */
static void survive(unsigned from, unsigned count)
{
    open_front();
    talk_while_failing(from, count);
    assert_true(sg_memory_ok());
    close_front();
}

static struct evbuffer *fillers[FILLERS_MAX];
static size_t filler_count;
static struct evkeyvalq small_fillers;

static void add_filler(void)
{
    assert_true(filler_count < FILLERS_MAX);
    fillers[filler_count] = evbuffer_new();
    assert_non_null(fillers[filler_count++]);
}

/* Use the pool's slab up, until there is room for about so many small blocks. */
static void fill_slab(size_t room)
{
    size_t between = 0;
    for (int slabs = 0; slabs < 2; slabs++) { /* to the end of this one, and of a whole one */
        counted = 0;
        for (between = 0; counted == 0; between++) {
            add_filler();
        }
    }
    for (size_t i = 0; i + room < between; i++) {
        add_filler();
    }
}

/* Take 128 bytes more, so that rooms of all multiples of 32 bytes are met. */
static void add_small_filler(void)
{
    assert_int_equal(evhttp_add_header(&small_fillers, "k", "v"), 0);
}

static void free_fillers(void)
{
    evhttp_clear_headers(&small_fillers);
    while (filler_count > 0) {
        evbuffer_free(fillers[--filler_count]);
    }
}

/*
 * The slab ends in the middle of a conversation and there is no other, while larger blocks can be
 * had: small blocks of evhttp come from the rescue slab then, without which it would die (evhttp
 * 2.1.12 uses them unlooked at).
 */
static void the_slab_may_end_at_any_place(void **state)
{
    (void)state;
    for (size_t room = 0; room < ROOM_MAX * SMALL_FILLERS; room++) {
        open_front();
        fail_bytes = SLAB_LIKE_BYTES;
        TAILQ_INIT(&small_fillers);
        fill_slab(SMALL_FILLERS + room / SMALL_FILLERS);
        for (size_t i = 0; i < room % SMALL_FILLERS; i++) {
            add_small_filler();
        }
        talk_while_failing(1, ALLOCATIONS_MAX);
        free_fillers();
        fail_bytes = 0;
        close_front();
    }
}

/* How many allocations there are to fail. */
static unsigned count_allocations(void)
{
    open_front();
    counted = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(converse(), 3);
    }
    unsigned all = counted;
    close_front();
    assert_in_range(all, 10, ALLOCATIONS_MAX);
    return all;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    unsigned all = count_allocations();
    for (unsigned n = 1; n <= all; n++) {
        survive(n, 1);
    }
}

static void many_may_fail_in_a_row(void **state)
{
    (void)state;
    unsigned all = count_allocations();
    for (unsigned n = 1; n <= all; n++) {
        survive(n, IN_A_ROW);
    }
}

static void all_may_fail_from_any_on(void **state)
{
    (void)state;
    unsigned all = count_allocations();
    for (unsigned n = 1; n <= all; n++) {
        survive(n, ALLOCATIONS_MAX);
    }
}

/* Whether the first block takes a slab. libevent calls malloc itself in a sanitizer's build. */
static bool has_slabs(void)
{
    counted = 0;
    evbuffer_free(evbuffer_new());
    return counted > 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(many_may_fail_in_a_row),
        cmocka_unit_test(all_may_fail_from_any_on),
    };
    const struct CMUnitTest with_slabs[] = {
        cmocka_unit_test(the_slab_may_end_at_any_place),
    };
    sg_memory_install();
    bool slabs = has_slabs();
    int failed = cmocka_run_group_tests_name("net/memory", tests, NULL, NULL);
    if (slabs) {
        failed += cmocka_run_group_tests_name("net/memory, slabs", with_slabs, NULL, NULL);
    }
    return failed;
}
