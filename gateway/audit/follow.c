#include "audit/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/members.h"
#include "audit/segment.h"
#include "base/buf.h"

/*
 * One segment is open at a time. Bytes are read in blocks into a window; a line is a slice of it.
 * The window grows to the longest line and no further: what is longer is no line, and is skipped to
 * its LF.
 *
 * A segment ends when a later one is there: from then on nothing is written to it any more. It is
 * read to its end once again after the later one was seen, since its last lines may have been
 * written in between; only then the next one is opened, and a torn end is dropped.
 *
 * Where the chain leaves a segment: the first line of each segment has the seq behind the line that
 * it follows. So a line belongs to the chain as long as its seq is below those of all later
 * segments. Their seqs stand in their names; a name counts when the first line is there to bear it
 * out, since a segment that died at birth follows nothing.
 */

enum {
    BLOCK_BYTES = 256 << 10,
    LINE_BYTES_MAX = 4 << 20,       /* a replay holds a whole line, escaped */
    FIRST_LINE_BYTES_MAX = 8 << 10, /* of a segment: its declaration */
};

struct sg_follow {
    int directory_fd;
    struct sg_segment_name *names; /* as last listed */
    size_t count;
    struct sg_follow_position at; /* behind the last line taken */
    int fd;                       /* the segment's; -1: none is open */
    bool later_seen;
    uint64_t limit_seq; /* lines from here on are no longer of the chain */
    char *window;
    size_t allocated;
    size_t start, end;  /* of the bytes in the window that were not taken yet */
    uint64_t window_at; /* the offset in the segment of window[start] */
    bool skipping;      /* within a line that is longer than any may be */
    struct sg_buf replayed;
    uint64_t bad_lines;
};

/* --- the directory ---------------------------------------------------------------------------- */

static enum sg_status list(struct sg_follow *f, struct sg_error *reterr)
{
    struct sg_segment_name *names;
    size_t count;
    enum sg_status status = sg_segment_list(f->directory_fd, &names, &count, reterr);
    if (status == SG_OK) {
        free(f->names);
        f->names = names;
        f->count = count;
    }
    return status;
}

/* The index of the first segment behind (epoch, first_seq) in the order of writing, or count. */
static size_t first_behind(const struct sg_follow *f, uint64_t epoch, uint64_t first_seq)
{
    size_t i = 0;
    while (i < f->count &&
           sg_chain_compare(f->names[i].epoch, f->names[i].first_seq, epoch, first_seq) <= 0) {
        i++;
    }
    return i;
}

/* Open a file of the directory for reading; -1 with errno. A file of another kind is ELOOP. */
static int open_file(const struct sg_follow *f, const char *name)
{
    struct stat about;
    int fd = openat(f->directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))) {
        (void)close(fd);
        errno = ELOOP;
        return -1;
    }
    return fd;
}

/* Whether the first line of a segment is a good one and bears the name out. */
static bool begins_as_named(const struct sg_follow *f, const struct sg_segment_name *name)
{
    char first[FIRST_LINE_BYTES_MAX];
    struct sg_chain_line line;
    int fd = open_file(f, name->text);
    ssize_t count = fd >= 0 ? pread(fd, first, sizeof first, 0) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (count <= 0) {
        return false;
    }
    struct sg_str text = {.p = first, .n = (size_t)count};
    size_t end = sg_str_find(text, '\n');
    return end < text.n && sg_chain_parse(sg_str_slice(text, 0, end), &line) && line.crc_good &&
           line.epoch == name->epoch && line.seq == name->first_seq;
}

/* Find from where on lines of the open segment are no longer of the chain. */
static void find_limit(struct sg_follow *f)
{
    f->limit_seq = UINT64_MAX;
    for (size_t i = first_behind(f, f->at.epoch, f->at.first_seq); i < f->count; i++) {
        if (f->names[i].first_seq < f->limit_seq && begins_as_named(f, &f->names[i])) {
            f->limit_seq = f->names[i].first_seq;
        }
    }
}

/* --- segments --------------------------------------------------------------------------------- */

static void close_segment(struct sg_follow *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
    }
    f->fd = -1;
    f->start = 0;
    f->end = 0;
    f->skipping = false;
    f->later_seen = false;
}

