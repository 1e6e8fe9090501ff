#include "audit/retain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The age of a segment is that of its last byte, as the file system knows it: a copy that was put
 * back is young again, and is kept. A segment goes before its notes; notes whose segment is gone
 * (a crash in between) go with the next segment that does.
 */

static enum sg_status cannot_delete(const struct sg_retain *retain, const char *file,
                                    struct sg_error *reterr)
{
    return sg_error_set(reterr, SG_IO, NULL, "cannot delete %s/%s: %s", retain->directory, file,
                        strerror(errno));
}

/* Delete files of notes of segments before this one. */
static enum sg_status delete_notes(const struct sg_retain *retain, int folder,
                                   const struct sg_segment_name *oldest, struct sg_error *reterr)
{
    enum sg_status status = SG_OK;
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (directory == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return sg_error_set(reterr, SG_IO, NULL, "cannot list %s: %s", retain->directory,
                            strerror(errno));
    }
    for (struct dirent *entry; status == SG_OK && (entry = readdir(directory)) != NULL;) {
        uint64_t epoch, first_seq;
        if (sg_note_file_parse(entry->d_name, &epoch, &first_seq) &&
            sg_chain_compare(epoch, first_seq, oldest->epoch, oldest->first_seq) < 0 &&
            unlinkat(folder, entry->d_name, 0) != 0 && errno != ENOENT) {
            status = cannot_delete(retain, entry->d_name, reterr);
        }
    }
    (void)closedir(directory);
    return status;
}

enum sg_status sg_retain_run(const struct sg_retain *retain, struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    size_t count = 0, gone = 0;
    int folder = open(retain->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return sg_error_set(reterr, SG_IO, NULL, "cannot open %s: %s", retain->directory,
                            strerror(errno));
    }
    enum sg_status status = sg_segment_list(folder, &names, &count, reterr);
    while (status == SG_OK && gone + 1 < count) {
        const struct sg_segment_name *name = &names[gone];
        struct stat about;
        if (sg_chain_compare(name->epoch, name->first_seq, retain->passed_epoch,
                             retain->passed_first_seq) >= 0 ||
            fstatat(folder, name->text, &about, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(about.st_mode)) {
            break;
        }
        const int64_t written_us =
            (int64_t)about.st_mtim.tv_sec * 1000000 + about.st_mtim.tv_nsec / 1000;
        if (written_us >= retain->before_us) {
            break;
        }
        if (unlinkat(folder, name->text, 0) != 0) {
            status = cannot_delete(retain, name->text, reterr);
            break;
        }
        retain->on_deleted(retain->arg, name, written_us);
        gone++;
    }
    if (status == SG_OK && gone > 0) {
        status = delete_notes(retain, folder, &names[gone], reterr);
    }
    if (gone > 0 && fsync(folder) != 0 && status == SG_OK) {
        status = sg_error_set(reterr, SG_IO, NULL, "cannot sync %s: %s", retain->directory,
                              strerror(errno));
    }
    free(names);
    (void)close(folder);
    return status;
}
