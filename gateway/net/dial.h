/* Sockets towards the cloud: how they are made, and what the kernel knows of them. [any] */
#ifndef SG_NET_DIAL_H
#define SG_NET_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "net/resolver.h"

/*
 * Begin a TCP connection: non-blocking, close-on-exec, without Nagle, with keepalive, so that a
 * peer that has silently gone ends within half a minute. Return the descriptor and whether it is
 * still connecting, or -1 with errno set.
 */
int sg_dial(const struct sg_address *address, bool *ret_connecting);

/*
 * Whether the peer's kernel has acknowledged no more than the first wire_bytes of what was sent on
 * this connection. False also when that cannot be found out.
 */
bool sg_dial_acknowledged_at_most(int fd, uint64_t wire_bytes);

/*
 * Wait for a peer that takes nothing for as long as its kernel answers; a peer that answers nothing
 * is the caller's to give up (sg_dial_look).
 */
void sg_dial_be_patient(int fd);

struct sg_dial_state {
    uint64_t acknowledged; /* bytes of what was sent that the peer's kernel has acknowledged */
    unsigned unanswered;   /* times that something was sent again, or asked, without an answer */
};

/* What the kernel knows of a connection; false: that cannot be found out. */
bool sg_dial_look(int fd, struct sg_dial_state *ret);

#endif
