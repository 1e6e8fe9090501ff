/*
 * Write an audit directory as a gateway would have left it, for measurements of what reads one:
 *
 *   audit_log DIR RECORDS [RECORDS-PER-SEGMENT]
 *
 * Intents and outcomes of some 700 bytes, a segment each 350,000 records (some 256 MiB), a note
 * each 1,000 records, signed with the key in DIR.key.pem (openssl genpkey -algorithm ed25519) where
 * that file is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/note.h"
#include "audit/segment.h"
#include "base/clock.h"

enum {
    SEGMENT_RECORDS = 350000,
    NOTE_RECORDS = 1000,
    BATCH_BYTES = 1 << 20,
    START_S = 1573788995,
    RECORDS_A_SECOND = 100
};

struct maker {
    const char *directory;
    struct sg_chain chain;
    struct sg_digest *digest;
    struct sg_ed25519_private *key;
    char previous[SG_DIGEST_HEX_BYTES];
    struct sg_segment_name segment;
    struct sg_buf batch;
    int fd;
    bool failed;
};

static int open_file(const struct maker *maker, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", maker->directory, name);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

static void write_all(struct maker *maker, int fd, struct sg_str bytes)
{
    while (bytes.n > 0 && !maker->failed) {
        ssize_t count = write(fd, bytes.p, bytes.n);
        maker->failed = count <= 0;
        bytes = sg_str_slice(bytes, count > 0 ? (size_t)count : bytes.n, bytes.n);
    }
}

static void flush(struct maker *maker)
{
    write_all(maker, maker->fd, sg_buf_str(&maker->batch));
    sg_buf_clear(&maker->batch);
}

static void add(struct maker *maker, const char *event, const char *members)
{
    char time[SG_CLOCK_RFC3339_BYTES], bytes[2048];
    struct sg_buf text;
    int64_t now_us =
        (int64_t)START_S * 1000000 + (int64_t)maker->chain.seq * (1000000 / RECORDS_A_SECOND);
    sg_clock_format_rfc3339(now_us, time);
    sg_buf_init_fixed(&text, bytes, sizeof bytes);
    sg_buf_printf(&text, "\"time\":\"%.*s\",\"event\":\"%s\"%s", (int)sizeof time, time, event,
                  members);
    maker->failed = maker->failed || sg_chain_append(&maker->chain, maker->digest,
                                                     sg_buf_str(&text), &maker->batch) != SG_OK;
    if (maker->batch.n >= BATCH_BYTES) {
        flush(maker);
    }
}

static void add_call(struct maker *maker, bool outcome)
{
    char members[1400];
    unsigned long long id = (maker->chain.seq - 1) / 2; /* an outcome behind its intent */
    (void)snprintf(
        members, sizeof members,
        ",\"request_id\":\"01933b5e-8c4f-7000-8000-%012llx\",\"caller\":\"playout-scheduler\","
        "\"team\":\"playout\",\"identity\":\"source 127.0.0.1/32\",\"source_ip\":\"127.0.0.1\","
        "\"method\":\"DELETE\",\"path\":\"/v1/0123456789abcdef0123456789abcdef/flows/outputs\","
        "\"query\":\"flow_id=f%llu&output_name=playout-a\",\"action\":\"live:ott:"
        "deleteFlowOutput\","
        "\"access_level\":\"write\",\"resource\":\"live:cn-north-4::flowOutput:f%llu/playout-a\","
        "\"project_id\":\"0123456789abcdef0123456789abcdef\",\"decision\":\"allow\",\"reason\":"
        "\"matched\",\"policy\":\"playout-outputs\",\"statement\":\"DeleteOwnOutputs\","
        "\"credential\":\"live\"%s",
        id, id, id,
        outcome ? ",\"status\":200,\"outcome\":\"success\",\"sent\":true,\"request_bytes\":0,"
                  "\"response_bytes\":42,\"duration_us\":1234,\"upstream_us\":1100"
                : "");
    add(maker, outcome ? "outcome" : "intent", members);
}

