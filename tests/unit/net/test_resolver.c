#define SG_RESOLVER_PRIVATE

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ip.h"
#include "net/resolver.h"

/*
 * The resolver over a system of our own: what it answers is set by the test, how often it was asked
 * is counted, and it can be made to hang. Every wait is for a condition, with a limit that only a
 * failing test meets. The clock stands still but for the test; the thread looks at it when it is
 * woken, for which a test adds a name: new names come first, then what else is due.
 */

enum { ADDRESSES_MAX = 20, WAIT_SECONDS = 20 };

static const int64_t second_us = 1000000;

struct fake {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_llong now_us;
    int code;
    const char *addresses[ADDRESSES_MAX + 1]; /* NULL ends */
    bool hang;
    unsigned asked;
    unsigned told;
    unsigned ended;
    char host[256]; /* of the last question */
    char port[8];
    struct sg_resolver *resolver;
};

static int64_t fake_now(void *arg)
{
    struct fake *fake = arg;
    return (int64_t)atomic_load(&fake->now_us);
}

static void must_lock(struct fake *fake)
{
    assert_int_equal(pthread_mutex_lock(&fake->mutex), 0);
}

static void must_unlock(struct fake *fake)
{
    assert_int_equal(pthread_mutex_unlock(&fake->mutex), 0);
}

static struct addrinfo *make_info(const char *text, const char *port)
{
    struct addrinfo *info = calloc(1, sizeof *info);
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    assert_non_null(info);
    info->ai_addr = calloc(1, sizeof(struct sockaddr_storage));
    assert_non_null(info->ai_addr);
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        in.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
        memcpy(info->ai_addr, &in, sizeof in);
        info->ai_addrlen = sizeof in;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        in6.sin6_port = htons((uint16_t)strtoul(port, NULL, 10));
        memcpy(info->ai_addr, &in6, sizeof in6);
        info->ai_addrlen = sizeof in6;
    }
    info->ai_family = info->ai_addr->sa_family;
    return info;
}

static int fake_look_up(void *arg, const char *host, const char *port, struct addrinfo **ret)
{
    struct fake *fake = arg;
    struct addrinfo **end = ret;
    (void)pthread_mutex_lock(&fake->mutex);
    fake->asked++;
    (void)strncpy(fake->host, host, sizeof fake->host - 1);
    (void)strncpy(fake->port, port, sizeof fake->port - 1);
    (void)pthread_cond_broadcast(&fake->changed);
    while (fake->hang) {
        (void)pthread_cond_wait(&fake->changed, &fake->mutex);
    }
    int code = fake->code;
    for (size_t i = 0; code == 0 && fake->addresses[i] != NULL; i++) {
        *end = make_info(fake->addresses[i], port);
        end = &(*end)->ai_next;
    }
    (void)pthread_mutex_unlock(&fake->mutex);
    return code;
}

static void fake_release(void *arg, struct addrinfo *list)
{
    (void)arg;
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list->ai_addr);
        free(list);
        list = next;
    }
}

static void fake_ended(void *arg)
{
    struct fake *fake = arg;
    (void)pthread_mutex_lock(&fake->mutex);
    fake->ended++;
    (void)pthread_cond_broadcast(&fake->changed);
    (void)pthread_mutex_unlock(&fake->mutex);
}

static void fake_told(void *arg)
{
    struct fake *fake = arg;
    (void)pthread_mutex_lock(&fake->mutex);
    fake->told++;
    (void)pthread_cond_broadcast(&fake->changed);
    (void)pthread_mutex_unlock(&fake->mutex);
}

/* Wait until a counter of the fake is what it should be at least. */
static void wait_for(struct fake *fake, const unsigned *counter, unsigned value)
{
    struct timespec limit;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &limit), 0);
    limit.tv_sec += WAIT_SECONDS;
    must_lock(fake);
    while (*counter < value) {
        assert_int_equal(pthread_cond_timedwait(&fake->changed, &fake->mutex, &limit), 0);
    }
    must_unlock(fake);
}

static unsigned read_counter(struct fake *fake, const unsigned *counter)
{
    must_lock(fake);
    unsigned value = *counter;
    must_unlock(fake);
    return value;
}

static void set_answer(struct fake *fake, int code, const char *const *addresses)
{
    must_lock(fake);
    fake->code = code;
    memset(fake->addresses, 0, sizeof fake->addresses);
    for (size_t i = 0; addresses != NULL && addresses[i] != NULL; i++) {
        assert_true(i < ADDRESSES_MAX);
        fake->addresses[i] = addresses[i];
    }
    must_unlock(fake);
}

