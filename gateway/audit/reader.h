/*
 * Reading an audit directory: the chain, its sequence, its ends. Used by `audit verify` and by the
 * journal's start (how did the last segment end). Pure over bytes but for opening the files.
 */
#ifndef SG_AUDIT_READER_H
#define SG_AUDIT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* What verify found. */
struct sg_audit_report {
    bool good;
    uint64_t records;
    uint64_t files;
    uint64_t epochs;
    uint64_t begins_at; /* seq of the first record; above 1: earlier segments are elsewhere */
    /* the first thing that is wrong, when not good */
    char file[256];
    uint64_t line;   /* from 1 */
    uint64_t offset; /* bytes from the start of the file */
    char kind[32];   /* "crc", "prev", "seq", "torn", "json", "segment", "missing"... */
    char text[512];
    uint64_t proven_before; /* records before it that are still proven */
    bool torn_tail_open;    /* the last segment ends in a torn line that nothing declares yet */
};

/* Verify a directory. SG_IO: it cannot be read (*reterr). SG_NOT_FOUND:
 * nothing in it is an audit log (*reterr). SG_OK with !good: it is damaged. */
SG_MUST_CHECK enum sg_status sg_audit_verify(const char *directory, struct sg_audit_report *ret,
                                             struct sg_error *reterr);

#endif
