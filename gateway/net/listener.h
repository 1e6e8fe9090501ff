/* Listening sockets, made by the supervisor, one for each worker on the same address. [supervisor]
 */
#ifndef SG_NET_LISTENER_H
#define SG_NET_LISTENER_H

#include <stddef.h>

#include "base/error.h"

enum { SG_LISTENER_TEXT_BYTES = 64 };

/*
 * Bind "host:port" or "[v6]:port" ("localhost" is 127.0.0.1) and make count listening sockets that
 * share it by SO_REUSEPORT; they are non-blocking and close-on-exec, in ret_fds. The first is bound
 * without that option, so that a port taken by anyone, ourselves included, is an error and not
 * shared. ret_bound is the address with its real port. SG_IO: *reterr names address and cause.
 */
SG_MUST_CHECK enum sg_status sg_listener_bind(const char *address, size_t count, int *ret_fds,
                                              char ret_bound[SG_LISTENER_TEXT_BYTES],
                                              struct sg_error *reterr);

#endif
