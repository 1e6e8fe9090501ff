#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/listener.h"

enum { SOCKETS = 3 };

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(close(fds[i]), 0);
    }
}

static int option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &value, &size), 0);
    return value;
}

static void port_0_is_read_back_and_shared_by_all_sockets(void **state)
{
    (void)state;
    int fds[SOCKETS], again[1];
    char bound[SG_LISTENER_TEXT_BYTES], other[SG_LISTENER_TEXT_BYTES];
    struct sg_error error = {.status = SG_OK};
    assert_int_equal(sg_listener_bind("127.0.0.1:0", SOCKETS, fds, bound, &error), SG_OK);
    unsigned port = 0;
    assert_int_equal(sscanf(bound, "127.0.0.1:%u", &port), 1);
    assert_in_range(port, 1, 65535);
    for (size_t i = 0; i < SOCKETS; i++) {
        assert_int_equal(option(fds[i], SO_ACCEPTCONN), 1);
        assert_int_equal(option(fds[i], SO_REUSEPORT), 1);
        assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    }
    /* Although all of them share the port, nobody else may. */
    assert_int_equal(sg_listener_bind(bound, 1, again, other, &error), SG_IO);
    assert_non_null(strstr(error.text, bound));
    assert_non_null(strstr(error.text, "in use"));
    close_all(fds, SOCKETS);
    assert_int_equal(sg_listener_bind(bound, 1, again, other, &error), SG_OK);
    assert_string_equal(bound, other);
    close_all(again, 1);
}

static void localhost_is_127_0_0_1(void **state)
{
    (void)state;
    int fds[1];
    char bound[SG_LISTENER_TEXT_BYTES];
    assert_int_equal(sg_listener_bind("localhost:0", 1, fds, bound, NULL), SG_OK);
    assert_int_equal(strncmp(bound, "127.0.0.1:", 10), 0);
    close_all(fds, 1);
}

/* IPv6 only: the same port of IPv4 stays free for a listener of its own. */
static void an_ipv6_listener_leaves_ipv4_alone(void **state)
{
    (void)state;
    int v6[1], v4[1];
    char bound[SG_LISTENER_TEXT_BYTES], wanted[SG_LISTENER_TEXT_BYTES];
    unsigned port = 0;
    assert_int_equal(sg_listener_bind("[::]:0", 1, v6, bound, NULL), SG_OK);
    assert_int_equal(sscanf(bound, "[::]:%u", &port), 1);
    (void)snprintf(wanted, sizeof wanted, "127.0.0.1:%u", port);
    assert_int_equal(sg_listener_bind(wanted, 1, v4, bound, NULL), SG_OK);
    close_all(v6, 1);
    close_all(v4, 1);
}

static void what_cannot_be_bound_is_said_with_its_address(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        enum sg_status status;
    } rows[] = {
        {"192.0.2.1:80", SG_IO}, /* not of this machine: RFC 5737 */
        {"example.test:80", SG_CONFIG}, {"127.0.0.1", SG_CONFIG},  {"127.0.0.1:65536", SG_CONFIG},
        {"127.0.0.1:x", SG_CONFIG},     {"[::1:80", SG_CONFIG},    {"", SG_CONFIG},
        {"[::1]", SG_CONFIG},           {"127.0.0.1:", SG_CONFIG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fds[1] = {-1};
        char bound[SG_LISTENER_TEXT_BYTES] = "untouched";
        struct sg_error error = {.status = SG_OK};
        assert_int_equal(sg_listener_bind(rows[i].address, 1, fds, bound, &error), rows[i].status);
        assert_non_null(strstr(error.text, rows[i].address));
        assert_string_equal(bound, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_0_is_read_back_and_shared_by_all_sockets),
        cmocka_unit_test(localhost_is_127_0_0_1),
        cmocka_unit_test(an_ipv6_listener_leaves_ipv4_alone),
        cmocka_unit_test(what_cannot_be_bound_is_said_with_its_address),
    };
    return cmocka_run_group_tests_name("net/listener", tests, NULL, NULL);
}
