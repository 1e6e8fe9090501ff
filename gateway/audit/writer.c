#include "audit/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0640 };

static bool failed(struct sg_writer_fault *ret, const char *operation, int error)
{
    *ret = (struct sg_writer_fault){.operation = operation, .error = error};
    return false;
}

void sg_writer_fault_text(const struct sg_writer_fault *fault, char *ret, size_t size)
{
    static const struct {
        const char *operation;
        const char *text;
    } texts[] = {
        {"unlinked", "the segment was removed or renamed by somebody else"},
        {"linked", "the segment got a second name from somebody else"},
        {"size", "the segment was written or shortened by somebody else"},
        {"replaced", "the segment or its directory was replaced by somebody else"},
    };
    const char *text = fault->error != 0 ? strerror(fault->error) : "";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        text = strcmp(texts[i].operation, fault->operation) == 0 ? texts[i].text : text;
    }
    (void)snprintf(ret, size, "%s: %s", fault->operation, text);
}

bool sg_writer_create(struct sg_writer *writer, int directory_fd, uint64_t epoch,
                      uint64_t first_seq, struct sg_writer_fault *ret)
{
    struct sg_writer made = SG_WRITER_NONE;
    sg_segment_name_make(epoch, first_seq, &made.name);
    made.fd = openat(directory_fd, made.name.text,
                     O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (made.fd < 0) {
        return failed(ret, "open", errno);
    }
    *writer = made;
    return true;
}

bool sg_writer_write(struct sg_writer *writer, struct sg_str bytes, struct sg_writer_fault *ret)
{
    const size_t all = bytes.n;
    while (bytes.n > 0) {
        ssize_t written = write(writer->fd, bytes.p, bytes.n);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return failed(ret, "write", written < 0 ? errno : EIO);
        }
        bytes = sg_str_slice(bytes, (size_t)written, bytes.n);
    }
    writer->offset += all;
    return true;
}

bool sg_writer_sync(struct sg_writer *writer, struct sg_writer_fault *ret)
{
    return fdatasync(writer->fd) == 0 || failed(ret, "fdatasync", errno);
}

bool sg_writer_is_in_place(const struct sg_writer *writer, int directory_fd,
                           struct sg_writer_fault *ret)
{
    struct stat about, named;
    if (fstat(writer->fd, &about) != 0) {
        return failed(ret, "fstat", errno);
    }
    if (about.st_nlink != 1) {
        return failed(ret, about.st_nlink == 0 ? "unlinked" : "linked", 0);
    }
    if ((uint64_t)about.st_size != writer->offset) {
        return failed(ret, "size", 0);
    }
    if (fstatat(directory_fd, writer->name.text, &named, AT_SYMLINK_NOFOLLOW) != 0) {
        return failed(ret, errno == ENOENT ? "unlinked" : "stat", errno == ENOENT ? 0 : errno);
    }
    return (about.st_dev == named.st_dev && about.st_ino == named.st_ino) ||
           failed(ret, "replaced", 0);
}

bool sg_writer_allocate(struct sg_writer *writer, uint64_t bytes, struct sg_writer_fault *ret)
{
    int result;
    do {
        result = fallocate(writer->fd, FALLOC_FL_KEEP_SIZE, (off_t)writer->offset, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EOPNOTSUPP) {
        return failed(ret, "fallocate", errno);
    }
    if (writer->allocated < writer->offset + bytes) {
        writer->allocated = writer->offset + bytes;
    }
    return true;
}

uint64_t sg_writer_remaining(const struct sg_writer *writer)
{
    return writer->allocated > writer->offset ? writer->allocated - writer->offset : 0;
}

void sg_writer_close(struct sg_writer *writer, bool trim)
{
    if (writer->fd >= 0) {
        if (trim) { /* to its own length: frees what was allocated behind it */
            (void)!ftruncate(writer->fd, (off_t)writer->offset);
        }
        (void)close(writer->fd);
    }
    writer->fd = -1;
}
