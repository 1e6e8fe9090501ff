#include "audit/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/lines.h"
#include "audit/members.h"

/*
 * A segment is mapped nowhere and never held whole: it is read a line at a time. The first bytes
 * that are not the next good line end what is proven; from there on the rest is only searched for
 * lines that are good by themselves, which tells damage in the middle from a tail that was torn
 * off.
 */

enum { BLOCK_BYTES = 1 << 16, EPOCH_DIGITS = 6, SEQ_DIGITS = 20 };

void sg_segment_name_make(uint64_t epoch, uint64_t first_seq, struct sg_segment_name *ret)
{
    ret->epoch = epoch;
    ret->first_seq = first_seq;
    (void)snprintf(ret->text, sizeof ret->text, "audit-%06llu-%020llu.jsonl",
                   (unsigned long long)epoch, (unsigned long long)first_seq);
}

void sg_note_file_make(uint64_t epoch, uint64_t first_seq, char ret[SG_NOTE_FILE_BYTES])
{
    (void)snprintf(ret, SG_NOTE_FILE_BYTES, "audit-%06llu-%020llu.note", (unsigned long long)epoch,
                   (unsigned long long)first_seq);
}

/* Take the name of one of a segment's two files apart. */
static bool parse_name(const char *text, struct sg_str suffix, uint64_t *ret_epoch,
                       uint64_t *ret_first_seq)
{
    struct sg_str name = sg_str_from(text);
    const struct sg_str prefix = SG_STR("audit-");
    const size_t dash = prefix.n + EPOCH_DIGITS;
    return name.n == dash + 1 + SEQ_DIGITS + suffix.n && sg_str_starts_with(name, prefix) &&
           sg_str_ends_with(name, suffix) && name.p[dash] == '-' &&
           sg_str_to_u64(sg_str_slice(name, prefix.n, dash), UINT64_MAX, ret_epoch) &&
           sg_str_to_u64(sg_str_slice(name, dash + 1, name.n - suffix.n), UINT64_MAX,
                         ret_first_seq);
}

bool sg_segment_name_parse(const char *text, struct sg_segment_name *ret)
{
    uint64_t epoch, first_seq;
    if (!parse_name(text, SG_STR(".jsonl"), &epoch, &first_seq)) {
        return false;
    }
    sg_segment_name_make(epoch, first_seq, ret);
    return true;
}

bool sg_note_file_parse(const char *file, uint64_t *ret_epoch, uint64_t *ret_first_seq)
{
    return parse_name(file, SG_STR(".note"), ret_epoch, ret_first_seq);
}

int sg_segment_name_compare(const struct sg_segment_name *a, const struct sg_segment_name *b)
{
    return sg_chain_compare(a->epoch, a->first_seq, b->epoch, b->first_seq);
}

static int by_order(const void *a, const void *b)
{
    return sg_segment_name_compare(a, b);
}

enum sg_status sg_segment_list(int directory_fd, struct sg_segment_name **ret, size_t *ret_count,
                               struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    size_t count = 0;
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (directory == NULL) {
        enum sg_status status =
            sg_error_set(reterr, SG_IO, NULL, "cannot list it: %s", strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return status;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct sg_segment_name name;
        if (!sg_segment_name_parse(entry->d_name, &name)) {
            continue;
        }
        struct sg_segment_name *grown = realloc(names, (count + 1) * sizeof *names);
        if (grown == NULL) {
            free(names);
            (void)closedir(directory);
            return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        }
        names = grown;
        names[count++] = name;
    }
    (void)closedir(directory);
    if (count > 0) {
        qsort(names, count, sizeof *names, by_order);
    }
    *ret = names;
    *ret_count = count;
    return SG_OK;
}

/* --- reading a segment ------------------------------------------------------------------------ */

struct reading {
    struct sg_digest *digest;
    struct sg_chain *chain;
    struct sg_segment_report *report;
    bool bad;         /* what follows is behind the first bad line */
    bool good_behind; /* and some of it is good by itself */
};

/* Why a line is not the next good one; NULL when it is. */
static const char *fault_of(struct reading *r, struct sg_str line, struct sg_chain_line *ret)
{
    const struct sg_chain *chain = r->chain;
    bool first = r->report->lines == 0;
    if (!sg_chain_parse(line, ret)) {
        return "form";
    }
    if (!ret->crc_good) {
        return "crc";
    }
    bool segment = sg_str_equal(sg_members_find_text(ret->text, "event"), SG_STR("segment"));
    if (segment != first) {
        return "segment";
    }
    if (first) {
        return NULL; /* there is nothing here that it must follow */
    }
    if (!sg_str_equal_text(ret->stream, chain->stream)) {
        return "stream";
    }
    if (ret->seq != chain->seq + 1) {
        return "seq";
    }
    if (ret->epoch != chain->epoch) {
        return "epoch";
    }
    return sg_str_equal(ret->prev, (struct sg_str){.p = chain->prev, .n = sizeof chain->prev})
               ? NULL
               : "prev";
}

static enum sg_status take_line(struct reading *r, struct sg_str line)
{
    struct sg_chain_line parts;
    if (r->bad) {
        r->good_behind = r->good_behind || (sg_chain_parse(line, &parts) && parts.crc_good);
        return SG_OK;
    }
    const char *fault = fault_of(r, line, &parts);
    if (fault != NULL) {
        r->bad = true;
        r->report->kind = fault;
        /* A line that is good by itself but does not follow was put here: damage, not a tear. */
        r->good_behind = strcmp(fault, "form") != 0 && strcmp(fault, "crc") != 0;
        return SG_OK;
    }
    struct sg_chain *chain = r->chain;
    if (r->report->lines == 0) {
        memcpy(chain->stream, parts.stream.p, parts.stream.n); /* as many digits as it has room */
    }
    chain->epoch = parts.epoch;
    chain->seq = parts.seq;
    r->report->lines++;
    r->report->good_bytes += line.n + 1;
    struct sg_str event = sg_members_find_text(parts.text, "event");
    r->report->ends_with_stop =
        sg_str_equal(event, SG_STR("stop")) ||
        (r->report->ends_with_stop && sg_str_equal(event, SG_STR("checkpoint")));
    return sg_digest_run_hex(r->digest, line, chain->prev);
}

/*
 * Open a segment for reading. SG_NOT_FOUND: nothing stands under its name, or no regular file;
 * SG_IO: it cannot be opened now, errno says why.
 */
static enum sg_status open_to_read(int directory_fd, const struct sg_segment_name *name, int *ret)
{
    struct stat about;
    int fd = openat(directory_fd, name->text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || errno == ELOOP || errno == ENXIO ? SG_NOT_FOUND : SG_IO;
    }
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        (void)close(fd);
        return SG_NOT_FOUND;
    }
    *ret = fd;
    return SG_OK;
}

