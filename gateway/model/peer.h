/*
 * What the front knows of the other end of a caller's connection. Values only; what is pointed to
 * belongs to the connection.
 */
#ifndef SG_MODEL_PEER_H
#define SG_MODEL_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/ip.h"
#include "base/str.h"

/* Names of a certificate that was verified in the TLS handshake. */
struct sg_peer_names {
    size_t count;
    struct sg_str *items;
};

struct sg_peer_certificate {
    struct sg_peer_names san_uri;
    struct sg_peer_names san_dns;
    struct sg_peer_names cn;
};

/* The process at the other end of a Unix socket, as the kernel saw it connect (SO_PEERCRED). */
struct sg_peer_process {
    uid_t user;
    size_t group_count;
    gid_t groups[]; /* its own first, then the supplementary ones */
};

struct sg_peer {
    struct sg_ip address;                          /* family 0 on a Unix socket */
    bool secure;                                   /* over TLS or a Unix socket */
    const struct sg_peer_certificate *certificate; /* NULL: none */
    const struct sg_peer_process *process;         /* NULL: no Unix socket */
};

#endif
