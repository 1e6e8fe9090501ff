/*
 * The notes of one segment: its file audit-*.note read, each note hashed, its place in the chain of
 * notes and, where keys are given, its signatures judged. What is wrong is kept as a fault; notes
 * from there on prove nothing. [any, one thread at a time]
 */
#ifndef SG_AUDIT_NOTE_FILE_H
#define SG_AUDIT_NOTE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/note.h"
#include "base/error.h"

enum { SG_NOTE_KEYS_MAX = 16 };

/*
 * The keys that may sign, and which of them does at present. A key that another has taken over from
 * signs nothing any more: whoever steals a key that was replaced cannot continue the log with it.
 */
struct sg_note_keys {
    size_t count;
    unsigned char public_keys[SG_NOTE_KEYS_MAX][SG_ED25519_PUBLIC_BYTES];
    unsigned char ids[SG_NOTE_KEYS_MAX][SG_NOTE_KEY_ID_BYTES]; /* in the stream's notes */
    bool superseded[SG_NOTE_KEYS_MAX];
    size_t current;    /* index; count: none has signed yet */
    uint64_t changes;  /* of key */
    uint64_t unproven; /* of these, without the signature of the key before */
};

/* Begin a walk through the notes of a stream; public_keys and count are set already. */
SG_MUST_CHECK enum sg_status sg_note_keys_begin(struct sg_note_keys *keys, const char *stream);

/*
 * Judge the signatures of the next note: NULL, and the keys stand behind it; else its kind ("wrong
 * key" or "edited") and a sentence.
 */
const char *sg_note_keys_judge(struct sg_note_keys *keys, const struct sg_note_parsed *parsed,
                               char *text, size_t text_bytes);

/* Where the chain of notes stands. */
struct sg_note_chain {
    bool known;
    char last[SG_DIGEST_HEX_BYTES];   /* SHA-256 of the last note */
    char before[SG_DIGEST_HEX_BYTES]; /* of the one before; next may follow it when .. */
    bool last_unrecorded; /* .. no checkpoint record names the last: a crash lay between */
    bool has_before;
};

struct sg_note_entry {
    uint64_t epoch, seq;
    char hash[SG_DIGEST_HEX_BYTES];   /* of the line */
    char sha256[SG_DIGEST_HEX_BYTES]; /* of the note */
    char previous[SG_DIGEST_HEX_BYTES];
    unsigned char key_id[SG_NOTE_KEY_ID_BYTES]; /* of its last signature: the key in use */
    int64_t time_s;
    uint64_t line, offset; /* in the file; lines from 1 */
};

struct sg_note_fault {
    const char *kind; /* NULL: none */
    char text[256];
    uint64_t line, offset;
};

struct sg_note_file {
    bool exists;
    struct sg_note_entry *entries;
    size_t count;
    struct sg_note_fault fault; /* of what stands behind the entries */
};

/*
 * Read the notes of name in a directory. A torn note at the end is left out. chain and keys (NULL:
 * signatures are not looked at) stand behind the last good note afterwards. SG_IO, SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_note_file_read(int directory_fd, const char *name,
                                               const char *stream, struct sg_note_chain *chain,
                                               struct sg_note_keys *keys, struct sg_note_file *ret,
                                               struct sg_error *reterr);
void sg_note_file_done(struct sg_note_file *file);

#endif
