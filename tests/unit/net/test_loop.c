#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "net/loop.h"

/* The loop on a clock of the test's: it stands still but for what a test adds. */

enum { NAMES_MAX = 16 };

struct bench {
    struct sg_clock clock;
    int64_t now_us;
    struct sg_loop *loop;
    char names[NAMES_MAX + 1]; /* what was called, in order */
    size_t count;
    unsigned turns;
    struct sg_deadline *armed_again;
    struct sg_deadline_list *list;
};

struct entry {
    struct sg_deadline deadline;
    struct bench *bench;
    char name;
};

static int64_t bench_now(void *arg)
{
    return ((struct bench *)arg)->now_us;
}

static void note(struct bench *bench, char name)
{
    assert_true(bench->count < NAMES_MAX);
    bench->names[bench->count++] = name;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) {
        return -1;
    }
    bench->clock =
        (struct sg_clock){.monotonic_us = bench_now, .realtime_us = bench_now, .arg = bench};
    bench->now_us = 1000000;
    bench->loop = sg_loop_new(&bench->clock, NULL);
    *state = bench;
    return bench->loop != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    sg_loop_free(bench->loop);
    free(bench);
    return 0;
}

static void stop_at_tick(void *arg)
{
    struct bench *bench = arg;
    sg_loop_stop(bench->loop);
}

/* Let the clock go on, then run the loop over one tick. */
static void pass(struct bench *bench, int64_t ms)
{
    bench->now_us += ms * 1000;
    sg_loop_run(bench->loop);
}

static void on_expired(void *owner)
{
    struct entry *entry = owner;
    assert_null(entry->deadline.next); /* disarmed before the call */
    note(entry->bench, entry->name);
    if (entry->bench->armed_again == &entry->deadline) {
        entry->bench->armed_again = NULL;
        sg_deadline_arm(entry->bench->list, &entry->deadline, entry);
    }
}

static void deadlines_expire_in_the_order_of_arming_and_not_before_their_span(void **state)
{
    struct bench *bench = *state;
    struct entry a = {.bench = bench, .name = 'a'}, b = {.bench = bench, .name = 'b'};
    struct sg_deadline_list list;
    sg_deadline_list_init(&list, bench->loop, 1000, on_expired);
    sg_loop_add_tick(bench->loop, stop_at_tick, bench);
    sg_deadline_arm(&list, &a.deadline, &a);
    pass(bench, 500);
    sg_deadline_arm(&list, &b.deadline, &b);
    pass(bench, 499);
    assert_string_equal(bench->names, "");
    pass(bench, 1);
    assert_string_equal(bench->names, "a");
    pass(bench, 500);
    assert_string_equal(bench->names, "ab");
    sg_deadline_list_done(&list);
}

static void arming_again_begins_anew_and_disarming_ends_it(void **state)
{
    struct bench *bench = *state;
    struct entry a = {.bench = bench, .name = 'a'}, b = {.bench = bench, .name = 'b'};
    struct sg_deadline_list list;
    sg_deadline_list_init(&list, bench->loop, 1000, on_expired);
    sg_loop_add_tick(bench->loop, stop_at_tick, bench);
    sg_deadline_arm(&list, &a.deadline, &a);
    sg_deadline_arm(&list, &b.deadline, &b);
    pass(bench, 600);
    sg_deadline_arm(&list, &a.deadline, &a);
    sg_deadline_disarm(&b.deadline);
    sg_deadline_disarm(&b.deadline);
    pass(bench, 600);
    assert_string_equal(bench->names, "");
    pass(bench, 400);
    assert_string_equal(bench->names, "a");
    sg_deadline_list_done(&list);
}

static void an_expired_one_may_be_armed_again_by_its_own_call(void **state)
{
    struct bench *bench = *state;
    struct entry a = {.bench = bench, .name = 'a'};
    struct sg_deadline_list list;
    sg_deadline_list_init(&list, bench->loop, 1000, on_expired);
    bench->list = &list;
    bench->armed_again = &a.deadline;
    sg_loop_add_tick(bench->loop, stop_at_tick, bench);
    sg_deadline_arm(&list, &a.deadline, &a);
    pass(bench, 1000);
    assert_string_equal(bench->names, "a");
    pass(bench, 1000);
    assert_string_equal(bench->names, "aa");
    sg_deadline_list_done(&list);
}

static void a_span_of_nothing_never_expires_and_a_changed_one_counts(void **state)
{
    struct bench *bench = *state;
    struct entry a = {.bench = bench, .name = 'a'};
    struct sg_deadline_list list;
    sg_deadline_list_init(&list, bench->loop, 0, on_expired);
    sg_loop_add_tick(bench->loop, stop_at_tick, bench);
    sg_deadline_arm(&list, &a.deadline, &a);
    pass(bench, 1000000);
    assert_string_equal(bench->names, "");
    list.span_ms = 2000000;
    pass(bench, 999999);
    assert_string_equal(bench->names, "");
    pass(bench, 1);
    assert_string_equal(bench->names, "a");
    sg_deadline_list_done(&list);
}

