/*
 * What was done to a chain of lines where it first does not hold: changed, removed, inserted,
 * swapped, or continued by somebody else. One line does not tell; the ones behind it do, and so
 * they are taken until there is a verdict. Pure. [any, one thread at a time]
 */
#ifndef SG_AUDIT_SUSPECT_H
#define SG_AUDIT_SUSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"

struct sg_line_place {
    ptrdiff_t segment; /* index */
    uint64_t line;     /* from 1 */
    uint64_t offset;   /* of its first byte */
    uint64_t ordinal;  /* among all lines that were read, from 1 */
};

enum sg_epoch_rule { SG_EPOCH_SAME = 0, SG_EPOCH_LATER, SG_EPOCH_SAME_OR_LATER };

/* A line as it was read. */
struct sg_look {
    struct sg_line_place place;
    bool is_line;    /* it has the form of one, and its checksum fits; else nothing below is set */
    bool has_form;   /* of a line, whatever its checksum */
    bool is_segment; /* its event */
    enum sg_epoch_rule rule; /* what its epoch must be against the one before */
    char stream[SG_CHAIN_STREAM_BYTES + 1];
    uint64_t epoch, seq;
    char prev[SG_DIGEST_HEX_BYTES];
    char hash[SG_DIGEST_HEX_BYTES]; /* its own */
};

/* How a line fits behind a chain. */
enum sg_fit {
    SG_FIT_NEXT = 0,
    SG_FIT_BROKEN, /* is_line is false */
    SG_FIT_STREAM, /* of another log */
    SG_FIT_AHEAD,  /* seq above the next */
    SG_FIT_BACK,   /* seq at or below the last */
    SG_FIT_PREV,   /* does not name the last line's hash */
    SG_FIT_EPOCH,
};

/* known: chain.prev and epoch are those of a line; else only its stream and seq are compared. */
enum sg_fit sg_fit_of(const struct sg_chain *chain, bool known, const struct sg_look *look);

/* Where the chain stands when something does not fit. */
struct sg_standing {
    struct sg_chain chain;
    bool known;
    bool has_last; /* there is a last line: */
    struct sg_line_place last;
    char last_prev[SG_DIGEST_HEX_BYTES];
    bool last_attested; /* a note or an anchor has its hash */
};

enum sg_suspect_mode {
    SG_SUSPECT_NONE = 0,
    SG_SUSPECT_SEARCH, /* for the line that belongs here */
    SG_SUSPECT_FOLLOW, /* it was found: is the first one missing elsewhere? */
    SG_SUSPECT_RUN,    /* lines that follow each other, but not the last good one */
    SG_SUSPECT_ATTEST, /* a note or an anchor has another hash for the line */
    SG_SUSPECT_DECIDED,
};

struct sg_suspect {
    enum sg_suspect_mode mode;
    struct sg_standing before;
    struct sg_look first; /* that did not fit */
    enum sg_fit fit;
    char attested[SG_DIGEST_HEX_BYTES];
    struct sg_chain run;
    uint64_t taken;      /* lines behind first */
    uint64_t followed;   /* of them, in a row behind the one that was found */
    uint64_t distance;   /* of the found one from first */
    bool good_behind;    /* some line behind first is a good one by itself */
    struct sg_look next; /* the line behind first, when taken > 0 */
    /* the verdict */
    const char *kind;
    char text[256];
    bool at_last;     /* the last good line is the bad one, not first */
    bool last_unsure; /* first is, but nothing proves the last good line */
    bool has_hashes;
    char expected[SG_DIGEST_HEX_BYTES]; /* said by others */
    char found[SG_DIGEST_HEX_BYTES];    /* of the line itself */
};

/* Begin with the first line that does not fit. */
void sg_suspect_begin(struct sg_suspect *suspect, const struct sg_standing *before,
                      const struct sg_look *first, enum sg_fit fit);

/* Begin with a line that fits, but for which a note or an anchor has another hash. */
void sg_suspect_begin_attested(struct sg_suspect *suspect, const struct sg_standing *before,
                               const struct sg_look *first, const char *attested);

/* Take the next line; the mode says whether there is a verdict. */
void sg_suspect_take(struct sg_suspect *suspect, const struct sg_look *look);

/*
 * A note or an anchor was compared with the line just taken, in mode RUN: it is the attested one,
 * or another.
 */
void sg_suspect_attest(struct sg_suspect *suspect, bool fits);

/*
 * The segment ends. A hash that the next one names for its last line, or NULL. Decides all but
 * RUN.
 */
void sg_suspect_end_segment(struct sg_suspect *suspect, const char *last_hash);

/* The log ends: decides. */
void sg_suspect_end(struct sg_suspect *suspect);

#endif