#define ANSWER(fake, ...) set_answer((fake), 0, (const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
    struct fake *fake = calloc(1, sizeof *fake);
    struct sg_error error;
    assert_non_null(fake);
    assert_int_equal(pthread_mutex_init(&fake->mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&fake->changed, NULL), 0);
    atomic_store(&fake->now_us, 1000 * second_us);
    const struct sg_clock clock = {.monotonic_us = fake_now, .realtime_us = fake_now, .arg = fake};
    const struct sg_resolver_system system = {
        .look_up = fake_look_up, .release = fake_release, .ended = fake_ended, .arg = fake};
    fake->resolver = sg_resolver_new_over(&clock, &system, &error);
    assert_non_null(fake->resolver);
    sg_resolver_set_on_change(fake->resolver, fake_told, fake);
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    struct fake *fake = *state;
    sg_resolver_free(fake->resolver);
    wait_for(fake, &fake->ended, 1);
    (void)pthread_mutex_destroy(&fake->mutex);
    (void)pthread_cond_destroy(&fake->changed);
    free(fake);
    return 0;
}

static void expect_address(const struct sg_address *address, const char *text, uint16_t port)
{
    char found[SG_IP_TEXT_BYTES];
    struct sg_ip ip = sg_ip_from_sockaddr((const struct sockaddr *)&address->socket);
    struct sockaddr_in in;
    sg_ip_format(&ip, found);
    assert_string_equal(found, text);
    memcpy(&in, &address->socket, sizeof in); /* both kinds have the port at the same place */
    assert_int_equal(ntohs(in.sin_port), port);
    assert_int_equal(address->bytes,
                     ip.family == 4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
}

/* Look a name up for the first time. */
static bool resolve(struct fake *fake, const char *host, struct sg_address_list *list)
{
    unsigned told = read_counter(fake, &fake->told);
    sg_resolver_add(fake->resolver, host, 443);
    wait_for(fake, &fake->told, told + 1);
    return sg_resolver_get(fake->resolver, host, 443, list);
}

/* Wake the thread by a new name and wait for its answer: whatever else was due came before it. */
static void wake(struct fake *fake)
{
    static const char *const names[] = {"w0.example", "w1.example", "w2.example", "w3.example",
                                        "w4.example", "w5.example", "w6.example", "w7.example"};
    struct sg_address_list list;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!sg_resolver_get(fake->resolver, names[i], 443, &list) && list.failure == NULL) {
            (void)resolve(fake, names[i], &list);
            return;
        }
    }
    fail();
}

/* Wait until the first address of live.example is text; NULL: until there is none. */
static void wait_for_address(struct fake *fake, const char *text)
{
    struct sg_address_list list;
    struct timespec now, limit;
    bool there = false;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &limit), 0);
    limit.tv_sec += WAIT_SECONDS;
    while (!there) {
        char found[SG_IP_TEXT_BYTES] = "";
        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
        assert_true(now.tv_sec < limit.tv_sec);
        if (sg_resolver_get(fake->resolver, "live.example", 443, &list)) {
            struct sg_ip ip = sg_ip_from_sockaddr((const struct sockaddr *)&list.items[0].socket);
            sg_ip_format(&ip, found);
        }
        there = strcmp(found, text != NULL ? text : "") == 0;
        (void)sched_yield();
    }
    assert_true(text != NULL ? list.failure == NULL : list.failure != NULL);
}

static void literals_need_no_look_up(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    sg_resolver_add(fake->resolver, "192.0.2.1", 80);
    assert_true(sg_resolver_get(fake->resolver, "192.0.2.1", 80, &list));
    assert_int_equal(list.count, 1);
    expect_address(&list.items[0], "192.0.2.1", 80);
    assert_true(sg_resolver_get(fake->resolver, "2001:db8::1", 8443, &list));
    expect_address(&list.items[0], "2001:db8::1", 8443);
    assert_true(sg_resolver_get(fake->resolver, "[::1]", 1, &list));
    expect_address(&list.items[0], "::1", 1);
    assert_true(sg_resolver_get(fake->resolver, "127.0.0.1", 65535, &list));
    wake(fake);
    assert_int_equal(read_counter(fake, &fake->asked), 1); /* the name that wakes */
}

static void an_unknown_name_is_not_a_failed_one(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list = {.count = 7};
    assert_false(sg_resolver_get(fake->resolver, "live.example", 443, &list));
    assert_int_equal(list.count, 0);
    assert_null(list.failure);
}

