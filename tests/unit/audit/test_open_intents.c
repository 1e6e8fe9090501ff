/* Intents without an outcome: kept in their order, gone with their outcome, told to who asks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "audit/open_intents.h"

static int setup(void **state)
{
    *state = sg_open_intents_new();
    return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    sg_open_intents_free(*state);
    return 0;
}

/* The line lies in memory that is overwritten afterwards: what is kept must be a copy. */
static void take(struct sg_open_intents *intents, const char *event, const char *id)
{
    char line[256];
    int length = snprintf(line, sizeof line,
                          "{\"schema\":1,\"event\":\"%s\",\"request_id\":\"%s\",\"path\":\"/%s\"}",
                          event, id, id);
    assert_int_equal(sg_open_intents_take(intents, (struct sg_str){.p = line, .n = (size_t)length}),
                     SG_OK);
    memset(line, 'x', sizeof line);
}

static void assert_open(const struct sg_open_intents *intents, const char *ids)
{
    char seen[512] = "";
    size_t count = 0;
    for (const struct sg_open_intent *i = sg_open_intents_next(intents, NULL); i != NULL;
         i = sg_open_intents_next(intents, i)) {
        struct sg_str line = sg_open_intent_line(i);
        const char *path = memmem(line.p, line.n, "\"/", 2);
        assert_non_null(path);
        struct sg_str id = sg_str_slice(line, (size_t)(path - line.p) + 2, line.n - 2);
        size_t at = strlen(seen);
        (void)snprintf(seen + at, sizeof seen - at, "%.*s ", SG_STR_ARG(id));
        count++;
    }
    assert_string_equal(seen, ids);
    assert_int_equal(sg_open_intents_count(intents), count);
}

static void test_open_and_done(void **state)
{
    struct sg_open_intents *intents = *state;
    assert_open(intents, "");
    take(intents, "intent", "a");
    take(intents, "intent", "b");
    take(intents, "denied", "c");
    take(intents, "intent", "d");
    assert_open(intents, "a b d ");
    take(intents, "outcome", "b");
    assert_open(intents, "a d ");
    take(intents, "outcome", "b"); /* nothing to remove */
    take(intents, "outcome", "e");
    take(intents, "intent", "a"); /* open already */
    assert_open(intents, "a d ");
    take(intents, "intent", "b");
    take(intents, "outcome", "a");
    assert_open(intents, "d b ");
}

static void test_odd_lines(void **state)
{
    static const char *const lines[] = {"",
                                        "x",
                                        "{}",
                                        "{\"event\":\"intent\"}",
                                        "{\"event\":\"intent\",\"request_id\":\"\"}",
                                        "{\"event\":\"outcome\"}",
                                        "{\"event\":\"intent\",\"request_id\":\"a",
                                        "{\"request_id\":\"a\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(sg_open_intents_take(*state, sg_str_from(lines[i])), SG_OK);
    }
    assert_int_equal(sg_open_intents_count(*state), 0);
}

static void note(void *arg, struct sg_str intent, struct sg_str outcome)
{
    char *seen = arg;
    size_t at = strlen(seen);
    (void)snprintf(seen + at, 512 - at, "%s%s ", intent.n > 0 ? "pair" : "lone",
                   outcome.n > 0 ? "" : "?");
}

static void test_the_hook_sees_both(void **state)
{
    char seen[512] = "";
    sg_open_intents_on_outcome(*state, note, seen);
    take(*state, "intent", "a");
    take(*state, "outcome", "b");
    take(*state, "outcome", "a");
    assert_string_equal(seen, "lone pair ");
}

static void test_many(void **state)
{
    char id[32];
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(id, sizeof id, "id-%d", i);
        take(*state, "intent", id);
    }
    assert_int_equal(sg_open_intents_count(*state), 5000);
    for (int i = 0; i < 5000; i++) {
        if (i != 77 && i != 4999) {
            (void)snprintf(id, sizeof id, "id-%d", i);
            take(*state, "outcome", id);
        }
    }
    assert_open(*state, "id-77 id-4999 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open_and_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_hook_sees_both, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };
    return cmocka_run_group_tests_name("open_intents", tests, NULL, NULL);
}
