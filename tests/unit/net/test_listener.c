#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

/* --- Unix sockets ----------------------------------------------------------------------------- */

struct place {
    char folder[64];
    char path[96];
};

static void open_place(struct place *place)
{
    (void)snprintf(place->folder, sizeof place->folder, "/tmp/sg-test-socket.XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->path, sizeof place->path, "%s/s.sock", place->folder);
}

static void close_place(struct place *place)
{
    (void)unlink(place->path);
    assert_int_equal(rmdir(place->folder), 0);
}

static struct sg_listener_socket socket_at(const struct place *place)
{
    return (struct sg_listener_socket){
        .path = place->path, .mode = 0620, .owner = (uid_t)-1, .group = (gid_t)-1};
}

static int dial_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void a_unix_socket_has_its_mode_and_many_descriptors(void **state)
{
    (void)state;
    struct place place;
    struct stat found;
    struct sg_listener_file file;
    int fds[SOCKETS];
    char bound[SG_LISTENER_TEXT_BYTES], expected[SG_LISTENER_TEXT_BYTES];
    open_place(&place);
    const struct sg_listener_socket wanted = socket_at(&place);
    assert_int_equal(sg_listener_bind_unix(&wanted, SOCKETS, fds, &file, bound, NULL), SG_OK);
    (void)snprintf(expected, sizeof expected, "unix:%s", place.path);
    assert_string_equal(bound, expected);
    assert_int_equal(lstat(place.path, &found), 0);
    assert_true(S_ISSOCK(found.st_mode));
    assert_int_equal(found.st_mode & 07777, 0620);
    int caller = dial_at(place.path);
    for (int i = 0; i < SOCKETS; i++) {
        assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    }
    int accepted = accept(fds[SOCKETS - 1], NULL, NULL); /* one queue for all */
    assert_true(accepted >= 0);
    assert_int_equal(close(accepted), 0);
    assert_int_equal(close(caller), 0);
    close_all(fds, SOCKETS);
    sg_listener_unlink(place.path, &file);
    assert_int_equal(lstat(place.path, &found), -1);
    close_place(&place);
}

static void what_a_dead_process_left_is_replaced(void **state)
{
    (void)state;
    struct place place;
    struct sg_listener_file first, second;
    struct stat found;
    int fd, again;
    char bound[SG_LISTENER_TEXT_BYTES];
    open_place(&place);
    const struct sg_listener_socket wanted = socket_at(&place);
    assert_int_equal(sg_listener_bind_unix(&wanted, 1, &fd, &first, bound, NULL), SG_OK);
    assert_int_equal(close(fd), 0); /* the file stays, nobody listens */
    assert_int_equal(sg_listener_bind_unix(&wanted, 1, &again, &second, bound, NULL), SG_OK);
    if (first.inode != second.inode) {
        sg_listener_unlink(place.path, &first); /* not the file of the second */
    }
    assert_int_equal(lstat(place.path, &found), 0);
    sg_listener_unlink(place.path, &second);
    assert_int_equal(lstat(place.path, &found), -1);
    assert_int_equal(close(again), 0);
    close_place(&place);
}

static void a_socket_in_use_is_an_error_and_stays(void **state)
{
    (void)state;
    struct place place;
    struct sg_listener_file file;
    int fd, other = -1;
    char bound[SG_LISTENER_TEXT_BYTES];
    struct sg_error error = {.status = SG_OK};
    open_place(&place);
    const struct sg_listener_socket wanted = socket_at(&place);
    assert_int_equal(sg_listener_bind_unix(&wanted, 1, &fd, &file, bound, NULL), SG_OK);
    assert_int_equal(sg_listener_bind_unix(&wanted, 1, &other, &file, bound, &error), SG_IO);
    assert_non_null(strstr(error.text, place.path));
    assert_non_null(strstr(error.text, "in use"));
    assert_int_equal(close(dial_at(place.path)), 0);
    assert_int_equal(close(fd), 0);
    close_place(&place);
}

static void another_kind_of_file_is_never_removed(void **state)
{
    (void)state;
    struct place place;
    struct sg_listener_file file;
    struct stat found;
    int fd;
    char bound[SG_LISTENER_TEXT_BYTES];
    struct sg_error error = {.status = SG_OK};
    open_place(&place);
    fd = open(place.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(close(fd), 0);
    const struct sg_listener_socket wanted = socket_at(&place);
    assert_int_equal(sg_listener_bind_unix(&wanted, 1, &fd, &file, bound, &error), SG_IO);
    assert_non_null(strstr(error.text, "exists"));
    assert_int_equal(lstat(place.path, &found), 0);
    close_place(&place);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    const struct sg_listener_socket wanted = {
        .path = "/nowhere/at/all.sock", .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1};
    struct sg_listener_file file;
    int fd;
    char bound[SG_LISTENER_TEXT_BYTES];
    struct sg_error error = {.status = SG_OK};
    assert_int_equal(sg_listener_bind_unix(&wanted, 1, &fd, &file, bound, &error), SG_IO);
    assert_non_null(strstr(error.text, "/nowhere/at/all.sock: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_0_is_read_back_and_shared_by_all_sockets),
        cmocka_unit_test(localhost_is_127_0_0_1),
        cmocka_unit_test(an_ipv6_listener_leaves_ipv4_alone),
        cmocka_unit_test(what_cannot_be_bound_is_said_with_its_address),
        cmocka_unit_test(a_unix_socket_has_its_mode_and_many_descriptors),
        cmocka_unit_test(what_a_dead_process_left_is_replaced),
        cmocka_unit_test(a_socket_in_use_is_an_error_and_stays),
        cmocka_unit_test(another_kind_of_file_is_never_removed),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests_name("net/listener", tests, NULL, NULL);
}
