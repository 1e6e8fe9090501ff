#include "exchange/exchange.h"

#include "exchange/flight.h"
#include "http/headers.h"
#include "net/relay.h"

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

/* --- the way: judging the head ---------------------------------------------------------------- */

/*
 * Who calls. A bearer token is judged only where issuers are configured; one that does not verify
 * names nobody, whatever else would match.
 */
static enum sg_status find_caller(struct sg_exchange *x, const struct sg_gate_request *request,
                                  struct sg_error *reterr)
{
    struct sg_tokens *tokens = x->lease->tokens;
    const struct sg_jwt *token = NULL;
    struct sg_str bearer = {.p = NULL};
    if (tokens != NULL && !sg_header_find_bearer(request->head, &bearer)) {
        return sg_error_set(reterr, SG_UNAUTHENTICATED, NULL,
                            "Authorization stands more than once");
    }
    if (bearer.p != NULL) {
        int64_t now_s = sg_clock_realtime_us(x->owner->clock) / 1000000;
        enum sg_status status = sg_tokens_verify(tokens, bearer, now_s, &token, reterr);
        if (status != SG_OK) {
            return status;
        }
    }
    return sg_identity_find(sg_exchange_snapshot(x)->identity, request->peer, token, &x->arena,
                            &x->principal, reterr);
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

static struct sg_str route_detail(enum sg_refusal refusal)
{
    if (refusal == SG_REFUSAL_UNMAPPED_OPERATION) {
        return SG_STR("the operation's IAM action is not known; map it in the catalog");
    }
    return refusal == SG_REFUSAL_BAD_REQUEST ? SG_STR("the path ends in a slash too many")
                                             : SG_STR("no operation has this method and path");
}

static void record_intent(struct sg_exchange *x);

/* Judge the head; the first test that fails answers (product: order of judgement). */
static void judge(struct sg_exchange *x, const struct sg_gate_request *request)
{
    const struct sg_snapshot *snapshot = sg_exchange_snapshot(x);
    struct sg_str wrong = sg_exchange_read_fields(x, request->head);
    struct sg_error error;

    if (find_caller(x, request, &error) != SG_OK) {
        sg_exchange_reject(x, SG_REFUSAL_UNKNOWN_CALLER, sg_str_from(error.text));
        return;
    }
    sg_exchange_move(x, IDENTIFIED);

    x->service = sg_snapshot_service(snapshot, request->head->host);
    if (x->service == NULL) {
        sg_exchange_reject(x, SG_REFUSAL_UNKNOWN_HOST, SG_STR("no service has this Host"));
        return;
    }
    struct sg_route route;
    enum sg_refusal refusal =
        sg_catalog_route(x->service->catalog, x->method, request->target, &route);
    if (refusal != SG_REFUSAL_NONE) {
        sg_exchange_reject(x, refusal, route_detail(refusal));
        return;
    }
    if (route.project_id.n > 0) {
        x->action.project_id = sg_arena_copy(&x->arena, route.project_id);
        if (!serves_project(x->service, route.project_id)) {
            sg_exchange_reject(x, SG_REFUSAL_PROJECT_NOT_SERVED,
                               SG_STR("the project is not served here"));
            return;
        }
    }
    if (wrong.n > 0) {
        sg_exchange_reject(x, SG_REFUSAL_BAD_REQUEST, wrong);
        return;
    }
    struct sg_action action;
    enum sg_status status = sg_catalog_check(&route, request->target, request->has_body,
                                             &x->service->names, &x->arena, &action, &error);
    if (status != SG_OK) {
        sg_exchange_reject(x, status == SG_MALFORMED ? SG_REFUSAL_BAD_REQUEST : SG_REFUSAL_BUSY,
                           status == SG_MALFORMED ? sg_str_from(error.text)
                                                  : SG_STR("no memory now"));
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
        sg_exchange_deny(x, &question);
        return;
    }
    x->action.params = NULL; /* they point into the head, which goes now */
    x->action.param_count = 0;
    sg_exchange_move(x, DECIDED);

    if (!request->has_body) {
        record_intent(x);
    } else if (sg_gate_read_body(x->gate) != SG_OK) {
        sg_exchange_reject(x, SG_REFUSAL_BUSY, SG_STR("no room for the body now"));
    }
}

static void on_request(void *arg, struct sg_gate *gate, const struct sg_gate_request *request)
{
    struct sg_exchanges *exchanges = SG_CAST(struct sg_exchanges, EXCHANGES_MAGIC, arg);
    struct sg_exchange *x = sg_exchange_begin(exchanges, gate, request);
    if (x == NULL) {
        struct sg_gate_refused refused = {.refusal = SG_REFUSAL_BUSY,
                                          .detail = SG_STR("too many requests are in flight"),
                                          .peer = request->peer,
                                          .method = request->head->method};
        sg_buf_clear(&exchanges->headers);
        sg_buf_clear(&exchanges->answer);
        sg_exchange_on_refused(exchanges, &refused, &exchanges->headers, &exchanges->answer);
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
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
    if (body.n == 0 && x->body_required) {
        sg_exchange_reject(x, SG_REFUSAL_BAD_REQUEST, SG_STR("this operation needs a body"));
        return;
    }
    sg_buf_add_str(&x->body, body);
    if (sg_buf_failed(&x->body)) {
        sg_exchange_reject(x, SG_REFUSAL_BUSY, SG_STR("no memory for the body now"));
        return;
    }
    record_intent(x);
}

static void on_body_refused(void *context, enum sg_refusal refusal, const char *detail)
{
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
    sg_exchange_reject(x, refusal, sg_str_from(detail));
}

/* --- the way: the intent ---------------------------------------------------------------------- */

/* Write and everything not known to be a read waits for the disk, if so configured. */
static bool needs_disk(const struct sg_exchange *x)
{
    const struct sg_durability_settings *durability =
        &sg_exchange_snapshot(x)->settings.audit.durability;
    bool read = sg_str_equal_fold(x->action.access_level, SG_STR("Read")) ||
                sg_str_equal_fold(x->action.access_level, SG_STR("List"));
    return (read ? durability->read : durability->write) == SG_DURABILITY_FSYNC;
}

static void record_intent(struct sg_exchange *x)
{
    struct sg_exchanges *exchanges = x->owner;
    struct sg_journal_port *port = exchanges->options.port;
    struct sg_audit_record record = sg_exchange_record(x, SG_AUDIT_INTENT);
    const struct sg_credential *credential = sg_exchange_credential(x);
    if (credential->expires_at_us != 0 && credential->expires_at_us <= record.time_us) {
        sg_exchange_reject(x, SG_REFUSAL_NO_CREDENTIAL, SG_STR("the credential has expired"));
        return;
    }
    sg_exchange_add_decision(x, &record);
    sg_exchange_add_credential(x, &record);
    record.has_bytes = x->body.n > 0;
    record.request_bytes = x->body.n;
    size_t bytes = sg_journal_bound(&record);
    size_t all_bytes = 2 * bytes + OUTCOME_EXTRA_BYTES;
    if (!sg_journal_reserve(port, all_bytes)) {
        sg_exchange_reject(x, SG_REFUSAL_AUDIT_UNAVAILABLE, sg_exchange_why_no_audit(exchanges));
        return;
    }
    x->waits_for_disk = needs_disk(x);
    uint64_t ticket = sg_journal_submit(
        port, &record, x->waits_for_disk ? SG_JOURNAL_WAIT_DURABLE : SG_JOURNAL_WAIT_WRITTEN,
        bytes);
    if (ticket == 0) {
        sg_journal_release(port, all_bytes);
        sg_exchange_reject(x, SG_REFUSAL_AUDIT_UNAVAILABLE, sg_exchange_why_no_audit(exchanges));
        return;
    }
    x->reserved_bytes = all_bytes - bytes;
    x->ticket = ticket;
    sg_exchange_move(x, RECORDING);
    TAILQ_INSERT_TAIL(x->waits_for_disk ? &exchanges->waiting_disk : &exchanges->waiting_kernel, x,
                      waiting);
    sg_deadline_arm(&exchanges->recording, &x->recording, x);
}

void sg_exchange_recording_expired(void *owner)
{
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, owner);
    sg_exchange_fail(x, SG_REFUSAL_AUDIT_UNAVAILABLE, false, SG_STR("the audit log took too long"));
}

static void call_upstream(struct sg_exchange *x);

/* Send on those whose intents are recorded up to ticket. */
static void release_recorded(struct sg_exchange_list *list, uint64_t ticket)
{
    struct sg_exchange *x;
    while ((x = TAILQ_FIRST(list)) != NULL && x->ticket <= ticket) {
        TAILQ_REMOVE(list, x, waiting);
        sg_deadline_disarm(&x->recording);
        sg_exchange_move(x, CONNECTING);
        call_upstream(x);
    }
}

/* The log has failed under these: their intents will be in it, but not in time. */
static void refuse_cancelled(struct sg_exchange_list *list, uint64_t ticket)
{
    struct sg_exchange *x;
    while ((x = TAILQ_FIRST(list)) != NULL && x->ticket <= ticket) {
        sg_exchange_fail(x, SG_REFUSAL_AUDIT_UNAVAILABLE, false,
                         SG_STR("the audit log could not be written"));
    }
}

void sg_exchanges_recorded(struct sg_exchanges *exchanges)
{
    struct sg_journal_progress progress = sg_journal_progress(exchanges->options.port);
    release_recorded(&exchanges->waiting_disk, progress.durable);
    release_recorded(&exchanges->waiting_kernel, progress.written);
    refuse_cancelled(&exchanges->waiting_disk, progress.cancelled);
    refuse_cancelled(&exchanges->waiting_kernel, progress.cancelled);
}

/* --- the way: to the cloud -------------------------------------------------------------------- */

static void call_upstream(struct sg_exchange *x)
{
    size_t service = (size_t)(x->service - sg_exchange_snapshot(x)->services);
    struct sg_upstream_pool *pool = sg_lease_pool(x->lease, service);
    if (pool == NULL) {
        sg_exchange_fail(x, SG_REFUSAL_BUSY, false, SG_STR("no memory now"));
        return;
    }
    x->called_us = sg_clock_monotonic_us(x->owner->clock);
    x->call = sg_upstream_begin(pool, x);
    if (x->call == NULL) {
        sg_exchange_fail(x, SG_REFUSAL_OVERLOADED, false,
                         SG_STR("too many requests wait for the cloud"));
    }
}

/* A connection is in hand: date, sign and write the request. Nothing of the caller's bytes is in
 * it. */
static enum sg_status on_render(void *context, struct sg_buf *out)
{
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
    struct sg_exchanges *exchanges = x->owner;
    const struct sg_credential *credential = sg_exchange_credential(x);
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
    size_t service = (size_t)(x->service - sg_exchange_snapshot(x)->services);
    struct sg_error error;
    enum sg_status status =
        sg_signer_sign(x->lease->signers[service], &request, date, stages, &error);
    if (status != SG_OK) {
        sg_log_event(exchanges->options.log, SG_LOG_ERROR, "a request could not be signed",
                     SG_LOG_TEXT_FIELD("request_id", sg_exchange_request_id(x)),
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
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
    struct sg_exchanges *exchanges = x->owner;
    sg_exchange_move(x, RELAYING);
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
    sg_buf_add_str(&exchanges->headers, sg_exchange_request_id(x));
    sg_buf_add_text(&exchanges->headers, "\r\n");
    bool no_body = head->status == 204 || head->status == 304;
    sg_gate_answer_begin(x->gate, head->status, sg_buf_str(&exchanges->headers),
                         no_body || head->has_content_length, no_body ? 0 : head->content_length);
}

/*
 * A slow caller and a fast cloud cost a request at most 256 KiB: the gate's buffer, which doubles
 * as it grows and so has 128 KiB with one read above the mark; a head that came in pieces, 64 KiB
 * in the same way; and a record in each of the two TLS objects, 17 KiB.
 */
enum { FRAMING_BYTES = 16 /* of a chunk, around each run */ };
_Static_assert(SG_GATE_HIGH_BYTES + SG_UPSTREAM_READ_BYTES + FRAMING_BYTES <= 128 * 1024,
               "the gate's buffer would grow to 256 KiB");

static void on_data(void *context, struct sg_str bytes)
{
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
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
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
    if (x->gate != NULL) {
        sg_gate_answer_flush(x->gate);
    }
}

/* A slow caller has caught up. */
static void on_drained(void *context)
{
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
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
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
    struct sg_gate *gate = x->gate;
    x->call = NULL;
    x->gate = NULL;
    sg_exchange_record_outcome(x, outcome_of(x->status), true, x->status, SG_STR(""), SG_STR(""));
    sg_exchange_end(x);
    if (gate != NULL) {
        sg_gate_answer_end(gate);
    }
}

static void on_failed(void *context, enum sg_refusal refusal, bool sent, const char *detail)
{
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
    x->call = NULL;
    sg_log_event(x->owner->options.log, SG_LOG_WARN, "a call to the cloud failed",
                 SG_LOG_TEXT_FIELD("request_id", sg_exchange_request_id(x)),
                 SG_LOG_TEXT_FIELD("upstream", x->service->upstream_text),
                 SG_LOG_TEXT_FIELD("state", sg_str_from(sg_exchange_state_name(x->state))),
                 SG_LOG_TEXT_FIELD("sent", sent ? SG_STR("true") : SG_STR("false")),
                 SG_LOG_TEXT_FIELD("error", sg_str_from(detail)));
    if (x->state != RELAYING) {
        sg_exchange_fail(x, refusal, sent, sg_str_from(detail));
        return;
    }
    /* Part of the answer is out: it must not look whole. The cloud's status was seen, though. */
    struct sg_gate *gate = x->gate;
    x->gate = NULL;
    sg_exchange_record_outcome(x, outcome_of(x->status), true, x->status,
                               sg_str_from(sg_refusal_row(refusal)->code), sg_str_from(detail));
    sg_exchange_end(x);
    if (gate != NULL) {
        sg_gate_cut(gate);
    }
}

/* --- events of every state -------------------------------------------------------------------- */

static void on_gone(void *context)
{
    struct sg_exchange *x = SG_CAST(struct sg_exchange, EXCHANGE_MAGIC, context);
    x->gate = NULL;
    switch (x->state) {
    case RECEIVED:
    case IDENTIFIED:
    case DECIDED:
        sg_exchange_reject(x, SG_REFUSAL_BAD_REQUEST,
                           SG_STR("the caller left before its request was whole"));
        break;
    case RECORDING:
        sg_exchange_fail(x, SG_REFUSAL_BAD_REQUEST, false, SG_STR("the caller left"));
        break;
    case CONNECTING:
        if (!sg_upstream_was_sent(x->call)) {
            sg_upstream_cancel(x->call);
            x->call = NULL;
            sg_exchange_fail(x, SG_REFUSAL_BAD_REQUEST, false, SG_STR("the caller left"));
        }
        break; /* sent: the outcome is awaited, the answer is dropped */
    case RELAYING:
        sg_upstream_resume(x->call);
        break;
    case CLOSING:
        break;
    }
}

static void abort_exchange(struct sg_exchange *x)
{
    static const char *const late = "the gateway shut down before an answer came";
    bool sent = x->call != NULL && sg_upstream_was_sent(x->call);
    if (x->call != NULL) {
        sg_upstream_cancel(x->call);
        x->call = NULL;
    }
    if (x->state < RECORDING) {
        sg_exchange_reject(x, SG_REFUSAL_DRAINING, SG_STR("the gateway is shutting down"));
    } else if (!sent) {
        sg_exchange_fail(x, SG_REFUSAL_DRAINING, false, SG_STR("the gateway is shutting down"));
    } else {
        struct sg_gate *gate = x->gate;
        x->gate = NULL;
        sg_exchange_record_outcome(x, x->status != 0 ? outcome_of(x->status) : SG_OUTCOME_UNKNOWN,
                                   true, 0, sg_str_from(sg_refusal_row(SG_REFUSAL_DRAINING)->code),
                                   sg_str_from(late));
        sg_exchange_end(x);
        if (gate != NULL) {
            sg_gate_cut(gate);
        }
    }
}

void sg_exchanges_abort(struct sg_exchanges *exchanges)
{
    struct sg_exchange *x;
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
        .on_refused = sg_exchange_on_refused,
        .on_handshake_failed = sg_exchange_on_handshake_failed,
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
