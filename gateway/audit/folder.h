/*
 * The audit directory of a writer: open, locked against a second one, with the name of its stream.
 * Opened at start and, by the same code, again when it went away while the gateway runs.
 * [journal's thread; at start the supervisor]
 */
#ifndef SG_AUDIT_FOLDER_H
#define SG_AUDIT_FOLDER_H

#include <stdbool.h>

#include "audit/chain.h"
#include "base/error.h"

struct sg_folder {
    char *path;  /* owned */
    int fd;      /* -1: not open */
    int lock_fd; /* holds the lock on LOCK */
    char stream[SG_CHAIN_STREAM_BYTES + 1];
};

/* Prepare; opens nothing. SG_NO_MEMORY. */
SG_MUST_CHECK enum sg_status sg_folder_init(struct sg_folder *folder, const char *path);

/* Close and free. */
void sg_folder_done(struct sg_folder *folder);

/*
 * Make the directory when it is missing (0750), lock it, read or make STREAM. What is open and
 * still stands at the path stays as it is; a stream known from before must be the one found, and is
 * written again where STREAM is missing. SG_IO, SG_CONFIG: *reterr says what to do.
 */
SG_MUST_CHECK enum sg_status sg_folder_open(struct sg_folder *folder, struct sg_error *reterr);

/* Whether the directory that is open is still the one at the path: asked before each write. */
bool sg_folder_is_there(const struct sg_folder *folder);

/* SG_IO: "the audit directory PATH <what>: <errno in words>; ... <repair>". Reads errno. */
enum sg_status sg_folder_error(const struct sg_folder *folder, const char *what, const char *repair,
                               struct sg_error *reterr);

#endif
