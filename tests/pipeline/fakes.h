/*
 * A gate, a cloud and a journal that only remember what was asked of them, linked in place of the
 * real ones. A test plays their side by calling the exchange's handlers.
 */
#ifndef SG_TESTS_PIPELINE_FAKES_H
#define SG_TESTS_PIPELINE_FAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/journal.h"
#include "base/buf.h"
#include "net/gate.h"
#include "net/upstream.h"

enum { FAKE_RECORDS_MAX = 32 };

struct sg_gate {
    void *context;
    bool reads_body;
    enum sg_status body_status; /* what sg_gate_read_body returns */
    unsigned status;            /* of the answer; 0: none */
    bool begun, ended, cut;
    struct sg_buf headers;
    struct sg_buf body;
    size_t pending;
};

struct fake_record {
    enum sg_audit_event event;
    enum sg_outcome outcome;
    bool sent;
    unsigned status;
    char caller[64];
    char reason[64];
    char detail[256];
    char path[256];
    char query[256];
    char action[64];
    char resource[128];
    char upstream_request_id[64];
    char upstream_error_code[64];
    enum sg_journal_wait wait;
};

struct fakes {
    struct sg_gate gate;
    struct fake_record records[FAKE_RECORDS_MAX];
    size_t record_count;
    bool journal_full;   /* reserve says no */
    bool journal_failed; /* submit says no */
    uint64_t tickets;
    struct sg_journal_progress progress;
    enum sg_journal_state journal_state; /* what a refusal says of it */
    int64_t reserved;                    /* bytes promised and not used or released */
    bool call_open;                      /* a call was begun and is neither over nor cancelled */
    bool call_refused;                   /* sg_upstream_begin says no */
    bool call_sent;
    bool call_paused;
    bool call_cancelled;
    void *call_context;
};

/* The one set of fakes of this program; a test resets it. */
struct fakes *fakes(void);
void fakes_reset(void);

#endif
