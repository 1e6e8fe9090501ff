#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/mailbox.h"

enum { SENDERS = 4, EACH = 500 };

struct letter {
    struct sg_message message;
    unsigned sender;
    unsigned number;
};

struct bench {
    struct sg_loop *loop;
    struct sg_mailbox *mailbox;
    unsigned got;
    unsigned wanted; /* stop the loop when that many have come */
    unsigned next[SENDERS];
    unsigned wakes;
    unsigned stop_at_wake;
    pthread_t loop_thread;
};

static void on_letter(void *arg, struct sg_message *message)
{
    struct bench *bench = arg;
    struct letter *letter = (struct letter *)message;
    assert_true(pthread_equal(pthread_self(), bench->loop_thread));
    assert_int_equal(letter->number, bench->next[letter->sender]);
    bench->next[letter->sender]++;
    free(letter);
    if (++bench->got == bench->wanted) {
        sg_loop_stop(bench->loop);
    }
}

static void on_wake(void *arg)
{
    struct bench *bench = arg;
    if (++bench->wakes == bench->stop_at_wake) {
        sg_loop_stop(bench->loop);
    }
}

static void post(struct bench *bench, unsigned sender, unsigned number)
{
    struct letter *letter = calloc(1, sizeof *letter);
    assert_non_null(letter);
    letter->sender = sender;
    letter->number = number;
    sg_mailbox_post(bench->mailbox, &letter->message);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) {
        return -1;
    }
    bench->loop_thread = pthread_self();
    bench->loop = sg_loop_new(&sg_clock_system, NULL);
    bench->mailbox =
        bench->loop != NULL ? sg_mailbox_new(bench->loop, on_letter, bench, NULL) : NULL;
    *state = bench;
    return bench->mailbox != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    sg_mailbox_free(bench->mailbox);
    sg_loop_free(bench->loop);
    free(bench);
    return 0;
}

struct sender {
    struct bench *bench;
    unsigned index;
};

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    for (unsigned i = 0; i < EACH; i++) {
        post(sender->bench, sender->index, i);
    }
    return NULL;
}

static void many_threads_lose_nothing_and_keep_their_order(void **state)
{
    struct bench *bench = *state;
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    bench->wanted = SENDERS * EACH;
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.bench = bench, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    sg_loop_run(bench->loop);
    for (unsigned i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(bench->next[i], EACH);
    }
}

static void what_came_before_the_loop_ran_is_not_lost(void **state)
{
    struct bench *bench = *state;
    post(bench, 0, 0);
    post(bench, 0, 1);
    bench->wanted = 2;
    sg_loop_run(bench->loop);
    assert_int_equal(bench->got, 2);
}

/* The eventfd is never read: the second wake-up must come although the first one's 1 still stands.
 */
static void every_write_to_the_eventfd_is_a_wake_up(void **state)
{
    struct bench *bench = *state;
    const uint64_t one = 1;
    sg_mailbox_set_on_wake(bench->mailbox, on_wake, bench);
    for (unsigned i = 1; i <= 3; i++) {
        bench->stop_at_wake = i;
        assert_int_equal(write(sg_mailbox_wake_fd(bench->mailbox), &one, sizeof one), sizeof one);
        sg_loop_run(bench->loop);
        assert_int_equal(bench->wakes, i);
    }
    assert_int_equal(bench->got, 0);
}

static void detached_it_has_delivered_and_can_still_be_written_to(void **state)
{
    struct bench *bench = *state;
    post(bench, 0, 0);
    sg_mailbox_detach(bench->mailbox);
    assert_int_equal(bench->got, 1);
    sg_loop_free(bench->loop);
    bench->loop = NULL;
    post(bench, 0, 1);
    assert_int_equal(bench->got, 1);
    sg_mailbox_free(bench->mailbox); /* the owner gets what is left, to free it */
    bench->mailbox = NULL;
    assert_int_equal(bench->got, 2);
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    sg_mailbox_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(many_threads_lose_nothing_and_keep_their_order),
        TEST(what_came_before_the_loop_ran_is_not_lost),
        TEST(every_write_to_the_eventfd_is_a_wake_up),
        TEST(detached_it_has_delivered_and_can_still_be_written_to),
        cmocka_unit_test(freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests_name("net/mailbox", tests, NULL, NULL);
}
