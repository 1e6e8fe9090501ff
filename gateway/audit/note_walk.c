#include "audit/note_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/segment.h"

/*
 * A walk stands in one file at one offset and reads a block there. When the block begins with no
 * whole note, that is the end of what the file holds so far; it is the end of the file for good
 * once there is a file behind it. Bytes in between that are no note (a torn one, then others) are
 * passed over up to the next line that begins one.
 */

enum {
    TEXT_LINES = 5,
    SIGNATURES_MAX = 4,
    BLOCK_BYTES = 8192, /* longer than any note */
};

static const struct sg_str origin = {.p = "audit.signgate/", .n = 15};
static const struct sg_str dash = {.p = "\xe2\x80\x94 ", .n = 4};

int sg_note_head_compare(const struct sg_note_head *a, const struct sg_note_head *b)
{
    return sg_chain_compare(a->epoch, a->seq, b->epoch, b->seq);
}

/* Take a line with its LF off the front; false: there is no whole one. */
static bool take_line(struct sg_str *rest, struct sg_str *ret)
{
    const size_t end = sg_str_find(*rest, '\n');
    if (end == rest->n) {
        return false;
    }
    *ret = sg_str_slice(*rest, 0, end);
    *rest = sg_str_slice(*rest, end + 1, rest->n);
    return true;
}

size_t sg_note_measure(struct sg_str text, struct sg_note_head *ret_head)
{
    struct sg_str rest = text, line;
    struct sg_note_head head;
    if (!sg_str_starts_with(text, origin)) {
        return 0;
    }
    for (int i = 0; i < TEXT_LINES; i++) {
        if (!take_line(&rest, &line) || line.n == 0) {
            return 0;
        }
        if (i == 1) {
            const size_t space = sg_str_find(line, ' ');
            if (!sg_str_to_u64(sg_str_slice(line, 0, space), UINT64_MAX, &head.epoch) ||
                !sg_str_to_u64(sg_str_slice(line, space + 1, line.n), UINT64_MAX, &head.seq)) {
                return 0;
            }
        }
    }
    if (!take_line(&rest, &line) || line.n != 0) {
        return 0;
    }
    size_t bytes = 0;
    for (int i = 0; i < SIGNATURES_MAX && sg_str_starts_with(rest, dash); i++) {
        if (!take_line(&rest, &line)) {
            return 0; /* a signature that is not wholly there: neither is the note */
        }
        bytes = text.n - rest.n;
    }
    if (bytes > 0) {
        *ret_head = head;
    }
    return bytes;
}

/* Where, from at on, a line begins that may be a note's first; text.n: nowhere. */
static size_t find_origin(struct sg_str text, size_t at)
{
    for (size_t i = at; i + origin.n <= text.n; i++) {
        if ((i == 0 || text.p[i - 1] == '\n') &&
            sg_str_starts_with(sg_str_slice(text, i, text.n), origin)) {
            return i;
        }
    }
    return text.n;
}

static size_t skip_blank(struct sg_str text, size_t at)
{
    while (at < text.n && text.p[at] == '\n') {
        at++;
    }
    return at;
}

struct sg_str sg_note_find_last(struct sg_str text, struct sg_note_head *ret_head, size_t *ret_end)
{
    struct sg_str last = {.p = ""};
    size_t at = find_origin(text, 0);
    while (at < text.n) {
        const size_t bytes = sg_note_measure(sg_str_slice(text, at, text.n), ret_head);
        if (bytes > 0) {
            last = sg_str_slice(text, at, at + bytes);
            *ret_end = skip_blank(text, at + bytes);
        }
        at = find_origin(text, at + (bytes > 0 ? bytes : 1));
    }
    return last;
}

/* --- walking ---------------------------------------------------------------------------------- */

struct sg_note_walk {
    char *directory;
    struct sg_note_head segment; /* whose notes are being read: its first line; zeros: none yet */
    int fd;                      /* of that file; -1 */
    uint64_t offset;
    char block[BLOCK_BYTES];
};

