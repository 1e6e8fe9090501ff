/* The log against the trail: what belongs together, what does not, and what nobody can tell. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/reconcile.h"
#include "base/buf.h"
#include "base/clock.h"

/* Seconds of the tests count from here. */
static const int64_t epoch_ms = 1718777900000;

/* sha256("OURKEY"), sha256("OTHERKEY"): what is found in records. */
static char ours[SG_TRAIL_FINGERPRINT_BYTES + 1];

struct bench {
    struct sg_buf traces; /* one a line */
    struct sg_trail *trail;
    struct sg_reconcile *reconcile;
    struct sg_reconcile_options options;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    sg_buf_init(&b->traces, 1 << 20);
    b->options.window_ms = 60000;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    sg_buf_done(&b->traces);
    sg_reconcile_free(b->reconcile);
    sg_trail_free(b->trail);
    free(b);
    return 0;
}

static void trace(struct bench *b, int64_t seconds, const char *name, const char *id,
                  const char *key)
{
    sg_buf_printf(&b->traces,
                  "{\"trace_name\":\"%s\",\"time\":%lld,\"request_id\":\"%s\",\"project_id\":\"p\","
                  "\"user\":{\"access_key_id\":\"%s\"}}\n",
                  name, (long long)(epoch_ms + seconds * 1000), id, key);
}

/* The trail is whole: from now on the log is told. */
static void begin(struct bench *b)
{
    struct sg_error error = {.text = ""};
    b->trail = sg_trail_new(&error);
    assert_non_null(b->trail);
    if (sg_trail_read(b->trail, sg_buf_str(&b->traces), &error) != SG_OK) {
        fail_msg("%s", error.text);
    }
    sg_trail_sort(b->trail);
    for (size_t i = 0; i < sg_trail_count(b->trail) && ours[0] == '\0'; i++) {
        memcpy(ours, sg_trail_trace(b->trail, i)->fingerprint, sizeof ours);
    }
    b->reconcile = sg_reconcile_new(b->trail, &b->options);
    assert_non_null(b->reconcile);
}

static void tell(struct bench *b, const char *intent, const char *line)
{
    struct sg_entry entry;
    sg_entry_read(sg_str_from(intent), sg_str_from(line), &entry);
    assert_int_equal(sg_reconcile_add(b->reconcile, &entry), SG_OK);
}

static void time_text(int64_t seconds, char ret[SG_CLOCK_RFC3339_BYTES + 1])
{
    sg_clock_format_rfc3339((epoch_ms + seconds * 1000) * 1000, ret);
    ret[SG_CLOCK_RFC3339_BYTES] = '\0';
}

/* A call of one second that is told by its intent and outcome. more: members, each with a comma. */
static void call(struct bench *b, int64_t seconds, const char *id, const char *outcome,
                 const char *more)
{
    char from[SG_CLOCK_RFC3339_BYTES + 1], to[SG_CLOCK_RFC3339_BYTES + 1];
    char first[1024], second[1024];
    time_text(seconds, from);
    time_text(seconds + 1, to);
    (void)snprintf(first, sizeof first,
                   "{\"time\":\"%s\",\"event\":\"intent\",\"request_id\":\"%s\"}", from, id);
    (void)snprintf(second, sizeof second,
                   "{\"time\":\"%s\",\"event\":\"outcome\",\"request_id\":\"%s\",\"caller\":\"c\","
                   "\"action\":\"live:ott:deleteFlow\",\"access_level\":\"Write\",\"project_id\":"
                   "\"p\",\"credential_fingerprint\":\"%s\",\"outcome\":\"%s\",\"duration_us\":"
                   "1000000%s}",
                   to, id, ours, outcome, more);
    tell(b, first, second);
}

static void cover(struct bench *b, int64_t seconds, const char *event)
{
    char time[SG_CLOCK_RFC3339_BYTES + 1], line[256];
    time_text(seconds, time);
    (void)snprintf(line, sizeof line, "{\"time\":\"%s\",\"event\":\"%s\"}", time, event);
    tell(b, "", line);
}

static const struct sg_reconcile_sums *finish(struct bench *b, int64_t end_seconds)
{
    sg_reconcile_finish(b->reconcile, epoch_ms + end_seconds * 1000);
    return sg_reconcile_sums(b->reconcile);
}

static void test_all_is_explained(void **state)
{
    struct bench *b = *state;
    trace(b, 10, "deleteFlow", "q1", "OURKEY");
    trace(b, 20, "deleteFlow", "q2", "OURKEY");
    trace(b, 30, "deleteFlow", "q3", "OURKEY");
    begin(b);
    cover(b, 0, "start");
    call(b, 9, "r1", "success", ",\"sent\":true,\"upstream_request_id\":\"q1\"");
    call(b, 20, "r2", "failure", ",\"sent\":true,\"upstream_request_id\":\"q2\"");
    call(b, 29, "r3", "success", ",\"sent\":true,\"upstream_request_id\":\"q3\"");
    const struct sg_reconcile_sums *sums = finish(b, 100);
    assert_int_equal(sums->by_id, 3);
    assert_int_equal(sums->unexplained + sums->missing + sums->outside + sums->foreign, 0);
    assert_int_equal(sums->keys, 1);
}

