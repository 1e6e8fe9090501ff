#include "audit/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/lines.h"
#include "audit/members.h"
#include "audit/walk.h"

/*
 * The walk. All first lines are read before it begins (heads), since only the next segment says
 * where one ends: lines behind the last good one that it names are not part of the chain. Then the
 * lines are taken in order. Up to the first that does not fit each one steps the chain on and is
 * shown to the witnesses; from then on lines are taken by the suspect until there is a verdict, and
 * after it only counted.
 *
 * What is wrong with files (missing, renamed, put in, declared otherwise) is judged at the head of
 * each segment, before its lines.
 */

enum { TIME_AT = 8 /* "time":" */ };

static unsigned long long number(uint64_t value)
{
    return (unsigned long long)value;
}

/* Report the suspect's verdict. */
static void conclude(struct sg_walk *w)
{
    const struct sg_suspect *s = &w->suspect;
    struct sg_audit_report *report = w->report;
    const struct sg_line_place *place = s->at_last ? &s->before.last : &s->first.place;
    uint64_t proven = report->records;
    if (s->attested[0] != '\0' && strcmp(s->kind, "forked") == 0) {
        proven = w->witness.vouched_records; /* nobody knows where the other log begins */
    } else if ((s->at_last || s->last_unsure) && proven > 0) {
        proven--;
    }
    sg_walk_bad(w, s->kind, w->heads.items[place->segment].name.text, place->line, place->offset,
                proven, "%s", s->text);
    w->bad_ordinal = place->ordinal;
    if (s->has_hashes) {
        memcpy(report->hash_expected, s->expected, sizeof s->expected);
        memcpy(report->hash_found, s->found, sizeof s->found);
    }
}

/* --- lines ------------------------------------------------------------------------------------ */

static const struct sg_declaration *declared(const struct sg_walk *w, size_t segment)
{
    ptrdiff_t by = w->heads.items[segment].declared_by;
    return by == SG_HEADS_NONE ? NULL : &w->heads.items[by].declaration;
}

/* Whether the next segment, whose first line should declare this one's end, has no good one. */
static bool is_undeclared(const struct sg_walk *w, size_t segment)
{
    return declared(w, segment) == NULL && segment + 1 < w->heads.count &&
           !w->heads.items[segment + 1].good;
}

/*
 * The last line of a segment that belongs to the chain, by the next one's word; where that is not
 * readable, by its name.
 */
static bool has_limit(const struct sg_walk *w, size_t segment, uint64_t *ret)
{
    const struct sg_declaration *declaration = declared(w, segment);
    if (is_undeclared(w, segment) && w->heads.items[segment + 1].name.first_seq > 0) {
        *ret = w->heads.items[segment + 1].name.first_seq - 1;
        return true;
    }
    if (declaration == NULL || strcmp(declaration->ended, "damaged") == 0) {
        return false;
    }
    *ret = declaration->last_good_seq;
    return true;
}

static enum sg_epoch_rule rule_of(const struct sg_walk *w, size_t segment, bool first)
{
    const struct sg_declaration *declaration = &w->heads.items[segment].declaration;
    if (!first) {
        return SG_EPOCH_SAME;
    }
    if (!w->heads.items[segment].good || !declaration->any) {
        return SG_EPOCH_SAME_OR_LATER;
    }
    return sg_declaration_keeps_epoch(declaration) ? SG_EPOCH_SAME : SG_EPOCH_LATER;
}

