#include "audit/ending.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * After a failed write-back the kernel's cache shows bytes that the disk does not have. So what can
 * be written back is, the result not asked for, and then the cached pages are dropped.
 */
static void forget_cache(int directory_fd, const struct sg_segment_name *name)
{
    int fd = openat(directory_fd, name->text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        (void)fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(fd);
    }
}

static enum sg_status read_one(int directory_fd, const struct sg_segment_name *name,
                               bool skip_missing, struct sg_chain *chain,
                               struct sg_segment_report *ret, struct sg_error *reterr)
{
    forget_cache(directory_fd, name);
    enum sg_status status = sg_segment_read(directory_fd, name, chain, ret, reterr);
    if (status == SG_NOT_FOUND && skip_missing) {
        *ret = (struct sg_segment_report){.fault = SG_SEGMENT_TORN};
        return SG_OK;
    }
    return status == SG_NOT_FOUND ? SG_IO : status;
}

/* Hash what lies behind the chain: the rest of the segment where it ends, and all later ones. */
static enum sg_status hash_extra(int directory_fd, const struct sg_segment_name *names,
                                 size_t count, uint64_t from, struct sg_ending *ret,
                                 struct sg_error *reterr)
{
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
    if (digest == NULL) {
        return reterr->status;
    }
    enum sg_status status = sg_digest_begin(digest);
    for (size_t i = 0; i < count && status == SG_OK; i++) {
        uint64_t bytes = 0;
        status = sg_segment_hash(directory_fd, &names[i], i == 0 ? from : 0, digest, &bytes);
        ret->extra_bytes += bytes;
    }
    if (status == SG_OK) {
        status = sg_digest_end_hex(digest, ret->extra_sha256);
    }
    sg_digest_free(digest);
    return status == SG_OK ? SG_OK
                           : sg_error_set(reterr, status, NULL, "cannot read what was torn off");
}

enum sg_status sg_ending_read(int directory_fd, bool skip_missing, struct sg_chain *chain,
                              struct sg_ending *ret, struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    struct sg_segment_report report = {.fault = SG_SEGMENT_GOOD};
    struct sg_chain found = *chain;
    size_t count = 0;
    *ret = (struct sg_ending){.any = false};
    enum sg_status status = sg_segment_list(directory_fd, &names, &count, reterr);
    if (status != SG_OK || count == 0) {
        free(names);
        return status;
    }
    ret->any = true;
    ret->last = names[count - 1];
    size_t at = count;
    do { /* a segment without one good line says nothing of the chain */
        at--;
        found.epoch = found.seq = 0;
        memset(found.prev, '0', sizeof found.prev);
        status = read_one(directory_fd, &names[at], skip_missing, &found, &report, reterr);
        if (status == SG_OK && report.fault == SG_SEGMENT_DAMAGED) {
            ret->damaged = true;
            ret->bad_segment = names[at];
            ret->bad_line = report.lines + 1;
            ret->bad_kind = report.kind;
        }
    } while (status == SG_OK && report.lines == 0 && at > 0);
    if (status == SG_OK) {
        ret->clean = at == count - 1 && report.ends_with_stop;
        status = hash_extra(directory_fd, &names[at], count - at, report.good_bytes, ret, reterr);
    }
    if (status == SG_OK) {
        memcpy(found.stream, chain->stream, sizeof found.stream);
        *chain = found;
    }
    free(names);
    return status;
}