static void a_list_that_is_done_is_looked_at_no_more(void **state)
{
    struct bench *bench = *state;
    struct entry a = {.bench = bench, .name = 'a'}, b = {.bench = bench, .name = 'b'};
    struct sg_deadline_list *gone = malloc(sizeof *gone);
    struct sg_deadline_list kept;
    assert_non_null(gone);
    sg_deadline_list_init(&kept, bench->loop, 1000, on_expired);
    sg_deadline_list_init(gone, bench->loop, 1000, on_expired);
    sg_loop_add_tick(bench->loop, stop_at_tick, bench);
    sg_deadline_arm(gone, &b.deadline, &b);
    sg_deadline_arm(&kept, &b.deadline, &b); /* leaves the list it was in */
    sg_deadline_arm(&kept, &a.deadline, &a);
    sg_deadline_list_done(gone);
    free(gone);
    pass(bench, 1000);
    assert_string_equal(bench->names, "ba");
    sg_deadline_list_done(&kept);
}

/* --- what waits until no callback is on the stack ----------------------------------------------
 */

struct parcel {
    struct sg_deferred deferred;
    struct bench *bench;
    struct parcel *next; /* deferred when this one is freed */
    char name;
};

static void free_parcel(void *object)
{
    struct parcel *parcel = object;
    note(parcel->bench, parcel->name);
    if (parcel->next != NULL) {
        sg_loop_defer(parcel->bench->loop, &parcel->next->deferred, parcel->next, free_parcel);
    }
}

static void what_is_deferred_is_freed_in_order_and_what_that_defers_too(void **state)
{
    struct bench *bench = *state;
    struct parcel third = {.bench = bench, .name = '3'};
    struct parcel first = {.bench = bench, .name = '1', .next = &third};
    struct parcel second = {.bench = bench, .name = '2'};
    sg_loop_defer(bench->loop, &first.deferred, &first, free_parcel);
    sg_loop_defer(bench->loop, &second.deferred, &second, free_parcel);
    assert_string_equal(bench->names, "");
    sg_loop_run_deferred(bench->loop);
    assert_string_equal(bench->names, "123");
    sg_loop_run_deferred(bench->loop);
    assert_string_equal(bench->names, "123");
}

static void what_is_deferred_twice_is_called_once(void **state)
{
    struct bench *bench = *state;
    struct parcel parcel = {.bench = bench, .name = '1'};
    sg_loop_defer(bench->loop, &parcel.deferred, &parcel, free_parcel);
    sg_loop_defer(bench->loop, &parcel.deferred, &parcel, free_parcel);
    sg_loop_run_deferred(bench->loop);
    assert_string_equal(bench->names, "1");
    sg_loop_defer(bench->loop, &parcel.deferred, &parcel, free_parcel); /* it may be again */
    sg_loop_run_deferred(bench->loop);
    assert_string_equal(bench->names, "11");
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct parcel *parcel = arg;
    (void)fd;
    (void)what;
    sg_loop_defer(parcel->bench->loop, &parcel->deferred, parcel, free_parcel);
    note(parcel->bench, 'e'); /* still there: freed only when this has returned */
    sg_loop_stop(parcel->bench->loop);
}

static void before_sleep(void *arg)
{
    note(arg, 's');
}

static void a_turn_is_hand_over_then_callbacks_then_what_they_gave_up(void **state)
{
    struct bench *bench = *state;
    struct parcel parcel = {.bench = bench, .name = 'f'};
    struct event *event = event_new(sg_loop_base(bench->loop), -1, 0, on_event, &parcel);
    assert_non_null(event);
    sg_loop_set_before_sleep(bench->loop, before_sleep, bench);
    event_active(event, EV_TIMEOUT, 0);
    sg_loop_run(bench->loop);
    assert_string_equal(bench->names, "sef");
    event_free(event);
}

static void a_loop_that_is_freed_frees_what_is_deferred(void **state)
{
    struct bench *bench = *state;
    struct parcel parcel = {.bench = bench, .name = 'f'};
    sg_loop_defer(bench->loop, &parcel.deferred, &parcel, free_parcel);
    sg_loop_free(bench->loop);
    bench->loop = NULL;
    assert_string_equal(bench->names, "f");
}

static void the_coarse_clock_moves_with_the_passes_only(void **state)
{
    struct bench *bench = *state;
    sg_loop_add_tick(bench->loop, stop_at_tick, bench);
    sg_loop_add_tick(bench->loop, NULL, NULL);
    int64_t before = sg_loop_now_ms(bench->loop);
    bench->now_us += 5000000;
    assert_int_equal(sg_loop_now_ms(bench->loop), before);
    sg_loop_run(bench->loop);
    assert_int_equal(sg_loop_now_ms(bench->loop), before + 5000);
    assert_ptr_equal(sg_loop_clock(bench->loop), &bench->clock);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(deadlines_expire_in_the_order_of_arming_and_not_before_their_span),
        TEST(arming_again_begins_anew_and_disarming_ends_it),
        TEST(an_expired_one_may_be_armed_again_by_its_own_call),
        TEST(a_span_of_nothing_never_expires_and_a_changed_one_counts),
        TEST(a_list_that_is_done_is_looked_at_no_more),
        TEST(what_is_deferred_is_freed_in_order_and_what_that_defers_too),
        TEST(what_is_deferred_twice_is_called_once),
        TEST(what_is_deferred_twice_is_called_once),
        TEST(a_turn_is_hand_over_then_callbacks_then_what_they_gave_up),
        TEST(a_loop_that_is_freed_frees_what_is_deferred),
        TEST(the_coarse_clock_moves_with_the_passes_only),
    };
    return cmocka_run_group_tests_name("net/loop", tests, NULL, NULL);
}