static enum sg_status look_at(struct sg_walk *w, size_t segment, const struct sg_line *line,
                              struct sg_look *ret, struct sg_str *ret_text)
{
    struct sg_chain_line parts;
    const bool first = line->number == 1;
    /* Member by member: clearing it whole would be dear for each line. */
    ret->place = (struct sg_line_place){.segment = (ptrdiff_t)segment,
                                        .line = line->number,
                                        .offset = line->offset,
                                        .ordinal = w->ordinal};
    ret->is_line = ret->has_form = ret->is_segment = false;
    ret->rule = rule_of(w, segment, first);
    if (!line->whole || line->too_long || !sg_chain_parse(line->text, &parts)) {
        return SG_OK;
    }
    ret->has_form = true;
    if (!parts.crc_good) {
        return SG_OK;
    }
    ret->is_line = true;
    ret->is_segment = sg_str_equal(sg_members_find_text(parts.text, "event"), SG_STR("segment"));
    if (ret->is_segment && !first) {
        ret->rule = SG_EPOCH_SAME_OR_LATER; /* it stands at a wrong place anyway */
    }
    memcpy(ret->stream, parts.stream.p, SG_CHAIN_STREAM_BYTES);
    ret->stream[SG_CHAIN_STREAM_BYTES] = '\0';
    ret->epoch = parts.epoch;
    ret->seq = parts.seq;
    memcpy(ret->prev, parts.prev.p, sizeof ret->prev);
    *ret_text = parts.text;
    return sg_digest_run_hex(w->digest, line->text, ret->hash);
}

static void suspect(struct sg_walk *w, const struct sg_look *look, enum sg_fit fit)
{
    w->standing.last_attested =
        w->witness.vouched_records == w->report->records && w->report->records > 0;
    sg_suspect_begin(&w->suspect, &w->standing, look, fit);
}

/* What a line's event asks for, once it belongs to the chain. */
static enum sg_status take_event(struct sg_walk *w, const struct sg_look *look, struct sg_str text)
{
    struct sg_str event = sg_members_find_text(text, "event");
    struct sg_witness_fault fault;
    if (sg_str_equal(event, SG_STR("replay"))) {
        return sg_witness_replay(&w->witness, text, w->digest);
    }
    if (sg_str_equal(event, SG_STR("checkpoint")) &&
        !sg_witness_checkpoint(&w->witness, sg_members_find(text, "note_sha256"), &fault)) {
        sg_walk_bad_by_witness(w, &fault, (size_t)look->place.segment);
    }
    return SG_OK;
}

/* A line that fits: the chain steps on. */
static enum sg_status accept(struct sg_walk *w, const struct sg_look *look, struct sg_str text)
{
    struct sg_audit_report *report = w->report;
    struct sg_standing *standing = &w->standing;
    char attested[SG_DIGEST_HEX_BYTES];
    enum sg_anchored anchored = sg_witness_line(&w->witness, look->epoch, look->seq, look->hash,
                                                report->records + 1, attested);
    if (anchored == SG_ANCHORED_OTHER) {
        sg_suspect_begin_attested(&w->suspect, standing, look, attested);
        return SG_OK;
    }
    if (report->records == 0) {
        report->begins_at = look->seq;
        w->first_epoch = look->epoch;
    }
    report->epochs += report->records == 0 || look->epoch != standing->chain.epoch ? 1 : 0;
    report->records++;
    standing->known = standing->has_last = true;
    standing->last = look->place;
    standing->chain.seq = look->seq;
    standing->chain.epoch = look->epoch;
    memcpy(standing->chain.prev, look->hash, sizeof standing->chain.prev);
    memcpy(standing->last_prev, look->prev, sizeof standing->last_prev);
    if (text.n > TIME_AT + sizeof w->time) {
        memcpy(w->time, text.p + TIME_AT, sizeof w->time);
    }
    if (w->witness.anchored.any && w->witness.anchored.records == report->records) {
        memcpy(w->proven_time, w->time, sizeof w->proven_time);
    }
    return take_event(w, look, text);
}

/* In a run of lines that follow each other a witness may end all doubt. */
static void show_run(struct sg_walk *w, const struct sg_look *look)
{
    char attested[SG_DIGEST_HEX_BYTES];
    if (w->suspect.mode != SG_SUSPECT_RUN || !look->is_line ||
        memcmp(w->suspect.run.prev, look->hash, sizeof look->hash) != 0) {
        return;
    }
    enum sg_anchored anchored = sg_witness_line(&w->witness, look->epoch, look->seq, look->hash,
                                                w->report->records, attested);
    if (anchored != SG_ANCHORED_NOT) {
        sg_suspect_attest(&w->suspect, anchored == SG_ANCHORED_FITS);
    }
}

