#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

#include <cmocka.h>

#include "net/sources.h"

enum { ADDRESSES = 20000, THREADS = 4, ROUNDS = 5000, MAX = 3 };

static struct sg_ip address(unsigned number)
{
    return (struct sg_ip){
        .family = 4,
        .bytes = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

static void each_address_has_its_own_count(void **state)
{
    (void)state;
    struct sg_sources *sources = sg_sources_new();
    struct sg_ip one = address(1), two = address(2);
    assert_non_null(sources);
    for (int i = 0; i < MAX; i++) {
        assert_true(sg_sources_enter(sources, &one, MAX));
    }
    assert_false(sg_sources_enter(sources, &one, MAX));
    assert_true(sg_sources_enter(sources, &two, MAX));
    sg_sources_leave(sources, &one);
    assert_true(sg_sources_enter(sources, &one, MAX));
    assert_false(sg_sources_enter(sources, &one, MAX));
    assert_true(sg_sources_enter(sources, &one, 0)); /* no limit */
    sg_sources_free(sources);
}

/* Chains are shared by many; each is found, and its entry goes with its last connection. */
static void many_addresses_are_told_apart(void **state)
{
    (void)state;
    struct sg_sources *sources = sg_sources_new();
    for (unsigned i = 0; i < ADDRESSES; i++) {
        struct sg_ip ip = address(i);
        assert_true(sg_sources_enter(sources, &ip, 1));
    }
    for (unsigned i = 0; i < ADDRESSES; i++) {
        struct sg_ip ip = address(i);
        assert_false(sg_sources_enter(sources, &ip, 1));
        sg_sources_leave(sources, &ip);
        assert_true(sg_sources_enter(sources, &ip, 1));
        sg_sources_leave(sources, &ip);
    }
    sg_sources_free(sources);
    sg_sources_free(NULL);
}

struct share {
    struct sg_sources *sources;
    unsigned entered;
};

static void *come_and_go(void *arg)
{
    struct share *share = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct sg_ip ip = address(i % 7);
        if (sg_sources_enter(share->sources, &ip, MAX)) {
            share->entered++;
            sg_sources_leave(share->sources, &ip);
        }
    }
    return NULL;
}

static void threads_may_come_and_go_at_once(void **state)
{
    (void)state;
    struct sg_sources *sources = sg_sources_new();
    struct share shares[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        shares[i] = (struct share){.sources = sources};
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &shares[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(shares[i].entered > 0);
    }
    for (unsigned i = 0; i < 7; i++) { /* all have left: each may have MAX again */
        struct sg_ip ip = address(i);
        for (int k = 0; k < MAX; k++) {
            assert_true(sg_sources_enter(sources, &ip, MAX));
        }
        assert_false(sg_sources_enter(sources, &ip, MAX));
    }
    sg_sources_free(sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_has_its_own_count),
        cmocka_unit_test(many_addresses_are_told_apart),
        cmocka_unit_test(threads_may_come_and_go_at_once),
    };
    return cmocka_run_group_tests_name("net/sources", tests, NULL, NULL);
}
