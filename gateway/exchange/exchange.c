#include "exchange/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/object.h"
#include "exchange/reply.h"
#include "exchange/request_id.h"
#include "http/headers.h"
#include "net/relay.h"
#include "text/json_in.h"

/*
 * A request's whole way, in the order of this file:
 *
 *   RECEIVED    on_request: a valid head and target from the gate
 *   IDENTIFIED  who calls; which service and operation; which project and parameters; what policy
 *               says; then the body, if one was announced
 *   DECIDED     a usable credential, room in the journal
 *   RECORDING   the intent is with the journal; nothing leaves before it says so
 *   CONNECTING  the call is with the pool; the request is signed when a connection is in hand
 *   RELAYING    the cloud's answer goes to the caller as it comes
 *   CLOSING     the outcome is with the journal; the exchange is over
 *
 * One function moves an exchange between states and asserts that the move is legal. A caller that
 * leaves, a deadline, the end of a drain and a failing cloud are events that every state answers. A
 * submitted intent always gets an outcome.
 *
 * What was judged, recorded, signed and sent are the same bytes: path and query here are the
 * canonical ones that http/target wrote.
 */

enum state { RECEIVED = 0, IDENTIFIED, DECIDED, RECORDING, CONNECTING, RELAYING, CLOSING };

enum {
    EXCHANGES_MAGIC = 0x5347584c,
    EXCHANGE_MAGIC = 0x53475845,
    IN_FLIGHT_MAX = 1024,       /* for each worker */
    ARENA_BYTES_MAX = 1 << 20,  /* texts of one request */
    ANSWER_BYTES_MAX = 1 << 18, /* an answer of our own */
    RECORDING_MS = 5000,        /* how long an intent may wait for the journal */
    OUTCOME_EXTRA_BYTES = 4096, /* what an outcome may be longer than its intent */
    DETAIL_BYTES = 256,
    CLIENT_TEXT_BYTES = 128, /* a caller's or the cloud's request id, an error code */
    ERROR_BODY_BYTES = 4096, /* looked at for the cloud's error_code */
};

struct exchange {
    uint32_t magic;
    enum state state;
    TAILQ_ENTRY(exchange) all;     /* in flight, or free */
    TAILQ_ENTRY(exchange) waiting; /* in RECORDING: behind those with smaller tickets */
    struct sg_exchanges *owner;
    struct sg_lease *lease;
    struct sg_gate *gate;          /* NULL: the caller has left, or has its answer */
    struct sg_upstream_call *call; /* CONNECTING and RELAYING */
    struct sg_deadline recording;
    struct sg_arena arena;
    char request_id[SG_REQUEST_ID_BYTES];
    int64_t started_us; /* monotonic */
    int64_t called_us;  /* monotonic: when the upstream got the call */
    struct sg_str client_request_id;
    struct sg_str trace_id;
    struct sg_str source_ip;
    struct sg_str method;
    struct sg_str path;  /* canonical */
    struct sg_str query; /* canonical */
    struct sg_str content_type;
    const struct sg_service *service;
    struct sg_principal principal;
    struct sg_action action;
    struct sg_decision decision;
    bool body_required;
    struct sg_buf body;
    bool waits_for_disk;
    uint64_t ticket;
    size_t reserved_bytes; /* of the journal, for the outcome */
    unsigned status;       /* the cloud's final one; 0: not seen */
    uint64_t response_bytes;
    struct sg_str upstream_request_id;
    struct sg_buf error_body;
};

TAILQ_HEAD(exchange_list, exchange);

struct sg_exchanges {
    uint32_t magic;
    struct sg_exchanges_options options;
    const struct sg_clock *clock;
    struct sg_lease *lease;
    struct exchange_list in_flight;
    struct exchange_list free;
    struct exchange_list waiting_disk;   /* for fdatasync */
    struct exchange_list waiting_kernel; /* for write */
    struct sg_deadline_list recording;
    size_t count;
    struct sg_request_ids ids;
    struct sg_sign_stages stages;
    struct sg_buf headers; /* of the answer that is being made */
    struct sg_buf answer;
};

static const char *const state_names[] = {"received",   "identified", "decided", "recording",
                                          "connecting", "relaying",   "closing"};

static void move(struct exchange *x, enum state to)
{
    static const unsigned legal[] = {
        [RECEIVED] = 1u << IDENTIFIED | 1u << CLOSING,
        [IDENTIFIED] = 1u << DECIDED | 1u << CLOSING,
        [DECIDED] = 1u << RECORDING | 1u << CLOSING,
        [RECORDING] = 1u << CONNECTING | 1u << CLOSING,
        [CONNECTING] = 1u << RELAYING | 1u << CLOSING,
        [RELAYING] = 1u << CLOSING,
        [CLOSING] = 0,
    };
    SG_ASSERT((legal[x->state] >> to & 1u) != 0);
    x->state = to;
}

static const struct sg_snapshot *snapshot_of(const struct exchange *x)
{
    return x->lease->snapshot;
}

static const struct sg_credential *credential_of(const struct exchange *x)
{
    return &snapshot_of(x)->credentials[x->service->credential];
}

static struct sg_str request_id_of(const struct exchange *x)
{
    return (struct sg_str){.p = x->request_id, .n = sizeof x->request_id};
}