static void ended_badly(struct sg_walk *w, size_t segment, const struct sg_line *line);

/*
 * Before it is said that a line was changed: is everything from here on what the next segment
 * declares as torn off? Then the lines before it are gone.
 */
static bool is_declared_rest(struct sg_walk *w, size_t segment, uint64_t offset)
{
    const struct sg_declaration *declaration = declared(w, segment);
    char hash[SG_DIGEST_HEX_BYTES];
    uint64_t bytes = 0;
    struct sg_error error;
    return declaration != NULL && sg_declaration_has_extra(declaration) &&
           declaration->last_good_seq > w->standing.chain.seq && declaration->extra_bytes > 0 &&
           sg_heads_hash_extra(&w->heads, w->directory_fd,
                               (size_t)w->heads.items[segment].declared_by, offset, &bytes, hash,
                               &error) == SG_OK &&
           bytes == declaration->extra_bytes &&
           memcmp(hash, declaration->extra_sha256, sizeof hash) == 0;
}

static void removed_before_rest(struct sg_walk *w, size_t segment, const struct sg_line *line)
{
    const struct sg_declaration *declaration = declared(w, segment);
    sg_walk_bad(w, "removed", w->heads.items[segment].name.text, line->number, line->offset,
                w->report->records, "records %llu to %llu are missing before what was torn off",
                number(w->standing.chain.seq + 1), number(declaration->last_good_seq));
}

static enum sg_status take(struct sg_walk *w, size_t segment, const struct sg_line *line)
{
    struct sg_look look;
    struct sg_str text = {.p = ""};
    enum sg_status status = look_at(w, segment, line, &look, &text);
    if (status != SG_OK) {
        return status;
    }
    if (w->suspect.mode != SG_SUSPECT_NONE) {
        sg_suspect_take(&w->suspect, &look);
        show_run(w, &look);
        return SG_OK;
    }
    enum sg_fit fit = sg_fit_of(&w->standing.chain, w->standing.known, &look);
    if (fit == SG_FIT_BROKEN && is_declared_rest(w, segment, line->offset)) {
        removed_before_rest(w, segment, line);
    } else if (fit == SG_FIT_BROKEN && !line->whole) {
        ended_badly(w, segment, line);
    } else if (fit != SG_FIT_NEXT) {
        suspect(w, &look, fit);
        show_run(w, &look);
    } else if (look.is_segment != (line->number == 1)) {
        sg_walk_bad(w, "renamed", w->heads.items[segment].name.text, line->number, line->offset,
                    w->report->records,
                    look.is_segment
                        ? "record %llu begins a segment of its own: two files were joined"
                        : "record %llu is no first line of a segment: a file was split",
                    number(look.seq));
    } else {
        status = accept(w, &look, text);
    }
    return status;
}

/* --- where a segment ends --------------------------------------------------------------------- */

/* Whether nothing good follows: the segment is where the log ends at present. */
static bool is_open_end(const struct sg_walk *w, size_t segment)
{
    size_t i = segment + 1;
    while (i < w->heads.count && !w->heads.items[i].good) {
        i++;
    }
    return i == w->heads.count;
}

/* Whether the text with its last byte taken off is the next line: that byte was its LF. */
static bool is_line_without_lf(const struct sg_walk *w, struct sg_str text)
{
    struct sg_chain_line parts;
    return text.n > 0 && sg_chain_parse(sg_str_slice(text, 0, text.n - 1), &parts) &&
           parts.crc_good && parts.seq == w->standing.chain.seq + 1;
}

/*
 * The file ends before the chain may: within a line, where there is one, or (line is NULL) behind
 * the last one.
 */
