#include "audit/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/segment.h"
#include "audit/verify.h"

/*
 * A gateway may write, rotate, start or end while its log is read. What it can do to a reader is to
 * leave the last line half written (which a gateway that holds the lock explains), and to change
 * what is there between two looks. So a result that is not good counts only when the same gateway,
 * or none, had the directory all the time, no segment came or went, and the newest one got no note
 * (a checkpoint that is read names one that was not there yet); else it is read again.
 */

enum { PASSES_MAX = 5 };

/* What of a directory may change under a reader. */
struct state {
    bool is_written;
    size_t segments;
    struct sg_segment_name first, last;
    off_t notes_bytes; /* of the last segment's notes; 0: it has none */
};

static bool is_locked(int directory_fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(directory_fd, "LOCK", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool locked = fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
    if (fd >= 0) {
        (void)close(fd);
    }
    return locked;
}

static enum sg_status look(int directory_fd, struct state *ret, struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    *ret = (struct state){.is_written = is_locked(directory_fd)};
    enum sg_status status = sg_segment_list(directory_fd, &names, &ret->segments, reterr);
    if (status == SG_OK && ret->segments > 0) {
        char notes[SG_NOTE_FILE_BYTES];
        struct stat about;
        ret->first = names[0];
        ret->last = names[ret->segments - 1];
        sg_note_file_make(ret->last.epoch, ret->last.first_seq, notes);
        if (fstatat(directory_fd, notes, &about, AT_SYMLINK_NOFOLLOW) == 0) {
            ret->notes_bytes = about.st_size;
        }
    }
    free(names);
    return status;
}

static bool is_same(const struct state *a, const struct state *b)
{
    return a->is_written == b->is_written && a->segments == b->segments &&
           a->notes_bytes == b->notes_bytes && strcmp(a->first.text, b->first.text) == 0 &&
           strcmp(a->last.text, b->last.text) == 0;
}

enum sg_status sg_audit_verify_with(const char *directory, const struct sg_audit_options *options,
                                    struct sg_audit_report *ret, struct sg_error *reterr)
{
    struct state before, after;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return sg_error_set(reterr, SG_IO, NULL, "cannot open the audit directory %s: %s",
                            directory, strerror(errno));
    }
    enum sg_status status = look(fd, &before, reterr);
    if (status == SG_OK && before.segments == 0) {
        /* A gateway's directory has one from its first start on: this is another, or it is gone. */
        status = sg_error_set(reterr, SG_NOT_FOUND, NULL,
                              "%s holds no audit log: no file is called audit-*.jsonl", directory);
    }
    for (int pass = 1; status == SG_OK; pass++) {
        status = sg_verify_pass(fd, options, before.is_written, ret, reterr);
        struct sg_error unused;
        if ((status == SG_OK && ret->good) || pass == PASSES_MAX ||
            look(fd, &after, &unused) != SG_OK || is_same(&before, &after)) {
            break;
        }
        before = after;
        status = SG_OK;
    }
    (void)close(fd);
    return status;
}

enum sg_status sg_audit_verify(const char *directory, struct sg_audit_report *ret,
                               struct sg_error *reterr)
{
    const struct sg_audit_options options = {.keys = NULL};
    return sg_audit_verify_with(directory, &options, ret, reterr);
}
