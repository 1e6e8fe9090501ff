/*
 * Threads that nobody waits for: what they do may hang in a system call for ever, so they own what
 * they use, and the process ends without them. [any]
 */
#ifndef SG_BASE_THREAD_H
#define SG_BASE_THREAD_H

/* Start one, with all signals left to other threads. 0, or an error number. */
int sg_thread_start_detached(void *(*run)(void *arg), void *arg);

#endif
