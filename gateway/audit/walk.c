#include "audit/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- faults ----------------------------------------------------------------------------------- */

static void set_bad(struct sg_walk *w, const char *kind, const char *file, uint64_t line,
                    uint64_t offset, uint64_t proven)
{
    struct sg_audit_report *report = w->report;
    w->decided = true;
    w->bad_ordinal = w->ordinal;
    report->good = false;
    (void)snprintf(report->kind, sizeof report->kind, "%s", kind);
    (void)snprintf(report->file, sizeof report->file, "%s", file);
    report->line = line;
    report->offset = offset;
    report->proven_before = proven;
}

void sg_walk_bad(struct sg_walk *w, const char *kind, const char *file, uint64_t line,
                 uint64_t offset, uint64_t proven, const char *format, ...)
{
    va_list args;
    set_bad(w, kind, file, line, offset, proven);
    va_start(args, format);
    (void)vsnprintf(w->report->text, sizeof w->report->text, format, args);
    va_end(args);
}

static void bad_here(struct sg_walk *w, const char *kind, size_t segment, const char *text)
{
    sg_walk_bad(w, kind, w->heads.items[segment].name.text, 1, 0, w->report->records, "%s", text);
}

static unsigned long long number(uint64_t value)
{
    return (unsigned long long)value;
}

void sg_walk_bad_by_witness(struct sg_walk *w, const struct sg_witness_fault *fault, size_t segment)
{
    const bool at_end = fault->file[0] == '\0';
    sg_walk_bad(w, fault->kind, at_end ? w->heads.items[segment].name.text : fault->file,
                at_end ? w->end_line + 1 : fault->line, at_end ? w->end_offset : fault->offset,
                at_end ? w->report->records : w->witness.vouched_records, "%s", fault->text);
    w->report->in_anchor = fault->in_anchor;
}

/* --- files ------------------------------------------------------------------------------------ */

static bool follows(const struct sg_walk *w, const struct sg_head *head)
{
    const struct sg_chain *chain = &w->standing.chain;
    return head->good && strcmp(head->stream, chain->stream) == 0 && head->seq == chain->seq + 1 &&
           (!w->standing.known || memcmp(head->prev, chain->prev, sizeof head->prev) == 0);
}

static bool has_its_name(const struct sg_head *head)
{
    return head->epoch == head->name.epoch && head->seq == head->name.first_seq;
}

/* Whether a later segment follows the chain where this one does not: this one was put in. */
static bool is_put_in(const struct sg_walk *w, size_t segment)
{
    if (w->last_normal < 0 || follows(w, &w->heads.items[segment])) {
        return false;
    }
    for (size_t i = segment + 1; i < w->heads.count; i++) {
        const struct sg_head *later = &w->heads.items[i];
        if (later->good && later->declaration.any && has_its_name(later) &&
            later->previous == w->last_normal && follows(w, later)) {
            return true;
        }
    }
    return false;
}

/* A segment is not there, and nothing says that it may not be. */
static void bad_missing(struct sg_walk *w, const char *kind, const struct sg_segment_name *missing,
                        const char *relation)
{
    char other[256];
    if (sg_heads_find_renamed(w->directory_fd, w->standing.chain.stream, missing->epoch,
                              missing->first_seq, other, sizeof other)) {
        sg_walk_bad(w, "renamed", missing->text, 0, 0, w->report->records,
                    "the segment, %s, was renamed: %s holds its first line", relation, other);
    } else {
        sg_walk_bad(w, kind, missing->text, 0, 0, w->report->records, "the segment, %s, is missing",
                    relation);
    }
}

static void judge_missing(struct sg_walk *w, size_t segment)
{
    const struct sg_head *head = &w->heads.items[segment];
    struct sg_segment_name missing = {.epoch = 0};
    char relation[96];
    if (!sg_segment_name_parse(head->declaration.previous, &missing)) {
        (void)snprintf(missing.text, sizeof missing.text, "%s", head->declaration.previous);
    }
    (void)snprintf(relation, sizeof relation, "which %s follows", head->name.text);
    bad_missing(w, "removed", &missing, relation);
}

bool sg_walk_judge_name(struct sg_walk *w, size_t segment)
{
    const struct sg_head *head = &w->heads.items[segment];
    if (!head->good || has_its_name(head)) {
        return false;
    }
    sg_walk_bad(w, "renamed", head->name.text, 1, 0, w->report->records,
                "the file's name does not fit its first line, which is record %llu of epoch %llu",
                number(head->seq), number(head->epoch));
    return true;
}