/* Open a segment at an offset. SG_NOT_FOUND: it was moved away meanwhile. */
static enum sg_status open_segment(struct sg_follow *f, const struct sg_segment_name *name,
                                   uint64_t offset, struct sg_error *reterr)
{
    int fd = open_file(f, name->text);
    if (fd < 0) {
        return errno == ENOENT
                   ? SG_NOT_FOUND
                   : sg_error_set(reterr, SG_IO, NULL, "cannot open %s: %s", name->text,
                                  errno == ELOOP ? "it is not a regular file" : strerror(errno));
    }
    close_segment(f);
    f->fd = fd;
    f->at = (struct sg_follow_position){
        .epoch = name->epoch, .first_seq = name->first_seq, .offset = offset};
    f->window_at = offset;
    find_limit(f);
    return SG_OK;
}

/* Open the segment of the position, or the first one behind it. SG_NOT_FOUND: there is none yet. */
static enum sg_status open_at_position(struct sg_follow *f, struct sg_error *reterr)
{
    enum sg_status status = list(f, reterr);
    if (status != SG_OK) {
        return status;
    }
    size_t next = first_behind(f, f->at.epoch, f->at.first_seq);
    if (next > 0 && f->names[next - 1].epoch == f->at.epoch &&
        f->names[next - 1].first_seq == f->at.first_seq) {
        status = open_segment(f, &f->names[next - 1], f->at.offset, reterr);
        if (status != SG_NOT_FOUND) {
            return status;
        }
    }
    for (status = SG_NOT_FOUND; status == SG_NOT_FOUND && next < f->count; next++) {
        status = open_segment(f, &f->names[next], 0, reterr);
    }
    return status;
}

/*
 * At the end of the open segment: SG_OK when there is more to try, SG_NOT_FOUND when it is the
 * newest one.
 */
