#include "audit/heads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/members.h"

enum { FIRST_LINE_BYTES_MAX = 16 * 1024 };

bool sg_declaration_keeps_epoch(const struct sg_declaration *declaration)
{
    return strcmp(declaration->ended, "clean") == 0 || strcmp(declaration->ended, "rotated") == 0;
}

bool sg_declaration_has_extra(const struct sg_declaration *declaration)
{
    return declaration->any && !sg_declaration_keeps_epoch(declaration) &&
           strcmp(declaration->ended, "damaged") != 0;
}

bool sg_declaration_is_gone(const struct sg_declaration *declaration)
{
    return strcmp(declaration->ended, "failed") == 0 &&
           (strcmp(declaration->op, "unlinked") == 0 || strcmp(declaration->op, "replaced") == 0);
}

/* --- first lines ------------------------------------------------------------------------------ */

static void copy_text(char *to, size_t size, struct sg_str from)
{
    size_t count = from.n < size ? from.n : size - 1;
    if (count > 0) {
        memcpy(to, from.p, count);
    }
    to[count] = '\0';
}

static void read_declaration(struct sg_str text, struct sg_declaration *ret)
{
    struct sg_str rest = sg_members_inside(text);
    struct sg_member member;
    *ret = (struct sg_declaration){.any = false};
    while (sg_members_next(&rest, &member)) {
        const struct {
            const char *name;
            char *text;
            size_t bytes;
        } texts[] = {{"previous", ret->previous, sizeof ret->previous},
                     {"ended", ret->ended, sizeof ret->ended},
                     {"op", ret->op, sizeof ret->op},
                     {"last_good_hash", ret->last_good_hash, sizeof ret->last_good_hash},
                     {"extra_sha256", ret->extra_sha256, sizeof ret->extra_sha256}};
        const struct {
            const char *name;
            uint64_t *value;
        } numbers[] = {{"last_good_seq", &ret->last_good_seq},
                       {"extra_bytes", &ret->extra_bytes},
                       {"lost_from", &ret->lost_from},
                       {"lost_to", &ret->lost_to}};
        for (size_t i = 0; member.is_string && i < sizeof texts / sizeof *texts; i++) {
            if (sg_str_equal_text(member.name, texts[i].name)) {
                copy_text(texts[i].text, texts[i].bytes, member.value);
            }
        }
        for (size_t i = 0; !member.is_string && i < sizeof numbers / sizeof *numbers; i++) {
            if (sg_str_equal_text(member.name, numbers[i].name)) {
                (void)sg_str_to_u64(member.value, UINT64_MAX, numbers[i].value);
            }
        }
    }
    ret->any = ret->previous[0] != '\0' && ret->ended[0] != '\0';
}

