/*
 * A worker's event loop: an event_base (NOLOCK, IGNORE_ENV, EPOLL_USE_CHANGELIST), a coarse clock,
 * deadline lists, and what must wait until no callback is on the stack. [the loop's own thread]
 */
#ifndef SG_NET_LOOP_H
#define SG_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

struct event_base;
struct sg_loop;

enum { SG_LOOP_TICK_MS = 100 };

struct sg_loop *sg_loop_new(const struct sg_clock *clock, struct sg_error *reterr);

/* Run what is deferred, then free the base. All events must be gone. */
void sg_loop_free(struct sg_loop *loop);

struct event_base *sg_loop_base(struct sg_loop *loop);
const struct sg_clock *sg_loop_clock(const struct sg_loop *loop);

/* Monotonic milliseconds, read anew at each tick and each wake-up: no clock call per request. */
int64_t sg_loop_now_ms(const struct sg_loop *loop);

/* Called once a turn, after all callbacks, before the loop sleeps (journal hand-over). */
void sg_loop_set_before_sleep(struct sg_loop *loop, void (*fn)(void *arg), void *arg);

/* Called at each tick. Up to 8 functions, in the order added. NULL fn ignored. */
void sg_loop_add_tick(struct sg_loop *loop, void (*fn)(void *arg), void *arg);

/* Run until sg_loop_stop is called from a callback. */
void sg_loop_run(struct sg_loop *loop);
void sg_loop_stop(struct sg_loop *loop);

/*
 * Work that waits until no callback is on the stack: freeing an object that late events may still
 * name, telling somebody who must not be called from here. It lives in the object it is about, so
 * that deferring cannot fail.
 */
struct sg_deferred {
    struct sg_deferred *next;
    void *object;
    void (*fn)(void *object); /* NULL: not deferred */
};

/* Call fn(object) when the present callback has returned. What is deferred already stays so. */
void sg_loop_defer(struct sg_loop *loop, struct sg_deferred *deferred, void *object,
                   void (*fn)(void *object));

/* Run what is deferred now; nothing of the loop may be on the stack. */
void sg_loop_run_deferred(struct sg_loop *loop);

/*
 * Deadlines of one span: entries are armed at the end, so the list is sorted by itself and moving
 * is two pointer writes. An entry keeps its start, not its end: the span may change. Looked at once
 * a tick; ends one tick early at most.
 */
struct sg_deadline {
    struct sg_deadline *next, *prev; /* NULL: not armed */
    int64_t start_ms;
    void *owner; /* given to on_expired */
};

struct sg_deadline_list {
    struct sg_deadline head; /* a ring */
    struct sg_deadline_list *next_list;
    int64_t span_ms;                 /* 0: never expires */
    void (*on_expired)(void *owner); /* the entry is disarmed before the call */
    struct sg_loop *loop;
};

/* Register a list with the loop; it must outlive the loop's last run, or be done before. */
void sg_deadline_list_init(struct sg_deadline_list *list, struct sg_loop *loop, int64_t span_ms,
                           void (*on_expired)(void *owner));

/* Take an empty list out of the loop: its memory may go now. Never from within on_expired. */
void sg_deadline_list_done(struct sg_deadline_list *list);

/* Arm or re-arm at the end of list (leaving whatever list it was in). */
void sg_deadline_arm(struct sg_deadline_list *list, struct sg_deadline *deadline, void *owner);
void sg_deadline_disarm(struct sg_deadline *deadline);

#endif