enum sg_status sg_segment_hash(int directory_fd, const struct sg_segment_name *name, uint64_t from,
                               struct sg_digest *digest, uint64_t *ret_bytes)
{
    char block[BLOCK_BYTES];
    int fd = -1;
    *ret_bytes = 0;
    enum sg_status status = open_to_read(directory_fd, name, &fd);
    if (status != SG_OK) {
        return status == SG_NOT_FOUND ? SG_OK : status;
    }
    while (status == SG_OK) {
        ssize_t count = pread(fd, block, sizeof block, (off_t)(from + *ret_bytes));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            status = count < 0 ? SG_IO : SG_OK;
            break;
        }
        *ret_bytes += (uint64_t)count;
        status = sg_digest_add(digest, (struct sg_str){.p = block, .n = (size_t)count});
    }
    (void)close(fd);
    return status;
}

/* Take all lines of an open segment. */
static enum sg_status read_lines(struct reading *r, int fd, const struct sg_segment_name *name,
                                 struct sg_error *reterr)
{
    struct sg_lines lines;
    struct sg_line line;
    enum sg_status status;
    sg_lines_init(&lines, fd);
    while ((status = sg_lines_next(&lines, &line)) == SG_OK) {
        if (line.whole) {
            status = take_line(r, line.text);
        } else if (!r->bad) {
            r->bad = true;
            r->report->kind = "torn";
        }
        if (status != SG_OK) {
            (void)sg_error_set(reterr, status, NULL, "cannot hash %s", name->text);
            break;
        }
    }
    if (status == SG_IO) {
        (void)sg_error_set(reterr, status, NULL, "cannot read %s: %s", name->text, strerror(errno));
    } else if (status == SG_NO_MEMORY) {
        (void)sg_error_set(reterr, status, NULL, "out of memory");
    }
    sg_lines_done(&lines);
    return status == SG_NOT_FOUND ? SG_OK : status; /* the end of the file */
}

enum sg_status sg_segment_read(int directory_fd, const struct sg_segment_name *name,
                               struct sg_chain *chain, struct sg_segment_report *ret,
                               struct sg_error *reterr)
{
    int fd = -1;
    struct reading r = {.chain = chain, .report = ret};
    *ret = (struct sg_segment_report){.fault = SG_SEGMENT_GOOD};
    enum sg_status status = open_to_read(directory_fd, name, &fd);
    if (status == SG_NOT_FOUND) {
        return sg_error_set(reterr, status, NULL, "%s is not there as a regular file", name->text);
    }
    if (status != SG_OK) {
        return sg_error_set(reterr, status, NULL, "cannot open %s: %s", name->text,
                            strerror(errno));
    }
    r.digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
    status = r.digest != NULL ? read_lines(&r, fd, name, reterr) : reterr->status;
    if (!r.bad && ret->lines == 0) {
        r.bad = true; /* empty: made, and not even its first line was written */
        ret->kind = "torn";
    }
    if (r.bad) {
        ret->fault = r.good_behind ? SG_SEGMENT_DAMAGED : SG_SEGMENT_TORN;
        if (!r.good_behind && strcmp(ret->kind, "form") == 0) {
            ret->kind = "torn";
        }
        ret->ends_with_stop = false;
    }
    (void)close(fd);
    sg_digest_free(r.digest);
    return status;
}