/* --- records ---------------------------------------------------------------------------------- */

/* What is known of the request by now. */
static struct sg_audit_record record_of(const struct exchange *x, enum sg_audit_event event)
{
    struct sg_audit_record record = {
        .event = event,
        .time_us = sg_clock_realtime_us(x->owner->clock),
        .request_id = request_id_of(x),
        .client_request_id = x->client_request_id,
        .trace_id = x->trace_id,
        .source_ip = x->source_ip,
        .caller = x->principal.caller,
        .team = x->principal.team,
        .identity = x->principal.identity,
        .method = x->method,
        .path = x->path,
        .query = x->query,
        .action = x->action.name,
        .access_level = x->action.access_level,
        .resource = x->action.resource,
        .project_id = x->action.project_id,
    };
    return record;
}

static void add_decision(const struct exchange *x, struct sg_audit_record *record)
{
    record->decision = sg_decision_allows(&x->decision) ? SG_STR("allow") : SG_STR("deny");
    record->reason = sg_str_from(sg_reason_name(x->decision.reason));
    record->policy = x->decision.policy;
    record->statement = x->decision.statement;
    record->policy_revision = sg_policy_revision(snapshot_of(x)->policies);
}

static void add_credential(const struct exchange *x, struct sg_audit_record *record)
{
    record->credential = credential_of(x)->name;
    record->credential_fingerprint = sg_str_from(credential_of(x)->fingerprint);
    record->upstream = x->service->upstream_text;
}

static struct sg_str upstream_error_code(struct exchange *x)
{
    struct sg_str code = {.p = NULL};
    if (x->status >= 400 && !sg_buf_failed(&x->error_body)) {
        code = sg_json_member_text(&x->arena, sg_buf_str(&x->error_body), "error_code");
    }
    return sg_str_slice(code, 0, CLIENT_TEXT_BYTES);
}

/* The one outcome of an intent. answered: the status the caller got, 0 for none. */
static void record_outcome(struct exchange *x, enum sg_outcome outcome, bool sent,
                           unsigned answered, struct sg_str reason, struct sg_str detail)
{
    struct sg_audit_record record = record_of(x, SG_AUDIT_OUTCOME);
    int64_t now_us = sg_clock_monotonic_us(x->owner->clock);
    add_decision(x, &record);
    add_credential(x, &record);
    if (reason.n > 0) {
        record.reason = reason;
    }
    record.detail = sg_str_slice(detail, 0, DETAIL_BYTES);
    record.outcome = outcome;
    record.has_sent = true;
    record.sent = sent;
    record.status = x->status != 0 ? x->status : answered;
    record.upstream_request_id = x->upstream_request_id;
    record.upstream_error_code = upstream_error_code(x);
    record.has_bytes = true;
    record.request_bytes = x->body.n;
    record.response_bytes = x->response_bytes;
    record.has_times = true;
    record.duration_us = now_us - x->started_us;
    record.upstream_us = x->called_us != 0 ? now_us - x->called_us : 0;
    /* Room was reserved with the intent; 0 means the journal has failed: the call stays in doubt.
     */
    (void)sg_journal_submit(x->owner->options.port, &record, SG_JOURNAL_WAIT_NONE,
                            x->reserved_bytes);
    x->reserved_bytes = 0;
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static void recording_expired(void *owner);

struct sg_exchanges *sg_exchanges_new(const struct sg_exchanges_options *options)
{
    struct sg_exchanges *exchanges = calloc(1, sizeof *exchanges);
    if (exchanges == NULL) {
        return NULL;
    }
    exchanges->magic = EXCHANGES_MAGIC;
    exchanges->options = *options;
    exchanges->clock = sg_loop_clock(options->loop);
    TAILQ_INIT(&exchanges->in_flight);
    TAILQ_INIT(&exchanges->free);
    TAILQ_INIT(&exchanges->waiting_disk);
    TAILQ_INIT(&exchanges->waiting_kernel);
    sg_sign_stages_init(&exchanges->stages);
    sg_buf_init(&exchanges->headers, ANSWER_BYTES_MAX);
    sg_buf_init(&exchanges->answer, ANSWER_BYTES_MAX);
    sg_deadline_list_init(&exchanges->recording, options->loop, RECORDING_MS, recording_expired);
    return exchanges;
}

void sg_exchanges_free(struct sg_exchanges *exchanges)
{
    if (exchanges == NULL) {
        return;
    }
    SG_ASSERT(exchanges->count == 0);
    struct exchange *x;
    while ((x = TAILQ_FIRST(&exchanges->free)) != NULL) {
        TAILQ_REMOVE(&exchanges->free, x, all);
        sg_arena_done(&x->arena);
        free(x);
    }
    sg_sign_stages_done(&exchanges->stages);
    sg_buf_done(&exchanges->headers);
    sg_buf_done(&exchanges->answer);
    free(exchanges);
}

size_t sg_exchanges_count(const struct sg_exchanges *exchanges)
{
    return exchanges->count;
}

void sg_exchanges_set_lease(struct sg_exchanges *exchanges, struct sg_lease *lease)
{
    struct sg_lease *before = exchanges->lease;
    exchanges->lease = lease;
    if (before != NULL) {
        sg_lease_retire(before);
    }
}

void sg_exchanges_resolved(struct sg_exchanges *exchanges)
{
    const struct sg_lease *lease = exchanges->lease;
    for (size_t i = 0; lease != NULL && i < lease->snapshot->service_count; i++) {
        if (lease->pools[i] != NULL) {
            sg_upstream_pool_resolved(lease->pools[i]);
        }
    }
}

/* Whether every byte of a caller's id is a visible ASCII character that no log must escape. */
static bool is_client_id(struct sg_str id)
{
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] <= ' ' || id.p[i] > '~' || id.p[i] == '"' || id.p[i] == '\\') {
            return false;
        }
    }
    return id.n > 0 && id.n <= CLIENT_TEXT_BYTES;
}