static enum sg_status pass_end(struct sg_follow *f, struct sg_error *reterr)
{
    if (!f->later_seen) {
        enum sg_status status = list(f, reterr);
        if (status != SG_OK) {
            return status;
        }
        if (first_behind(f, f->at.epoch, f->at.first_seq) == f->count) {
            return SG_NOT_FOUND;
        }
        f->later_seen = true; /* read once more: nothing is added from now on */
        find_limit(f);
        return SG_OK;
    }
    size_t next = first_behind(f, f->at.epoch, f->at.first_seq);
    enum sg_status status = SG_NOT_FOUND;
    for (; status == SG_NOT_FOUND && next < f->count; next++) {
        status = open_segment(f, &f->names[next], 0, reterr);
    }
    if (status == SG_NOT_FOUND) {
        f->later_seen = false; /* all were moved away between */
    }
    return status;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Make room behind the bytes in the window; false: no memory. */
static bool make_room(struct sg_follow *f)
{
    if (f->start > 0) {
        memmove(f->window, f->window + f->start, f->end - f->start);
        f->end -= f->start;
        f->start = 0;
    }
    if (f->allocated - f->end >= BLOCK_BYTES) {
        return true;
    }
    char *grown = realloc(f->window, f->allocated + BLOCK_BYTES);
    if (grown == NULL) {
        return false;
    }
    f->window = grown;
    f->allocated += BLOCK_BYTES;
    return true;
}

/* Read one block more. SG_NOT_FOUND: the segment has no more at present. */
static enum sg_status read_block(struct sg_follow *f, struct sg_error *reterr)
{
    if (f->end - f->start > LINE_BYTES_MAX) { /* and no LF in it */
        f->window_at += f->end - f->start;
        f->start = f->end;
        f->skipping = true;
    }
    if (!make_room(f)) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    for (;;) {
        ssize_t count = pread(f->fd, f->window + f->end, BLOCK_BYTES,
                              (off_t)(f->window_at + (f->end - f->start)));
        if (count > 0) {
            f->end += (size_t)count;
            return SG_OK;
        }
        if (count == 0) {
            return SG_NOT_FOUND;
        }
        if (errno != EINTR) {
            return sg_error_set(reterr, SG_IO, NULL, "cannot read segment %llu of epoch %llu: %s",
                                (unsigned long long)f->at.first_seq,
                                (unsigned long long)f->at.epoch, strerror(errno));
        }
    }
}

/* Take a whole line off the window; false: there is none. */
static bool take_line(struct sg_follow *f, struct sg_str *ret)
{
    while (f->end > f->start) {
        const char *from = f->window + f->start;
        const char *lf = memchr(from, '\n', f->end - f->start);
        if (lf == NULL) {
            return false;
        }
        *ret = (struct sg_str){.p = from, .n = (size_t)(lf - from)};
        f->start += ret->n + 1;
        f->window_at += ret->n + 1;
        if (!f->skipping) {
            return true;
        }
        f->skipping = false;
        f->bad_lines++;
    }
    return false;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Judge a line; true: it is to be returned, as *line. */
static bool judge(struct sg_follow *f, struct sg_str *line)
{
    struct sg_chain_line parts;
    if (!sg_chain_parse(*line, &parts) || !parts.crc_good) {
        f->bad_lines++;
        return false;
    }
    if (parts.seq >= f->limit_seq) {
        return false;
    }
    if (!sg_str_equal(sg_members_find(parts.text, "event"), SG_STR("replay"))) {
        return true;
    }
    sg_buf_clear(&f->replayed);
    sg_members_unescape(sg_members_find(parts.text, "original"), &f->replayed);
    *line = sg_buf_str(&f->replayed);
    if (sg_buf_failed(&f->replayed) || !sg_chain_parse(*line, &parts) || !parts.crc_good) {
        f->bad_lines++;
        return false;
    }
    return true;
}

enum sg_status sg_follow_next(struct sg_follow *f, struct sg_str *ret_line, struct sg_error *reterr)
{
    if (f->fd < 0) {
        enum sg_status status = open_at_position(f, reterr);
        if (status != SG_OK) {
            return status;
        }
    }
    for (;;) {
        struct sg_str line;
        while (take_line(f, &line)) {
            bool good = judge(f, &line);
            f->at.offset = f->window_at;
            if (good) {
                *ret_line = line;
                return SG_OK;
            }
        }
        enum sg_status status = read_block(f, reterr);
        if (status == SG_NOT_FOUND) {
            status = pass_end(f, reterr);
        }
        if (status != SG_OK) {
            return status;
        }
    }
}

/* --- open and close --------------------------------------------------------------------------- */

struct sg_follow *sg_follow_open(const char *directory, const struct sg_follow_position *from,
                                 struct sg_error *reterr)
{
    struct sg_follow *f = calloc(1, sizeof *f);
    if (f == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    f->fd = -1;
    sg_buf_init(&f->replayed, LINE_BYTES_MAX);
    if (from != NULL) {
        f->at = *from;
    }
    f->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->directory_fd < 0) {
        (void)sg_error_set(reterr, SG_IO, NULL, "cannot open the audit directory %s: %s", directory,
                           strerror(errno));
        sg_follow_close(f);
        return NULL;
    }
    if (list(f, reterr) != SG_OK) {
        sg_follow_close(f);
        return NULL;
    }
    return f;
}

void sg_follow_close(struct sg_follow *f)
{
    if (f == NULL) {
        return;
    }
    close_segment(f);
    if (f->directory_fd >= 0) {
        (void)close(f->directory_fd);
    }
    sg_buf_done(&f->replayed);
    free(f->window);
    free(f->names);
    free(f);
}

void sg_follow_position(const struct sg_follow *f, struct sg_follow_position *ret)
{
    *ret = f->at;
}

uint64_t sg_follow_lag_bytes(struct sg_follow *f)
{
    uint64_t bytes = 0;
    if (list(f, NULL) != SG_OK) {
        return 0;
    }
    for (size_t i = 0; i < f->count; i++) {
        struct stat about;
        const struct sg_segment_name *name = &f->names[i];
        const int order =
            sg_chain_compare(name->epoch, name->first_seq, f->at.epoch, f->at.first_seq);
        if (order < 0 || fstatat(f->directory_fd, name->text, &about, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        uint64_t size = (uint64_t)about.st_size;
        bytes += order > 0 ? size : size > f->at.offset ? size - f->at.offset : 0;
    }
    return bytes;
}

size_t sg_follow_segments(const struct sg_follow *f)
{
    return f->count;
}

uint64_t sg_follow_bad_lines(const struct sg_follow *f)
{
    return f->bad_lines;
}
