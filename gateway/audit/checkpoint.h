/*
 * Checkpoints: signed notes of where the chain stands, each in the .note file beside its segment,
 * so that whoever holds a copy elsewhere can show that the log's end was cut off. Made every 1,000
 * records, ten seconds after the first new one, every minute when nothing happens (so that silence
 * is provable too), at rotation and at the end. [journal's thread; at start the supervisor]
 */
#ifndef SG_AUDIT_CHECKPOINT_H
#define SG_AUDIT_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/segment.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"

struct sg_checkpoint {
    struct sg_ed25519_private *key;        /* NULL: no checkpoints are made */
    struct sg_ed25519_private *key_before; /* signs the next note too: proves the change */
    char previous[SG_DIGEST_HEX_BYTES];    /* hash of the last note */
    uint64_t records;                      /* since the last note */
    int64_t first_us;                      /* monotonic: when the first of them was written */
    int64_t last_us;                       /* of the last note, or of the beginning */
    struct sg_segment_name broken;         /* this segment's file of notes ends within a note */
};

/* Begin with a key, which is taken; NULL: none. */
void sg_checkpoint_init(struct sg_checkpoint *checkpoint, struct sg_ed25519_private *key,
                        int64_t now_us);
void sg_checkpoint_done(struct sg_checkpoint *checkpoint);

/* Find the last note of the directory, which the next one follows. SG_IO, SG_NO_MEMORY. */
SG_MUST_CHECK enum sg_status sg_checkpoint_load(struct sg_checkpoint *checkpoint, int directory_fd,
                                                struct sg_digest *digest, struct sg_error *reterr);

/* Sign with another key from now on; taken. The next note carries the signatures of both. */
void sg_checkpoint_set_key(struct sg_checkpoint *checkpoint, struct sg_ed25519_private *key);

/* Records were written that are no checkpoints. */
void sg_checkpoint_count(struct sg_checkpoint *checkpoint, uint64_t records, int64_t now_us);

/* When the next note is due, monotonic; INT64_MAX: never. */
int64_t sg_checkpoint_due_us(const struct sg_checkpoint *checkpoint);

/* Whether a note now would say anything that the last one does not. */
bool sg_checkpoint_has_news(const struct sg_checkpoint *checkpoint);

/*
 * Write a note of the chain, all of which is on the disk, to the segment's .note file, durably, and
 * append the text of its record. False with errno: that failed; no more notes go to this file then,
 * since it may end within one.
 */
bool sg_checkpoint_write(struct sg_checkpoint *checkpoint, int directory_fd,
                         const struct sg_segment_name *segment, const struct sg_chain *chain,
                         const struct sg_clock *clock, struct sg_digest *digest,
                         struct sg_buf *record);

#endif