/* The trace id of a traceparent (W3C Trace Context, section 3.2): 00-<32 hex>-<16 hex>-<2 hex>. */
static struct sg_str trace_id_of(struct sg_str value)
{
    static const unsigned char dashes[] = {2, 35, 52};
    struct sg_str none = {.p = NULL};
    if (value.n != 55 || sg_str_starts_with(value, SG_STR("ff"))) {
        return none;
    }
    for (size_t i = 0, d = 0; i < value.n; i++) {
        bool hex =
            (value.p[i] >= '0' && value.p[i] <= '9') || (value.p[i] >= 'a' && value.p[i] <= 'f');
        bool dash = d < sizeof dashes && i == dashes[d];
        if (dash ? value.p[i] != '-' : !hex) {
            return none;
        }
        d += dash ? 1 : 0;
    }
    struct sg_str trace = sg_str_slice(value, 3, 35), parent = sg_str_slice(value, 36, 52);
    if (sg_str_equal(trace, SG_STR("00000000000000000000000000000000")) ||
        sg_str_equal(parent, SG_STR("0000000000000000"))) {
        return none;
    }
    return trace;
}

static struct exchange *exchange_begin(struct sg_exchanges *exchanges, struct sg_gate *gate,
                                       const struct sg_gate_request *request)
{
    struct exchange *x = TAILQ_FIRST(&exchanges->free);
    if (exchanges->lease == NULL || exchanges->count >= IN_FLIGHT_MAX) {
        return NULL;
    }
    if (x != NULL) {
        TAILQ_REMOVE(&exchanges->free, x, all);
    } else {
        x = malloc(sizeof *x);
        if (x == NULL) {
            return NULL;
        }
        sg_arena_init(&x->arena, ARENA_BYTES_MAX);
    }
    struct sg_arena arena = x->arena;
    *x = (struct exchange){.magic = EXCHANGE_MAGIC, .owner = exchanges, .gate = gate};
    x->arena = arena;
    x->lease = exchanges->lease;
    sg_lease_use(x->lease);
    TAILQ_INSERT_TAIL(&exchanges->in_flight, x, all);
    exchanges->count++;
    x->started_us = sg_clock_monotonic_us(exchanges->clock);
    sg_request_id_make(&exchanges->ids, sg_clock_realtime_us(exchanges->clock), x->request_id);
    sg_buf_init(&x->body, snapshot_of(x)->settings.limits.body_bytes);
    sg_buf_init(&x->error_body, ERROR_BODY_BYTES);
    char source[SG_IP_TEXT_BYTES];
    sg_ip_format(&request->peer->address, source);
    x->source_ip = sg_arena_copy(&x->arena, sg_str_from(source));
    x->method = sg_arena_copy(&x->arena, request->head->method);
    x->path = sg_arena_copy(&x->arena, request->target->path);
    x->query = sg_arena_copy(&x->arena, request->target->query);
    x->content_type = sg_arena_copy(&x->arena, request->head->content_type);
    return x;
}

/* Give everything back; from any state, once. */
static void exchange_end(struct exchange *x)
{
    struct sg_exchanges *exchanges = x->owner;
    if (x->state == RECORDING) {
        TAILQ_REMOVE(x->waits_for_disk ? &exchanges->waiting_disk : &exchanges->waiting_kernel, x,
                     waiting);
    }
    move(x, CLOSING);
    sg_deadline_disarm(&x->recording);
    if (x->reserved_bytes > 0) {
        sg_journal_release(exchanges->options.port, x->reserved_bytes);
    }
    sg_buf_done(&x->body);
    sg_buf_done(&x->error_body);
    sg_arena_reset(&x->arena);
    sg_lease_unuse(x->lease);
    x->lease = NULL;
    x->magic = 0;
    TAILQ_REMOVE(&exchanges->in_flight, x, all);
    TAILQ_INSERT_HEAD(&exchanges->free, x, all);
    exchanges->count--;
}

/* --- refusing ------------------------------------------------------------------------------------
 */

static void answer_refusal(struct exchange *x, enum sg_refusal refusal, struct sg_str detail,
                           const struct sg_problem_denial *denial)
{
    struct sg_exchanges *exchanges = x->owner;
    struct sg_gate *gate = x->gate;
    if (gate == NULL) {
        return;
    }
    x->gate = NULL;
    sg_buf_clear(&exchanges->headers);
    sg_buf_clear(&exchanges->answer);
    sg_reply_refusal(refusal, detail, request_id_of(x), sg_clock_realtime_us(exchanges->clock),
                     denial, &exchanges->headers, &exchanges->answer);
    sg_gate_answer(gate, sg_refusal_row(refusal)->status, sg_buf_str(&exchanges->headers),
                   sg_buf_str(&exchanges->answer), refusal == SG_REFUSAL_DRAINING);
}