static void ended_badly(struct sg_walk *w, size_t segment, const struct sg_line *line)
{
    const struct sg_head *head = &w->heads.items[segment];
    const uint64_t at = line != NULL ? line->number : w->end_line + 1;
    const uint64_t offset = line != NULL ? line->offset : w->end_offset;
    const uint64_t proven = w->report->records;
    const bool is_open = is_open_end(w, segment);
    struct sg_error unused;
    uint64_t limit;
    if (line != NULL && is_line_without_lf(w, line->text)) {
        sg_walk_bad(w, "edited", head->name.text, at, offset, proven,
                    "the end of record %llu was changed", number(w->standing.chain.seq + 1));
        w->report->torn_tail_open = is_open;
        return;
    }
    if (has_limit(w, segment, &limit) && limit > w->standing.chain.seq) {
        /* Where the file ends well it may be a segment between that is missing. */
        if (line == NULL && w->end_line > 0) {
            (void)!sg_walk_judge_orphans(w, &unused);
        }
        if (!w->decided) {
            sg_walk_bad(w, "cut", head->name.text, at, offset, proven,
                        "the file ends before record %llu, and the next segment says that it went "
                        "on to record %llu",
                        number(w->standing.chain.seq + 1), number(limit));
        }
        return;
    }
    if (is_open && w->is_written) {
        w->report->being_written = true;
    } else if (is_open) {
        sg_walk_bad(w, "cut", head->name.text, at, offset, proven,
                    line != NULL
                        ? "the log ends within a line; after a crash that is normal, and the next "
                          "start of the gateway declares it"
                        : "the segment has not even its first line; after a crash that is normal, "
                          "and the next start of the gateway declares it");
        w->report->torn_tail_open = true;
    } else {
        /* What should declare it is broken itself, or missing: that is what is wrong. */
        const struct sg_head *next = &w->heads.items[segment + 1];
        if (next->good && (!next->declaration.any || next->previous != SG_HEADS_NONE)) {
            sg_walk_bad(w, "cut", head->name.text, at, offset, proven,
                        "the file ends within a line, and the next segment does not declare it");
        }
    }
}

/* A line that is broken where the log ends, with nothing good behind it: maybe by a crash. */
static bool may_be_torn(const struct sg_walk *w, size_t segment)
{
    const struct sg_suspect *s = &w->suspect;
    return s->fit == SG_FIT_BROKEN && strcmp(s->kind, "edited") == 0 && !s->good_behind &&
           is_open_end(w, segment);
}

/* The suspect has seen all lines of the segment. */
static void end_suspect(struct sg_walk *w, size_t segment)
{
    const struct sg_declaration *declaration = declared(w, segment);
    const bool named = declaration != NULL && declaration->last_good_seq == w->suspect.first.seq &&
                       strlen(declaration->last_good_hash) == SG_DIGEST_HEX_BYTES;
    sg_suspect_end_segment(&w->suspect, named ? declaration->last_good_hash : NULL);
    if (w->suspect.mode != SG_SUSPECT_DECIDED) {
        return;
    }
    conclude(w);
    if (may_be_torn(w, segment)) {
        struct sg_audit_report *report = w->report;
        size_t length = strlen(report->text);
        (void)snprintf(report->text + length, sizeof report->text - length,
                       "; if it was a crash, the next start of the gateway declares it");
        report->torn_tail_open = true;
    }
}

static void close_segment(struct sg_walk *w, size_t segment)
{
    const struct sg_declaration *declaration = declared(w, segment);
    struct sg_witness_fault fault;
    const bool may_replay = declaration != NULL && strcmp(declaration->ended, "failed") == 0;
    if (!sg_witness_close(&w->witness, may_replay, &fault) && !w->decided &&
        w->suspect.mode == SG_SUSPECT_NONE) {
        sg_walk_bad_by_witness(w, &fault, segment);
    }
}

/* Whether the chain stands where the next segment says the last good line is. */
static bool is_at_limit(const struct sg_walk *w, size_t segment, uint64_t limit)
{
    const struct sg_declaration *declaration = declared(w, segment);
    const struct sg_suspect *s = &w->suspect;
    const struct sg_chain *chain = &w->standing.chain;
    if (s->mode == SG_SUSPECT_RUN || s->mode == SG_SUSPECT_FOLLOW) {
        return s->run.seq == limit;
    }
    return s->mode == SG_SUSPECT_NONE && w->standing.known && chain->seq == limit &&
           (declaration == NULL || declaration->last_good_hash[0] == '\0' ||
            memcmp(declaration->last_good_hash, chain->prev, sizeof chain->prev) == 0);
}

