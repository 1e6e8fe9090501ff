/*
 * The audit journal: one thread writes all records of all workers into one chain of JSON lines.
 *
 * Workers format their lines (they own the data) and hand them over once a loop turn; the journal
 * thread adds schema, stream, epoch, seq, prev and crc, writes the whole batch with one write(2)
 * and, when a record of the batch asks for it, makes it durable with one fdatasync(2), then wakes
 * the workers that wait. Under load batches grow by themselves.
 *
 * A segment that ended badly (crash, failed write or sync, foreign change) is never touched again:
 * the next one has epoch + 1 and says in its first line how the old one ended. Start and recovery
 * while running are the same code; the journal recovers by itself and tries for ever.
 *
 * Files: LOCK, STREAM, audit-<epoch:6>-<first seq:20>.jsonl in the audit directory, and the notes
 * of its checkpoints beside each segment.
 */
#ifndef SG_AUDIT_JOURNAL_H
#define SG_AUDIT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "crypto/ed25519.h"
#include "model/audit_record.h"

struct sg_journal;
struct sg_journal_port;

enum sg_journal_state {
    SG_JOURNAL_OK = 0,
    SG_JOURNAL_FULL,       /* no room ahead: outcomes and refusals go on, intents do not */
    SG_JOURNAL_STALLED,    /* the disk has not answered for two seconds */
    SG_JOURNAL_FAILED,     /* an operation failed; recovery begins */
    SG_JOURNAL_RECOVERING, /* recovery failed so far and is tried again */
    SG_JOURNAL_STATES,
};

/* "ok", "full", "stalled", "failed", "recovering". */
const char *sg_journal_state_name(enum sg_journal_state state);

struct sg_journal_options {
    const char *directory;
    size_t line_bytes;                         /* longest record: 6 x limits.target_bytes + 4 KiB */
    bool refuse_on_damage;                     /* audit.on_damage: refuse */
    uint64_t rotate_bytes;                     /* a segment ends at this size; 0: at none */
    int64_t rotate_age_ms;                     /* and at this age; 0: at none */
    struct sg_ed25519_private *checkpoint_key; /* taken, on failure too; NULL: no checkpoints */
    const char *version;                       /* of signgate, for segment lines */
    const struct sg_clock *clock;
};

/*
 * Open the directory: lock it, read what is there, declare how the last segment ended, begin a new
 * segment durably (file and directory), with an outcome "unknown" for each intent that a crash left
 * open. SG_IO or SG_CONFIG: *reterr says what to do. [supervisor]
 */
SG_MUST_CHECK enum sg_status sg_journal_open(const struct sg_journal_options *options,
                                             struct sg_journal **ret, struct sg_error *reterr);

/*
 * Make a port: a worker's (or the supervisor's) way in. Before start only. The journal writes 8
 * bytes to wake_fd (an eventfd the port's owner listens to; -1: none) when progress changes. Of
 * what ports hold at the same time, the first port's comes last: a stop is the end. NULL: no
 * memory. [supervisor]
 */
struct sg_journal_port *sg_journal_port_new(struct sg_journal *journal, int wake_fd);

/* Start the thread. [supervisor] */
SG_MUST_CHECK enum sg_status sg_journal_start(struct sg_journal *journal, struct sg_error *reterr);

/*
 * Write everything handed over, make it durable, end the thread, close. Ports die with it. SG_IO
 * when something could not be written. NULL is fine. [supervisor, workers have stopped]
 */
enum sg_status sg_journal_close(struct sg_journal **journal);

/* Begin a new segment when the present one holds anything; soon. [any] */
void sg_journal_rotate(struct sg_journal *journal);

/* Rotate at these from now on. [any] */
void sg_journal_set_rotation(struct sg_journal *journal, uint64_t bytes, int64_t age_ms);

/* Sign checkpoints with another key, which is taken; NULL: make none any more. Soon. [any] */
void sg_journal_set_checkpoint_key(struct sg_journal *journal, struct sg_ed25519_private *key);

enum sg_journal_state sg_journal_state(const struct sg_journal *journal); /* [any] */

/* Upper ends of the sync times counted in figures, microseconds; beyond the last: one more. */
enum { SG_JOURNAL_SYNC_BOUNDS = 12 };
extern const int64_t sg_journal_sync_bounds_us[SG_JOURNAL_SYNC_BOUNDS];

/* What an operator sees; counters rise for ever. */
struct sg_journal_figures {
    enum sg_journal_state state;
    uint64_t epoch;
    uint64_t seq; /* of the last line written */
    uint64_t records;
    uint64_t bytes;
    uint64_t batches;
    uint64_t sync_counts[SG_JOURNAL_SYNC_BOUNDS + 1];
    uint64_t sync_us; /* all together */
    uint64_t failures;
    uint64_t recoveries;
    uint64_t replayed;
    uint64_t lost;     /* acknowledged, and neither read back nor replayed */
    uint64_t summed;   /* refusals that are only counted in a sum */
    uint64_t segments; /* begun */
    uint64_t checkpoints;
    uint64_t checkpoint_failures;
    int64_t room; /* bytes that may still be promised */
};
struct sg_journal_figures sg_journal_figures(const struct sg_journal *journal); /* [any] */

enum { SG_JOURNAL_CAUSE_BYTES = 256 };

/*
 * Why the state is not OK, or why it was not when it was last: "fdatasync: Input/output error".
 * Empty: never. [any]
 */
void sg_journal_cause(struct sg_journal *journal, char ret[SG_JOURNAL_CAUSE_BYTES]);

/*
 * Promise room for bytes more (intent and its outcome; see sg_journal_bound). False: not now, the
 * request is refused with AuditUnavailable. What is promised must be submitted or released.
 * [port's thread]
 */
bool sg_journal_reserve(struct sg_journal_port *port, size_t bytes);
void sg_journal_release(struct sg_journal_port *port, size_t bytes);

/* The longest line a record of these lengths can be. Pure. */
size_t sg_journal_bound(const struct sg_audit_record *record);

/* What the submitter of a record waits for. */
enum sg_journal_wait {
    SG_JOURNAL_WAIT_NONE = 0, /* nothing: the record is held until a batch goes, 20 ms at most */
    SG_JOURNAL_WAIT_WRITTEN,  /* given to the kernel */
    SG_JOURNAL_WAIT_DURABLE,  /* on disk */
};

/*
 * Hand one record over; reserved is what of the promised bytes it uses up (0: nothing was
 * promised). Returns its ticket, rising by one for each record of the port, or 0: there is no room
 * for a record that was promised none (denials, rejections), or no memory. A record that was
 * refused is nowhere: its request must be refused too. Nothing is visible to the journal before
 * flush. [port's thread]
 */
uint64_t sg_journal_submit(struct sg_journal_port *port, const struct sg_audit_record *record,
                           enum sg_journal_wait wait, size_t reserved);

/* Publish what was submitted since the last flush; once a loop turn. [port's thread] */
void sg_journal_flush(struct sg_journal_port *port);

/*
 * How far the journal is for this port. Tickets up to and including these numbers. A ticket that is
 * cancelled and not yet durable (written) must not be acted on: its record will be in the log, its
 * request is refused. Look at durable and written before cancelled.
 */
struct sg_journal_progress {
    uint64_t durable; /* on disk */
    uint64_t written; /* given to the kernel */
    uint64_t cancelled;
};
struct sg_journal_progress sg_journal_progress(const struct sg_journal_port *port);

#endif