/*
 * Refuse before there is an intent: one record, one answer, the end. A refusal that cannot be
 * recorded is answered AuditUnavailable instead.
 */
static void reject(struct exchange *x, enum sg_refusal refusal, struct sg_str detail)
{
    struct sg_audit_record record = record_of(x, SG_AUDIT_REJECTED);
    record.reason = sg_str_from(sg_refusal_row(refusal)->code);
    record.detail = sg_str_slice(detail, 0, DETAIL_BYTES);
    record.status = sg_refusal_row(refusal)->status;
    if (sg_journal_submit(x->owner->options.port, &record, SG_JOURNAL_WAIT_NONE, 0) == 0) {
        refusal = SG_REFUSAL_AUDIT_UNAVAILABLE;
        detail = SG_STR("the audit log does not take records now");
    }
    answer_refusal(x, refusal, detail, NULL);
    exchange_end(x);
}

/* Policy's no: the record has everything, the caller what deny_detail allows. */
static void deny(struct exchange *x, const struct sg_policy_request *request)
{
    struct sg_exchanges *exchanges = x->owner;
    struct sg_audit_record record = record_of(x, SG_AUDIT_DENIED);
    add_decision(x, &record);
    record.status = sg_refusal_row(SG_REFUSAL_DENIED)->status;
    if (sg_journal_submit(exchanges->options.port, &record, SG_JOURNAL_WAIT_NONE, 0) == 0) {
        answer_refusal(x, SG_REFUSAL_AUDIT_UNAVAILABLE,
                       SG_STR("the audit log does not take records now"), NULL);
        exchange_end(x);
        return;
    }
    struct sg_buf would_allow;
    sg_buf_init(&would_allow, ANSWER_BYTES_MAX);
    struct sg_problem_denial denial = {
        .caller = x->principal.caller,
        .action = x->action.name,
        .resource = x->action.resource,
        .policy = x->decision.policy,
        .statement = x->decision.statement,
        .reason = sg_str_from(sg_reason_name(x->decision.reason)),
    };
    bool full = snapshot_of(x)->settings.deny_detail == SG_DENY_DETAIL_FULL;
    if (full && x->decision.reason == SG_REASON_NO_MATCHING_ALLOW) {
        sg_policy_would_allow(request, &would_allow);
        denial.would_allow = sg_buf_str(&would_allow);
    }
    answer_refusal(x, SG_REFUSAL_DENIED,
                   x->decision.reason == SG_REASON_EXPLICIT_DENY
                       ? SG_STR("a statement of a policy denies this request")
                       : SG_STR("no statement of a policy allows this request"),
                   full ? &denial : NULL);
    sg_buf_done(&would_allow);
    exchange_end(x);
}

/*
 * Fail after the intent was submitted and before an answer has begun: an outcome with the detail,
 * and an answer without it, since it may be the system's words about the cloud.
 */
static void fail_recorded(struct exchange *x, enum sg_refusal refusal, bool sent,
                          struct sg_str detail)
{
    const struct sg_refusal_row *row = sg_refusal_row(refusal);
    bool answers = x->gate != NULL;
    record_outcome(x, sent ? SG_OUTCOME_UNKNOWN : SG_OUTCOME_FAILURE, sent,
                   answers ? row->status : 0, sg_str_from(row->code), detail);
    answer_refusal(x, refusal, SG_STR(""), NULL);
    exchange_end(x);
}

/* The gate refuses by itself: the same id, record and answer as every refusal. */
static void on_refused(void *arg, const struct sg_gate_refused *refused, struct sg_buf *headers,
                       struct sg_buf *body)
{
    struct sg_exchanges *exchanges = SG_CAST(struct sg_exchanges, EXCHANGES_MAGIC, arg);
    char id[SG_REQUEST_ID_BYTES], source[SG_IP_TEXT_BYTES];
    int64_t now_us = sg_clock_realtime_us(exchanges->clock);
    enum sg_refusal refusal = refused->refusal;
    struct sg_str detail = refused->detail;
    sg_request_id_make(&exchanges->ids, now_us, id);
    sg_ip_format(&refused->peer->address, source);
    const struct sg_audit_record record = {
        .event = SG_AUDIT_REJECTED,
        .time_us = now_us,
        .request_id = {.p = id, .n = sizeof id},
        .client_request_id = refused->client_request_id,
        .source_ip = sg_str_from(source),
        .method = refused->method,
        .reason = sg_str_from(sg_refusal_row(refusal)->code),
        .detail = sg_str_slice(detail, 0, DETAIL_BYTES),
        .status = sg_refusal_row(refusal)->status,
    };
    if (sg_journal_submit(exchanges->options.port, &record, SG_JOURNAL_WAIT_NONE, 0) == 0) {
        detail = SG_STR("the audit log does not take records now");
    }
    sg_reply_refusal(refusal, detail, record.request_id, now_us, NULL, headers, body);
}

/* --- the way: judging the head ---------------------------------------------------------------- */

/*
 * Fields of the head that mean something to the gateway. Returns the text of a refusal, or an empty
 * one.
 */
