#include "net/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/object.h"

/*
 * The loop is run one pass at a time, so that there is a place behind all callbacks of a pass and
 * before the sleep: there the journal gets the lines of the pass, and objects that callbacks gave
 * up are freed. Every entry into a deadline list notes the coarse clock of the last pass; the lists
 * are looked at once a tick.
 */

enum { LOOP_MAGIC = 0x53474c50, TICKS_MAX = 8 };

struct hook {
    void (*fn)(void *arg);
    void *arg;
};

struct sg_loop {
    uint32_t magic;
    struct event_base *base;
    const struct sg_clock *clock;
    struct event tick;
    int64_t now_ms;
    struct hook before_sleep;
    struct hook ticks[TICKS_MAX];
    size_t tick_count;
    struct sg_deadline_list *lists;
    struct sg_deferred *deferred; /* oldest first */
    struct sg_deferred **deferred_end;
    bool stopped;
};

static void read_clock(struct sg_loop *loop)
{
    loop->now_ms = sg_clock_monotonic_us(loop->clock) / 1000;
}

static void expire(struct sg_loop *loop)
{
    for (struct sg_deadline_list *list = loop->lists; list != NULL; list = list->next_list) {
        struct sg_deadline *first = list->head.next;
        while (list->span_ms > 0 && first != &list->head &&
               loop->now_ms - first->start_ms >= list->span_ms) {
            void *owner = first->owner;
            sg_deadline_disarm(first);
            list->on_expired(owner);
            first = list->head.next;
        }
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct sg_loop *loop = SG_CAST(struct sg_loop, LOOP_MAGIC, arg);
    (void)fd;
    (void)what;
    read_clock(loop);
    expire(loop);
    for (size_t i = 0; i < loop->tick_count; i++) {
        loop->ticks[i].fn(loop->ticks[i].arg);
    }
}

struct sg_loop *sg_loop_new(const struct sg_clock *clock, struct sg_error *reterr)
{
    const struct timeval tick = {.tv_usec = SG_LOOP_TICK_MS * 1000};
    struct event_config *config = event_config_new();
    struct sg_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL || config == NULL) {
        goto failed;
    }
    *loop = (struct sg_loop){.magic = LOOP_MAGIC, .clock = clock};
    loop->deferred_end = &loop->deferred;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV |
                                          EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) != 0) {
        goto failed;
    }
    loop->base = event_base_new_with_config(config);
    if (loop->base == NULL ||
        event_assign(&loop->tick, loop->base, -1, EV_PERSIST, on_tick, loop) != 0 ||
        event_add(&loop->tick, &tick) != 0) {
        goto failed;
    }
    event_config_free(config);
    read_clock(loop);
    return loop;
failed:
    if (config != NULL) {
        event_config_free(config);
    }
    if (loop != NULL && loop->base != NULL) {
        event_base_free(loop->base);
    }
    free(loop);
    (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "cannot make an event loop: out of memory");
    return NULL;
}

void sg_loop_run_deferred(struct sg_loop *loop)
{
    /* What is called may defer more, itself too: go on until nothing is left. */
    while (loop->deferred != NULL) {
        struct sg_deferred *first = loop->deferred;
        void (*fn)(void *object) = first->fn;
        loop->deferred = first->next;
        if (loop->deferred == NULL) {
            loop->deferred_end = &loop->deferred;
        }
        first->fn = NULL;
        fn(first->object); /* may free the object, and first with it */
    }
}

void sg_loop_free(struct sg_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    sg_loop_run_deferred(loop);
    (void)event_del(&loop->tick);
    /* Finalisers of bufferevents that evhttp gave up wait for one more pass. */
    (void)event_base_loop(loop->base, EVLOOP_NONBLOCK);
    event_base_free(loop->base);
    loop->magic = 0;
    free(loop);
}

struct event_base *sg_loop_base(struct sg_loop *loop)
{
    return loop->base;
}

const struct sg_clock *sg_loop_clock(const struct sg_loop *loop)
{
    return loop->clock;
}

int64_t sg_loop_now_ms(const struct sg_loop *loop)
{
    return loop->now_ms;
}

void sg_loop_set_before_sleep(struct sg_loop *loop, void (*fn)(void *arg), void *arg)
{
    loop->before_sleep = (struct hook){.fn = fn, .arg = arg};
}

void sg_loop_add_tick(struct sg_loop *loop, void (*fn)(void *arg), void *arg)
{
    if (fn != NULL) {
        SG_ASSERT(loop->tick_count < TICKS_MAX);
        loop->ticks[loop->tick_count++] = (struct hook){.fn = fn, .arg = arg};
    }
}

void sg_loop_run(struct sg_loop *loop)
{
    loop->stopped = false;
    read_clock(loop);
    while (!loop->stopped) {
        if (loop->before_sleep.fn != NULL) {
            loop->before_sleep.fn(loop->before_sleep.arg);
        }
        (void)event_base_loop(loop->base, EVLOOP_ONCE);
        sg_loop_run_deferred(loop);
    }
}

void sg_loop_stop(struct sg_loop *loop)
{
    loop->stopped = true;
    (void)event_base_loopbreak(loop->base);
}

void sg_loop_defer(struct sg_loop *loop, struct sg_deferred *deferred, void *object,
                   void (*fn)(void *object))
{
    if (deferred->fn != NULL) {
        return;
    }
    *deferred = (struct sg_deferred){.object = object, .fn = fn};
    *loop->deferred_end = deferred;
    loop->deferred_end = &deferred->next;
}

void sg_deadline_list_init(struct sg_deadline_list *list, struct sg_loop *loop, int64_t span_ms,
                           void (*on_expired)(void *owner))
{
    *list = (struct sg_deadline_list){.span_ms = span_ms, .on_expired = on_expired, .loop = loop};
    list->head.next = list->head.prev = &list->head;
    list->next_list = loop->lists;
    loop->lists = list;
}

void sg_deadline_list_done(struct sg_deadline_list *list)
{
    SG_ASSERT(list->head.next == &list->head);
    struct sg_deadline_list **at = &list->loop->lists;
    while (*at != list) {
        at = &(*at)->next_list;
    }
    *at = list->next_list;
}

void sg_deadline_disarm(struct sg_deadline *deadline)
{
    if (deadline->next != NULL) {
        deadline->prev->next = deadline->next;
        deadline->next->prev = deadline->prev;
        deadline->next = deadline->prev = NULL;
    }
}

void sg_deadline_arm(struct sg_deadline_list *list, struct sg_deadline *deadline, void *owner)
{
    sg_deadline_disarm(deadline);
    deadline->owner = owner;
    deadline->start_ms = list->loop->now_ms;
    deadline->next = &list->head;
    deadline->prev = list->head.prev;
    deadline->prev->next = deadline;
    list->head.prev = deadline;
}
