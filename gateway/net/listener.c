#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
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
    return sg_error_set(reterr, SG_IO, NULL,
                        "cannot listen on %s: %s; choose another address, or end what holds it",
                        address, strerror(errno));
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
        while (made > 0) {
            (void)close(ret_fds[--made]);
        }
        return status;
    }
    format(&wanted, ret_bound);
    return SG_OK;
}