static struct sg_str read_fields(struct exchange *x, const struct sg_strict_request *head)
{
    bool refuse = snapshot_of(x)->settings.caller_credentials == SG_CALLER_CREDENTIALS_REFUSE;
    struct sg_str wrong = {.p = NULL};
    for (size_t i = 0; i < head->header_count; i++) {
        struct sg_str name = head->headers[i].name, value = head->headers[i].value;
        if (sg_str_equal_fold(name, SG_STR("X-Request-Id")) && is_client_id(value)) {
            x->client_request_id = sg_arena_copy(&x->arena, value);
        } else if (sg_str_equal_fold(name, SG_STR("traceparent"))) {
            x->trace_id = sg_arena_copy(&x->arena, trace_id_of(value));
        } else if (sg_str_equal_fold(name, SG_STR("Signgate-Dry-Run"))) {
            wrong = SG_STR("Signgate-Dry-Run is not built yet; leave it out");
        } else if (sg_str_equal_fold(name, SG_STR("Signgate-Timeout"))) {
            wrong = SG_STR("Signgate-Timeout is not built yet; leave it out");
        } else if (refuse && sg_header_is_caller_credential(name)) {
            wrong = SG_STR("the gateway signs; credentials and signatures of a caller are refused "
                           "here");
        }
    }
    return wrong;
}

static bool serves_project(const struct sg_service *service, struct sg_str project)
{
    const struct sg_texts *projects = &service->settings->projects;
    for (size_t i = 0; i < projects->count; i++) {
        if (sg_str_equal_text(project, projects->items[i])) {
            return true;
        }
    }
    return false;
}

static void record_intent(struct exchange *x);

/* Judge the head; the first test that fails answers (product: order of judgement). */
static void judge(struct exchange *x, const struct sg_gate_request *request)
{
    const struct sg_snapshot *snapshot = snapshot_of(x);
    struct sg_str wrong = read_fields(x, request->head);
    struct sg_error error;

    if (sg_identity_find(snapshot->identity, request->peer, &x->principal) != SG_OK) {
        reject(x, SG_REFUSAL_UNKNOWN_CALLER, SG_STR("no caller of the configuration matches"));
        return;
    }
    move(x, IDENTIFIED);

    x->service = sg_snapshot_service(snapshot, request->head->host);
    if (x->service == NULL) {
        reject(x, SG_REFUSAL_UNKNOWN_HOST, SG_STR("no service has this Host"));
        return;
    }
    struct sg_route route;
    enum sg_refusal refusal =
        sg_catalog_route(x->service->catalog, x->method, request->target, &route);
    if (refusal != SG_REFUSAL_NONE) {
        reject(x, refusal,
               refusal == SG_REFUSAL_UNMAPPED_OPERATION
                   ? SG_STR("the operation's IAM action is not known; map it in the catalog")
                   : SG_STR("no operation has this method and path"));
        return;
    }
    if (route.project_id.n > 0) {
        x->action.project_id = sg_arena_copy(&x->arena, route.project_id);
        if (!serves_project(x->service, route.project_id)) {
            reject(x, SG_REFUSAL_PROJECT_NOT_SERVED, SG_STR("the project is not served here"));
            return;
        }
    }
    if (wrong.n > 0) {
        reject(x, SG_REFUSAL_BAD_REQUEST, wrong);
        return;
    }
    struct sg_action action;
    enum sg_status status = sg_catalog_check(&route, request->target, request->has_body,
                                             &x->service->names, &x->arena, &action, &error);
    if (status != SG_OK) {
        reject(x, status == SG_MALFORMED ? SG_REFUSAL_BAD_REQUEST : SG_REFUSAL_BUSY,
               status == SG_MALFORMED ? sg_str_from(error.text) : SG_STR("no memory now"));
        return;
    }
    action.project_id = x->action.project_id; /* the copy that outlives the head */
    x->action = action;
    x->body_required = route.operation->body == SG_BODY_REQUIRED;

    const struct sg_policy_request question = {
        .principal = &x->principal,
        .action = &x->action,
        .source_ip = request->peer->address,
        .time_us = sg_clock_realtime_us(x->owner->clock),
        .secure_transport = request->peer->secure,
    };
    sg_policy_decide(snapshot->policies, &question, &x->decision);
    if (!sg_decision_allows(&x->decision)) {
        deny(x, &question);
        return;
    }
    x->action.params = NULL; /* they point into the head, which goes now */
    x->action.param_count = 0;
    move(x, DECIDED);

    if (!request->has_body) {
        record_intent(x);
    } else if (sg_gate_read_body(x->gate) != SG_OK) {
        reject(x, SG_REFUSAL_BUSY, SG_STR("no room for the body now"));
    }
}

static void on_request(void *arg, struct sg_gate *gate, const struct sg_gate_request *request)
{
    struct sg_exchanges *exchanges = SG_CAST(struct sg_exchanges, EXCHANGES_MAGIC, arg);
    struct exchange *x = exchange_begin(exchanges, gate, request);
    if (x == NULL) {
        struct sg_gate_refused refused = {.refusal = SG_REFUSAL_BUSY,
                                          .detail = SG_STR("too many requests are in flight"),
                                          .peer = request->peer,
                                          .method = request->head->method};
        sg_buf_clear(&exchanges->headers);
        sg_buf_clear(&exchanges->answer);
        on_refused(exchanges, &refused, &exchanges->headers, &exchanges->answer);
        sg_gate_answer(gate, sg_refusal_row(refused.refusal)->status,
                       sg_buf_str(&exchanges->headers), sg_buf_str(&exchanges->answer), false);
        return;
    }
    sg_gate_set_context(gate, x);
    judge(x, request);
}