static void begin_segment(struct maker *maker)
{
    char members[1024] = ",\"version\":\"bench\"";
    if (maker->fd >= 0) {
        flush(maker);
        (void)close(maker->fd);
        (void)snprintf(members, sizeof members,
                       ",\"version\":\"bench\",\"previous\":\"%s\",\"ended\":\"rotated\","
                       "\"last_good_seq\":%llu,\"last_good_hash\":\"%.*s\",\"extra_bytes\":0",
                       maker->segment.text, (unsigned long long)maker->chain.seq,
                       SG_DIGEST_HEX_BYTES, maker->chain.prev);
    }
    sg_segment_name_make(maker->chain.epoch, maker->chain.seq + 1, &maker->segment);
    maker->fd = open_file(maker, maker->segment.text);
    maker->failed = maker->failed || maker->fd < 0;
    add(maker, "segment", members);
}

static void checkpoint(struct maker *maker)
{
    struct sg_note note = {.epoch = maker->chain.epoch,
                           .seq = maker->chain.seq,
                           .time_s = START_S + (int64_t)maker->chain.seq / RECORDS_A_SECOND};
    const struct sg_ed25519_private *keys[] = {maker->key};
    char name[SG_SEGMENT_NAME_BYTES], members[256], hash[SG_DIGEST_HEX_BYTES], bytes[2048];
    struct sg_buf text;
    memcpy(note.stream, maker->chain.stream, sizeof note.stream);
    memcpy(note.hash, maker->chain.prev, sizeof note.hash);
    memcpy(note.previous, maker->previous, sizeof note.previous);
    sg_buf_init_fixed(&text, bytes, sizeof bytes);
    if (sg_note_make(&note, keys, 1, &text) != SG_OK ||
        sg_digest_run_hex(maker->digest, sg_buf_str(&text), hash) != SG_OK) {
        maker->failed = true;
        return;
    }
    memcpy(maker->previous, hash, sizeof hash);
    sg_buf_add_char(&text, '\n');
    (void)snprintf(name, sizeof name, "%.*s.note",
                   (int)(strlen(maker->segment.text) - strlen(".jsonl")), maker->segment.text);
    int fd = open_file(maker, name);
    write_all(maker, fd, sg_buf_str(&text));
    (void)close(fd);
    (void)snprintf(members, sizeof members, ",\"note_sha256\":\"%.*s\",\"key\":\"00000000\"",
                   SG_DIGEST_HEX_BYTES, hash);
    add(maker, "checkpoint", members);
}

int main(int argc, char **argv)
{
    uint64_t records = 0, per_segment = SEGMENT_RECORDS;
    char path[4096];
    struct sg_error error = {.text = ""};
    if (argc < 3 || !sg_str_to_u64(sg_str_from(argv[2]), UINT32_MAX, &records) ||
        (argc > 3 && !sg_str_to_u64(sg_str_from(argv[3]), UINT32_MAX, &per_segment)) ||
        per_segment == 0) {
        (void)fprintf(stderr, "usage: audit_log DIR RECORDS [RECORDS-PER-SEGMENT]\n");
        return 64;
    }
    struct maker maker = {.directory = argv[1],
                          .chain = {.stream = "0123456789abcdef0123456789abcdef", .epoch = 1},
                          .fd = -1};
    memset(maker.chain.prev, '0', sizeof maker.chain.prev);
    memset(maker.previous, '0', sizeof maker.previous);
    sg_buf_init(&maker.batch, 4 * BATCH_BYTES);
    maker.digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    (void)snprintf(path, sizeof path, "%s.key.pem", argv[1]);
    if (access(path, F_OK) == 0) {
        maker.key = sg_ed25519_private_read(path, &error);
    }
    if (maker.digest == NULL || error.text[0] != '\0' ||
        (mkdir(argv[1], 0750) != 0 && errno != EEXIST)) {
        (void)fprintf(stderr, "audit_log: %s\n",
                      error.text[0] != '\0' ? error.text : strerror(errno));
        return 1;
    }
    while (maker.chain.seq < records && !maker.failed) {
        if (maker.chain.seq % per_segment == 0) {
            begin_segment(&maker);
        } else if (maker.key != NULL && maker.chain.seq % NOTE_RECORDS == NOTE_RECORDS - 1) {
            checkpoint(&maker);
        } else {
            add_call(&maker, maker.chain.seq % 2 == 0);
        }
    }
    flush(&maker);
    (void)close(maker.fd);
    sg_buf_done(&maker.batch);
    sg_digest_free(maker.digest);
    sg_ed25519_private_free(maker.key);
    if (maker.failed) {
        (void)fprintf(stderr, "audit_log: cannot write: %s\n", strerror(errno));
    }
    return maker.failed ? 1 : 0;
}
