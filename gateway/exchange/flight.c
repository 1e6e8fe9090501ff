#include "exchange/flight.h"

#include <stdlib.h>

#include "exchange/reply.h"
#include "http/headers.h"
#include "text/json_in.h"

/*
 * An exchange from its beginning to its end, apart from the way in between (exchange.c): where its
 * memory comes from, what its records say, how it is refused. Every refusal has an id, a record and
 * an answer, and they say the same.
 */

const char *sg_exchange_state_name(enum sg_exchange_state state)
{
    static const char *const names[] = {"received",   "identified", "decided", "recording",
                                        "connecting", "relaying",   "closing"};
    return names[state];
}

void sg_exchange_move(struct sg_exchange *x, enum sg_exchange_state to)
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

const struct sg_snapshot *sg_exchange_snapshot(const struct sg_exchange *x)
{
    return x->lease->snapshot;
}

const struct sg_credential *sg_exchange_credential(const struct sg_exchange *x)
{
    return &sg_exchange_snapshot(x)->credentials[x->service->credential];
}

struct sg_str sg_exchange_request_id(const struct sg_exchange *x)
{
    return (struct sg_str){.p = x->request_id, .n = sizeof x->request_id};
}

/* --- records ---------------------------------------------------------------------------------- */

/* What is known of the request by now. */
struct sg_audit_record sg_exchange_record(const struct sg_exchange *x, enum sg_audit_event event)
{
    struct sg_audit_record record = {
        .event = event,
        .time_us = sg_clock_realtime_us(x->owner->clock),
        .request_id = sg_exchange_request_id(x),
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

void sg_exchange_add_decision(const struct sg_exchange *x, struct sg_audit_record *record)
{
    record->decision = sg_decision_allows(&x->decision) ? SG_STR("allow") : SG_STR("deny");
    record->reason = sg_str_from(sg_reason_name(x->decision.reason));
    record->policy = x->decision.policy;
    record->statement = x->decision.statement;
    record->policy_revision = sg_policy_revision(sg_exchange_snapshot(x)->policies);
}

void sg_exchange_add_credential(const struct sg_exchange *x, struct sg_audit_record *record)
{
    record->credential = sg_exchange_credential(x)->name;
    record->credential_fingerprint = sg_str_from(sg_exchange_credential(x)->fingerprint);
    record->upstream = x->service->upstream_text;
}

static struct sg_str upstream_error_code(struct sg_exchange *x)
{
    struct sg_str code = {.p = NULL};
    if (x->status >= 400 && !sg_buf_failed(&x->error_body)) {
        code = sg_json_member_text(&x->arena, sg_buf_str(&x->error_body), "error_code");
    }
    return sg_str_slice(code, 0, CLIENT_TEXT_BYTES);
}

/* The one outcome of an intent. answered: the status the caller got, 0 for none. */
void sg_exchange_record_outcome(struct sg_exchange *x, enum sg_outcome outcome, bool sent,
                                unsigned answered, struct sg_str reason, struct sg_str detail)
{
    struct sg_audit_record record = sg_exchange_record(x, SG_AUDIT_OUTCOME);
    int64_t now_us = sg_clock_monotonic_us(x->owner->clock);
    sg_exchange_add_decision(x, &record);
    sg_exchange_add_credential(x, &record);
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
    /* Room was reserved with the intent; 0 means no memory: the call stays in doubt. */
    (void)sg_journal_submit(x->owner->options.port, &record, SG_JOURNAL_WAIT_NONE,
                            x->reserved_bytes);
    x->reserved_bytes = 0;
}

/* --- begin and end ---------------------------------------------------------------------------- */

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
    sg_deadline_list_init(&exchanges->recording, options->loop, RECORDING_MS,
                          sg_exchange_recording_expired);
    return exchanges;
}

void sg_exchanges_free(struct sg_exchanges *exchanges)
{
    if (exchanges == NULL) {
        return;
    }
    SG_ASSERT(exchanges->count == 0);
    struct sg_exchange *x;
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

void sg_exchanges_set_tokens(struct sg_exchanges *exchanges, struct sg_tokens *tokens)
{
    if (exchanges->lease != NULL) {
        sg_lease_set_tokens(exchanges->lease, tokens);
    } else {
        sg_tokens_free(tokens); /* at the end there is none */
    }
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

struct sg_exchange *sg_exchange_begin(struct sg_exchanges *exchanges, struct sg_gate *gate,
                                      const struct sg_gate_request *request)
{
    struct sg_exchange *x = TAILQ_FIRST(&exchanges->free);
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
    *x = (struct sg_exchange){.magic = EXCHANGE_MAGIC, .owner = exchanges, .gate = gate};
    x->arena = arena;
    x->lease = exchanges->lease;
    sg_lease_use(x->lease);
    TAILQ_INSERT_TAIL(&exchanges->in_flight, x, all);
    exchanges->count++;
    x->started_us = sg_clock_monotonic_us(exchanges->clock);
    sg_request_id_make(&exchanges->ids, sg_clock_realtime_us(exchanges->clock), x->request_id);
    sg_buf_init(&x->body, sg_exchange_snapshot(x)->settings.limits.body_bytes);
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
void sg_exchange_end(struct sg_exchange *x)
{
    struct sg_exchanges *exchanges = x->owner;
    if (x->state == RECORDING) {
        TAILQ_REMOVE(x->waits_for_disk ? &exchanges->waiting_disk : &exchanges->waiting_kernel, x,
                     waiting);
    }
    sg_exchange_move(x, CLOSING);
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

/* --- refusing --------------------------------------------------------------------------------- */

struct sg_str sg_exchange_why_no_audit(const struct sg_exchanges *exchanges)
{
    switch (sg_journal_state(exchanges->options.journal)) {
    case SG_JOURNAL_FULL:
        return SG_STR("the disk of the audit log is full");
    case SG_JOURNAL_STALLED:
        return SG_STR("the disk of the audit log does not answer");
    case SG_JOURNAL_FAILED:
    case SG_JOURNAL_RECOVERING:
        return SG_STR("the audit log cannot be written now and is being recovered");
    case SG_JOURNAL_OK:
    case SG_JOURNAL_STATES:
        break;
    }
    return SG_STR("the audit log has no room for more at once");
}

static void answer_refusal(struct sg_exchange *x, enum sg_refusal refusal, struct sg_str detail,
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
    sg_reply_refusal(refusal, detail, sg_exchange_request_id(x),
                     sg_clock_realtime_us(exchanges->clock), denial, &exchanges->headers,
                     &exchanges->answer);
    sg_gate_answer(gate, sg_refusal_row(refusal)->status, sg_buf_str(&exchanges->headers),
                   sg_buf_str(&exchanges->answer), refusal == SG_REFUSAL_DRAINING);
}

/*
 * Refuse before there is an intent: one record, one answer, the end. A refusal that cannot be
 * recorded is answered AuditUnavailable instead.
 */
void sg_exchange_reject(struct sg_exchange *x, enum sg_refusal refusal, struct sg_str detail)
{
    struct sg_audit_record record = sg_exchange_record(x, SG_AUDIT_REJECTED);
    record.reason = sg_str_from(sg_refusal_row(refusal)->code);
    record.detail = sg_str_slice(detail, 0, DETAIL_BYTES);
    record.status = sg_refusal_row(refusal)->status;
    if (sg_journal_submit(x->owner->options.port, &record, SG_JOURNAL_WAIT_NONE, 0) == 0) {
        refusal = SG_REFUSAL_AUDIT_UNAVAILABLE;
        detail = sg_exchange_why_no_audit(x->owner);
    }
    answer_refusal(x, refusal, detail, NULL);
    sg_exchange_end(x);
}

/* Policy's no: the record has everything, the caller what deny_detail allows. */
void sg_exchange_deny(struct sg_exchange *x, const struct sg_policy_request *request)
{
    struct sg_exchanges *exchanges = x->owner;
    struct sg_audit_record record = sg_exchange_record(x, SG_AUDIT_DENIED);
    sg_exchange_add_decision(x, &record);
    record.status = sg_refusal_row(SG_REFUSAL_DENIED)->status;
    if (sg_journal_submit(exchanges->options.port, &record, SG_JOURNAL_WAIT_NONE, 0) == 0) {
        answer_refusal(x, SG_REFUSAL_AUDIT_UNAVAILABLE, sg_exchange_why_no_audit(exchanges), NULL);
        sg_exchange_end(x);
        return;
    }
    struct sg_buf would_allow;
    sg_buf_init(&would_allow, ANSWER_BYTES_MAX);
    struct sg_problem_denial denial = {
        .caller = x->principal.caller,
        .identity = x->principal.identity,
        .action = x->action.name,
        .resource = x->action.resource,
        .policy = x->decision.policy,
        .statement = x->decision.statement,
        .reason = sg_str_from(sg_reason_name(x->decision.reason)),
    };
    bool full = sg_exchange_snapshot(x)->settings.deny_detail == SG_DENY_DETAIL_FULL;
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
    sg_exchange_end(x);
}

/*
 * Fail after the intent was submitted and before an answer has begun: an outcome with the detail,
 * and an answer without it, since it may be the system's words about the cloud; what is said of the
 * audit log is ours.
 */
void sg_exchange_fail(struct sg_exchange *x, enum sg_refusal refusal, bool sent,
                      struct sg_str detail)
{
    const struct sg_refusal_row *row = sg_refusal_row(refusal);
    bool answers = x->gate != NULL;
    sg_exchange_record_outcome(x, sent ? SG_OUTCOME_UNKNOWN : SG_OUTCOME_FAILURE, sent,
                               answers ? row->status : 0, sg_str_from(row->code), detail);
    answer_refusal(x, refusal, refusal == SG_REFUSAL_AUDIT_UNAVAILABLE ? detail : SG_STR(""), NULL);
    sg_exchange_end(x);
}

/* The gate refuses by itself: the same id, record and answer as every refusal. */
void sg_exchange_on_refused(void *arg, const struct sg_gate_refused *refused,
                            struct sg_buf *headers, struct sg_buf *body)
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
        detail = sg_exchange_why_no_audit(exchanges);
    }
    sg_reply_refusal(refusal, detail, record.request_id, now_us, NULL, headers, body);
}

void sg_exchange_on_handshake_failed(void *arg, const struct sg_peer *peer, const char *detail)
{
    struct sg_exchanges *exchanges = SG_CAST(struct sg_exchanges, EXCHANGES_MAGIC, arg);
    char source[SG_IP_TEXT_BYTES];
    sg_ip_format(&peer->address, source);
    sg_log_event(exchanges->options.log, SG_LOG_INFO, "a caller's TLS handshake failed",
                 SG_LOG_TEXT_FIELD("source_ip", sg_str_from(source)),
                 SG_LOG_TEXT_FIELD("detail", sg_str_from(detail)));
}

/* --- fields of the head ----------------------------------------------------------------------- */

struct sg_str sg_exchange_read_fields(struct sg_exchange *x, const struct sg_strict_request *head)
{
    bool refuse =
        sg_exchange_snapshot(x)->settings.caller_credentials == SG_CALLER_CREDENTIALS_REFUSE;
    struct sg_str bearer = {.p = NULL};
    bool identifies = x->lease->tokens != NULL && sg_header_find_bearer(head, &bearer) &&
                      bearer.p != NULL; /* then Authorization is for the gateway */
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
        } else if (refuse && sg_header_is_caller_credential(name) &&
                   !(identifies && sg_str_equal_fold(name, SG_STR("Authorization")))) {
            wrong = SG_STR("the gateway signs; credentials and signatures of a caller are refused "
                           "here");
        }
    }
    return wrong;
}