/* --- the way: the body ------------------------------------------------------------------------ */

static void on_body(void *context, struct sg_str body)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    if (body.n == 0 && x->body_required) {
        reject(x, SG_REFUSAL_BAD_REQUEST, SG_STR("this operation needs a body"));
        return;
    }
    sg_buf_add_str(&x->body, body);
    if (sg_buf_failed(&x->body)) {
        reject(x, SG_REFUSAL_BUSY, SG_STR("no memory for the body now"));
        return;
    }
    record_intent(x);
}

static void on_body_refused(void *context, enum sg_refusal refusal, const char *detail)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    reject(x, refusal, sg_str_from(detail));
}

/* --- the way: the intent ---------------------------------------------------------------------- */

/* Write and everything not known to be a read waits for the disk, if so configured. */
static bool needs_disk(const struct exchange *x)
{
    const struct sg_durability_settings *durability = &snapshot_of(x)->settings.audit.durability;
    bool read = sg_str_equal_fold(x->action.access_level, SG_STR("Read")) ||
                sg_str_equal_fold(x->action.access_level, SG_STR("List"));
    return (read ? durability->read : durability->write) == SG_DURABILITY_FSYNC;
}

static void record_intent(struct exchange *x)
{
    struct sg_exchanges *exchanges = x->owner;
    struct sg_journal_port *port = exchanges->options.port;
    struct sg_audit_record record = record_of(x, SG_AUDIT_INTENT);
    const struct sg_credential *credential = credential_of(x);
    if (credential->expires_at_us != 0 && credential->expires_at_us <= record.time_us) {
        reject(x, SG_REFUSAL_NO_CREDENTIAL, SG_STR("the credential has expired"));
        return;
    }
    add_decision(x, &record);
    add_credential(x, &record);
    record.has_bytes = x->body.n > 0;
    record.request_bytes = x->body.n;
    size_t bytes = sg_journal_bound(&record);
    size_t all_bytes = 2 * bytes + OUTCOME_EXTRA_BYTES;
    if (!sg_journal_reserve(port, all_bytes)) {
        reject(x, SG_REFUSAL_AUDIT_UNAVAILABLE, SG_STR("the audit log has no room now"));
        return;
    }
    x->waits_for_disk = needs_disk(x);
    uint64_t ticket = sg_journal_submit(
        port, &record, x->waits_for_disk ? SG_JOURNAL_WAIT_DURABLE : SG_JOURNAL_WAIT_WRITTEN,
        bytes);
    if (ticket == 0) {
        sg_journal_release(port, all_bytes);
        reject(x, SG_REFUSAL_AUDIT_UNAVAILABLE, SG_STR("the audit log does not take records now"));
        return;
    }
    x->reserved_bytes = all_bytes - bytes;
    x->ticket = ticket;
    move(x, RECORDING);
    TAILQ_INSERT_TAIL(x->waits_for_disk ? &exchanges->waiting_disk : &exchanges->waiting_kernel, x,
                      waiting);
    sg_deadline_arm(&exchanges->recording, &x->recording, x);
}

static void recording_expired(void *owner)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, owner);
    fail_recorded(x, SG_REFUSAL_AUDIT_UNAVAILABLE, false, SG_STR("the audit log took too long"));
}

static void call_upstream(struct exchange *x);

/* Send on those whose intents are recorded up to ticket. */
static void release_recorded(struct exchange_list *list, uint64_t ticket)
{
    struct exchange *x;
    while ((x = TAILQ_FIRST(list)) != NULL && x->ticket <= ticket) {
        TAILQ_REMOVE(list, x, waiting);
        sg_deadline_disarm(&x->recording);
        move(x, CONNECTING);
        call_upstream(x);
    }
}

void sg_exchanges_recorded(struct sg_exchanges *exchanges)
{
    struct sg_journal_progress progress = sg_journal_progress(exchanges->options.port);
    release_recorded(&exchanges->waiting_disk, progress.durable);
    release_recorded(&exchanges->waiting_kernel, progress.written);
    if (!progress.failed) {
        return;
    }
    struct exchange_list *const lists[] = {&exchanges->waiting_disk, &exchanges->waiting_kernel};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct exchange *x;
        while ((x = TAILQ_FIRST(lists[i])) != NULL) {
            fail_recorded(x, SG_REFUSAL_AUDIT_UNAVAILABLE, false,
                          SG_STR("the audit log could not be written"));
        }
    }
}

/* --- the way: to the cloud -------------------------------------------------------------------- */

static void call_upstream(struct exchange *x)
{
    size_t service = (size_t)(x->service - snapshot_of(x)->services);
    struct sg_upstream_pool *pool = sg_lease_pool(x->lease, service);
    if (pool == NULL) {
        fail_recorded(x, SG_REFUSAL_BUSY, false, SG_STR("no memory now"));
        return;
    }
    x->called_us = sg_clock_monotonic_us(x->owner->clock);
    x->call = sg_upstream_begin(pool, x);
    if (x->call == NULL) {
        fail_recorded(x, SG_REFUSAL_OVERLOADED, false,
                      SG_STR("too many requests wait for the cloud"));
    }
}

