/*
 * Notes: what a checkpoint says of the chain, signed with Ed25519, in the form of C2SP's signed
 * note. One note is
 *
 *   audit.signgate/<stream>
 *   <epoch> <seq>
 *   <base64 of the SHA-256 of line seq>
 *   <seconds since 1970>
 *   <hex SHA-256 of the whole previous note; zeros: there is none>
 *   <empty line>
 *   — audit.signgate/<stream> <base64 of key id and signature>
 *
 * The signature is over the first five lines with their LFs. The hash is the head of a chain of
 * lines, not the root of a tree. A file of notes holds one after another, empty lines between. Of
 * each value there is one spelling, so that a note has one form. Pure. [any]
 */
#ifndef SG_AUDIT_NOTE_H
#define SG_AUDIT_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"
#include "base/buf.h"
#include "base/error.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"

enum {
    SG_NOTE_KEY_ID_BYTES = 4,
    SG_NOTE_SIGNATURES_MAX = 4,
    SG_NOTE_BYTES_MAX = 1024, /* the longest note */
};

/* What every note begins with. */
#define SG_NOTE_ORIGIN "audit.signgate/"

struct sg_note {
    char stream[SG_CHAIN_STREAM_BYTES + 1];
    uint64_t epoch; /* of the line */
    uint64_t seq;
    char hash[SG_DIGEST_HEX_BYTES]; /* of the line, without its LF */
    int64_t time_s;
    char previous[SG_DIGEST_HEX_BYTES]; /* '0's: none */
};

struct sg_note_signature {
    unsigned char key_id[SG_NOTE_KEY_ID_BYTES];
    unsigned char bytes[SG_ED25519_SIGNATURE_BYTES];
};

struct sg_note_parsed {
    struct sg_note note;
    struct sg_str text; /* what is signed; borrowed from what was parsed */
    size_t signature_count;
    struct sg_note_signature signatures[SG_NOTE_SIGNATURES_MAX];
};

/*
 * Append a note signed by each of count keys (1 to SG_NOTE_SIGNATURES_MAX). Its bytes, from the
 * first to the last that were appended, are what the next note's previous is the SHA-256 of.
 * SG_INTERNAL, SG_NO_MEMORY; out is then as it was.
 */
SG_MUST_CHECK enum sg_status sg_note_make(const struct sg_note *note,
                                          const struct sg_ed25519_private *const *keys,
                                          size_t key_count, struct sg_buf *out);

/*
 * Read the note that text begins with. Returns how many bytes it has, up to the LF of its last
 * signature; 0: text begins with no whole note. No signature is verified.
 */
size_t sg_note_parse(struct sg_str text, struct sg_note_parsed *ret);

/* The key id of a public key in the notes of a stream. SG_INTERNAL only if OpenSSL fails. */
SG_MUST_CHECK enum sg_status sg_note_key_id(const char *stream,
                                            const unsigned char public_key[SG_ED25519_PUBLIC_BYTES],
                                            unsigned char ret[SG_NOTE_KEY_ID_BYTES]);

/* Whether one of the signatures is of this key. */
bool sg_note_verify(const struct sg_note_parsed *parsed,
                    const unsigned char public_key[SG_ED25519_PUBLIC_BYTES]);

#endif
