/*
 * What the files of the exchange share: its state. exchange.c is the way of a request; flight.c
 * begins, ends, records and refuses. exchange.h is what everybody else knows. [worker]
 */
#ifndef SG_EXCHANGE_FLIGHT_H
#define SG_EXCHANGE_FLIGHT_H

#include <sys/queue.h>

#include "base/object.h"
#include "exchange/exchange.h"
#include "exchange/request_id.h"

enum sg_exchange_state {
    RECEIVED = 0,
    IDENTIFIED,
    DECIDED,
    RECORDING,
    CONNECTING,
    RELAYING,
    CLOSING
};

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

struct sg_exchange {
    uint32_t magic;
    enum sg_exchange_state state;
    TAILQ_ENTRY(sg_exchange) all;     /* in flight, or free */
    TAILQ_ENTRY(sg_exchange) waiting; /* in RECORDING: behind those with smaller tickets */
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

TAILQ_HEAD(sg_exchange_list, sg_exchange);

struct sg_exchanges {
    uint32_t magic;
    struct sg_exchanges_options options;
    const struct sg_clock *clock;
    struct sg_lease *lease;
    struct sg_exchange_list in_flight;
    struct sg_exchange_list free;
    struct sg_exchange_list waiting_disk;   /* for fdatasync */
    struct sg_exchange_list waiting_kernel; /* for write */
    struct sg_deadline_list recording;
    size_t count;
    struct sg_request_ids ids;
    struct sg_sign_stages stages;
    struct sg_buf headers; /* of the answer that is being made */
    struct sg_buf answer;
};

/* Step from one state to the next; asserts that the step is legal. */
void sg_exchange_move(struct sg_exchange *x, enum sg_exchange_state to);

const char *sg_exchange_state_name(enum sg_exchange_state state);

/* What the exchange's lease holds. */
const struct sg_snapshot *sg_exchange_snapshot(const struct sg_exchange *x);
const struct sg_credential *sg_exchange_credential(const struct sg_exchange *x);
struct sg_str sg_exchange_request_id(const struct sg_exchange *x);

/* Begin with a head; NULL: too many are in flight, or no memory. */
struct sg_exchange *sg_exchange_begin(struct sg_exchanges *exchanges, struct sg_gate *gate,
                                      const struct sg_gate_request *request);

/* Give everything back; from any state, once. */
void sg_exchange_end(struct sg_exchange *x);

/* A record with what is known of the request by now; and what more it may hold. */
struct sg_audit_record sg_exchange_record(const struct sg_exchange *x, enum sg_audit_event event);
void sg_exchange_add_decision(const struct sg_exchange *x, struct sg_audit_record *record);
void sg_exchange_add_credential(const struct sg_exchange *x, struct sg_audit_record *record);

/* The one outcome of an intent. answered: the status the caller got, 0 for none. */
void sg_exchange_record_outcome(struct sg_exchange *x, enum sg_outcome outcome, bool sent,
                                unsigned answered, struct sg_str reason, struct sg_str detail);

/* Why the audit log takes nothing now, for the caller; a literal. */
struct sg_str sg_exchange_why_no_audit(const struct sg_exchanges *exchanges);

/*
 * Refuse before there is an intent: one record, one answer, the end. A refusal that cannot be
 * recorded is answered AuditUnavailable instead.
 */
void sg_exchange_reject(struct sg_exchange *x, enum sg_refusal refusal, struct sg_str detail);

/* Policy's no: the record has everything, the caller what deny_detail allows. The end. */
void sg_exchange_deny(struct sg_exchange *x, const struct sg_policy_request *request);

/*
 * Fail after the intent was submitted and before an answer has begun: an outcome with the detail,
 * and an answer without it, since it may be the system's words about the cloud. The end.
 */
void sg_exchange_fail(struct sg_exchange *x, enum sg_refusal refusal, bool sent,
                      struct sg_str detail);

/* The gate's on_refused: the same id, record and answer as every refusal. */
void sg_exchange_on_refused(void *arg, const struct sg_gate_refused *refused,
                            struct sg_buf *headers, struct sg_buf *body);

/* The gate's on_handshake_failed: the operator hears of it; there is no request to record. */
void sg_exchange_on_handshake_failed(void *arg, const struct sg_peer *peer, const char *detail);

/*
 * Fields of the head that mean something to the gateway: ids are kept; the text of a refusal comes
 * back, or an empty one.
 */
struct sg_str sg_exchange_read_fields(struct sg_exchange *x, const struct sg_strict_request *head);

/* The journal took too long. */
void sg_exchange_recording_expired(void *owner);

#endif