/* Compare what stands behind the last good line with what this segment declares. */
static enum sg_status judge_extra(struct sg_walk *w, size_t segment, struct sg_error *reterr)
{
    const struct sg_head *head = &w->heads.items[segment];
    const struct sg_declaration *declaration = &head->declaration;
    char hash[SG_DIGEST_HEX_BYTES];
    uint64_t bytes = 0;
    if (head->last_good != w->last_normal || (head->last_good < 0 && declaration->last_good_seq)) {
        return SG_OK; /* the line it names was moved away */
    }
    enum sg_status status = sg_heads_hash_extra(&w->heads, w->directory_fd, segment, w->end_offset,
                                                &bytes, hash, reterr);
    if (status != SG_OK ||
        (bytes == declaration->extra_bytes &&
         (bytes == 0 || memcmp(hash, declaration->extra_sha256, sizeof hash) == 0))) {
        return status;
    }
    for (size_t i = (size_t)(head->last_good + 1); i < segment; i++) {
        if (!w->heads.items[i].good) {
            continue;
        }
        bad_here(w, "forked", i,
                 "the segment is no part of the log: it was declared gone, and its lines are "
                 "outside of the chain");
        return SG_OK;
    }
    const size_t at = head->last_good >= 0 ? (size_t)head->last_good : 0;
    const bool more = bytes > declaration->extra_bytes;
    sg_walk_bad(w,
                more                               ? "inserted"
                : bytes < declaration->extra_bytes ? "cut"
                                                   : "edited",
                w->heads.items[at].name.text, head->last_good >= 0 ? w->end_line + 1 : 1,
                head->last_good >= 0 ? w->end_offset : 0, w->report->records,
                "%llu bytes stand behind the last good record, and %s declares %llu%s",
                number(bytes), head->name.text, number(declaration->extra_bytes),
                bytes == declaration->extra_bytes ? " others" : "");
    return SG_OK;
}

enum sg_status sg_walk_judge_head(struct sg_walk *w, size_t segment, struct sg_error *reterr)
{
    const struct sg_head *head = &w->heads.items[segment];
    const struct sg_declaration *declaration = &head->declaration;
    const bool declares = head->good && declaration->any;
    const bool has_previous = !declares || head->previous != SG_HEADS_NONE ||
                              sg_declaration_is_gone(declaration) || w->last_normal < 0;
    if (is_put_in(w, segment)) {
        bool ours = head->good && strcmp(head->stream, w->standing.chain.stream) == 0;
        bad_here(w, ours ? "forked" : "inserted", segment,
                 ours
                     ? "the segment is no part of the log: it comes from another continuation, and "
                       "the next one follows the segment before it"
                     : "the segment is no part of the log: the next one follows the segment before "
                       "it");
    } else if (sg_walk_judge_name(w, segment)) {
        return SG_OK;
    } else if (!has_previous) {
        judge_missing(w, segment);
    } else if (declares && head->previous != SG_HEADS_NONE && head->previous < w->last_normal &&
               head->last_good < w->last_normal && !follows(w, head)) {
        sg_walk_bad(
            w, "forked", head->name.text, 1, 0, w->report->records,
            "the segment follows %s, as %s does: one of them comes from another continuation of "
            "the log",
            declaration->previous, w->heads.items[w->last_normal].name.text);
    } else if (declares && declaration->lost_to > 0) {
        sg_walk_bad(
            w, "removed", head->name.text, 1, 0, w->report->records,
            "records %llu to %llu were acknowledged and are lost, says the segment that followed "
            "the failure (%s)",
            number(declaration->lost_from), number(declaration->lost_to), declaration->op);
    } else if (declares && sg_declaration_has_extra(declaration) && follows(w, head)) {
        return judge_extra(w, segment, reterr);
    }
    return SG_OK;
}

/* Whether a segment is there, or some segment follows it: then its absence is judged there. */
static bool is_known(const struct sg_walk *w, const struct sg_segment_name *name)
{
    for (size_t i = 0; i < w->heads.count; i++) {
        const struct sg_head *head = &w->heads.items[i];
        if (strcmp(head->name.text, name->text) == 0 ||
            (head->good && strcmp(head->declaration.previous, name->text) == 0)) {
            return true;
        }
    }
    return false;
}

enum sg_status sg_walk_judge_orphans(struct sg_walk *w, struct sg_error *reterr)
{
    const struct sg_segment_name *first = &w->heads.items[0].name;
    const struct sg_segment_name *last = &w->heads.items[w->heads.count - 1].name;
    struct sg_segment_name orphan = {.epoch = 0};
    bool found = false;
    int fd = openat(w->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (directory == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return sg_error_set(reterr, SG_IO, NULL, "cannot list it: %s", strerror(errno));
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct sg_segment_name name;
        uint64_t epoch, first_seq;
        if (!sg_note_file_parse(entry->d_name, &epoch, &first_seq)) {
            continue;
        }
        sg_segment_name_make(epoch, first_seq, &name);
        if (sg_segment_name_compare(&name, first) >= 0 &&
            (!found || sg_segment_name_compare(&name, &orphan) < 0) && !is_known(w, &name)) {
            orphan = name;
            found = true;
        }
    }
    (void)closedir(directory);
    if (found) {
        bad_missing(w, sg_segment_name_compare(last, &orphan) < 0 ? "cut" : "removed", &orphan,
                    "whose notes are there");
    }
    return SG_OK;
}
