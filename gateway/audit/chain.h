/*
 * The chain: what the journal puts around the text of a record, and how it is taken apart again.
 *
 *   {"schema":1,"stream":S,"epoch":E,"seq":N,"prev":"<64 hex>",<text>,"crc":"<8 hex>"}
 *
 * prev is the SHA-256 of the previous line without its LF; crc is the CRC-32C (Castagnoli) of
 * everything before ,"crc", so that the last line, which has no successor, can be judged too. Pure.
 */
#ifndef SG_AUDIT_CHAIN_H
#define SG_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "crypto/digest.h"

enum {
    SG_CHAIN_STREAM_BYTES = 32, /* hex digits of a stream's id */
    SG_CHAIN_FRAME_BYTES = 224, /* what the chain adds to a text at most, LF included */
};

/* Where a chain stands: what the next line needs. */
struct sg_chain {
    char stream[SG_CHAIN_STREAM_BYTES + 1];
    uint64_t epoch;
    uint64_t seq;                   /* of the last line; 0: none yet */
    char prev[SG_DIGEST_HEX_BYTES]; /* hash of the last line; zeros: none yet */
};

/* Append the next line with its LF to out and step the chain on. SG_INTERNAL if hashing fails. */
SG_MUST_CHECK enum sg_status sg_chain_append(struct sg_chain *chain, struct sg_digest *digest,
                                             struct sg_str text, struct sg_buf *out);

/* A line taken apart; slices of it. */
struct sg_chain_line {
    struct sg_str stream;
    uint64_t epoch;
    uint64_t seq;
    struct sg_str prev;
    struct sg_str text; /* between prev and crc */
    bool crc_good;
};

/* Take a line (without LF) apart; false when it has not that form. */
bool sg_chain_parse(struct sg_str line, struct sg_chain_line *ret);

/*
 * The order of places in a log, below zero, zero or above zero: by epoch first, since the next
 * epoch may use a seq again.
 */
int sg_chain_compare(uint64_t epoch_a, uint64_t seq_a, uint64_t epoch_b, uint64_t seq_b);

/* CRC-32C of bytes. */
uint32_t sg_crc32c(struct sg_str bytes);

#endif
