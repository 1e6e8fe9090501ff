/*
 * What one audit record says, but for what the journal adds (schema stream epoch seq prev crc).
 * Empty texts and zero numbers of fields that do not apply are left out of the line. All texts are
 * borrowed for the call that submits. Never in it: secret keys, tokens, signatures, bodies.
 */
#ifndef SG_MODEL_AUDIT_RECORD_H
#define SG_MODEL_AUDIT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum sg_audit_event {
    SG_AUDIT_START = 0,
    SG_AUDIT_STOP,
    SG_AUDIT_RELOAD,
    SG_AUDIT_INTENT,
    SG_AUDIT_OUTCOME,
    SG_AUDIT_DENIED,   /* policy's no */
    SG_AUDIT_REJECTED, /* any other refusal without an intent */
    SG_AUDIT_CLOCK_JUMP,
};

enum sg_outcome { SG_OUTCOME_NONE = 0, SG_OUTCOME_SUCCESS, SG_OUTCOME_FAILURE, SG_OUTCOME_UNKNOWN };

struct sg_audit_record {
    enum sg_audit_event event;
    int64_t time_us; /* real time */
    struct sg_str request_id;
    struct sg_str caller;
    struct sg_str team;
    struct sg_str identity;
    struct sg_str source_ip;
    struct sg_str method;
    struct sg_str path;  /* canonical, as sent */
    struct sg_str query; /* canonical, as sent, without "?" */
    struct sg_str action;
    struct sg_str access_level;
    struct sg_str resource;
    struct sg_str project_id;
    struct sg_str decision; /* "allow" or "deny" */
    struct sg_str reason;   /* a reason of policy, or a refusal's code */
    struct sg_str detail;   /* why, in words of ours; for rejected and failed ones */
    struct sg_str policy;
    struct sg_str statement;
    struct sg_str policy_revision;
    struct sg_str would;
    struct sg_str credential;
    struct sg_str credential_fingerprint;
    struct sg_str upstream;
    unsigned status; /* HTTP, as answered to the caller */
    struct sg_str upstream_request_id;
    struct sg_str upstream_error_code;
    enum sg_outcome outcome;
    bool has_sent, sent; /* sent is written when has_sent */
    bool has_bytes;      /* request_bytes and response_bytes are written when has_bytes */
    uint64_t request_bytes;
    uint64_t response_bytes;
    bool has_times;
    int64_t duration_us;
    int64_t upstream_us;
    struct sg_str trace_id;
    struct sg_str client_request_id;
    int64_t offset_us;                    /* clock_jump: how far the clock was set; else 0 */
    struct sg_str version;                /* start: ours */
    struct sg_str configuration_revision; /* start, reload */
};

/* "intent", "outcome"...; "success", "failure", "unknown" ("" for none). */
const char *sg_audit_event_name(enum sg_audit_event event);
const char *sg_outcome_name(enum sg_outcome outcome);

#endif
