/*
 * Listening sockets, made by the supervisor, one descriptor for each worker on the same address.
 * [supervisor, before there are threads]
 */
#ifndef SG_NET_LISTENER_H
#define SG_NET_LISTENER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

enum { SG_LISTENER_TEXT_BYTES = 128 };

/*
 * Bind "host:port" or "[v6]:port" ("localhost" is 127.0.0.1) and make count listening sockets that
 * share it by SO_REUSEPORT; they are non-blocking and close-on-exec, in ret_fds. The first is bound
 * without that option, so that a port taken by anyone, ourselves included, is an error and not
 * shared. ret_bound is the address with its real port. SG_IO: *reterr names address and cause.
 */
SG_MUST_CHECK enum sg_status sg_listener_bind(const char *address, size_t count, int *ret_fds,
                                              char ret_bound[SG_LISTENER_TEXT_BYTES],
                                              struct sg_error *reterr);

/* A Unix socket in the file system, and who may connect to it. */
struct sg_listener_socket {
    const char *path; /* at most 107 bytes */
    mode_t mode;
    uid_t owner; /* (uid_t)-1: who runs the program */
    gid_t group; /* (gid_t)-1: its group */
};

/* Which file was made: another process may have replaced it since. */
struct sg_listener_file {
    dev_t device;
    ino_t inode;
};

/*
 * Make count descriptors of one listening Unix socket, non-blocking and close-on-exec, in ret_fds.
 * The socket appears with its mode, owner and group. What a process that is gone left behind at the
 * path is replaced; a socket that somebody listens on, and any other kind of file, is an error.
 * ret_bound is "unix:PATH". SG_IO: *reterr names path and cause.
 */
SG_MUST_CHECK enum sg_status sg_listener_bind_unix(const struct sg_listener_socket *socket,
                                                   size_t count, int *ret_fds,
                                                   struct sg_listener_file *ret_file,
                                                   char ret_bound[SG_LISTENER_TEXT_BYTES],
                                                   struct sg_error *reterr);

/* Remove the socket's file, if it is still the one that was made. */
void sg_listener_unlink(const char *path, const struct sg_listener_file *file);

#endif
