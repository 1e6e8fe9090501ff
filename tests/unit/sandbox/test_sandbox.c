#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/sandbox.h"

enum { RECEIVE_SECONDS = 20, ANSWER_BYTES_MAX = 65536 };

static struct sg_sandbox *start(const struct sg_sandbox_options *options)
{
    struct sg_sandbox *sandbox = NULL;
    struct sg_error error;
    if (sg_sandbox_start(options, &sandbox, &error) != SG_OK) {
        fail_msg("%s", error.text);
    }
    return sandbox;
}

static int dial(const struct sg_sandbox *sandbox)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(sg_sandbox_port(sandbox)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = RECEIVE_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void put(int fd, const char *text, size_t n)
{
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* Read until the text ends with what is expected at its end, or the peer closes. */
static void read_until(int fd, char *text, const char *end)
{
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(fd, text + n, ANSWER_BYTES_MAX - 1 - n, 0);
        assert_true(got >= 0);
        n += (size_t)got;
        text[n] = '\0';
        if (got == 0 || (n >= strlen(end) && strcmp(text + n - strlen(end), end) == 0)) {
            return;
        }
    }
}

static void it_makes_a_new_credential_each_time(void **state)
{
    (void)state;
    const struct sg_sandbox_options options = {.address = NULL};
    struct sg_sandbox *one = start(&options), *other = start(&options);
    assert_int_equal(sg_sandbox_access_key(one).n, 20);
    assert_int_equal(sg_sandbox_secret_key(one).n, 40);
    assert_false(sg_str_equal(sg_sandbox_access_key(one), sg_sandbox_access_key(other)));
    assert_false(sg_str_equal(sg_sandbox_secret_key(one), sg_sandbox_secret_key(other)));
    assert_int_not_equal(sg_sandbox_port(one), sg_sandbox_port(other));
    assert_string_equal(sg_sandbox_project_id(one), SG_SANDBOX_PROJECT_ID);
    assert_true(strncmp(sg_sandbox_address(one), "127.0.0.1:", 10) == 0);
    sg_sandbox_stop(one);
    sg_sandbox_stop(other);
    sg_sandbox_stop(NULL);
}

static void it_takes_the_credential_it_is_given(void **state)
{
    (void)state;
    const struct sg_sandbox_options options = {
        .access_key = "AK", .secret_key = "SK", .project_id = "p1"};
    struct sg_sandbox *sandbox = start(&options);
    assert_true(sg_str_equal(sg_sandbox_access_key(sandbox), SG_STR("AK")));
    assert_true(sg_str_equal(sg_sandbox_secret_key(sandbox), SG_STR("SK")));
    assert_string_equal(sg_sandbox_project_id(sandbox), "p1");
    sg_sandbox_stop(sandbox);
}

static void it_answers_twice_on_one_connection(void **state)
{
    (void)state;
    static const char request[] = "GET /v1/p/flows HTTP/1.1\r\nHost: x\r\n\r\n";
    const struct sg_sandbox_options options = {.address = NULL};
    struct sg_sandbox *sandbox = start(&options);
    char *text = malloc(ANSWER_BYTES_MAX);
    assert_non_null(text);
    int fd = dial(sandbox);
    for (int i = 0; i < 2; i++) {
        put(fd, request, sizeof request - 1);
        read_until(fd, text, "\"}");
        assert_true(strncmp(text, "HTTP/1.1 401 ", 13) == 0);
        assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
        assert_non_null(strstr(text, "\r\nX-Request-Id: "));
        assert_null(strstr(text, "\r\nConnection: close"));
        assert_non_null(strstr(text, "\"error_code\":\"APIGW.0301\""));
    }
    (void)close(fd);
    free(text);
    sg_sandbox_stop(sandbox);
}

/* Bytes that break rules: the connection may answer or close; the next caller is served. */
static void bad_input_ends_nothing_but_its_connection(void **state)
{
    (void)state;
#define BAD(text)                \
    {                            \
        (text), sizeof(text) - 1 \
    }
    static const struct {
        const char *text;
        size_t n;
    } bad[] = {
        BAD("\r\n\r\n"),
        BAD("GET\r\n\r\n"),
        BAD("GET / HTTP/9.9\r\n\r\n"),
        BAD("G\0T / HTTP/1.1\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost x\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n\0\r\n\r\n"),
        BAD("PATCH / HTTP/1.1\r\nHost: x\r\n\r\n"),
        BAD("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"),
        BAD("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"),
        BAD("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
        BAD("GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
        BAD("GET http://y/z HTTP/1.1\r\nHost: x\r\n\r\n"),
        BAD("GET /%zz HTTP/1.1\r\nHost: x\r\nAuthorization: x\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\nx"),
        BAD("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        BAD("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
            "5\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE"),
    };
    const struct sg_sandbox_options options = {.address = NULL};
    struct sg_sandbox *sandbox = start(&options);
    char *text = malloc(ANSWER_BYTES_MAX);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = dial(sandbox);
        put(fd, bad[i].text, bad[i].n);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        read_until(fd, text, "never at the end");
        (void)close(fd);
        fd = dial(sandbox);
        put(fd, bad[i].text, bad[i].n);
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        (void)close(fd);
    }
    int fd = dial(sandbox);
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    put(fd, request, sizeof request - 1);
    read_until(fd, text, "never at the end");
    assert_true(strncmp(text, "HTTP/1.1 401 ", 13) == 0);
    (void)close(fd);
    free(text);
    sg_sandbox_stop(sandbox);
}

static void it_stops_with_connections_open(void **state)
{
    (void)state;
    const struct sg_sandbox_options options = {.address = NULL};
    struct sg_sandbox *sandbox = start(&options);
    int idle = dial(sandbox), half = dial(sandbox);
    put(half, "GET / HT", 8);
    sg_sandbox_stop(sandbox);
    (void)close(idle);
    (void)close(half);
}

static void an_address_that_is_taken_or_none_is_refused(void **state)
{
    (void)state;
    const struct sg_sandbox_options any = {.address = NULL};
    struct sg_sandbox *sandbox = start(&any), *second = NULL;
    struct sg_error error;
    const struct sg_sandbox_options taken = {.address = sg_sandbox_address(sandbox)};
    assert_int_not_equal(sg_sandbox_start(&taken, &second, &error), SG_OK);
    assert_null(second);
    assert_true(error.text[0] != '\0');
    sg_sandbox_stop(sandbox);
    static const char *const bad[] = {"", "127.0.0.1", "nowhere", "127.0.0.1:x", "127.0.0.1:99999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct sg_sandbox_options options = {.address = bad[i]};
        assert_int_not_equal(sg_sandbox_start(&options, &second, &error), SG_OK);
        assert_null(second);
    }
    const struct sg_sandbox_options empty = {.access_key = ""};
    assert_int_equal(sg_sandbox_start(&empty, &second, &error), SG_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_makes_a_new_credential_each_time),
        cmocka_unit_test(it_takes_the_credential_it_is_given),
        cmocka_unit_test(it_answers_twice_on_one_connection),
        cmocka_unit_test(bad_input_ends_nothing_but_its_connection),
        cmocka_unit_test(it_stops_with_connections_open),
        cmocka_unit_test(an_address_that_is_taken_or_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
