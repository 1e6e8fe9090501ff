/*
 * What the files of the journal share: its state. journal.c is the thread and its batches, port.c
 * the ways in, recovery.c how a segment begins and how the journal comes back after a failure.
 */
#ifndef SG_AUDIT_JOURNAL_PRIVATE_H
#define SG_AUDIT_JOURNAL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "audit/chain.h"
#include "audit/checkpoint.h"
#include "audit/ending.h"
#include "audit/flood.h"
#include "audit/folder.h"
#include "audit/journal.h"
#include "audit/writer.h"
#include "base/buf.h"

enum {
    AHEAD_BYTES = 8 * 1024 * 1024,
    LOW_WATER_BYTES = AHEAD_BYTES / 2,
    OWN_BYTES = 256 * 1024, /* of the room: for the journal's own records; never promised */
    QUEUE_BYTES_MAX = 64 * 1024 * 1024, /* never reached: room bounds what is queued */
    RECENT_BYTES = 1024 * 1024,         /* lines kept in memory, to be replayed */
    PORTS_MAX = 512,
};

/* Before each text in a port's buffers, and in the journal's queue. */
struct sg_journal_entry {
    uint64_t ticket;
    uint32_t bytes;     /* of the text behind */
    uint32_t accounted; /* of room */
    uint8_t wait;       /* enum sg_journal_wait */
    bool refusal;       /* may be summed up */
};

struct sg_journal_port {
    struct sg_journal *journal;
    int wake_fd;
    uint64_t tickets;      /* given out */
    struct sg_buf filling; /* the port's thread only */
    bool urgent;           /* somebody waits for something in filling */
    pthread_mutex_t lock;  /* of published */
    struct sg_buf published;
    struct sg_buf taken;   /* the journal's thread only */
    uint64_t taken_ticket; /* last ticket in the queue */
    bool has_waiters;      /* of the batch */
    atomic_uint_fast64_t durable;
    atomic_uint_fast64_t written;
    atomic_uint_fast64_t cancelled;
};

/* Each written by the journal's thread alone. */
struct sg_journal_counters {
    atomic_uint_fast64_t epoch, seq, records, bytes, batches, sync_us, failures, recoveries,
        replayed, lost, summed, segments, checkpoints, checkpoint_failures;
    atomic_uint_fast64_t sync_counts[SG_JOURNAL_SYNC_BOUNDS + 1];
};

struct sg_journal {
    const struct sg_clock *clock;
    char *version;
    size_t line_bytes;
    struct sg_digest *digest;
    struct sg_flood *flood;
    struct sg_folder folder;
    struct sg_writer writer;
    struct sg_chain chain;   /* of the last line that was framed */
    struct sg_chain written; /* of the last line that a write took */
    struct sg_buf queue;     /* records that no write took yet, as entries */
    uint64_t queue_accounted;
    struct sg_buf batch;       /* the queue, framed */
    struct sg_buf recent;      /* the last lines that writes took, of this epoch */
    uint64_t epoch_first_seq;  /* of this epoch's first line */
    uint64_t last_epoch;       /* that a file was made for */
    int64_t remaining;         /* what of the writer's room is in `room` */
    int64_t unsynced_from_us;  /* monotonic; 0: all is synced */
    int64_t allocate_again_us; /* after a failure: not before */
    int64_t segment_begun_us;
    uint64_t segment_first_bytes; /* its first line: a segment with no more is not rotated */
    int64_t rotate_again_us;
    struct sg_writer_fault fault; /* of the last failure */
    int64_t failed_us;            /* monotonic; when it failed */
    int64_t recover_us;           /* monotonic; when recovery is tried next */
    int64_t backoff_us;
    struct sg_journal_port *ports[PORTS_MAX];
    size_t port_count;
    int wake_fd;
    pthread_t thread;
    bool started;
    atomic_bool quit;
    atomic_bool dozing; /* the thread sleeps until it is woken */
    atomic_bool failed; /* no segment is being written */
    atomic_bool tried;  /* recovery has been tried, in vain */
    atomic_bool full;
    atomic_bool rotate_wanted;
    atomic_uint_fast64_t rotate_bytes;
    atomic_int_fast64_t rotate_age_us;
    atomic_int_fast64_t room; /* of the writer's, neither written nor promised nor queued */
    atomic_int_fast64_t operation_started_us; /* one on the disk that is under way; 0: none */
    struct sg_journal_counters counters;
    struct sg_checkpoint checkpoint;
    pthread_mutex_t told_lock; /* of what follows */
    char cause[SG_JOURNAL_CAUSE_BYTES];
    struct sg_ed25519_private *next_key;
    bool key_changes; /* next_key is to be used, NULL too */
};

/* --- journal.c, for recovery.c [journal's thread; at start the supervisor] --- */

/* Put a record of the journal's own at the end of the queue. False: no memory. */
bool sg_journal_enqueue(struct sg_journal *journal, struct sg_str text);

/* Frame the queue, but for its first records, behind what batch holds. False: no memory. */
bool sg_journal_frame(struct sg_journal *journal, uint64_t skip, struct sg_writer_fault *ret);

/* A write has taken batch, of so many lines: the queue is empty, its lines are recent. */
void sg_journal_took_batch(struct sg_journal *journal, uint64_t lines);

/* Everything that was written is on disk. */
void sg_journal_is_durable(struct sg_journal *journal);

/* Around each operation on the disk: for the watch on a disk that hangs. */
void sg_journal_begin_operation(struct sg_journal *journal);
void sg_journal_end_operation(struct sg_journal *journal);

/* Bring room into line with what the writer has. */
void sg_journal_count_room(struct sg_journal *journal);

/* No segment any more: who waits is told, recovery follows. */
void sg_journal_fail(struct sg_journal *journal, const struct sg_writer_fault *fault);

/* Keep the text for sg_journal_cause. */
void sg_journal_set_cause(struct sg_journal *journal, const char *text);

void sg_journal_wake(int fd);

/* --- recovery.c [the same] --- */

/*
 * Begin the first segment of a run, the queue's records behind its first line. SG_IO, SG_CONFIG,
 * SG_NO_MEMORY: *reterr says what to do.
 */
SG_MUST_CHECK enum sg_status sg_journal_begin(struct sg_journal *journal, bool refuse_on_damage,
                                              struct sg_error *reterr);

/* Go over to a new segment of the same epoch. False: the journal has failed. */
bool sg_journal_turn_over(struct sg_journal *journal);

/* Try to come back after a failure. */
void sg_journal_recover(struct sg_journal *journal);

#endif