/* A connection is in hand: date, sign and write the request. Nothing of the caller's bytes is in
 * it. */
static enum sg_status on_render(void *context, struct sg_buf *out)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    struct sg_exchanges *exchanges = x->owner;
    const struct sg_credential *credential = credential_of(x);
    const struct sg_upstream_spec *upstream = &x->service->upstream;
    struct sg_sign_stages *stages = &exchanges->stages;
    char date_bytes[SG_CLOCK_SDK_DATE_BYTES];
    sg_clock_format_sdk_date(sg_clock_realtime_us(exchanges->clock), date_bytes);
    const struct sg_str date = {.p = date_bytes, .n = sizeof date_bytes};
    const bool has_body = x->body.n > 0;
    const struct sg_str token = sg_secret_reveal(&credential->security_token);

    struct sg_sign_header headers[5] = {
        {.name = SG_STR("Host"), .value = upstream->authority},
        {.name = SG_STR("X-Sdk-Date"), .value = date},
    };
    size_t count = 2;
    if (x->action.project_id.n > 0) {
        headers[count++] =
            (struct sg_sign_header){.name = SG_STR("X-Project-Id"), .value = x->action.project_id};
    }
    if (token.n > 0) {
        headers[count++] =
            (struct sg_sign_header){.name = SG_STR("X-Security-Token"), .value = token};
    }
    if (has_body && x->content_type.n > 0) {
        headers[count++] =
            (struct sg_sign_header){.name = SG_STR("Content-Type"), .value = x->content_type};
    }
    const struct sg_sign_request request = {
        .method = x->action.method,
        .path = x->path,
        .query = x->query,
        .headers = headers,
        .header_count = count,
        .body = sg_buf_str(&x->body),
    };
    size_t service = (size_t)(x->service - snapshot_of(x)->services);
    struct sg_error error;
    enum sg_status status =
        sg_signer_sign(x->lease->signers[service], &request, date, stages, &error);
    if (status != SG_OK) {
        sg_log_event(exchanges->options.log, SG_LOG_ERROR, "a request could not be signed",
                     SG_LOG_TEXT_FIELD("request_id", request_id_of(x)),
                     SG_LOG_TEXT_FIELD("error", sg_str_from(error.text)));
        return status;
    }
    sg_buf_add_str(out, request.method);
    sg_buf_add_char(out, ' ');
    sg_buf_add_str(out, x->path);
    if (x->query.n > 0) {
        sg_buf_add_char(out, '?');
        sg_buf_add_str(out, x->query);
    }
    sg_buf_add_text(out, " HTTP/1.1\r\n");
    for (size_t i = 0; i < count; i++) {
        sg_buf_add_str(out, headers[i].name);
        sg_buf_add_text(out, ": ");
        sg_buf_add_str(out, headers[i].value);
        sg_buf_add_text(out, "\r\n");
    }
    sg_buf_add_text(out, "Authorization: ");
    sg_buf_add_str(out, sg_buf_str(&stages->authorization));
    sg_buf_add_text(out, "\r\nAccept: application/json\r\nUser-Agent: ");
    sg_buf_add_text(out, exchanges->options.user_agent);
    if (has_body) {
        sg_buf_add_text(out, "\r\nContent-Length: ");
        sg_buf_add_u64(out, x->body.n);
    }
    sg_buf_add_text(out, "\r\n\r\n");
    sg_buf_add_str(out, sg_buf_str(&x->body));
    return sg_buf_failed(out) ? SG_NO_MEMORY : SG_OK;
}

/* --- the way: the answer ---------------------------------------------------------------------- */

static void on_head(void *context, const struct sg_strict_response *head)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    struct sg_exchanges *exchanges = x->owner;
    move(x, RELAYING);
    x->status = head->status;
    for (size_t i = 0; i < head->header_count; i++) {
        if (sg_str_equal_fold(head->headers[i].name, SG_STR("X-Request-Id"))) {
            x->upstream_request_id = sg_arena_copy(
                &x->arena, sg_str_slice(head->headers[i].value, 0, CLIENT_TEXT_BYTES));
        }
    }
    if (x->gate == NULL) {
        return;
    }
    sg_buf_clear(&exchanges->headers);
    sg_relay_headers(&exchanges->headers, head);
    sg_buf_add_text(&exchanges->headers, "Signgate-Request-Id: ");
    sg_buf_add_str(&exchanges->headers, request_id_of(x));
    sg_buf_add_text(&exchanges->headers, "\r\n");
    bool no_body = head->status == 204 || head->status == 304;
    sg_gate_answer_begin(x->gate, head->status, sg_buf_str(&exchanges->headers),
                         no_body || head->has_content_length, no_body ? 0 : head->content_length);
}

static void on_data(void *context, struct sg_str bytes)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    x->response_bytes += bytes.n;
    if (x->status >= 400) {
        sg_buf_add_str(&x->error_body, bytes);
    }
    if (x->gate == NULL) {
        return;
    }
    sg_gate_answer_data(x->gate, bytes);
    if (x->gate != NULL && sg_gate_pending(x->gate) > SG_GATE_HIGH_BYTES) {
        sg_upstream_pause(x->call);
    }
}