/*
 * Whether the chain has the number of the last good line, but another line: that was changed, as
 * the next segment will show, unless the true one follows here.
 */
static bool is_past_limit(const struct sg_walk *w, uint64_t limit, const struct sg_line *line)
{
    struct sg_chain_line parts;
    return w->suspect.mode == SG_SUSPECT_NONE && w->standing.known &&
           w->standing.chain.seq == limit &&
           !(sg_chain_parse(line->text, &parts) && parts.seq == limit);
}

/* A line behind the last one of a segment that ended well. */
static void behind_the_end(struct sg_walk *w, size_t segment, const struct sg_line *line)
{
    sg_walk_bad(
        w, "inserted", w->heads.items[segment].name.text, line->number, line->offset,
        w->report->records,
        "the line was put in: the next segment says that record %llu was the last of this file",
        number(w->standing.chain.seq));
}

static enum sg_status walk_lines(struct sg_walk *w, size_t segment, struct sg_lines *lines)
{
    struct sg_line line;
    uint64_t limit = 0;
    const bool limited = has_limit(w, segment, &limit);
    const bool keeps =
        limited && declared(w, segment) != NULL && sg_declaration_keeps_epoch(declared(w, segment));
    enum sg_status status;
    while ((status = sg_lines_next(lines, &line)) == SG_OK) {
        bool behind = limited && !w->decided && is_at_limit(w, segment, limit);
        w->ordinal++;
        if (behind && w->suspect.mode == SG_SUSPECT_NONE && keeps) {
            behind_the_end(w, segment, &line);
        }
        behind = behind || (limited && !w->decided && is_past_limit(w, limit, &line));
        if (w->decided || behind) {
            continue; /* only counted */
        }
        const uint64_t records = w->report->records;
        status = take(w, segment, &line);
        if (status != SG_OK) {
            return status;
        }
        if (w->report->records > records) {
            w->end_offset = line.offset + line.bytes;
            w->end_line = line.number;
        }
        if (w->suspect.mode == SG_SUSPECT_DECIDED) {
            conclude(w);
        }
        if (w->report->being_written) {
            break;
        }
    }
    return status == SG_NOT_FOUND ? SG_OK : status;
}

