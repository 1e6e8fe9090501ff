#include "audit/sink_cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0640, NAME_BYTES = 128, CRC_DIGITS = 8 };

static const char form[] = "signgate cursor 1";

/* --- the text --------------------------------------------------------------------------------- */

void sg_sink_cursor_print(const struct sg_sink_cursor *cursor, struct sg_buf *out)
{
    char bytes[SG_SINK_CURSOR_BYTES];
    struct sg_buf text;
    sg_buf_init_fixed(&text, bytes, sizeof bytes);
    sg_buf_printf(&text, "%s\nstream %s\nepoch %llu\nfirst_seq %llu\noffset %llu\nseq %llu\n", form,
                  cursor->stream, (unsigned long long)cursor->position.epoch,
                  (unsigned long long)cursor->position.first_seq,
                  (unsigned long long)cursor->position.offset, (unsigned long long)cursor->seq);
    sg_buf_add_str(out, sg_buf_str(&text));
    sg_buf_printf(out, "crc %08x\n", (unsigned)sg_crc32c(sg_buf_str(&text)));
}

/* Take "name value" off the front of the lines; false: it does not stand there. */
static bool take_line(struct sg_str *rest, const char *name, struct sg_str *ret)
{
    const size_t end = sg_str_find(*rest, '\n');
    struct sg_str line = sg_str_slice(*rest, 0, end);
    const struct sg_str key = sg_str_from(name);
    if (end == rest->n || !sg_str_starts_with(line, key) || line.n <= key.n ||
        line.p[key.n] != ' ') {
        return false;
    }
    *ret = sg_str_slice(line, key.n + 1, line.n);
    *rest = sg_str_slice(*rest, end + 1, rest->n);
    return true;
}

static bool take_number(struct sg_str *rest, const char *name, uint64_t *ret)
{
    struct sg_str value;
    return take_line(rest, name, &value) && sg_str_to_u64(value, UINT64_MAX, ret);
}

bool sg_sink_cursor_parse(struct sg_str text, struct sg_sink_cursor *ret)
{
    struct sg_sink_cursor cursor;
    struct sg_str rest = text, value;
    memset(&cursor, 0, sizeof cursor);
    if (!take_line(&rest, "signgate cursor", &value) || !take_line(&rest, "stream", &value) ||
        value.n != SG_CHAIN_STREAM_BYTES) {
        return false;
    }
    memcpy(cursor.stream, value.p, value.n);
    if (!take_number(&rest, "epoch", &cursor.position.epoch) ||
        !take_number(&rest, "first_seq", &cursor.position.first_seq) ||
        !take_number(&rest, "offset", &cursor.position.offset) ||
        !take_number(&rest, "seq", &cursor.seq)) {
        return false;
    }
    /* One form alone: what it stands for, printed anew, must be the same bytes, checksum and all.
     */
    char bytes[SG_SINK_CURSOR_BYTES];
    struct sg_buf again;
    sg_buf_init_fixed(&again, bytes, sizeof bytes);
    sg_sink_cursor_print(&cursor, &again);
    if (sg_buf_failed(&again) || !sg_str_equal(text, sg_buf_str(&again))) {
        return false;
    }
    *ret = cursor;
    return true;
}

/* --- the file --------------------------------------------------------------------------------- */

/* Read a small file of the directory: its bytes, or -1 with errno. */
static ssize_t read_small(const char *directory, const char *name, char *bytes, size_t size)
{
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd =
        folder >= 0 ? openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    ssize_t count = fd >= 0 ? read(fd, bytes, size) : -1;
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (folder >= 0) {
        (void)close(folder);
    }
    errno = error;
    return count;
}

enum sg_status sg_sink_cursor_load(const char *directory, const char *name, const char *stream,
                                   struct sg_sink_cursor *ret, struct sg_error *reterr)
{
    char file[NAME_BYTES], bytes[SG_SINK_CURSOR_BYTES + 1];
    struct sg_sink_cursor cursor;
    (void)snprintf(file, sizeof file, "cursor-%s", name);
    ssize_t count = read_small(directory, file, bytes, sizeof bytes);
    if (count < 0) {
        return sg_error_set(reterr, errno == ENOENT ? SG_NOT_FOUND : SG_IO, NULL,
                            "cannot read %s/%s: %s", directory, file, strerror(errno));
    }
    if (!sg_sink_cursor_parse((struct sg_str){.p = bytes, .n = (size_t)count}, &cursor)) {
        return sg_error_set(reterr, SG_MALFORMED, NULL,
                            "%s/%s was torn or changed: its checksum does not fit", directory,
                            file);
    }
    if (strcmp(cursor.stream, stream) != 0) {
        return sg_error_set(reterr, SG_MALFORMED, NULL,
                            "%s/%s belongs to another log: its stream is %s, not %s", directory,
                            file, cursor.stream, stream);
    }
    *ret = cursor;
    return SG_OK;
}

enum sg_status sg_sink_cursor_save(const char *directory, const char *name,
                                   const struct sg_sink_cursor *cursor, struct sg_error *reterr)
{
    char file[NAME_BYTES], fresh[NAME_BYTES], bytes[SG_SINK_CURSOR_BYTES];
    struct sg_buf text;
    (void)snprintf(file, sizeof file, "cursor-%s", name);
    (void)snprintf(fresh, sizeof fresh, ".cursor-%s", name); /* no sink's name begins so */
    sg_buf_init_fixed(&text, bytes, sizeof bytes);
    sg_sink_cursor_print(cursor, &text);
    errno = ENOSPC; /* of a write that came short */
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = folder >= 0 ? openat(folder, fresh,
                                  O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE)
                         : -1;
    bool good = fd >= 0 && !sg_buf_failed(&text) && write(fd, text.p, text.n) == (ssize_t)text.n &&
                fsync(fd) == 0 && renameat(folder, fresh, folder, file) == 0 && fsync(folder) == 0;
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (folder >= 0) {
        (void)close(folder);
    }
    return good ? SG_OK
                : sg_error_set(reterr, SG_IO, NULL, "cannot write %s/%s: %s", directory, file,
                               strerror(error));
}

enum sg_status sg_sink_stream_read(const char *directory, char ret[SG_CHAIN_STREAM_BYTES + 1],
                                   struct sg_error *reterr)
{
    char bytes[SG_CHAIN_STREAM_BYTES + 2];
    ssize_t count = read_small(directory, "STREAM", bytes, sizeof bytes);
    if (count < 0) {
        return sg_error_set(reterr, SG_IO, NULL, "cannot read %s/STREAM: %s", directory,
                            strerror(errno));
    }
    if (count < SG_CHAIN_STREAM_BYTES ||
        (count > SG_CHAIN_STREAM_BYTES && bytes[SG_CHAIN_STREAM_BYTES] != '\n')) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "%s/STREAM does not hold 32 hex digits",
                            directory);
    }
    memcpy(ret, bytes, SG_CHAIN_STREAM_BYTES);
    ret[SG_CHAIN_STREAM_BYTES] = '\0';
    return SG_OK;
}
