#include "text/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "text/yaml_tree.h"

bool sg_private_file_read(const struct sg_private_file *file, struct sg_arena *arena,
                          struct sg_diags *diags, struct sg_str *ret)
{
    struct sg_error error = {.status = SG_OK};
    struct stat about;
    bool read = false;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &about) != 0) {
        sg_diags_error(diags, &file->place, file->help, "cannot read %s: %s", file->path,
                       strerror(errno));
        goto out;
    }
    const char *excess =
        S_ISREG(about.st_mode) ? sg_secret_mode_excess(about.st_mode & ALLPERMS) : NULL;
    if (excess != NULL) {
        sg_diags_error(
            diags, &file->place, "run chmod 0600 on it (0640 when its group is to read it)",
            "%s has mode %04o: %s", file->path, (unsigned)(about.st_mode & ALLPERMS), excess);
        goto out;
    }
    if (sg_text_read_open_file(arena, fd, file->max_bytes, ret, &error) != SG_OK) {
        sg_diags_error(diags, &file->place, file->help, "cannot read %s: %s", file->path,
                       error.text);
        goto out;
    }
    read = true;
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    return read;
}
