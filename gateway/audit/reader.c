#include "audit/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/segment.h"

static void first_fault(struct sg_audit_report *report, const struct sg_segment_name *name,
                        const struct sg_segment_report *segment, const char *kind, const char *text)
{
    report->good = false;
    (void)snprintf(report->file, sizeof report->file, "%s", name->text);
    report->line = segment->lines + 1;
    report->offset = segment->good_bytes;
    (void)snprintf(report->kind, sizeof report->kind, "%s", kind);
    (void)snprintf(report->text, sizeof report->text, "%s", text);
    report->proven_before = report->records;
}

static const char *explain(const char *kind)
{
    static const struct {
        const char *kind;
        const char *text;
    } texts[] = {
        {"torn", "the file ends within a line, and no later segment declares it"},
        {"form", "this is not a line of an audit log"},
        {"crc", "the line was changed: its checksum does not fit"},
        {"prev", "the line does not follow the one before: it was changed, or lines are missing"},
        {"seq", "the numbering has a gap or goes back: lines were removed, doubled or moved"},
        {"epoch", "the epoch does not follow the one before"},
        {"stream", "the line comes from another audit log"},
        {"segment", "a segment does not begin with its own first line"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].kind, kind) == 0) {
            return texts[i].text;
        }
    }
    return "the line is not the next one of the chain";
}

/* Whether the first line of the next segment declares exactly how this one ended. */
static bool is_declared(const struct sg_segment_report *ended, uint64_t last_seq,
                        const struct sg_segment_report *next)
{
    return next->declares && strcmp(next->ended, "clean") != 0 && next->last_good_seq == last_seq &&
           next->extra_bytes == ended->file_bytes - ended->good_bytes &&
           (next->extra_bytes == 0 || strcmp(next->declared_sha256, ended->extra_sha256) == 0);
}

enum sg_status sg_audit_verify(const char *directory, struct sg_audit_report *ret,
                               struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    size_t count = 0;
    struct sg_chain chain = {.seq = 0};
    struct sg_segment_report open_tail = {.fault = SG_SEGMENT_GOOD}; /* not declared yet */
    size_t tail_at = 0;
    uint64_t tail_seq = 0;
    *ret = (struct sg_audit_report){.good = true};
    memset(chain.prev, '0', sizeof chain.prev);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return sg_error_set(reterr, SG_IO, NULL, "cannot open the audit directory %s: %s",
                            directory, strerror(errno));
    }
    enum sg_status status = sg_segment_list(fd, &names, &count, reterr);
    if (status == SG_OK && count == 0) {
        /* A gateway's directory has one from its first start on: this is another, or it is gone. */
        status = sg_error_set(reterr, SG_NOT_FOUND, NULL,
                              "%s holds no audit log: no file is called audit-*.jsonl", directory);
    }
    for (size_t i = 0; status == SG_OK && ret->good && i < count; i++) {
        struct sg_segment_report segment;
        uint64_t epoch = chain.epoch;
        /* Until there was a good line nothing says what the first one must follow. */
        status = sg_segment_read(fd, &names[i], ret->records > 0, &chain, &segment, reterr);
        if (status != SG_OK) {
            break;
        }
        if (open_tail.fault != SG_SEGMENT_GOOD && !is_declared(&open_tail, tail_seq, &segment)) {
            first_fault(ret, &names[tail_at], &open_tail, open_tail.kind, explain(open_tail.kind));
            break;
        }
        open_tail = (struct sg_segment_report){.fault = SG_SEGMENT_GOOD};
        ret->files++;
        if (segment.lines > 0) {
            ret->epochs += ret->records == 0 || chain.epoch != epoch ? 1 : 0;
            if (ret->records == 0) {
                ret->begins_at = names[i].first_seq;
            }
        }
        ret->records += segment.lines;
        if (segment.lines > 0 && (names[i].epoch != chain.epoch ||
                                  names[i].first_seq != chain.seq - segment.lines + 1)) {
            first_fault(ret, &names[i], &(struct sg_segment_report){.lines = 0}, "name",
                        "the file's name does not fit its first line: it was renamed");
        } else if (segment.fault == SG_SEGMENT_DAMAGED) {
            first_fault(ret, &names[i], &segment, segment.kind, explain(segment.kind));
        } else if (segment.fault == SG_SEGMENT_TORN) {
            open_tail = segment;
            tail_at = i;
            tail_seq = chain.seq;
        }
    }
    if (status == SG_OK && ret->good && open_tail.fault != SG_SEGMENT_GOOD) {
        ret->torn_tail_open = true;
        first_fault(ret, &names[tail_at], &open_tail, open_tail.kind, explain(open_tail.kind));
    }
    free(names);
    (void)close(fd);
    return status;
}