struct sg_note_walk *sg_note_walk_new(const char *directory)
{
    struct sg_note_walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) {
        return NULL;
    }
    walk->fd = -1;
    walk->directory = strdup(directory);
    if (walk->directory == NULL) {
        sg_note_walk_free(walk);
        return NULL;
    }
    return walk;
}

void sg_note_walk_free(struct sg_note_walk *walk)
{
    if (walk != NULL) {
        if (walk->fd >= 0) {
            (void)close(walk->fd);
        }
        free(walk->directory);
        free(walk);
    }
}

/* Open the file of notes that follows the present one. SG_NOT_FOUND: there is none. */
static enum sg_status open_next(struct sg_note_walk *walk, struct sg_error *reterr)
{
    struct sg_note_head next = {.epoch = 0};
    DIR *directory = opendir(walk->directory);
    if (directory == NULL) {
        return sg_error_set(reterr, SG_IO, NULL, "cannot list %s: %s", walk->directory,
                            strerror(errno));
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct sg_note_head found;
        if (sg_note_file_parse(entry->d_name, &found.epoch, &found.seq) &&
            sg_note_head_compare(&found, &walk->segment) > 0 &&
            (next.epoch == 0 || sg_note_head_compare(&found, &next) < 0)) {
            next = found;
        }
    }
    enum sg_status status = SG_NOT_FOUND;
    if (next.epoch > 0) {
        char file[SG_NOTE_FILE_BYTES];
        sg_note_file_make(next.epoch, next.seq, file);
        int fd = openat(dirfd(directory), file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            if (walk->fd >= 0) {
                (void)close(walk->fd);
            }
            walk->fd = fd;
            walk->segment = next;
            walk->offset = 0;
            status = SG_OK;
        } else if (errno != ENOENT) { /* gone meanwhile: look again later */
            status = sg_error_set(reterr, SG_IO, NULL, "cannot open %s/%s: %s", walk->directory,
                                  file, strerror(errno));
        }
    }
    (void)closedir(directory);
    return status;
}

/* The next note of the open file. SG_NOT_FOUND: no whole one at present. */
static enum sg_status next_here(struct sg_note_walk *walk, struct sg_str *ret_note,
                                struct sg_note_head *ret_head, struct sg_error *reterr)
{
    for (;;) {
        ssize_t count = pread(walk->fd, walk->block, sizeof walk->block, (off_t)walk->offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return sg_error_set(reterr, SG_IO, NULL, "cannot read notes in %s: %s", walk->directory,
                                strerror(errno));
        }
        const struct sg_str block = {.p = walk->block, .n = (size_t)count};
        const size_t at = skip_blank(block, 0);
        const struct sg_str text = sg_str_slice(block, at, block.n);
        const size_t bytes = sg_note_measure(text, ret_head);
        if (bytes > 0) {
            walk->offset += at + bytes;
            *ret_note = sg_str_slice(text, 0, bytes);
            return SG_OK;
        }
        const size_t next = find_origin(text, 1);
        if (next < text.n) {
            walk->offset += at + next; /* what stood before it is no note */
        } else if (block.n == sizeof walk->block) {
            walk->offset += block.n - origin.n; /* the line that begins one may be cut in two */
        } else {
            return SG_NOT_FOUND;
        }
    }
}

enum sg_status sg_note_walk_next(struct sg_note_walk *walk, struct sg_str *ret_note,
                                 struct sg_note_head *ret_head, struct sg_error *reterr)
{
    enum sg_status status = SG_OK;
    while (status == SG_OK) {
        if (walk->fd >= 0) {
            status = next_here(walk, ret_note, ret_head, reterr);
            if (status != SG_NOT_FOUND) {
                return status;
            }
        }
        status = open_next(walk, reterr);
    }
    return status;
}

struct sg_note_head sg_note_walk_segment(const struct sg_note_walk *walk)
{
    return walk->segment;
}
