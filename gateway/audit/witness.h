/*
 * Who vouches for lines of a log: the notes beside its segments, and an anchor. Lines are shown in
 * the order of the chain; a line for which a witness has another hash is not the one that was.
 * [any, one thread at a time]
 */
#ifndef SG_AUDIT_WITNESS_H
#define SG_AUDIT_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/anchor.h"
#include "audit/note_file.h"
#include "audit/segment.h"
#include "base/error.h"

/* What is wrong with notes or an anchor, or with the log by their word. */
struct sg_witness_fault {
    const char *kind; /* NULL: nothing */
    char text[256];
    char file[256]; /* "": the segment at hand, where it ends */
    bool in_anchor;
    uint64_t line, offset;
};

/* A record that a witness vouches for, and how many records of the log stand before it or are it.
 */
struct sg_vouched {
    bool any;
    uint64_t epoch, seq;
    int64_t time_s; /* of a note; 0: an anchor's line has none */
    uint64_t records;
};

struct sg_witness_pending; /* a note whose line was not seen yet */

struct sg_witness {
    int directory_fd;
    char stream[SG_CHAIN_STREAM_BYTES + 1];
    bool judges; /* keys are given */
    struct sg_note_keys keys;
    struct sg_note_chain chain;
    char name[SG_NOTE_FILE_BYTES]; /* of the notes of the segment at hand */
    struct sg_note_file notes;
    size_t head;   /* the next note whose line is to come */
    size_t record; /* the next note that a checkpoint record is to name */
    struct sg_witness_pending *pending;
    size_t pending_count, pending_room;
    char (*leftover)[SG_DIGEST_HEX_BYTES]; /* notes of failed segments: named later, or never */
    size_t leftover_count;
    bool has_tail; /* the last line that was shown: */
    uint64_t tail_epoch, tail_seq;
    char tail_hash[SG_DIGEST_HEX_BYTES];
    const char *anchor_path; /* NULL: no anchor */
    struct sg_anchor anchor;
    uint64_t anchor_lost; /* lines of it that a crash took from the log, by the log's own word */
    uint64_t checkpoints;
    bool any_note;
    unsigned char key_id[SG_NOTE_KEY_ID_BYTES]; /* of the last note */
    struct sg_vouched covered, anchored;
    uint64_t
        vouched_records; /* records before and with the last line that any witness vouched for */
};

/* Begin a walk; keys and anchor_path may be NULL. SG_IO, SG_CONFIG: the anchor cannot be read. */
SG_MUST_CHECK enum sg_status sg_witness_begin(struct sg_witness *witness, int directory_fd,
                                              const char *stream, const struct sg_note_keys *keys,
                                              const char *anchor_path, struct sg_error *reterr);
void sg_witness_done(struct sg_witness *witness);

/* A segment begins; is_gone: it is not there, or none of its lines belongs to the chain. */
SG_MUST_CHECK enum sg_status sg_witness_open(struct sg_witness *witness,
                                             const struct sg_segment_name *name, bool is_gone,
                                             struct sg_error *reterr);

/*
 * A line of the chain, number `records` of those that were shown. OTHER: *ret_hash is the hash that
 * was vouched for.
 */
enum sg_anchored sg_witness_line(struct sg_witness *witness, uint64_t epoch, uint64_t seq,
                                 const char hash[SG_DIGEST_HEX_BYTES], uint64_t records,
                                 char ret_hash[SG_DIGEST_HEX_BYTES]);

/* The line inside a replay: it stands for itself, out of order. SG_NO_MEMORY. */
SG_MUST_CHECK enum sg_status sg_witness_replay(struct sg_witness *witness, struct sg_str text,
                                               struct sg_digest *digest);

/* A checkpoint record names a note. False: *ret says what is wrong. */
bool sg_witness_checkpoint(struct sg_witness *witness, struct sg_str note_sha256,
                           struct sg_witness_fault *ret);

/*
 * The segment ends; may_replay: what is missing may come as replays. False: *ret says what is
 * wrong.
 */
bool sg_witness_close(struct sg_witness *witness, bool may_replay, struct sg_witness_fault *ret);

/* The log ends; its first and last records are given. False: *ret says what is wrong. */
bool sg_witness_end(struct sg_witness *witness, uint64_t first_epoch, uint64_t first_seq,
                    struct sg_witness_fault *ret);

#endif
