/*
 * The reader of audit segments: any bytes as a segment never crash it, and a chain made of records
 * with the input's texts verifies whole, but not with one of its bytes changed. The first byte
 * chooses which.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/reader.h"
#include "audit/segment.h"

enum { RECORDS = 3, CHANGE_BYTES = 4 };

static char path_of_folder[64];

static void remove_folder(void)
{
    (void)rmdir(path_of_folder);
}

/* One folder for the process; its one segment is written anew for each input. */
static const char *folder(void)
{
    if (path_of_folder[0] == '\0') {
        const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        (void)snprintf(path_of_folder, sizeof path_of_folder, "%s/sg-fuzz-audit.XXXXXX", memory);
        HOLDS(mkdtemp(path_of_folder) != NULL && atexit(remove_folder) == 0);
    }
    return path_of_folder;
}

static void verify(struct sg_str segment, struct sg_audit_report *ret)
{
    struct sg_segment_name name;
    char path[256];
    struct sg_error error;
    sg_segment_name_make(1, 1, &name);
    (void)snprintf(path, sizeof path, "%s/%s", folder(), name.text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HOLDS(fd >= 0 && write(fd, segment.p, segment.n) == (ssize_t)segment.n && close(fd) == 0);
    HOLDS(sg_audit_verify(folder(), ret, &error) == SG_OK);
    HOLDS(unlink(path) == 0);
    HOLDS(ret->good || ret->kind[0] != '\0');
}

/* A member's text that a record could hold: printable, nothing to be escaped. */
static void add_member(struct sg_buf *out, struct sg_str bytes)
{
    sg_buf_add_text(out,
                    "\"time\":\"2026-01-01T00:00:00.000000Z\",\"event\":\"denied\",\"reason\":\"");
    for (size_t i = 0; i < bytes.n; i++) {
        char c = bytes.p[i];
        sg_buf_add_char(out, c > ' ' && c <= '~' && c != '"' && c != '\\' ? c : '_');
    }
    sg_buf_add_char(out, '"');
}

static void make_chain(struct sg_str bytes, struct sg_buf *out)
{
    struct sg_error error;
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    struct sg_chain chain = {.stream = "0123456789abcdef0123456789abcdef", .epoch = 1};
    struct sg_buf text;
    memset(chain.prev, '0', sizeof chain.prev);
    sg_buf_init(&text, 1 << 20);
    sg_buf_add_text(&text, "\"time\":\"2026-01-01T00:00:00.000000Z\",\"event\":\"segment\","
                           "\"version\":\"1\"");
    HOLDS(digest != NULL && sg_chain_append(&chain, digest, sg_buf_str(&text), out) == SG_OK);
    for (size_t i = 0; i < RECORDS; i++) {
        sg_buf_clear(&text);
        add_member(&text, sg_str_slice(bytes, i * bytes.n / RECORDS, (i + 1) * bytes.n / RECORDS));
        HOLDS(sg_chain_append(&chain, digest, sg_buf_str(&text), out) == SG_OK);
    }
    sg_buf_done(&text);
    sg_digest_free(digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 1 + CHANGE_BYTES) {
        return 0;
    }
    const struct sg_str text = {.p = (const char *)bytes + 1 + CHANGE_BYTES,
                                .n = count - 1 - CHANGE_BYTES};
    struct sg_audit_report report;
    if (bytes[0] % 2 == 0) {
        verify(text, &report);
        return 0;
    }
    struct sg_buf chain;
    sg_buf_init(&chain, 1 << 20);
    make_chain(text, &chain);
    verify(sg_buf_str(&chain), &report);
    HOLDS(report.good && report.records == RECORDS + 1);
    size_t at = ((size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3]) % chain.n;
    chain.p[at] ^= (char)(bytes[4] != 0 ? bytes[4] : 1);
    verify(sg_buf_str(&chain), &report);
    HOLDS(!report.good || report.torn_tail_open);
    sg_buf_done(&chain);
    return 0;
}