/* Read the beginning of a file; what cannot be read is empty. */
static struct sg_str read_start(int directory_fd, const char *name, char *bytes, size_t size)
{
    size_t count = 0;
    int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    while (fd >= 0 && count < size) {
        ssize_t now = pread(fd, bytes + count, size - count, (off_t)count);
        if (now < 0 && errno == EINTR) {
            continue;
        }
        if (now <= 0) {
            break;
        }
        count += (size_t)now;
        if (memchr(bytes + count - (size_t)now, '\n', (size_t)now) != NULL) {
            break;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return (struct sg_str){.p = bytes, .n = count};
}

static void read_head(int directory_fd, const char *name, struct sg_head *ret)
{
    char bytes[FIRST_LINE_BYTES_MAX];
    struct sg_str start = read_start(directory_fd, name, bytes, sizeof bytes);
    size_t end = sg_str_find(start, '\n');
    struct sg_chain_line line;
    if (end == start.n || !sg_chain_parse(sg_str_slice(start, 0, end), &line) || !line.crc_good ||
        !sg_str_equal(sg_members_find_text(line.text, "event"), SG_STR("segment"))) {
        return;
    }
    ret->good = true;
    copy_text(ret->stream, sizeof ret->stream, line.stream);
    ret->epoch = line.epoch;
    ret->seq = line.seq;
    memcpy(ret->prev, line.prev.p, sizeof ret->prev);
    read_declaration(line.text, &ret->declaration);
}

/* --- who says what of whom -------------------------------------------------------------------- */

static ptrdiff_t find_name(const struct sg_heads *heads, const char *name)
{
    struct sg_segment_name wanted;
    size_t low = 0, high = heads->count;
    if (!sg_segment_name_parse(name, &wanted)) {
        return SG_HEADS_NONE;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const int order = sg_segment_name_compare(&heads->items[middle].name, &wanted);
        if (order == 0) {
            return (ptrdiff_t)middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return SG_HEADS_NONE;
}

static void relate(struct sg_heads *heads, size_t by)
{
    struct sg_head *head = &heads->items[by];
    const struct sg_declaration *declaration = &head->declaration;
    head->previous = find_name(heads, declaration->previous);
    if (head->previous == SG_HEADS_NONE && !sg_declaration_is_gone(declaration)) {
        return; /* it is missing: what this one says is of that one */
    }
    /* What lies between the segment it names and itself was put there by somebody else. */
    const ptrdiff_t last = head->previous != SG_HEADS_NONE && head->previous < (ptrdiff_t)by
                               ? head->previous
                               : (ptrdiff_t)by - 1;
    ptrdiff_t at = last;
    while (at >= 0 && heads->items[at].name.first_seq > declaration->last_good_seq) {
        at--;
    }
    head->last_good = at;
    if (at >= 0 && heads->items[at].declared_by == SG_HEADS_NONE) {
        heads->items[at].declared_by = (ptrdiff_t)by;
    }
    for (ptrdiff_t i = at + 1; sg_declaration_has_extra(declaration) && i <= last; i++) {
        if (heads->items[i].extra_of == SG_HEADS_NONE) {
            heads->items[i].extra_of = (ptrdiff_t)by;
        }
    }
}

enum sg_status sg_heads_read(int directory_fd, struct sg_heads *ret, struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    size_t count = 0;
    enum sg_status status = sg_segment_list(directory_fd, &names, &count, reterr);
    if (status != SG_OK || count == 0) {
        free(names);
        return status == SG_OK ? SG_NOT_FOUND : status;
    }
    struct sg_heads heads = {.items = calloc(count, sizeof *heads.items), .count = count};
    if (heads.items == NULL) {
        free(names);
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        heads.items[i] = (struct sg_head){.name = names[i],
                                          .previous = SG_HEADS_NONE,
                                          .last_good = SG_HEADS_NONE,
                                          .declared_by = SG_HEADS_NONE,
                                          .extra_of = SG_HEADS_NONE};
        read_head(directory_fd, names[i].text, &heads.items[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (heads.items[i].good && heads.items[i].declaration.any) {
            relate(&heads, i);
        }
    }
    free(names);
    *ret = heads;
    return SG_OK;
}

void sg_heads_done(struct sg_heads *heads)
{
    free(heads->items);
    *heads = (struct sg_heads){.items = NULL};
}

enum sg_status sg_heads_hash_extra(const struct sg_heads *heads, int directory_fd, size_t by,
                                   uint64_t offset, uint64_t *ret_bytes,
                                   char ret[SG_DIGEST_HEX_BYTES], struct sg_error *reterr)
{
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
    if (digest == NULL) {
        return reterr->status;
    }
    const ptrdiff_t first = heads->items[by].last_good;
    enum sg_status status = sg_digest_begin(digest);
    uint64_t sum = 0;
    for (ptrdiff_t i = first < 0 ? 0 : first; i < (ptrdiff_t)by && status == SG_OK; i++) {
        uint64_t bytes = 0;
        status = sg_segment_hash(directory_fd, &heads->items[i].name, i == first ? offset : 0,
                                 digest, &bytes);
        sum += bytes;
    }
    if (status == SG_OK) {
        status = sg_digest_end_hex(digest, ret);
    }
    sg_digest_free(digest);
    if (status != SG_OK) {
        return sg_error_set(reterr, status, NULL, "cannot read what stands before %s",
                            heads->items[by].name.text);
    }
    *ret_bytes = sum;
    return SG_OK;
}

bool sg_heads_find_renamed(int directory_fd, const char *stream, uint64_t epoch, uint64_t first_seq,
                           char *name, size_t name_bytes)
{
    bool found = false;
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (directory == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return false;
    }
    for (struct dirent *entry; !found && (entry = readdir(directory)) != NULL;) {
        struct sg_head head = {.good = false};
        read_head(directory_fd, entry->d_name, &head);
        if (head.good && head.epoch == epoch && head.seq == first_seq &&
            strcmp(head.stream, stream) == 0) {
            (void)snprintf(name, name_bytes, "%s", entry->d_name);
            found = true;
        }
    }
    (void)closedir(directory);
    return found;
}