static void a_name_is_looked_up_once_for_all_spellings(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    ANSWER(fake, "192.0.2.1", "2001:db8::2");
    assert_true(resolve(fake, "live.example", &list));
    assert_string_equal(fake->host, "live.example");
    assert_string_equal(fake->port, "443");
    assert_int_equal(list.count, 2);
    expect_address(&list.items[0], "192.0.2.1", 443);
    expect_address(&list.items[1], "2001:db8::2", 443);
    sg_resolver_add(fake->resolver, "LIVE.example", 443);
    assert_true(sg_resolver_get(fake->resolver, "Live.Example", 443, &list));
    wake(fake);
    assert_int_equal(read_counter(fake, &fake->asked), 2);
    assert_false(sg_resolver_get(fake->resolver, "live.example", 444, &list));
}

static void names_that_cannot_be_are_not_asked_for(void **state)
{
    struct fake *fake = *state;
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    sg_resolver_add(fake->resolver, "", 443);
    sg_resolver_add(fake->resolver, longest, 443);
    wake(fake);
    assert_int_equal(read_counter(fake, &fake->asked), 1);
}

static void a_failure_says_why(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    static const struct {
        int code;
        const char *host, *text;
    } rows[] = {
        {EAI_NONAME, "a.example", "there is no such name"},
        {EAI_AGAIN, "b.example", "the name server did not answer"},
        {EAI_FAIL, "c.example", "the name server refused"},
        {EAI_SYSTEM, "d.example", "the system refused the look-up"},
        {EAI_MEMORY, "e.example", "no memory for the look-up"},
        {EAI_FAMILY, "f.example", "the look-up failed"},
        {0, "g.example", "the name has no address"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_answer(fake, rows[i].code, NULL);
        assert_false(resolve(fake, rows[i].host, &list));
        assert_int_equal(list.count, 0);
        assert_string_equal(list.failure, rows[i].text);
    }
}

static void addresses_that_may_not_be_dialled_are_left_out(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    ANSWER(fake, "169.254.169.254", "127.0.0.1", "0.0.0.0", "192.0.2.7", "224.0.0.1",
           "255.255.255.255", "fe80::1", "::1", "::", "ff02::1", "::ffff:127.0.0.1",
           "::ffff:169.254.169.254", "10.0.0.1");
    assert_true(resolve(fake, "live.example", &list));
    assert_int_equal(list.count, 2);
    expect_address(&list.items[0], "192.0.2.7", 443);
    expect_address(&list.items[1], "10.0.0.1", 443);
    ANSWER(fake, "127.0.0.1", "::1");
    assert_false(resolve(fake, "rebound.example", &list));
    assert_string_equal(list.failure, "the name has loopback or link-local addresses only");
    assert_false(resolve(fake, "notlocalhost", &list));
}

static void localhost_may_be_loopback(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    static const char *const names[] = {"localhost", "LOCALHOST.", "cloud.localhost"};
    ANSWER(fake, "::1", "127.0.0.1", "169.254.1.1");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(resolve(fake, names[i], &list));
        assert_int_equal(list.count, 2);
        expect_address(&list.items[0], "::1", 443);
        expect_address(&list.items[1], "127.0.0.1", 443);
    }
}

static void doubles_and_too_many_are_left_out(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    ANSWER(fake, "10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1");
    assert_true(resolve(fake, "doubles.example", &list));
    assert_int_equal(list.count, 2);
    ANSWER(fake, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7",
           "10.0.0.8", "10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14",
           "10.0.0.15", "10.0.0.16", "10.0.0.17", "10.0.0.18");
    assert_true(resolve(fake, "many.example", &list));
    assert_int_equal(list.count, SG_RESOLVER_ADDRESSES_MAX);
    expect_address(&list.items[15], "10.0.0.16", 443);
}

static void a_name_is_looked_up_again_after_30_seconds(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    ANSWER(fake, "10.0.0.1");
    assert_true(resolve(fake, "live.example", &list));
    ANSWER(fake, "10.0.0.2");
    atomic_fetch_add(&fake->now_us, 30 * second_us - 1);
    wake(fake);
    wake(fake);
    wait_for_address(fake, "10.0.0.1");
    atomic_fetch_add(&fake->now_us, 1);
    wake(fake);
    wait_for_address(fake, "10.0.0.2");
}

