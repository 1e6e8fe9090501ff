#include "net/dial.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <unistd.h>

enum {
    KEEPALIVE_IDLE_S = 15,
    KEEPALIVE_INTERVAL_S = 5,
    KEEPALIVE_PROBES = 3,
    USER_TIMEOUT_MS = 10 * 1000,
    SYN_BYTES = 1, /* the SYN counts as one acknowledged byte */
};

static void set_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        /* Each makes things better; none is needed. */
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
    }
}

int sg_dial(const struct sg_address *address, bool *ret_connecting)
{
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    set_options(fd);
    if (connect(fd, (const struct sockaddr *)&address->socket, address->bytes) == 0) {
        *ret_connecting = false;
        return fd;
    }
    if (errno != EINPROGRESS) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    *ret_connecting = true;
    return fd;
}

bool sg_dial_acknowledged_at_most(int fd, uint64_t wire_bytes)
{
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t bytes = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 &&
           bytes >= offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked &&
           info.tcpi_bytes_acked <= wire_bytes + SYN_BYTES;
}

void sg_dial_be_patient(int fd)
{
    const int without_end = 0;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &without_end, sizeof without_end);
}

bool sg_dial_look(int fd, struct sg_dial_state *ret)
{
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t bytes = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0 ||
        bytes < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked) {
        return false;
    }
    const uint64_t acked = info.tcpi_bytes_acked;
    *ret = (struct sg_dial_state){
        .acknowledged = acked > SYN_BYTES ? acked - SYN_BYTES : 0,
        .unanswered =
            info.tcpi_retransmits > info.tcpi_probes ? info.tcpi_retransmits : info.tcpi_probes,
    };
    return true;
}
