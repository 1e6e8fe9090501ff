/*
 * Memory for libevent: a pool for each thread, so that a request's small blocks cost no malloc,
 * with a rescue slab beside it. evhttp 2.1.12 dereferences NULL when one of its small allocations
 * fails; so a block below 1 KiB that cannot be had otherwise comes from the rescue slab, and while
 * any of it is out sg_memory_ok is false: then nothing new is given to evhttp.
 *
 * What a thread allocates it must free. In sanitizer builds everything is plain malloc.
 */
#ifndef SG_NET_MEMORY_H
#define SG_NET_MEMORY_H

#include <stdbool.h>

/* Give libevent the pool, a log and a fatal function; before any other call into libevent. [main]
 */
void sg_memory_install(void);

/* Whether the rescue slab of this thread is whole (and there is one). [any thread with a loop] */
bool sg_memory_ok(void);

/*
 * Put another rescue slab in the place of one that is in use, if there is memory: blocks that live
 * as long as a connection would keep it in use for as long. [at a tick]
 */
void sg_memory_restore(void);

/* Free the pool of this thread: nothing of libevent made here may live. [at a thread's end] */
void sg_memory_thread_done(void);

/*
 * The owner of this thread's listeners: libevent's accept-error callback has no argument of ours.
 * [worker]
 */
void sg_memory_set_owner(void *owner);
void *sg_memory_owner(void);

#endif