static enum sg_status open_segment(struct sg_walk *w, size_t segment, int *ret_fd,
                                   struct sg_error *reterr)
{
    struct stat about;
    const char *name = w->heads.items[segment].name.text;
    int fd = openat(w->directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        (void)sg_error_set(reterr, SG_IO, NULL, "cannot open %s: %s", name,
                           fd < 0 ? strerror(errno) : "it is not a regular file");
        if (fd >= 0) {
            (void)close(fd);
        }
        return SG_IO;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *ret_fd = fd;
    return SG_OK;
}

static enum sg_status read_lines(struct sg_walk *w, size_t segment, struct sg_error *reterr)
{
    struct sg_lines lines;
    int fd = -1;
    enum sg_status status = open_segment(w, segment, &fd, reterr);
    if (status != SG_OK) {
        return status;
    }
    sg_lines_init(&lines, fd);
    status = walk_lines(w, segment, &lines);
    if (status != SG_OK) {
        (void)sg_error_set(reterr, status, NULL, "cannot read %s: %s",
                           w->heads.items[segment].name.text,
                           status == SG_IO ? strerror(errno) : sg_status_name(status));
    }
    sg_lines_done(&lines);
    (void)close(fd);
    return status;
}

/* --- segments -------------------------------------------------------------------------------- */

/* A segment that the next one declares gone, and that is not there: its notes may be. */
static enum sg_status open_gone(struct sg_walk *w, size_t segment, struct sg_error *reterr)
{
    const struct sg_head *head = &w->heads.items[segment];
    struct sg_segment_name name;
    if (!head->good || !head->declaration.any || head->previous != SG_HEADS_NONE ||
        !sg_declaration_is_gone(&head->declaration) ||
        !sg_segment_name_parse(head->declaration.previous, &name)) {
        return SG_OK;
    }
    w->report->gone++;
    return sg_witness_open(&w->witness, &name, true, reterr);
}

static enum sg_status walk_segment(struct sg_walk *w, size_t segment, struct sg_error *reterr)
{
    const struct sg_head *head = &w->heads.items[segment];
    enum sg_status status = SG_OK;
    w->report->files++;
    if (!w->decided && head->extra_of != SG_HEADS_NONE && !sg_walk_judge_name(w, segment)) {
        return sg_witness_open(&w->witness, &head->name, true, reterr);
    }
    if (!w->decided) {
        status = open_gone(w, segment, reterr);
    }
    if (status == SG_OK && !w->decided && w->suspect.mode == SG_SUSPECT_NONE) {
        status = sg_walk_judge_head(w, segment, reterr);
    }
    if (status == SG_OK && !w->decided) {
        status = sg_witness_open(&w->witness, &head->name, false, reterr);
    }
    if (status != SG_OK) {
        return status;
    }
    if (w->decided) { /* only counted; what cannot be read is no news */
        struct sg_error unused;
        status = read_lines(w, segment, &unused);
        return status == SG_IO ? SG_OK : status;
    }
    if (w->suspect.mode == SG_SUSPECT_NONE) {
        w->end_offset = w->end_line = 0;
    }
    status = read_lines(w, segment, reterr);
    if (status != SG_OK || w->decided) {
        return status;
    }
    if (w->suspect.mode != SG_SUSPECT_NONE) {
        end_suspect(w, segment);
    } else if (!w->report->being_written) {
        uint64_t limit;
        bool short_of = has_limit(w, segment, &limit) && limit > w->standing.chain.seq;
        if (w->end_line == 0 || short_of) {
            ended_badly(w, segment, NULL);
        }
    }
    close_segment(w, segment);
    w->last_normal = (ptrdiff_t)segment;
    return SG_OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* STREAM says whose log this is; where it is not, the first line does. */
static void find_stream(struct sg_walk *w)
{
    char stream[SG_CHAIN_STREAM_BYTES + 1] = "";
    int fd = openat(w->directory_fd, "STREAM", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t count = read(fd, stream, SG_CHAIN_STREAM_BYTES);
        stream[count > 0 ? (size_t)count : 0] = '\0';
        (void)close(fd);
    }
    for (size_t i = 0;
         i < w->heads.count && strspn(stream, "0123456789abcdef") != SG_CHAIN_STREAM_BYTES; i++) {
        if (w->heads.items[i].good) {
            memcpy(stream, w->heads.items[i].stream, sizeof stream);
        }
    }
    memcpy(w->standing.chain.stream, stream, sizeof stream);
    memcpy(w->report->stream, stream, sizeof stream);
}

/* Before the first segment that is there: its name says what its first line is. */
static void begin_chain(struct sg_walk *w)
{
    struct sg_chain *chain = &w->standing.chain;
    size_t first = 0;
    while (first + 1 < w->heads.count && w->heads.items[first].extra_of != SG_HEADS_NONE) {
        first++;
    }
    const struct sg_segment_name *name = &w->heads.items[first].name;
    chain->seq = name->first_seq > 0 ? name->first_seq - 1 : 0;
    chain->epoch = 0; /* any is later */
    memset(chain->prev, '0', sizeof chain->prev);
    w->standing.known = false;
    if (chain->seq == 0 && w->heads.items[first].good) {
        /* The first line of all follows nothing; a segment from before may be torn or gone. */
        w->standing.known = true;
        chain->epoch = sg_declaration_keeps_epoch(&w->heads.items[first].declaration)
                           ? w->heads.items[first].epoch
                           : 0;
    }
}

static bool parse_time(const char time[SG_CLOCK_RFC3339_BYTES], int64_t *ret_us)
{
    return sg_clock_parse_rfc3339((struct sg_str){.p = time, .n = SG_CLOCK_RFC3339_BYTES}, ret_us);
}

static void fill_proof(const struct sg_walk *w, const struct sg_vouched *vouched, const char *time,
                       struct sg_audit_proof *ret)
{
    int64_t last_us = 0, time_us = 0;
    *ret = (struct sg_audit_proof){.any = vouched->any,
                                   .epoch = vouched->epoch,
                                   .seq = vouched->seq,
                                   .time_s = vouched->time_s,
                                   .records_behind = w->report->records - vouched->records};
    if (time != NULL && parse_time(time, &time_us)) {
        ret->time_s = time_us / 1000000;
    }
    if (parse_time(w->time, &last_us) && last_us / 1000000 > ret->time_s) {
        ret->seconds_behind = last_us / 1000000 - ret->time_s;
    }
}

static void fill_report(struct sg_walk *w)
{
    struct sg_audit_report *report = w->report;
    const struct sg_witness *witness = &w->witness;
    report->last_epoch = w->standing.chain.epoch;
    report->last_seq = report->records > 0 ? w->standing.chain.seq : 0;
    report->checkpoints = witness->checkpoints;
    if (witness->covered.any) {
        (void)snprintf(report->key, sizeof report->key, "%02x%02x%02x%02x", witness->key_id[0],
                       witness->key_id[1], witness->key_id[2], witness->key_id[3]);
        fill_proof(w, &witness->covered, NULL, &report->covered);
    }
    report->signatures_checked = witness->judges;
    report->key_changes = witness->keys.changes;
    report->key_changes_unproven = witness->keys.unproven;
    report->anchored = w->options->anchor != NULL;
    report->anchor_unread = witness->anchor.unread;
    report->anchor_lost = witness->anchor_lost;
    if (witness->anchored.any) {
        fill_proof(w, &witness->anchored, w->proven_time, &report->proven);
    }
    report->lines_behind = report->good ? 0 : w->ordinal - w->bad_ordinal;
}

static enum sg_status end_walk(struct sg_walk *w, struct sg_error *reterr)
{
    struct sg_witness_fault fault;
    if (!w->decided && w->suspect.mode != SG_SUSPECT_NONE) {
        sg_suspect_end(&w->suspect);
        conclude(w);
    }
    enum sg_status status = w->decided ? SG_OK : sg_walk_judge_orphans(w, reterr);
    if (status == SG_OK && !w->decided &&
        !sg_witness_end(&w->witness, w->first_epoch, w->report->begins_at, &fault)) {
        size_t last = w->last_normal >= 0 ? (size_t)w->last_normal : 0;
        sg_walk_bad_by_witness(w, &fault, last);
        if (strcmp(fault.kind, "removed") == 0 && fault.file[0] == '\0') {
            w->report->line = w->report->offset = w->report->proven_before = 0;
        }
    }
    return status;
}

enum sg_status sg_verify_pass(int directory_fd, const struct sg_audit_options *options,
                              bool is_written, struct sg_audit_report *ret, struct sg_error *reterr)
{
    struct sg_walk *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    *w = (struct sg_walk){.directory_fd = directory_fd,
                          .options = options,
                          .is_written = is_written,
                          .report = ret,
                          .last_normal = SG_HEADS_NONE};
    *ret = (struct sg_audit_report){.good = true};
    enum sg_status status = sg_heads_read(directory_fd, &w->heads, reterr);
    if (status == SG_OK) {
        find_stream(w);
        w->digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
        status = w->digest != NULL ? SG_OK : reterr->status;
    }
    if (status == SG_OK) {
        begin_chain(w);
        status = sg_witness_begin(&w->witness, directory_fd, w->standing.chain.stream,
                                  options->keys, options->anchor, reterr);
    }
    for (size_t i = 0; status == SG_OK && i < w->heads.count; i++) {
        status = walk_segment(w, i, reterr);
    }
    if (status == SG_OK) {
        status = end_walk(w, reterr);
    }
    if (status == SG_OK) {
        fill_report(w);
    }
    sg_witness_done(&w->witness);
    sg_digest_free(w->digest);
    sg_heads_done(&w->heads);
    free(w);
    return status;
}