static void test_a_leaked_key(void **state)
{
    struct bench *b = *state;
    trace(b, 10, "deleteFlow", "q1", "OURKEY");
    trace(b, 11, "deleteFlow", "stolen", "OURKEY");
    trace(b, 12, "deleteFlow", "theirs", "OTHERKEY");
    trace(b, 13, "createServer", "elsewhere", "OURKEY");
    trace(b, -50, "deleteFlow", "before", "OURKEY");
    trace(b, 200, "deleteFlow", "behind", "OURKEY");
    begin(b);
    cover(b, 0, "start");
    call(b, 10, "r1", "success", ",\"sent\":true,\"upstream_request_id\":\"q1\"");
    const struct sg_reconcile_sums *sums = finish(b, 100);
    assert_int_equal(sums->by_id, 1);
    assert_int_equal(sums->unexplained, 2);
    assert_int_equal(sums->foreign, 1);
    assert_int_equal(sums->outside, 2);
    assert_int_equal(sums->missing, 0);
    for (size_t i = 0; i < sg_trail_count(b->trail); i++) {
        struct sg_str id = sg_trail_trace(b->trail, i)->request_id;
        bool unexplained = sg_str_equal_text(id, "stolen") || sg_str_equal_text(id, "elsewhere");
        assert_int_equal(sg_reconcile_verdict(b->reconcile, i) == SG_TRACE_UNEXPLAINED,
                         unexplained);
    }
}

static void test_what_the_trail_should_have(void **state)
{
    struct bench *b = *state;
    trace(b, 0, "deleteFlow", "q0", "OURKEY");
    trace(b, 100, "deleteFlow", "q9", "OURKEY");
    begin(b);
    call(b, 0, "r0", "success", ",\"sent\":true,\"upstream_request_id\":\"q0\"");
    call(b, 10, "gone", "success", ",\"sent\":true,\"upstream_request_id\":\"x\"");
    call(b, 20, "failed", "failure", ",\"sent\":true,\"upstream_request_id\":\"y\"");
    call(b, 30, "unsent", "failure", ",\"sent\":false");
    call(b, 40, "reads", "success",
         ",\"sent\":true,\"upstream_request_id\":\"z\",\"access_level\":\"List\"");
    call(b, 99, "r9", "success", ",\"sent\":true,\"upstream_request_id\":\"q9\"");
    call(b, 120, "behind", "success", ",\"sent\":true,\"upstream_request_id\":\"w\"");
    const struct sg_reconcile_sums *sums = finish(b, 300);
    assert_int_equal(sums->missing, 1);
    for (size_t i = 0; i < sg_reconcile_call_count(b->reconcile); i++) {
        const struct sg_reconcile_call *one = sg_reconcile_call(b->reconcile, i);
        assert_int_equal(one->is_expected && one->trace == NULL,
                         sg_str_equal_text(one->request_id, "gone"));
    }
}

static void test_all_levels(void **state)
{
    struct bench *b = *state;
    b->options.all_levels = true;
    b->options.has_from = b->options.has_to = true;
    b->options.from_ms = epoch_ms;
    b->options.to_ms = epoch_ms + 100000;
    sg_buf_add_text(&b->traces, "[]");
    begin(b); /* an empty trail, whose time is told */
    call(b, 40, "reads", "success", ",\"sent\":true,\"access_level\":\"List\"");
    assert_int_equal(finish(b, 300)->missing, 1);
}

/* Ids of two kinds: then action, project and time say it, each trace for one call. */
static void test_by_action_and_time(void **state)
{
    struct bench *b = *state;
    trace(b, 10, "DELETEFLOW", "service-1", "OURKEY");
    trace(b, 11, "deleteFlow", "service-2", "OURKEY");
    trace(b, 12, "deleteFlow", "service-3", "OURKEY");
    trace(b, 13, "createFlow", "service-4", "OURKEY");
    begin(b);
    cover(b, -100, "start");
    call(b, 9, "r1", "success", ",\"sent\":true,\"upstream_request_id\":\"gateway-1\"");
    call(b, 11, "r2", "success", ",\"sent\":true,\"upstream_request_id\":\"gateway-2\"");
    call(b, 12, "other project", "success", ",\"sent\":true,\"project_id\":\"z\"");
    call(b, 500, "too late", "success", ",\"sent\":true");
    const struct sg_reconcile_sums *sums = finish(b, 1000);
    assert_int_equal(sums->by_time, 2);
    assert_int_equal(sums->by_id, 0);
    assert_int_equal(sums->unexplained, 2);
}

