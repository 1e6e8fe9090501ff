/*
 * Verifying an audit directory: its chain over all segments, how each of them ended, its
 * checkpoints, and, where somebody kept something of it elsewhere, its end. Reads alone, also while
 * a gateway writes.
 *
 * Kinds of what is wrong: edited, removed, inserted, swapped, cut (an end is gone), forked (lines
 * of another continuation of the log, or a log written anew), renamed (a file), wrong key.
 */
#ifndef SG_AUDIT_READER_H
#define SG_AUDIT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/note_file.h"
#include "base/buf.h"
#include "base/error.h"

struct sg_audit_options {
    const struct sg_note_keys *keys; /* public_keys and count are set; NULL: not looked at */
    const char *anchor;              /* a file's path; NULL: none */
};

/* A record that somebody vouches for. */
struct sg_audit_proof {
    bool any;
    uint64_t epoch, seq;
    int64_t time_s;          /* of the note; of the record where there is none */
    uint64_t records_behind; /* that nobody vouches for yet */
    int64_t seconds_behind;  /* from its time to the last record's */
};

/* What verify found. */
struct sg_audit_report {
    bool good;
    char stream[SG_CHAIN_STREAM_BYTES + 1];
    uint64_t records;
    uint64_t files;
    uint64_t epochs;
    uint64_t begins_at; /* seq of the first record; above 1: earlier segments are elsewhere */
    uint64_t gone;      /* segments that are not there, as the next ones declare */
    uint64_t last_epoch, last_seq;
    bool being_written; /* a gateway is writing: its last line was left out */
    /* checkpoints */
    uint64_t checkpoints;                   /* records of the chain whose note is there */
    char key[2 * SG_NOTE_KEY_ID_BYTES + 1]; /* of the last note; "": none */
    bool signatures_checked;
    uint64_t key_changes;
    uint64_t key_changes_unproven; /* of these, without the signature of the key before */
    struct sg_audit_proof covered; /* by the last note beside the log */
    struct sg_audit_proof proven;  /* by the anchor */
    bool anchored;                 /* one was given */
    uint64_t anchor_unread;        /* lines of it that say nothing */
    uint64_t anchor_lost;          /* lines of it that a crash took before the disk had them */
    /* the first thing that is wrong, when not good */
    char file[256];
    bool in_anchor;  /* file is the anchor, else one of the directory */
    uint64_t line;   /* from 1; 0: the file as a whole */
    uint64_t offset; /* bytes from the start of the file */
    char kind[32];
    char text[512];
    char hash_expected[SG_DIGEST_HEX_BYTES + 1]; /* "": no hash is wrong */
    char hash_found[SG_DIGEST_HEX_BYTES + 1];
    uint64_t proven_before; /* records before it that are still proven */
    uint64_t lines_behind;  /* lines of all files that stand behind it */
    bool torn_tail_open;    /* the last segment ends in a torn line that nothing declares yet */
};

/*
 * Verify a directory. SG_IO, SG_CONFIG: it or the anchor cannot be read (*reterr). SG_NOT_FOUND:
 * nothing in it is an audit log (*reterr). SG_OK with !good: it is damaged.
 */
SG_MUST_CHECK enum sg_status sg_audit_verify_with(const char *directory,
                                                  const struct sg_audit_options *options,
                                                  struct sg_audit_report *ret,
                                                  struct sg_error *reterr);

/* The same without keys and anchor. */
SG_MUST_CHECK enum sg_status sg_audit_verify(const char *directory, struct sg_audit_report *ret,
                                             struct sg_error *reterr);

#endif