static void on_read_done(void *context)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    if (x->gate != NULL) {
        sg_gate_answer_flush(x->gate);
    }
}

/* A slow caller has caught up. */
static void on_drained(void *context)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    if (x->call != NULL) {
        sg_upstream_resume(x->call);
    }
}

static enum sg_outcome outcome_of(unsigned status)
{
    return status < 400 ? SG_OUTCOME_SUCCESS : SG_OUTCOME_FAILURE;
}

static void on_end(void *context)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    struct sg_gate *gate = x->gate;
    x->call = NULL;
    x->gate = NULL;
    record_outcome(x, outcome_of(x->status), true, x->status, SG_STR(""), SG_STR(""));
    exchange_end(x);
    if (gate != NULL) {
        sg_gate_answer_end(gate);
    }
}

static void on_failed(void *context, enum sg_refusal refusal, bool sent, const char *detail)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    x->call = NULL;
    sg_log_event(x->owner->options.log, SG_LOG_WARN, "a call to the cloud failed",
                 SG_LOG_TEXT_FIELD("request_id", request_id_of(x)),
                 SG_LOG_TEXT_FIELD("upstream", x->service->upstream_text),
                 SG_LOG_TEXT_FIELD("state", sg_str_from(state_names[x->state])),
                 SG_LOG_TEXT_FIELD("sent", sent ? SG_STR("true") : SG_STR("false")),
                 SG_LOG_TEXT_FIELD("error", sg_str_from(detail)));
    if (x->state != RELAYING) {
        fail_recorded(x, refusal, sent, sg_str_from(detail));
        return;
    }
    /* Part of the answer is out: it must not look whole. The cloud's status was seen, though. */
    struct sg_gate *gate = x->gate;
    x->gate = NULL;
    record_outcome(x, outcome_of(x->status), true, x->status,
                   sg_str_from(sg_refusal_row(refusal)->code), sg_str_from(detail));
    exchange_end(x);
    if (gate != NULL) {
        sg_gate_cut(gate);
    }
}

/* --- events of every state -------------------------------------------------------------------- */

static void on_gone(void *context)
{
    struct exchange *x = SG_CAST(struct exchange, EXCHANGE_MAGIC, context);
    x->gate = NULL;
    switch (x->state) {
    case RECEIVED:
    case IDENTIFIED:
    case DECIDED:
        reject(x, SG_REFUSAL_BAD_REQUEST, SG_STR("the caller left before its request was whole"));
        break;
    case RECORDING:
        fail_recorded(x, SG_REFUSAL_BAD_REQUEST, false, SG_STR("the caller left"));
        break;
    case CONNECTING:
        if (!sg_upstream_was_sent(x->call)) {
            sg_upstream_cancel(x->call);
            x->call = NULL;
            fail_recorded(x, SG_REFUSAL_BAD_REQUEST, false, SG_STR("the caller left"));
        }
        break; /* sent: the outcome is awaited, the answer is dropped */
    case RELAYING:
        sg_upstream_resume(x->call);
        break;
    case CLOSING:
        break;
    }
}

static void abort_exchange(struct exchange *x)
{
    static const char *const late = "the gateway shut down before an answer came";
    bool sent = x->call != NULL && sg_upstream_was_sent(x->call);
    if (x->call != NULL) {
        sg_upstream_cancel(x->call);
        x->call = NULL;
    }
    if (x->state < RECORDING) {
        reject(x, SG_REFUSAL_DRAINING, SG_STR("the gateway is shutting down"));
    } else if (!sent) {
        fail_recorded(x, SG_REFUSAL_DRAINING, false, SG_STR("the gateway is shutting down"));
    } else {
        struct sg_gate *gate = x->gate;
        x->gate = NULL;
        record_outcome(x, x->status != 0 ? outcome_of(x->status) : SG_OUTCOME_UNKNOWN, true, 0,
                       sg_str_from(sg_refusal_row(SG_REFUSAL_DRAINING)->code), sg_str_from(late));
        exchange_end(x);
        if (gate != NULL) {
            sg_gate_cut(gate);
        }
    }
}

void sg_exchanges_abort(struct sg_exchanges *exchanges)
{
    struct exchange *x;
    while ((x = TAILQ_FIRST(&exchanges->in_flight)) != NULL) {
        abort_exchange(x);
    }
}

struct sg_gate_handlers sg_exchanges_gate_handlers(struct sg_exchanges *exchanges)
{
    return (struct sg_gate_handlers){
        .on_request = on_request,
        .on_body = on_body,
        .on_body_refused = on_body_refused,
        .on_gone = on_gone,
        .on_drained = on_drained,
        .on_refused = on_refused,
        .arg = exchanges,
    };
}

const struct sg_upstream_handlers *sg_exchanges_upstream_handlers(void)
{
    static const struct sg_upstream_handlers handlers = {
        .on_render = on_render,
        .on_head = on_head,
        .on_data = on_data,
        .on_read_done = on_read_done,
        .on_end = on_end,
        .on_failed = on_failed,
    };
    return &handlers;
}