/* Where ids agree at all, another id is another call, however well its time fits. */
static void test_an_id_beats_the_time(void **state)
{
    struct bench *b = *state;
    trace(b, 10, "deleteFlow", "q1", "OURKEY");
    trace(b, 20, "deleteFlow", "stolen", "OURKEY");
    trace(b, 30, "deleteFlow", "", "OURKEY");
    begin(b);
    cover(b, 0, "start");
    call(b, 10, "r1", "success", ",\"sent\":true,\"upstream_request_id\":\"q1\"");
    call(b, 20, "r2", "success", ",\"sent\":true,\"upstream_request_id\":\"q2\"");
    const struct sg_reconcile_sums *sums = finish(b, 100);
    assert_int_equal(sums->by_id, 1);
    assert_int_equal(sums->by_time,
                     1); /* the trace that has no id, and the call whose id is none */
    assert_int_equal(sums->unexplained, 1);
}

/* A call in doubt may be found: then the cloud has done it. */
static void test_doubts(void **state)
{
    struct bench *b = *state;
    char time[SG_CLOCK_RFC3339_BYTES + 1], line[512];
    trace(b, 10, "deleteFlow", "q1", "OURKEY");
    trace(b, 20, "deleteFlow", "q2", "OURKEY");
    trace(b, 99, "deleteFlow", "q3", "OURKEY");
    begin(b);
    call(b, 10, "unknown", "unknown", ",\"sent\":true");
    call(b, 99, "r3", "success", ",\"sent\":true,\"upstream_request_id\":\"q3\"");
    time_text(19, time);
    (void)snprintf(
        line, sizeof line,
        "{\"time\":\"%s\",\"event\":\"intent\",\"request_id\":\"open\",\"action\":"
        "\"live:ott:deleteFlow\",\"project_id\":\"p\",\"credential_fingerprint\":\"%s\"}",
        time, ours);
    tell(b, "", line);
    time_text(50, time);
    call(b, 50, "lost", "unknown", ",\"sent\":true");
    const struct sg_reconcile_sums *sums = finish(b, 100);
    assert_int_equal(sums->in_doubt, 3);
    assert_int_equal(sums->resolved, 2);
    assert_int_equal(sums->missing, 0);
    assert_int_equal(sums->unexplained, 0);
}

/* The outcome that the next start wrote is days later: its call was not that long. */
static void test_the_outcome_of_a_crash(void **state)
{
    struct bench *b = *state;
    char from[SG_CLOCK_RFC3339_BYTES + 1], to[SG_CLOCK_RFC3339_BYTES + 1], first[256], second[512];
    trace(b, 5000, "deleteFlow", "", "OURKEY");
    begin(b);
    time_text(0, from);
    time_text(100000, to);
    (void)snprintf(first, sizeof first, "{\"time\":\"%s\",\"event\":\"intent\"}", from);
    (void)snprintf(second, sizeof second,
                   "{\"time\":\"%s\",\"event\":\"outcome\",\"action\":\"live:ott:deleteFlow\","
                   "\"credential_fingerprint\":\"%s\",\"outcome\":\"unknown\"}",
                   to, ours);
    tell(b, first, second);
    const struct sg_reconcile_sums *sums = finish(b, 200000);
    assert_int_equal(sums->by_time, 0);
    assert_int_equal(sums->unexplained, 1);
}

static void test_keys_that_are_given(void **state)
{
    struct bench *b = *state;
    b->options.keys[b->options.key_count++] = "0000000000000000";
    trace(b, 10, "deleteFlow", "q1", "OURKEY");
    begin(b);
    cover(b, 0, "start");
    call(b, 50, "r1", "success", ",\"sent\":false");
    const struct sg_reconcile_sums *sums = finish(b, 100);
    assert_int_equal(sums->foreign, 1);
    assert_int_equal(sums->unexplained, 0);
}

static void test_traces_without_a_key(void **state)
{
    struct bench *b = *state;
    trace(b, 10, "deleteFlow", "q1", "");
    sg_buf_printf(&b->traces,
                  "{\"trace_name\":\"login\",\"time\":%lld,\"trace_type\":\"ConsoleAction\"}\n",
                  (long long)(epoch_ms + 10000));
    begin(b);
    cover(b, 0, "start");
    const struct sg_reconcile_sums *sums = finish(b, 100);
    assert_int_equal(sums->without_key, 1);
    assert_int_equal(sums->unexplained, 1);
    assert_int_equal(sums->foreign, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_all_is_explained),
        TEST(test_a_leaked_key),
        TEST(test_what_the_trail_should_have),
        TEST(test_all_levels),
        TEST(test_by_action_and_time),
        TEST(test_an_id_beats_the_time),
        TEST(test_doubts),
        TEST(test_the_outcome_of_a_crash),
        TEST(test_keys_that_are_given),
        TEST(test_traces_without_a_key),
#undef TEST
    };
    return cmocka_run_group_tests_name("reconcile", tests, NULL, NULL);
}
