/*
 * The exchange without sockets: every state against every event. The gate, the cloud and the
 * journal are fakes; the configuration, the catalog and the policy are real.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exchange/exchange.h"
#include "fakes.h"
#include "http/target.h"
#include "snapshot/snapshot.h"

#define PROJECT "0123456789abcdef0123456789abcdef"
#define OUTPUTS "/v1/" PROJECT "/flows/outputs"
#define ALLOWED OUTPUTS "?flow_id=f1&output_name=playout-a"

static int64_t clock_us;

static int64_t now_us(void *arg)
{
    (void)arg;
    return clock_us;
}

static const struct sg_clock fake_clock = {.monotonic_us = now_us, .realtime_us = now_us};

struct bench {
    char folder[64];
    struct sg_snapshot *snapshot;
    struct sg_loop *loop;
    struct sg_log log;
    struct sg_exchanges *exchanges;
    struct sg_gate_handlers gate;
    const struct sg_upstream_handlers *cloud;
    size_t leases_home;
    struct sg_arena arena;
};

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void lease_home(void *arg, struct sg_lease *lease)
{
    struct bench *bench = arg;
    bench->leases_home++;
    sg_lease_free(lease);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    *state = bench;
    clock_us = 1573788995000000; /* 2019-11-15T03:36:35Z */
    fakes_reset();
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/signgate-test-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    (void)setenv("HUAWEICLOUD_SDK_AK", "AKIDEXAMPLE", 1);
    (void)setenv("HUAWEICLOUD_SDK_SK", "not-a-real-key", 1);
    write_text(bench->folder, "signgate.yaml",
               "version: 1\n"
               "listeners: [{address: \"127.0.0.1:0\"}]\n"
               "services:\n"
               "  - name: live\n"
               "    endpoint: https://live.cn-north-4.myhuaweicloud.com\n"
               "    catalog: " SG_SOURCE_DIR "/config/catalog/live.yaml\n"
               "    credential: live\n"
               "    projects: [\"" PROJECT "\"]\n"
               "    hosts: [gateway.internal]\n"
               "credentials: [{name: live, source: environment}]\n"
               "callers:\n"
               "  - {name: scheduler, team: playout, match: {source: [\"127.0.0.1\"]}}\n"
               "policies: [policy.yaml]\n");
    write_text(bench->folder, "policy.yaml",
               "policy: outputs\n"
               "attach: {teams: [playout]}\n"
               "document:\n"
               "  Version: \"5.0\"\n"
               "  Statement:\n"
               "    - Sid: Own\n"
               "      Effect: Allow\n"
               "      Action: [\"live:ott:deleteFlowOutput\", \"live:ott:createFlowOutput\"]\n"
               "      Resource: [\"live:*:*:flowOutput:*/playout-*\", \"live:*:*:flow:*\"]\n"
               "    - Sid: Read\n"
               "      Effect: Allow\n"
               "      Action: [\"live:ott:listFlow\"]\n"
               "    - Sid: Locked\n"
               "      Effect: Deny\n"
               "      Action: [\"*\"]\n"
               "      Resource: [\"live:*:*:flowOutput:*/playout-locked\"]\n");
    char path[128];
    (void)snprintf(path, sizeof path, "%s/signgate.yaml", bench->folder);
    struct sg_diags *diags = sg_diags_new();
    struct sg_buf text;
    sg_buf_init(&text, 65536);
    if (sg_snapshot_load(path, SG_LOAD_TO_SERVE, &fake_clock, diags, &bench->snapshot) != SG_OK) {
        sg_diags_print_text(diags, &text);
        fail_msg("%.*s", SG_STR_ARG(sg_buf_str(&text)));
    }
    sg_diags_free(diags);
    struct sg_error error;
    bench->loop = sg_loop_new(&fake_clock, &error);
    assert_non_null(bench->loop);
    sg_log_init(&bench->log, STDERR_FILENO, SG_LOG_ERROR, SG_LOG_TEXT, &fake_clock);
    const struct sg_exchanges_options options = {
        .loop = bench->loop, .log = &bench->log, .user_agent = "signgate/test"};
    bench->exchanges = sg_exchanges_new(&options);
    assert_non_null(bench->exchanges);
    bench->gate = sg_exchanges_gate_handlers(bench->exchanges);
    bench->cloud = sg_exchanges_upstream_handlers();
    const struct sg_lease_owner owner = {
        .loop = bench->loop, .handlers = bench->cloud, .on_unused = lease_home, .arg = bench};
    struct sg_lease *lease = sg_lease_new(bench->snapshot, &owner, &error);
    assert_non_null(lease);
    sg_exchanges_set_lease(bench->exchanges, lease);
    sg_arena_init(&bench->arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char path[128];
    sg_exchanges_set_lease(bench->exchanges, NULL);
    sg_loop_run_deferred(bench->loop);
    assert_int_equal(bench->leases_home, 1);
    sg_exchanges_free(bench->exchanges);
    sg_loop_free(bench->loop);
    (void)sg_snapshot_unref(bench->snapshot);
    sg_arena_done(&bench->arena);
    (void)snprintf(path, sizeof path, "%s/signgate.yaml", bench->folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/policy.yaml", bench->folder);
    (void)unlink(path);
    (void)rmdir(bench->folder);
    assert_int_equal(fakes()->reserved, 0); /* what was promised was used or given back */
    fakes_reset();
    free(bench);
    return 0;
}

/* --- playing the gate ------------------------------------------------------------------------- */

struct request {
    const char *method;
    const char *target;
    const char *host;
    const char *source;
    bool has_body;
    const char *header_name;
    const char *header_value;
};

static void send_request(struct bench *bench, struct request request)
{
    struct sg_strict_header header = {.name = sg_str_from(request.header_name),
                                      .value = sg_str_from(request.header_value)};
    struct sg_strict_request head = {
        .method = sg_str_from(request.method != NULL ? request.method : "DELETE"),
        .target = sg_str_from(request.target != NULL ? request.target : ALLOWED),
        .host = sg_str_from(request.host != NULL ? request.host : "gateway.internal"),
        .minor = 1,
        .header_count = request.header_name != NULL ? 1 : 0,
        .headers = &header,
        .content_type = request.has_body ? SG_STR("application/json") : SG_STR(""),
    };
    struct sg_target target;
    struct sg_error error;
    struct sg_peer peer = {.secure = false};
    sg_arena_reset(&bench->arena);
    assert_true(sg_ip_parse(sg_str_from(request.source != NULL ? request.source : "127.0.0.1"),
                            &peer.address));
    assert_int_equal(sg_target_parse(&bench->arena, head.target, head.host, &target, &error),
                     SG_OK);
    const struct sg_gate_request whole = {
        .head = &head, .target = &target, .peer = &peer, .has_body = request.has_body};
    bench->gate.on_request(bench->gate.arg, &fakes()->gate, &whole);
    /* What was borrowed is gone after the call. */
    sg_arena_wipe(&bench->arena);
    sg_arena_init(&bench->arena, 1 << 20);
}

static void allowed(struct bench *bench)
{
    send_request(bench, (struct request){.target = ALLOWED});
}

static void journal_done(struct bench *bench)
{
    fakes()->progress.durable = fakes()->tickets;
    fakes()->progress.written = fakes()->tickets;
    sg_exchanges_recorded(bench->exchanges);
}

/* --- playing the cloud ------------------------------------------------------------------------ */

static void cloud_takes(struct bench *bench, struct sg_buf *out)
{
    assert_true(fakes()->call_open);
    assert_int_equal(bench->cloud->on_render(fakes()->call_context, out), SG_OK);
    fakes()->call_sent = true;
}

static void cloud_head(struct bench *bench, unsigned status, uint64_t length)
{
    struct sg_strict_header headers[] = {
        {.name = SG_STR("Content-Type"), .value = SG_STR("application/json")},
        {.name = SG_STR("X-Request-Id"), .value = SG_STR("cloud-1")},
        {.name = SG_STR("Set-Cookie"), .value = SG_STR("a=b")},
    };
    struct sg_strict_response head = {.status = status,
                                      .minor = 1,
                                      .has_content_length = true,
                                      .content_length = length,
                                      .headers = headers,
                                      .header_count = 3};
    bench->cloud->on_head(fakes()->call_context, &head);
}

static void cloud_body(struct bench *bench, const char *text)
{
    bench->cloud->on_data(fakes()->call_context, sg_str_from(text));
    bench->cloud->on_read_done(fakes()->call_context);
}

static void cloud_end(struct bench *bench)
{
    fakes()->call_open = false;
    bench->cloud->on_end(fakes()->call_context);
}

static void cloud_fails(struct bench *bench, enum sg_refusal refusal, bool sent)
{
    fakes()->call_open = false;
    bench->cloud->on_failed(fakes()->call_context, refusal, sent, "the connection was reset");
}

/* --- what must have happened ------------------------------------------------------------------ */

static bool answer_has(const char *text)
{
    struct sg_buf *body = &fakes()->gate.body;
    return memmem(body->p != NULL ? body->p : "", body->n, text, strlen(text)) != NULL;
}

static bool headers_have(const char *text)
{
    struct sg_buf *headers = &fakes()->gate.headers;
    return memmem(headers->p != NULL ? headers->p : "", headers->n, text, strlen(text)) != NULL;
}

static void expect_over(struct bench *bench)
{
    assert_int_equal(sg_exchanges_count(bench->exchanges), 0);
    assert_false(fakes()->call_open);
}

/* One record of that event, the last one, with that reason; one answer with that status. */
static void expect_refused(struct bench *bench, unsigned status, const char *code,
                           enum sg_audit_event event)
{
    const struct fake_record *record = &fakes()->records[0];
    assert_int_equal(fakes()->gate.status, status);
    assert_true(headers_have(code));
    assert_true(headers_have("Signgate-Request-Id: "));
    assert_true(headers_have("X-Request-Id: "));
    assert_true(answer_has(code));
    assert_int_equal(fakes()->record_count, 1);
    assert_int_equal(record->event, event);
    assert_int_equal(record->status, status);
    if (event == SG_AUDIT_REJECTED) {
        assert_string_equal(record->reason, code);
    }
    expect_over(bench);
}

static void expect_outcome(enum sg_outcome outcome, bool sent)
{
    assert_int_equal(fakes()->record_count, 2);
    assert_int_equal(fakes()->records[0].event, SG_AUDIT_INTENT);
    assert_int_equal(fakes()->records[1].event, SG_AUDIT_OUTCOME);
    assert_int_equal(fakes()->records[1].outcome, outcome);
    assert_int_equal(fakes()->records[1].sent, sent);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_the_whole_way(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    sg_buf_init(&sent, 65536);
    allowed(bench);
    assert_int_equal(fakes()->record_count, 1);
    assert_int_equal(fakes()->records[0].event, SG_AUDIT_INTENT);
    assert_int_equal(fakes()->records[0].wait, SG_JOURNAL_WAIT_DURABLE);
    assert_string_equal(fakes()->records[0].action, "live:ott:deleteFlowOutput");
    assert_string_equal(fakes()->records[0].resource, "live:cn-north-4::flowOutput:f1/playout-a");
    assert_string_equal(fakes()->records[0].query, "flow_id=f1&output_name=playout-a");
    assert_false(fakes()->call_open); /* nothing leaves before the intent is durable */
    sg_exchanges_recorded(bench->exchanges);
    assert_false(fakes()->call_open);
    fakes()->progress.written = fakes()->tickets; /* written is not durable */
    sg_exchanges_recorded(bench->exchanges);
    assert_false(fakes()->call_open);
    journal_done(bench);
    assert_true(fakes()->call_open);
    cloud_takes(bench, &sent);
    sg_buf_add_char(&sent, '\0');
    assert_non_null(strstr(sent.p, "DELETE " ALLOWED " HTTP/1.1\r\n"
                                   "Host: live.cn-north-4.myhuaweicloud.com\r\n"
                                   "X-Sdk-Date: 20191115T033635Z\r\n"
                                   "X-Project-Id: " PROJECT "\r\n"
                                   "Authorization: SDK-HMAC-SHA256 Access=AKIDEXAMPLE, "
                                   "SignedHeaders=host;x-project-id;x-sdk-date, Signature="));
    assert_non_null(strstr(sent.p, "\r\nAccept: application/json\r\nUser-Agent: "
                                   "signgate/test\r\n\r\n"));
    assert_null(strstr(sent.p, "not-a-real-key"));
    sg_buf_done(&sent);
    cloud_head(bench, 200, 13);
    cloud_body(bench, "{\"flow_id\":1}");
    cloud_end(bench);
    assert_int_equal(fakes()->gate.status, 200);
    assert_true(fakes()->gate.ended);
    assert_true(answer_has("{\"flow_id\":1}"));
    assert_true(headers_have("Content-Type: application/json\r\n"));
    assert_true(headers_have("Signgate-Request-Id: "));
    assert_false(headers_have("Set-Cookie"));
    assert_false(headers_have("Signgate-Error"));
    expect_outcome(SG_OUTCOME_SUCCESS, true);
    assert_string_equal(fakes()->records[1].upstream_request_id, "cloud-1");
    expect_over(bench);
}

static void test_a_read_waits_for_the_kernel_only(void **state)
{
    struct bench *bench = *state;
    send_request(bench, (struct request){.method = "GET", .target = "/v1/" PROJECT "/flows"});
    assert_int_equal(fakes()->records[0].wait, SG_JOURNAL_WAIT_WRITTEN);
    fakes()->progress.written = fakes()->tickets;
    sg_exchanges_recorded(bench->exchanges);
    assert_true(fakes()->call_open);
    cloud_fails(bench, SG_REFUSAL_UPSTREAM, false);
    expect_outcome(SG_OUTCOME_FAILURE, false);
    assert_int_equal(fakes()->gate.status, 502);
}

static void test_a_failure_of_the_cloud_is_relayed_and_named(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    sg_buf_init(&sent, 65536);
    allowed(bench);
    journal_done(bench);
    cloud_takes(bench, &sent);
    sg_buf_done(&sent);
    cloud_head(bench, 400, 61);
    cloud_body(bench, "{\"error_code\":\"LIVE.100011001\",");
    cloud_body(bench, "\"error_msg\":\"invalid parameter\"}");
    cloud_end(bench);
    assert_int_equal(fakes()->gate.status, 400);
    assert_false(headers_have("Signgate-Error"));
    assert_true(
        answer_has("{\"error_code\":\"LIVE.100011001\",\"error_msg\":\"invalid parameter\"}"));
    expect_outcome(SG_OUTCOME_FAILURE, true);
    assert_int_equal(fakes()->records[1].status, 400);
    assert_string_equal(fakes()->records[1].upstream_error_code, "LIVE.100011001");
    expect_over(bench);
}

static void test_refusals_of_the_head(void **state)
{
    static const struct {
        struct request request;
        unsigned status;
        const char *code;
    } cases[] = {
        {{.source = "10.0.0.1"}, 401, "SIGNGATE.UnknownCaller"},
        {{.host = "elsewhere.example"}, 421, "SIGNGATE.UnknownHost"},
        {{.target = "/v1/" PROJECT "/nothing"}, 403, "SIGNGATE.UnknownOperation"},
        {{.method = "HEAD"}, 403, "SIGNGATE.UnknownOperation"},
        {{.method = "delete"}, 403, "SIGNGATE.UnknownOperation"},
        {{.method = "GET", .target = "/v1/" PROJECT "/cdn/ip-info?ip=1.1.1.1"},
         403,
         "SIGNGATE.UnmappedOperation"},
        {{.target = "/v1/ffffffffffffffffffffffffffffffff/flows/outputs?flow_id=f&output_name=o"},
         403,
         "SIGNGATE.ProjectNotServed"},
        {{.target = OUTPUTS "?flow_id=f1"}, 400, "SIGNGATE.BadRequest"},
        {{.target = ALLOWED "&force=1"}, 400, "SIGNGATE.BadRequest"},
        {{.target = ALLOWED "&flow_id=f2"}, 400, "SIGNGATE.BadRequest"},
        {{.has_body = true}, 400, "SIGNGATE.BadRequest"},
        {{.method = "POST", .target = OUTPUTS}, 400, "SIGNGATE.BadRequest"},
        {{.header_name = "signgate-dry-run", .header_value = "1"}, 400, "SIGNGATE.BadRequest"},
        {{.header_name = "Signgate-Timeout", .header_value = "1s"}, 400, "SIGNGATE.BadRequest"},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fakes_reset();
        send_request(bench, cases[i].request);
        expect_refused(bench, cases[i].status, cases[i].code, SG_AUDIT_REJECTED);
    }
}

static void test_the_order_of_judgement(void **state)
{
    struct bench *bench = *state;
    /* Everything is wrong: the caller answers first, then the host, then the operation. */
    send_request(bench, (struct request){.source = "10.0.0.1", .host = "x", .target = "/nothing"});
    expect_refused(bench, 401, "SIGNGATE.UnknownCaller", SG_AUDIT_REJECTED);
    fakes_reset();
    send_request(bench, (struct request){.host = "x", .target = "/nothing"});
    expect_refused(bench, 421, "SIGNGATE.UnknownHost", SG_AUDIT_REJECTED);
    fakes_reset();
    send_request(bench, (struct request){
                            .target = "/v1/ffffffffffffffffffffffffffffffff/flows/outputs?x=1"});
    expect_refused(bench, 403, "SIGNGATE.ProjectNotServed", SG_AUDIT_REJECTED);
    fakes_reset();
    /* A parameter that is wrong answers before a policy that would deny. */
    send_request(bench, (struct request){.target = OUTPUTS "?flow_id=f1&output_name="});
    expect_refused(bench, 400, "SIGNGATE.BadRequest", SG_AUDIT_REJECTED);
}

static void test_a_denial_teaches(void **state)
{
    struct bench *bench = *state;
    send_request(bench, (struct request){.target = OUTPUTS "?flow_id=f1&output_name=news-a"});
    expect_refused(bench, 403, "SIGNGATE.Denied", SG_AUDIT_DENIED);
    assert_string_equal(fakes()->records[0].reason, "no_matching_allow");
    assert_true(answer_has("\"would_allow\""));
    assert_true(answer_has("live:cn-north-4::flowOutput:f1/news-a"));
    fakes_reset();
    send_request(bench,
                 (struct request){.target = OUTPUTS "?flow_id=f1&output_name=playout-locked"});
    expect_refused(bench, 403, "SIGNGATE.Denied", SG_AUDIT_DENIED);
    assert_string_equal(fakes()->records[0].reason, "explicit_deny");
    assert_false(answer_has("\"would_allow\":\"- "));
}

static void test_a_journal_that_says_no(void **state)
{
    struct bench *bench = *state;
    fakes()->journal_full = true;
    allowed(bench);
    expect_refused(bench, 503, "SIGNGATE.AuditUnavailable", SG_AUDIT_REJECTED);
    assert_true(headers_have("Retry-After: "));
    fakes_reset();
    fakes()->journal_failed = true; /* not even a refusal can be recorded */
    send_request(bench, (struct request){.source = "10.0.0.1"});
    assert_int_equal(fakes()->gate.status, 503);
    assert_true(headers_have("SIGNGATE.AuditUnavailable"));
    expect_over(bench);
    fakes_reset();
    fakes()->journal_failed = true;
    allowed(bench);
    assert_int_equal(fakes()->gate.status, 503);
    expect_over(bench);
}

static void test_a_journal_that_fails_while_an_intent_waits(void **state)
{
    struct bench *bench = *state;
    allowed(bench);
    fakes()->progress.cancelled = fakes()->tickets;
    sg_exchanges_recorded(bench->exchanges);
    assert_int_equal(fakes()->gate.status, 503);
    assert_true(headers_have("SIGNGATE.AuditUnavailable"));
    expect_outcome(SG_OUTCOME_FAILURE, false);
    expect_over(bench);
}

static void test_bodies(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    const struct request create = {
        .method = "POST", .target = OUTPUTS "?flow_id=f1", .has_body = true};
    sg_buf_init(&sent, 65536);
    send_request(bench, create);
    assert_true(fakes()->gate.reads_body);
    assert_int_equal(fakes()->record_count, 0); /* no intent before the body is whole */
    bench->gate.on_body(fakes()->gate.context, SG_STR("{\"a\":1}"));
    journal_done(bench);
    cloud_takes(bench, &sent);
    sg_buf_add_char(&sent, '\0');
    assert_non_null(strstr(sent.p, "SignedHeaders=content-type;host;x-project-id;x-sdk-date"));
    assert_non_null(strstr(sent.p, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(sent.p, "\r\nContent-Length: 7\r\n\r\n{\"a\":1}"));
    sg_buf_done(&sent);
    cloud_head(bench, 200, 0);
    cloud_end(bench);
    expect_outcome(SG_OUTCOME_SUCCESS, true);
    fakes_reset();
    send_request(bench, create);
    bench->gate.on_body(fakes()->gate.context, SG_STR(""));
    expect_refused(bench, 400, "SIGNGATE.BadRequest", SG_AUDIT_REJECTED);
    fakes_reset();
    send_request(bench, create);
    bench->gate.on_body_refused(fakes()->gate.context, SG_REFUSAL_REQUEST_TIMEOUT, "too slow");
    expect_refused(bench, 408, "SIGNGATE.RequestTimeout", SG_AUDIT_REJECTED);
    fakes_reset();
    fakes()->gate.body_status = SG_BUSY;
    send_request(bench, create);
    expect_refused(bench, 503, "SIGNGATE.Busy", SG_AUDIT_REJECTED);
}

static void test_a_caller_that_leaves(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    sg_buf_init(&sent, 65536);
    /* while its body is read: no intent, one record */
    send_request(bench, (struct request){
                            .method = "POST", .target = OUTPUTS "?flow_id=f1", .has_body = true});
    bench->gate.on_gone(fakes()->gate.context);
    assert_int_equal(fakes()->record_count, 1);
    assert_int_equal(fakes()->records[0].event, SG_AUDIT_REJECTED);
    expect_over(bench);
    /* while its intent is written: never sent */
    fakes_reset();
    allowed(bench);
    bench->gate.on_gone(fakes()->gate.context);
    expect_outcome(SG_OUTCOME_FAILURE, false);
    expect_over(bench);
    journal_done(bench); /* comes late: nothing happens */
    assert_false(fakes()->call_open);
    /* while it waits for a connection: given up */
    fakes_reset();
    allowed(bench);
    journal_done(bench);
    bench->gate.on_gone(fakes()->gate.context);
    assert_true(fakes()->call_cancelled);
    expect_outcome(SG_OUTCOME_FAILURE, false);
    expect_over(bench);
    /* after it was sent: the outcome is awaited, the answer goes nowhere */
    fakes_reset();
    allowed(bench);
    journal_done(bench);
    cloud_takes(bench, &sent);
    bench->gate.on_gone(fakes()->gate.context);
    assert_true(fakes()->call_open);
    assert_int_equal(fakes()->record_count, 1);
    cloud_head(bench, 200, 2);
    cloud_body(bench, "{}");
    cloud_end(bench);
    expect_outcome(SG_OUTCOME_SUCCESS, true);
    assert_int_equal(fakes()->gate.status, 0);
    expect_over(bench);
    /* in the middle of the answer, held back: it goes on to the end */
    fakes_reset();
    allowed(bench);
    journal_done(bench);
    sg_buf_clear(&sent);
    cloud_takes(bench, &sent);
    cloud_head(bench, 200, 4);
    fakes()->gate.pending = SG_GATE_HIGH_BYTES;
    cloud_body(bench, "{}");
    assert_true(fakes()->call_paused);
    bench->gate.on_gone(fakes()->gate.context);
    assert_false(fakes()->call_paused);
    cloud_body(bench, "{}");
    cloud_end(bench);
    expect_outcome(SG_OUTCOME_SUCCESS, true);
    assert_false(fakes()->gate.ended);
    expect_over(bench);
    sg_buf_done(&sent);
}

static void test_a_cloud_that_fails(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    sg_buf_init(&sent, 65536);
    allowed(bench);
    journal_done(bench);
    cloud_fails(bench, SG_REFUSAL_UPSTREAM, false);
    assert_int_equal(fakes()->gate.status, 502);
    expect_outcome(SG_OUTCOME_FAILURE, false);
    expect_over(bench);
    fakes_reset();
    allowed(bench);
    journal_done(bench);
    cloud_takes(bench, &sent);
    cloud_fails(bench, SG_REFUSAL_UPSTREAM_TIMEOUT, true);
    assert_int_equal(fakes()->gate.status, 504);
    assert_false(answer_has("reset by")); /* what the system said stays in the log */
    expect_outcome(SG_OUTCOME_UNKNOWN, true);
    expect_over(bench);
    fakes_reset(); /* in the middle of the answer: cut, never whole-looking */
    allowed(bench);
    journal_done(bench);
    sg_buf_clear(&sent);
    cloud_takes(bench, &sent);
    cloud_head(bench, 200, 100);
    cloud_body(bench, "{\"half\":");
    cloud_fails(bench, SG_REFUSAL_UPSTREAM, true);
    assert_true(fakes()->gate.cut);
    assert_false(fakes()->gate.ended);
    expect_outcome(SG_OUTCOME_SUCCESS, true); /* the cloud's status was seen */
    expect_over(bench);
    fakes_reset(); /* the queue is full */
    fakes()->call_refused = true;
    allowed(bench);
    journal_done(bench);
    assert_int_equal(fakes()->gate.status, 429);
    assert_true(headers_have("Retry-After: "));
    expect_outcome(SG_OUTCOME_FAILURE, false);
    expect_over(bench);
    sg_buf_done(&sent);
}

static void test_a_slow_caller_is_waited_for(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    sg_buf_init(&sent, 65536);
    allowed(bench);
    journal_done(bench);
    cloud_takes(bench, &sent);
    cloud_head(bench, 200, 8);
    fakes()->gate.pending = SG_GATE_HIGH_BYTES;
    cloud_body(bench, "1234");
    assert_true(fakes()->call_paused);
    fakes()->gate.pending = 0;
    bench->gate.on_drained(fakes()->gate.context);
    assert_false(fakes()->call_paused);
    cloud_body(bench, "5678");
    cloud_end(bench);
    assert_true(fakes()->gate.ended);
    assert_true(answer_has("12345678"));
    sg_buf_done(&sent);
}

/* A caller that takes nothing: reads go on until the pause, and no further. */
static void test_what_a_slow_caller_costs_is_bounded(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    char block[SG_UPSTREAM_READ_BYTES + 1];
    memset(block, 'x', sizeof block);
    block[sizeof block - 1] = '\0';
    sg_buf_init(&sent, 65536);
    allowed(bench);
    journal_done(bench);
    cloud_takes(bench, &sent);
    cloud_head(bench, 200, 1 << 20);
    while (!fakes()->call_paused) {
        cloud_body(bench, block);
        assert_true(fakes()->gate.pending <= 128 * 1024); /* a buffer that doubles has no more */
    }
    assert_true(fakes()->gate.pending > SG_GATE_HIGH_BYTES);
    cloud_fails(bench, SG_REFUSAL_UPSTREAM_TIMEOUT, true);
    assert_true(fakes()->gate.cut);
    expect_outcome(SG_OUTCOME_SUCCESS, true);
    expect_over(bench);
    sg_buf_done(&sent);
}

static void test_the_end_of_a_drain(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    sg_buf_init(&sent, 65536);
    allowed(bench); /* waits for the journal */
    sg_exchanges_abort(bench->exchanges);
    assert_int_equal(fakes()->gate.status, 503);
    assert_true(headers_have("SIGNGATE.Draining"));
    expect_outcome(SG_OUTCOME_FAILURE, false);
    expect_over(bench);
    fakes_reset();
    allowed(bench);
    journal_done(bench); /* waits for a connection */
    sg_exchanges_abort(bench->exchanges);
    assert_int_equal(fakes()->gate.status, 503);
    expect_outcome(SG_OUTCOME_FAILURE, false);
    expect_over(bench);
    fakes_reset();
    allowed(bench);
    journal_done(bench);
    cloud_takes(bench, &sent); /* is out */
    sg_exchanges_abort(bench->exchanges);
    assert_true(fakes()->gate.cut);
    assert_int_equal(fakes()->gate.status, 0);
    expect_outcome(SG_OUTCOME_UNKNOWN, true);
    expect_over(bench);
    sg_buf_done(&sent);
}

static void test_a_refusal_of_the_gate_is_recorded(void **state)
{
    struct bench *bench = *state;
    struct sg_peer peer = {.secure = false};
    assert_true(sg_ip_parse(SG_STR("10.0.0.9"), &peer.address));
    const struct sg_gate_refused refused = {.refusal = SG_REFUSAL_TARGET_TOO_LONG,
                                            .detail = SG_STR("the target is too long"),
                                            .peer = &peer,
                                            .method = SG_STR("GET")};
    bench->gate.on_refused(bench->gate.arg, &refused, &fakes()->gate.headers, &fakes()->gate.body);
    assert_true(headers_have("Signgate-Error: SIGNGATE.TargetTooLong"));
    assert_true(answer_has("\"status\":414"));
    assert_int_equal(fakes()->record_count, 1);
    assert_int_equal(fakes()->records[0].event, SG_AUDIT_REJECTED);
    assert_string_equal(fakes()->records[0].reason, "SIGNGATE.TargetTooLong");
}

static void test_a_reload_lets_old_requests_finish_on_the_old_lease(void **state)
{
    struct bench *bench = *state;
    struct sg_buf sent;
    struct sg_error error;
    sg_buf_init(&sent, 65536);
    allowed(bench);
    const struct sg_lease_owner owner = {
        .loop = bench->loop, .handlers = bench->cloud, .on_unused = lease_home, .arg = bench};
    struct sg_lease *next = sg_lease_new(bench->snapshot, &owner, &error);
    assert_non_null(next);
    sg_exchanges_set_lease(bench->exchanges, next);
    sg_loop_run_deferred(bench->loop);
    assert_int_equal(bench->leases_home, 0);
    journal_done(bench);
    cloud_takes(bench, &sent);
    cloud_head(bench, 200, 0);
    cloud_end(bench);
    sg_loop_run_deferred(bench->loop);
    assert_int_equal(bench->leases_home, 1);
    expect_outcome(SG_OUTCOME_SUCCESS, true);
    bench->leases_home = 0; /* the teardown counts the last one */
    sg_buf_done(&sent);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_the_whole_way),
        TEST(test_a_read_waits_for_the_kernel_only),
        TEST(test_a_failure_of_the_cloud_is_relayed_and_named),
        TEST(test_refusals_of_the_head),
        TEST(test_the_order_of_judgement),
        TEST(test_a_denial_teaches),
        TEST(test_a_journal_that_says_no),
        TEST(test_a_journal_that_fails_while_an_intent_waits),
        TEST(test_bodies),
        TEST(test_a_caller_that_leaves),
        TEST(test_a_cloud_that_fails),
        TEST(test_a_slow_caller_is_waited_for),
        TEST(test_what_a_slow_caller_costs_is_bounded),
        TEST(test_the_end_of_a_drain),
        TEST(test_a_refusal_of_the_gate_is_recorded),
        TEST(test_a_reload_lets_old_requests_finish_on_the_old_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
