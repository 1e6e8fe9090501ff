/*
 * Files that hold a secret: read only when nobody but their owner and a reading group can get at
 * them. The mode is that of the very file that is read. [any]
 */
#ifndef SG_TEXT_PRIVATE_FILE_H
#define SG_TEXT_PRIVATE_FILE_H

#include "base/arena.h"
#include "base/diags.h"
#include "base/str.h"

struct sg_private_file {
    const char *path;
    struct sg_place place; /* where the path is written */
    const char *help;      /* what is expected of the file */
    size_t max_bytes;
};

/*
 * Read the whole file into the arena, which the caller wipes. False: diags say why, never what
 * stands in it.
 */
bool sg_private_file_read(const struct sg_private_file *file, struct sg_arena *arena,
                          struct sg_diags *diags, struct sg_str *ret);

#endif
