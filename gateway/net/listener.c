#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

enum { BACKLOG = 1024 };

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_bytes(const union socket_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

/* The configuration has checked the form; this is about the system alone. */
static bool parse(struct sg_str text, union socket_address *ret)
{
    char host[INET6_ADDRSTRLEN] = "127.0.0.1";
    size_t colon = text.n;
    uint64_t port;
    while (colon > 0 && text.p[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || !sg_str_to_u64(sg_str_slice(text, colon, text.n), 65535, &port)) {
        return false;
    }
    struct sg_str name = sg_str_slice(text, 0, colon - 1);
    if (name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']') {
        name = sg_str_slice(name, 1, name.n - 1);
    }
    if (!sg_str_equal(name, SG_STR("localhost"))) {
        if (name.n >= sizeof host) {
            return false;
        }
        memcpy(host, name.p, name.n);
        host[name.n] = '\0';
    }
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)port);
        return true;
    }
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons((uint16_t)port);
    return inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1;
}

static void format(const union socket_address *address, char ret[SG_LISTENER_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host);
        (void)snprintf(ret, SG_LISTENER_TEXT_BYTES, "[%s]:%u", host, ntohs(address->v6.sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host);
        (void)snprintf(ret, SG_LISTENER_TEXT_BYTES, "%s:%u", host, ntohs(address->v4.sin_port));
    }
}

static int set(int fd, int level, int option)
{
    const int one = 1;
    return setsockopt(fd, level, option, &one, sizeof one);
}

/* One socket, bound but not listening; -1 with errno. */
static int bound_socket(const union socket_address *address, bool reuse_port)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    bool v6 = address->any.sa_family == AF_INET6;
    if (set(fd, SOL_SOCKET, SO_REUSEADDR) != 0 ||
        (reuse_port && set(fd, SOL_SOCKET, SO_REUSEPORT) != 0) ||
        (v6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0) ||
        bind(fd, &address->any, address_bytes(address)) != 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static enum sg_status cannot_bind(const char *address, struct sg_error *reterr)
{
    const char *help = errno == EADDRINUSE      ? "choose another address, or end what holds it"
                       : errno == EADDRNOTAVAIL ? "choose an address of this machine"
                       : errno == EACCES ? "choose a port from 1024 on, or a folder that is ours"
                                         : "choose another address";
    return sg_error_set(reterr, SG_IO, NULL, "cannot listen on %s: %s; %s", address,
                        strerror(errno), help);
}

static void close_all(int *fds, size_t count)
{
    while (count > 0) {
        (void)close(fds[--count]);
    }
}

enum sg_status sg_listener_bind(const char *address, size_t count, int *ret_fds,
                                char ret_bound[SG_LISTENER_TEXT_BYTES], struct sg_error *reterr)
{
    union socket_address wanted;
    socklen_t size = sizeof wanted;
    size_t made = 0;
    if (!parse(sg_str_from(address), &wanted)) {
        return sg_error_set(reterr, SG_CONFIG, NULL, "\"%s\" is no address to listen on", address);
    }
    bool good = true;
    while (good && made < count) {
        int fd = bound_socket(&wanted, made > 0);
        good = fd >= 0;
        if (!good) {
            break;
        }
        ret_fds[made++] = fd;
        good = listen(fd, BACKLOG) == 0;
        /* The first one listens before it shares, so that nobody else listens on the port. */
        if (good && made == 1) {
            good =
                set(fd, SOL_SOCKET, SO_REUSEPORT) == 0 && getsockname(fd, &wanted.any, &size) == 0;
        }
    }
    if (!good) {
        enum sg_status status = cannot_bind(address, reterr);
        close_all(ret_fds, made);
        return status;
    }
    format(&wanted, ret_bound);
    return SG_OK;
}

/* --- Unix sockets ----------------------------------------------------------------------------- */

/* Remove what a process that is gone left behind. 0, or an errno. */
static int clear_path(const struct sockaddr_un *address)
{
    struct stat found;
    if (lstat(address->sun_path, &found) != 0) {
        return errno == ENOENT ? 0 : errno;
    }
    if (!S_ISSOCK(found.st_mode)) {
        return EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int error = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    (void)close(fd);
    if (error != ECONNREFUSED) {
        return EADDRINUSE;
    }
    return unlink(address->sun_path) == 0 ? 0 : errno;
}

/* Bind with no permission at all, then give what was asked for: nobody is early. 0, or an errno. */
static int bind_file(int fd, const struct sockaddr_un *address,
                     const struct sg_listener_socket *wanted, struct sg_listener_file *ret_file)
{
    struct stat made;
    mode_t before = umask(0777);
    int error = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    (void)umask(before);
    if (error != 0) {
        return error;
    }
    if (lstat(wanted->path, &made) != 0 ||
        lchown(wanted->path, wanted->owner, wanted->group) != 0 ||
        chmod(wanted->path, wanted->mode) != 0) {
        error = errno;
        (void)unlink(wanted->path);
        return error;
    }
    *ret_file = (struct sg_listener_file){.device = made.st_dev, .inode = made.st_ino};
    return 0;
}

enum sg_status sg_listener_bind_unix(const struct sg_listener_socket *wanted, size_t count,
                                     int *ret_fds, struct sg_listener_file *ret_file,
                                     char ret_bound[SG_LISTENER_TEXT_BYTES],
                                     struct sg_error *reterr)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char bound[SG_LISTENER_TEXT_BYTES];
    size_t made = 0;
    (void)snprintf(bound, sizeof bound, "unix:%s", wanted->path);
    if (strlen(wanted->path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return cannot_bind(bound, reterr);
    }
    memcpy(address.sun_path, wanted->path, strlen(wanted->path) + 1);
    int error = clear_path(&address);
    if (error == 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        error = fd >= 0 ? bind_file(fd, &address, wanted, ret_file) : errno;
        if (fd >= 0) {
            ret_fds[made++] = fd;
        }
    }
    bool bound_here = error == 0;
    if (error == 0 && listen(ret_fds[0], BACKLOG) != 0) {
        error = errno;
    }
    while (error == 0 && made < count) {
        /* One socket, a descriptor in each worker's loop: whoever is first accepts. */
        ret_fds[made] = fcntl(ret_fds[0], F_DUPFD_CLOEXEC, 0);
        error = ret_fds[made] >= 0 ? 0 : errno;
        made += error == 0;
    }
    if (error != 0) {
        close_all(ret_fds, made);
        if (bound_here) {
            sg_listener_unlink(wanted->path, ret_file);
        }
        errno = error;
        return cannot_bind(bound, reterr);
    }
    memcpy(ret_bound, bound, sizeof bound);
    return SG_OK;
}

void sg_listener_unlink(const char *path, const struct sg_listener_file *file)
{
    struct stat found;
    if (lstat(path, &found) == 0 && found.st_dev == file->device && found.st_ino == file->inode) {
        (void)unlink(path);
    }
}
