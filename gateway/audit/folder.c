#include "audit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { DIRECTORY_MODE = 0750, FILE_MODE = 0640 };

enum sg_status sg_folder_error(const struct sg_folder *folder, const char *what, const char *repair,
                               struct sg_error *reterr)
{
    return sg_error_set(reterr, SG_IO, NULL,
                        "the audit directory %s %s: %s; nothing is sent to the cloud without a "
                        "durable record; %s",
                        folder->path, what, strerror(errno), repair);
}

enum sg_status sg_folder_init(struct sg_folder *folder, const char *path)
{
    *folder = (struct sg_folder){.path = strdup(path), .fd = -1, .lock_fd = -1};
    return folder->path != NULL ? SG_OK : SG_NO_MEMORY;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void close_both(struct sg_folder *folder)
{
    close_fd(&folder->lock_fd);
    close_fd(&folder->fd);
}

void sg_folder_done(struct sg_folder *folder)
{
    close_both(folder);
    free(folder->path);
    folder->path = NULL;
}

/* Whether an open descriptor is what stands under a name now. */
static bool is_at(int fd, int directory_fd, const char *name)
{
    struct stat open_one, named;
    return fd >= 0 && fstat(fd, &open_one) == 0 && fstatat(directory_fd, name, &named, 0) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

bool sg_folder_is_there(const struct sg_folder *folder)
{
    return is_at(folder->fd, AT_FDCWD, folder->path);
}

static enum sg_status lock(struct sg_folder *folder, const char *repair, struct sg_error *reterr)
{
    folder->lock_fd =
        openat(folder->fd, "LOCK", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (folder->lock_fd < 0) {
        return sg_folder_error(folder, "cannot be written", repair, reterr);
    }
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(folder->lock_fd, F_OFD_SETLK, &whole) == 0) {
        return SG_OK;
    }
    if (errno == EAGAIN || errno == EACCES) {
        return sg_error_set(reterr, SG_IO, NULL,
                            "the audit directory %s is in use by another signgate; end it, or "
                            "give each gateway a directory of its own",
                            folder->path);
    }
    return sg_folder_error(folder, "cannot be locked", repair, reterr);
}

/* Write STREAM: 32 hex digits that name this log for ever. */
static enum sg_status write_stream(const struct sg_folder *folder, struct sg_error *reterr)
{
    char text[SG_CHAIN_STREAM_BYTES + 1];
    memcpy(text, folder->stream, SG_CHAIN_STREAM_BYTES);
    text[SG_CHAIN_STREAM_BYTES] = '\n';
    int fd = openat(folder->fd, "STREAM.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                    FILE_MODE);
    bool good = fd >= 0 && write(fd, text, sizeof text) == (ssize_t)sizeof text && fsync(fd) == 0 &&
                renameat(folder->fd, "STREAM.tmp", folder->fd, "STREAM") == 0 &&
                fsync(folder->fd) == 0;
    int error = errno;
    close_fd(&fd);
    errno = error;
    return good ? SG_OK
                : sg_folder_error(folder, "cannot be written", "make room, or correct its owner",
                                  reterr);
}

static enum sg_status make_stream(struct sg_folder *folder, struct sg_error *reterr)
{
    unsigned char random[SG_CHAIN_STREAM_BYTES / 2];
    struct sg_buf text;
    if (folder->stream[0] == '\0') {
        if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
            return sg_error_set(reterr, SG_IO, NULL, "the system gives no random bytes");
        }
        sg_buf_init_fixed(&text, folder->stream, SG_CHAIN_STREAM_BYTES);
        sg_buf_add_hex(&text, random, sizeof random);
        folder->stream[SG_CHAIN_STREAM_BYTES] = '\0';
    }
    return write_stream(folder, reterr);
}

static enum sg_status load_stream(struct sg_folder *folder, struct sg_error *reterr)
{
    char found[SG_CHAIN_STREAM_BYTES + 1] = "";
    int fd = openat(folder->fd, "STREAM", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT
                   ? make_stream(folder, reterr)
                   : sg_folder_error(folder, "cannot be read", "look at the file STREAM", reterr);
    }
    ssize_t count = read(fd, found, SG_CHAIN_STREAM_BYTES);
    close_fd(&fd);
    if (count != SG_CHAIN_STREAM_BYTES ||
        strspn(found, "0123456789abcdef") != SG_CHAIN_STREAM_BYTES) {
        return sg_error_set(reterr, SG_CONFIG, NULL,
                            "%s/STREAM does not hold 32 hex digits; restore it from the first "
                            "line of the oldest segment",
                            folder->path);
    }
    if (folder->stream[0] != '\0' && strcmp(folder->stream, found) != 0) {
        return sg_error_set(reterr, SG_CONFIG, NULL,
                            "%s/STREAM names another audit log than the one that is being "
                            "written; put the directory back, or restart to go on with this one",
                            folder->path);
    }
    memcpy(folder->stream, found, sizeof found);
    return SG_OK;
}

/*
 * Make the directory's own name durable: it may be new, or left by a start that was cut short. One
 * whose parent we may not even read was made by somebody else, before.
 */
static enum sg_status sync_parent(const struct sg_folder *folder, struct sg_error *reterr)
{
    int fd = openat(folder->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        return SG_OK;
    }
    bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL || errno == EROFS);
    int error = errno;
    close_fd(&fd);
    errno = error;
    return good ? SG_OK
                : sg_folder_error(folder, "cannot be made to last", "look at its disk", reterr);
}

enum sg_status sg_folder_open(struct sg_folder *folder, struct sg_error *reterr)
{
    static const char *const repair =
        "make it with: install -d -m 0750 -o USER DIRECTORY, for the user that runs signgate";
    if (!sg_folder_is_there(folder) || !is_at(folder->lock_fd, folder->fd, "LOCK")) {
        close_both(folder);
    }
    if (folder->fd < 0) {
        if (mkdir(folder->path, DIRECTORY_MODE) != 0 && errno != EEXIST) {
            return sg_folder_error(folder, "cannot be made", repair, reterr);
        }
        folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder->fd < 0) {
            return sg_folder_error(folder, "cannot be opened", repair, reterr);
        }
        enum sg_status status = lock(folder, repair, reterr);
        if (status == SG_OK) {
            status = sync_parent(folder, reterr);
        }
        if (status != SG_OK) {
            close_both(folder);
            return status;
        }
    }
    return load_stream(folder, reterr);
}
