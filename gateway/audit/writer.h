/*
 * The segment that is being written: append, sync, allocate ahead, and see whether it is still the
 * file that was made. Once an operation has failed the descriptor is not used again: the kernel
 * reports a failed write-back once, marks the pages clean, and would let the next sync say "good".
 * [journal's thread; at start the supervisor]
 */
#ifndef SG_AUDIT_WRITER_H
#define SG_AUDIT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/segment.h"
#include "base/str.h"

struct sg_writer {
    int fd; /* -1: none */
    struct sg_segment_name name;
    uint64_t offset;    /* bytes written */
    uint64_t allocated; /* bytes from the start of the file that are sure to have room */
};

/* What went wrong: an operation ("write", "fdatasync", "unlinked"...) and errno, 0 for none. */
struct sg_writer_fault {
    const char *operation; /* a literal */
    int error;
};

/* "fdatasync: Input/output error", with a NUL; cut to size. */
void sg_writer_fault_text(const struct sg_writer_fault *fault, char *ret, size_t size);

/* A writer without a file. */
#define SG_WRITER_NONE ((struct sg_writer){.fd = -1})

/* Make the segment's file; false with errno in *ret. */
bool sg_writer_create(struct sg_writer *writer, int directory_fd, uint64_t epoch,
                      uint64_t first_seq, struct sg_writer_fault *ret);

/* Append, whole or not at all; continues after a short write. */
bool sg_writer_write(struct sg_writer *writer, struct sg_str bytes, struct sg_writer_fault *ret);

/* Make all that was written durable. */
bool sg_writer_sync(struct sg_writer *writer, struct sg_writer_fault *ret);

/*
 * Whether the file has its one name and the length that was left, and the name in the directory
 * still means this file: asked before each write.
 */
bool sg_writer_is_in_place(const struct sg_writer *writer, int directory_fd,
                           struct sg_writer_fault *ret);

/*
 * Allocate so that bytes more can be written without asking the disk for room. True where the file
 * system cannot promise that: its writes can only be hoped for.
 */
bool sg_writer_allocate(struct sg_writer *writer, uint64_t bytes, struct sg_writer_fault *ret);

/* Room that is allocated and not written yet. */
uint64_t sg_writer_remaining(const struct sg_writer *writer);

/* End it: gives the allocated tail back when trim is set. */
void sg_writer_close(struct sg_writer *writer, bool trim);

#endif
