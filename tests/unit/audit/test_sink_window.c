/* What a syslog sink sends again: never less than what is not surely taken. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "audit/sink_window.h"

enum { FRAME_BYTES = 100, LINE_BYTES = 60 };

/* Lines are numbered from 1; line n ends at offset n * LINE_BYTES, its frame at n * FRAME_BYTES. */
static void add(struct sg_sink_window *window, uint64_t from, uint64_t to, uint64_t first)
{
    for (uint64_t n = from; n <= to; n++) {
        const struct sg_follow_position behind = {
            .epoch = 1, .first_seq = 1, .offset = n * LINE_BYTES};
        assert_true(sg_sink_window_has_room(window));
        sg_sink_window_add(window, &behind, n, LINE_BYTES, (n - first + 1) * FRAME_BYTES);
    }
}

/* The socket takes count frames of this connection, one after another. */
static void write_frames(struct sg_sink_window *window, uint64_t count)
{
    for (uint64_t n = 1; n <= count; n++) {
        sg_sink_window_written(window, n * FRAME_BYTES, n * FRAME_BYTES);
    }
}

static struct sg_sink_window *window_new(uint64_t base)
{
    struct sg_sink_window *window = test_malloc(sizeof *window);
    const struct sg_follow_position at = {.epoch = 1, .first_seq = 1, .offset = base * LINE_BYTES};
    sg_sink_window_init(window, &at, base);
    return window;
}

static void assert_base(const struct sg_sink_window *window, uint64_t line)
{
    assert_int_equal(window->base_seq, line);
    assert_int_equal(window->base.offset, line * LINE_BYTES);
}

static void test_nothing_is_taken_before_it_is_acknowledged(void **state)
{
    struct sg_sink_window *window = window_new(0);
    (void)state;
    assert_true(sg_sink_window_is_quiet(window));
    add(window, 1, 10, 1);
    assert_false(sg_sink_window_is_quiet(window));
    assert_int_equal(window->unacked_bytes, 10 * LINE_BYTES);
    /* Not written: nothing can be acknowledged. */
    assert_int_equal(sg_sink_window_acked(window, UINT64_MAX, 1), 0);
    /* Half of the third frame is on the wire, with 40 bytes of TLS besides. */
    sg_sink_window_written(window, 250, 290);
    assert_int_equal(sg_sink_window_acked(window, 289, 1), 0);
    assert_int_equal(sg_sink_window_acked(window, 290, 1), 2);
    assert_int_equal(sg_sink_window_acked_seq(window), 2);
    assert_int_equal(window->unacked_bytes, 8 * LINE_BYTES);
    sg_sink_window_written(window, 1000, 1100);
    assert_int_equal(sg_sink_window_acked(window, 1099, 5), 0);
    assert_int_equal(sg_sink_window_acked(window, 5000, 5), 8);
    assert_int_equal(sg_sink_window_acked_ms(window), 5);
    assert_true(sg_sink_window_is_quiet(window));
    /* Acknowledged is not taken. */
    sg_sink_window_settle(window, 10);
    assert_base(window, 0);
    test_free(window);
}

static void test_what_is_sent_again(void **state)
{
    struct sg_sink_window *window = window_new(0);
    (void)state;
    add(window, 1, 1500, 1);
    write_frames(window, 1500);
    assert_int_equal(sg_sink_window_acked(window, 1400 * FRAME_BYTES, 7), 1400);
    sg_sink_window_settle(window, 7);
    assert_base(window, 400); /* a thousand acknowledged lines are kept */
    assert_int_equal(window->count, 1100);
    sg_sink_window_ended(window, false);
    assert_base(window, 400);
    assert_true(sg_sink_window_is_quiet(window));
    assert_int_equal(window->unacked_bytes, 0);
    assert_int_equal(sg_sink_window_acked_seq(window), 400);
    /* The next connection breaks before it has come as far: not a line further. */
    add(window, 401, 900, 401);
    write_frames(window, 500);
    assert_int_equal(sg_sink_window_acked(window, 500 * FRAME_BYTES, 8), 500);
    sg_sink_window_settle(window, 8);
    assert_base(window, 400);
    sg_sink_window_ended(window, false);
    assert_base(window, 400);
    /* One that ends in order has taken what was acknowledged, and no more. */
    add(window, 401, 500, 401);
    write_frames(window, 100);
    assert_int_equal(sg_sink_window_acked(window, 60 * FRAME_BYTES, 9), 60);
    sg_sink_window_ended(window, true);
    assert_base(window, 460);
    test_free(window);
}

static void test_an_hour_is_enough(void **state)
{
    struct sg_sink_window *window = window_new(5);
    (void)state;
    add(window, 6, 25, 6);
    write_frames(window, 20);
    assert_int_equal(sg_sink_window_acked(window, 10 * FRAME_BYTES, 1000), 10);
    assert_int_equal(sg_sink_window_acked(window, 20 * FRAME_BYTES, 2000), 10);
    sg_sink_window_settle(window, 999 + SG_SINK_WINDOW_AGAIN_MS);
    assert_base(window, 5);
    sg_sink_window_settle(window, 1000 + SG_SINK_WINDOW_AGAIN_MS);
    assert_base(window, 15);
    sg_sink_window_settle(window, 2000 + SG_SINK_WINDOW_AGAIN_MS);
    assert_base(window, 25);
    assert_int_equal(window->count, 0);
    test_free(window);
}

/* Many times around the ring: as many lines under way as fit, and never one more. */
static void test_a_long_connection(void **state)
{
    struct sg_sink_window *window = window_new(0);
    uint64_t added = 0, acked = 0;
    (void)state;
    for (int round = 0; round < 20; round++) {
        while (sg_sink_window_has_room(window)) {
            add(window, added + 1, added + 1, 1);
            added++;
        }
        assert_int_equal(window->count, SG_SINK_WINDOW_ENTRIES);
        write_frames(window, added);
        acked += 2000;
        assert_int_equal(sg_sink_window_acked(window, acked * FRAME_BYTES + 99, round), 2000);
        assert_int_equal(sg_sink_window_acked_seq(window), acked);
        sg_sink_window_settle(window, round);
        assert_base(window, acked - SG_SINK_WINDOW_AGAIN);
        assert_int_equal(window->unacked_bytes, (added - acked) * LINE_BYTES);
    }
    test_free(window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_taken_before_it_is_acknowledged),
        cmocka_unit_test(test_what_is_sent_again),
        cmocka_unit_test(test_an_hour_is_enough),
        cmocka_unit_test(test_a_long_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