static void the_last_good_list_stays_for_10_minutes(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    ANSWER(fake, "10.0.0.1");
    assert_true(resolve(fake, "live.example", &list));
    set_answer(fake, EAI_AGAIN, NULL);
    atomic_fetch_add(&fake->now_us, 600 * second_us - 1);
    unsigned asked = read_counter(fake, &fake->asked);
    wake(fake);
    wait_for(fake, &fake->asked, asked + 2);
    wake(fake);
    wait_for_address(fake, "10.0.0.1");
    atomic_fetch_add(&fake->now_us, 5 * second_us);
    wake(fake);
    wait_for_address(fake, NULL);
    ANSWER(fake, "10.0.0.3");
    atomic_fetch_add(&fake->now_us, 5 * second_us);
    wake(fake);
    wait_for_address(fake, "10.0.0.3");
}

static void a_refresh_comes_at_most_once_a_second(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    sg_resolver_refresh(fake->resolver, "never-added.example", 443);
    ANSWER(fake, "10.0.0.1");
    assert_true(resolve(fake, "live.example", &list));
    ANSWER(fake, "10.0.0.2");
    sg_resolver_refresh(fake->resolver, "live.example", 443);
    wake(fake);
    wake(fake);
    wait_for_address(fake, "10.0.0.1");
    atomic_fetch_add(&fake->now_us, second_us);
    wake(fake);
    wait_for_address(fake, "10.0.0.2");
    ANSWER(fake, "10.0.0.3");
    sg_resolver_refresh(fake->resolver, "live.example", 443);
    wake(fake);
    wake(fake);
    wait_for_address(fake, "10.0.0.2");
}

static void nobody_waits_for_a_look_up_that_hangs(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    must_lock(fake);
    fake->hang = true;
    must_unlock(fake);
    sg_resolver_add(fake->resolver, "live.example", 443);
    wait_for(fake, &fake->asked, 1);
    assert_false(sg_resolver_get(fake->resolver, "live.example", 443, &list));
    assert_null(list.failure);
    sg_resolver_refresh(fake->resolver, "live.example", 443);
    sg_resolver_add(fake->resolver, "other.example", 443);
    sg_resolver_free(fake->resolver);
    fake->resolver = NULL;
    must_lock(fake);
    fake->hang = false;
    (void)pthread_cond_broadcast(&fake->changed);
    must_unlock(fake);
    wait_for(fake, &fake->ended, 1);
    assert_int_equal(read_counter(fake, &fake->asked), 1); /* the other name is not begun */
    assert_int_equal(read_counter(fake, &fake->told), 0);
}

static void nobody_is_told_after_giving_up_the_call(void **state)
{
    struct fake *fake = *state;
    ANSWER(fake, "10.0.0.1");
    must_lock(fake);
    fake->hang = true;
    must_unlock(fake);
    sg_resolver_add(fake->resolver, "live.example", 443);
    wait_for(fake, &fake->asked, 1);
    sg_resolver_set_on_change(fake->resolver, NULL, NULL);
    must_lock(fake);
    fake->hang = false;
    (void)pthread_cond_broadcast(&fake->changed);
    must_unlock(fake);
    wait_for_address(fake, "10.0.0.1");
    assert_int_equal(read_counter(fake, &fake->told), 0);
}

static void the_system_knows_localhost(void **state)
{
    struct fake *fake = *state;
    struct sg_address_list list;
    struct sg_error error;
    struct sg_resolver *resolver = sg_resolver_new(&sg_clock_system, &error);
    assert_non_null(resolver);
    sg_resolver_set_on_change(resolver, fake_told, fake);
    sg_resolver_add(resolver, "localhost", 8080);
    wait_for(fake, &fake->told, 1);
    assert_true(sg_resolver_get(resolver, "localhost", 8080, &list));
    assert_true(list.count >= 1);
    sg_resolver_free(resolver);
    sg_resolver_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(literals_need_no_look_up),
        TEST(an_unknown_name_is_not_a_failed_one),
        TEST(a_name_is_looked_up_once_for_all_spellings),
        TEST(names_that_cannot_be_are_not_asked_for),
        TEST(a_failure_says_why),
        TEST(addresses_that_may_not_be_dialled_are_left_out),
        TEST(localhost_may_be_loopback),
        TEST(doubles_and_too_many_are_left_out),
        TEST(a_name_is_looked_up_again_after_30_seconds),
        TEST(the_last_good_list_stays_for_10_minutes),
        TEST(a_refresh_comes_at_most_once_a_second),
        TEST(nobody_waits_for_a_look_up_that_hangs),
        TEST(nobody_is_told_after_giving_up_the_call),
        TEST(the_system_knows_localhost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
