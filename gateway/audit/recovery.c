#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/crash.h"
#include "audit/journal_private.h"
#include "audit/members.h"
#include "text/json_out.h"

/*
 * One rule for every end: a segment that ended badly is never touched again, neither shortened,
 * renamed nor appended to. The next one has epoch + 1, follows the last line that is really on the
 * disk, and says in its first line how the old one ended. The first segment of a run and the first
 * after a failure are begun by the same code; what differs is who may have waited in between.
 *
 * After a failure the journal knows more than the disk: the last lines that a write took (recent),
 * and the records that none took (queue). Lines that do not read back are written again as replays,
 * with their old text inside; whole lines of a write that failed half-way read back and belong to
 * the chain, so their records are not written twice.
 */

enum { TEXT_BYTES_MAX = 4096, FIRST_BACKOFF_US = 100000, LAST_BACKOFF_US = 5000000 };

/* What the first line of a segment says of the one before. */
struct declaration {
    const char *ended; /* NULL: there is none before */
    const char *previous;
    const struct sg_ending *ending;
    const struct sg_writer_fault *fault; /* of "failed" */
    uint64_t lost_from, lost_to;         /* 0: nothing is lost */
};

/* --- the first line --------------------------------------------------------------------------- */

static const char *error_name(int error, char space[16])
{
    const char *name = strerrorname_np(error);
    (void)snprintf(space, 16, "%s", name != NULL ? name : "unknown");
    return space;
}

static void add_declaration(const struct sg_journal *journal, const struct declaration *d,
                            struct sg_buf *out)
{
    const struct sg_chain *chain = &journal->chain;
    char name[16];
    sg_buf_printf(out, ",\"previous\":\"%s\",\"ended\":\"%s\",\"last_good_seq\":%llu", d->previous,
                  d->ended, (unsigned long long)chain->seq);
    sg_buf_printf(out, ",\"last_good_hash\":\"%.*s\",\"extra_bytes\":%llu", SG_DIGEST_HEX_BYTES,
                  chain->prev, (unsigned long long)d->ending->extra_bytes);
    if (d->ending->extra_bytes > 0) {
        sg_buf_printf(out, ",\"extra_sha256\":\"%.*s\"", SG_DIGEST_HEX_BYTES,
                      d->ending->extra_sha256);
    }
    if (d->fault != NULL) {
        sg_buf_printf(out, ",\"op\":\"%s\"", d->fault->operation);
        if (d->fault->error != 0) {
            sg_buf_printf(out, ",\"errno\":\"%s\"", error_name(d->fault->error, name));
        }
    }
    if (d->lost_to > 0) {
        sg_buf_printf(out, ",\"lost_from\":%llu,\"lost_to\":%llu", (unsigned long long)d->lost_from,
                      (unsigned long long)d->lost_to);
    }
}

/* Frame the first line into batch. */
static bool frame_first(struct sg_journal *journal, const struct declaration *declaration)
{
    struct sg_buf text;
    char time[SG_CLOCK_RFC3339_BYTES];
    sg_clock_format_rfc3339(sg_clock_realtime_us(journal->clock), time);
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_buf_printf(&text, "\"time\":\"%.*s\",\"event\":\"segment\",\"version\":\"%s\"",
                  (int)sizeof time, time, journal->version);
    if (declaration->ended != NULL) {
        add_declaration(journal, declaration, &text);
    }
    bool good =
        !sg_buf_failed(&text) && sg_chain_append(&journal->chain, journal->digest,
                                                 sg_buf_str(&text), &journal->batch) == SG_OK;
    sg_buf_done(&text);
    return good;
}

/* --- replays ---------------------------------------------------------------------------------- */

/* Walk the recent lines of the epoch; the first of them is *at. False: no more. */
static bool next_recent(struct sg_str *at, struct sg_str *ret_line, struct sg_chain_line *ret)
{
    while (at->n > 0) {
        size_t end = sg_str_find(*at, '\n');
        *ret_line = sg_str_slice(*at, 0, end);
        *at = sg_str_slice(*at, end + 1, at->n);
        if (sg_chain_parse(*ret_line, ret)) {
            return true;
        }
    }
    return false;
}

/* What of the lines behind `from` up to `to` cannot be replayed, since nobody has it any more. */
static void find_lost(const struct sg_journal *journal, uint64_t from, uint64_t to,
                      struct declaration *d)
{
    struct sg_str rest = sg_buf_str(&journal->recent), line;
    struct sg_chain_line parts;
    uint64_t oldest = to + 1;
    if (next_recent(&rest, &line, &parts)) {
        oldest = parts.seq;
    }
    if (from + 1 < oldest && from < to) {
        d->lost_from = from + 1;
        d->lost_to = oldest - 1;
    }
}

/*
 * Frame a replay of each recent line behind `from`. A segment's first line is not replayed: the new
 * one takes its place; a replay is written as it was, not wrapped again.
 */
static bool frame_replays(struct sg_journal *journal, uint64_t from, uint64_t *ret_count)
{
    struct sg_str rest = sg_buf_str(&journal->recent), line;
    struct sg_chain_line parts;
    struct sg_buf text;
    bool good = true;
    *ret_count = 0;
    sg_buf_init(&text, 2 * RECENT_BYTES);
    while (good && next_recent(&rest, &line, &parts)) {
        struct sg_str event = sg_members_find_text(parts.text, "event");
        if (parts.seq <= from || sg_str_equal(event, SG_STR("segment"))) {
            continue;
        }
        sg_buf_clear(&text);
        if (sg_str_equal(event, SG_STR("replay"))) {
            sg_buf_add_str(&text, parts.text);
        } else {
            char time[SG_CLOCK_RFC3339_BYTES];
            sg_clock_format_rfc3339(sg_clock_realtime_us(journal->clock), time);
            sg_buf_add_text(&text, "\"time\":\"");
            sg_buf_add(&text, time, sizeof time);
            sg_buf_add_text(&text, "\",\"event\":\"replay\",\"original\":");
            sg_json_add_string(&text, line);
        }
        good =
            !sg_buf_failed(&text) && sg_chain_append(&journal->chain, journal->digest,
                                                     sg_buf_str(&text), &journal->batch) == SG_OK;
        (*ret_count)++;
    }
    sg_buf_done(&text);
    return good;
}

/* --- a segment -------------------------------------------------------------------------------- */

/* A new file with the batch's lines: it, its room and its name on the disk. */
static bool fill_file(struct sg_journal *journal, struct sg_writer *writer,
                      struct sg_writer_fault *ret)
{
    if (!sg_writer_allocate(writer, AHEAD_BYTES + journal->batch.n, ret) ||
        !sg_writer_write(writer, sg_buf_str(&journal->batch), ret) ||
        !sg_writer_sync(writer, ret)) {
        return false;
    }
    if (fsync(journal->folder.fd) != 0) {
        *ret = (struct sg_writer_fault){.operation = "fsync of the directory", .error = errno};
        return false;
    }
    return true;
}

/* The new file is the segment now, and what was queued is in it. */
static void adopt(struct sg_journal *journal, const struct sg_writer *writer, uint64_t first_seq)
{
    const size_t bytes = journal->batch.n;
    if (journal->chain.epoch != journal->written.epoch) {
        sg_buf_clear(&journal->recent); /* replays are of the epoch's own lines */
        journal->epoch_first_seq = first_seq;
    }
    sg_writer_close(&journal->writer, true);
    journal->writer = *writer;
    journal->segment_begun_us = sg_clock_monotonic_us(journal->clock);
    journal->segment_first_bytes = bytes;
    atomic_fetch_add(&journal->counters.segments, 1);
    sg_journal_took_batch(journal, journal->chain.seq - first_seq + 1);
}

/*
 * Begin the segment whose lines are in batch, for the epoch that chain stands at. What cannot be
 * finished is taken away again, since nobody was told of it; where even that fails its lines count
 * as written, to be read back, and *ret_left is set.
 */
static bool begin_segment(struct sg_journal *journal, uint64_t first_seq, bool *ret_left,
                          struct sg_writer_fault *ret)
{
    struct sg_writer writer;
    *ret_left = false;
    sg_journal_begin_operation(journal);
    bool good = sg_writer_create(&writer, journal->folder.fd, journal->chain.epoch, first_seq, ret);
    if (good) {
        journal->last_epoch = journal->chain.epoch;
        good = fill_file(journal, &writer, ret);
        if (good) {
            adopt(journal, &writer, first_seq);
            atomic_store(&journal->full, false);
            sg_journal_is_durable(journal);
        } else {
            sg_writer_close(&writer, false);
            if (unlinkat(journal->folder.fd, writer.name.text, 0) != 0) {
                *ret_left = true;
                adopt(journal, &writer, first_seq);
            }
        }
    }
    sg_journal_end_operation(journal);
    return good;
}

/* --- start ------------------------------------------------------------------------------------ */

static enum sg_status refuse_damage(const struct sg_journal *journal,
                                    const struct sg_ending *ending, struct sg_error *reterr)
{
    return sg_error_set(
        reterr, SG_IO, NULL,
        "%s/%s is damaged at line %llu (%s) and audit.on_damage is refuse; look into it with: "
        "signgate audit verify %s, then set audit.on_damage: continue to go on in a new epoch",
        journal->folder.path, ending->bad_segment.text, (unsigned long long)ending->bad_line,
        ending->bad_kind, journal->folder.path);
}

static enum sg_status take_outcome(void *arg, struct sg_str text)
{
    return sg_journal_enqueue(arg, text) ? SG_OK : SG_NO_MEMORY;
}

/* What is there: how it ended, its last note, and what a crash has left open. */
static enum sg_status read_past(struct sg_journal *journal, bool refuse_on_damage,
                                struct sg_ending *ret, struct sg_error *reterr)
{
    enum sg_status status = sg_ending_read(journal->folder.fd, false, &journal->chain, ret, reterr);
    if (status == SG_OK && ret->damaged && refuse_on_damage) {
        return refuse_damage(journal, ret, reterr);
    }
    if (status == SG_OK) {
        status =
            sg_checkpoint_load(&journal->checkpoint, journal->folder.fd, journal->digest, reterr);
    }
    if (status == SG_OK && ret->any && !ret->clean) {
        status =
            sg_crash_outcomes(journal->folder.path, journal->clock, take_outcome, journal, reterr);
    }
    return status;
}

enum sg_status sg_journal_begin(struct sg_journal *journal, bool refuse_on_damage,
                                struct sg_error *reterr)
{
    struct sg_chain *chain = &journal->chain;
    struct sg_ending ending;
    struct sg_writer_fault fault;
    bool left;
    enum sg_status status = sg_folder_open(&journal->folder, reterr);
    if (status == SG_OK) {
        memcpy(chain->stream, journal->folder.stream, sizeof chain->stream);
        memset(chain->prev, '0', sizeof chain->prev);
        status = read_past(journal, refuse_on_damage, &ending, reterr);
    }
    if (status != SG_OK) {
        return status;
    }
    const struct declaration declaration = {
        .ended = !ending.any      ? NULL
                 : ending.damaged ? "damaged"
                 : ending.clean   ? "clean"
                                  : "torn",
        .previous = ending.last.text,
        .ending = &ending,
    };
    if (!ending.any) {
        chain->epoch = 1;
    } else if (!ending.clean) {
        chain->epoch = (ending.last.epoch > chain->epoch ? ending.last.epoch : chain->epoch) + 1;
    }
    const uint64_t first_seq = chain->seq + 1;
    if (!frame_first(journal, &declaration) || !sg_journal_frame(journal, 0, &fault)) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    if (!begin_segment(journal, first_seq, &left, &fault)) {
        errno = fault.error;
        return sg_folder_error(&journal->folder, "cannot be written",
                               "make room, or correct its owner", reterr);
    }
    return SG_OK;
}

/* --- rotation --------------------------------------------------------------------------------- */

bool sg_journal_turn_over(struct sg_journal *journal)
{
    const struct sg_ending nothing = {.any = true};
    struct sg_segment_name before = journal->writer.name;
    struct sg_writer_fault fault;
    bool left = false;
    sg_journal_begin_operation(journal);
    bool good = sg_writer_sync(&journal->writer, &fault);
    sg_journal_end_operation(journal);
    if (!good) {
        sg_journal_fail(journal, &fault);
        return false;
    }
    sg_journal_is_durable(journal);
    const struct declaration declaration = {
        .ended = "rotated", .previous = before.text, .ending = &nothing};
    const uint64_t first_seq = journal->chain.seq + 1;
    const uint64_t news = journal->checkpoint.records;
    if (frame_first(journal, &declaration) && begin_segment(journal, first_seq, &left, &fault)) {
        journal->checkpoint.records = news; /* its first line is none */
        return true;
    }
    if (left) {
        sg_journal_fail(journal, &fault);
    } else { /* the present segment goes on, and the next second tries again */
        journal->chain = journal->written;
        sg_buf_clear(&journal->batch);
    }
    return false;
}

/* --- recovery --------------------------------------------------------------------------------- */

/* The record of a recovery. */
static void enqueue_recovered(struct sg_journal *journal, uint64_t count)
{
    struct sg_buf text;
    char time[SG_CLOCK_RFC3339_BYTES], cause[SG_JOURNAL_CAUSE_BYTES];
    sg_clock_format_rfc3339(sg_clock_realtime_us(journal->clock), time);
    sg_journal_cause(journal, cause);
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_buf_add_text(&text, "\"time\":\"");
    sg_buf_add(&text, time, sizeof time);
    sg_buf_add_text(&text, "\",\"event\":\"recovered\",\"reason\":");
    sg_json_add_string(&text, sg_str_from(cause));
    sg_buf_printf(&text, ",\"count\":%llu,\"duration_us\":%lld", (unsigned long long)count,
                  (long long)(sg_clock_monotonic_us(journal->clock) - journal->failed_us));
    if (!sg_buf_failed(&text)) {
        (void)sg_journal_enqueue(journal, sg_buf_str(&text));
    }
    sg_buf_done(&text);
}

static void try_later(struct sg_journal *journal, const char *cause)
{
    int64_t next_us = 2 * journal->backoff_us;
    next_us = next_us < FIRST_BACKOFF_US ? FIRST_BACKOFF_US : next_us;
    journal->backoff_us = next_us < LAST_BACKOFF_US ? next_us : LAST_BACKOFF_US;
    journal->recover_us = sg_clock_monotonic_us(journal->clock) + journal->backoff_us;
    atomic_store(&journal->tried, true);
    if (cause != NULL) {
        sg_journal_set_cause(journal, cause);
    }
}

/* Read what the disk holds; false: it cannot be read now. */
static bool read_back(struct sg_journal *journal, struct sg_chain *ret_found,
                      struct sg_ending *ret_ending)
{
    struct sg_error error = {.text = ""};
    sg_journal_begin_operation(journal);
    enum sg_status status = sg_folder_open(&journal->folder, &error);
    *ret_found = (struct sg_chain){.seq = 0};
    memcpy(ret_found->stream, journal->folder.stream, sizeof ret_found->stream);
    memset(ret_found->prev, '0', sizeof ret_found->prev);
    if (status == SG_OK) {
        status = sg_ending_read(journal->folder.fd, true, ret_found, ret_ending, &error);
    }
    sg_journal_end_operation(journal);
    if (status != SG_OK) {
        try_later(journal, error.text);
    }
    return status == SG_OK;
}

/* An epoch that no file and no line has had yet. */
static uint64_t next_epoch(const struct sg_journal *journal, const struct sg_ending *ending)
{
    uint64_t epoch = journal->last_epoch;
    return (ending->any && ending->last.epoch > epoch ? ending->last.epoch : epoch) + 1;
}

void sg_journal_recover(struct sg_journal *journal)
{
    struct sg_ending ending;
    struct sg_chain found;
    if (!read_back(journal, &found, &ending)) {
        return;
    }
    const bool same_epoch = found.epoch == journal->written.epoch;
    const uint64_t from = same_epoch ? found.seq : journal->epoch_first_seq - 1;
    const uint64_t first_seq = found.seq + 1;
    /* Whole lines of a write that failed half-way: what they say is in the log. */
    const uint64_t recorded =
        same_epoch && found.seq > journal->written.seq ? found.seq - journal->written.seq : 0;
    const struct sg_segment_name previous = journal->writer.name;
    struct sg_writer_fault fault = journal->fault;
    struct declaration declaration = {
        .ended = "failed", .previous = previous.text, .ending = &ending, .fault = &fault};
    uint64_t replayed = 0;
    bool left = false;
    find_lost(journal, from, journal->written.seq, &declaration);
    const struct sg_chain written = journal->written;
    journal->chain = found;
    journal->chain.epoch = next_epoch(journal, &ending);
    sg_buf_clear(&journal->batch);
    bool framed = frame_first(journal, &declaration) && frame_replays(journal, from, &replayed) &&
                  sg_journal_frame(journal, recorded, &fault);
    if (framed && begin_segment(journal, first_seq, &left, &fault)) {
        atomic_store(&journal->failed, false);
        atomic_store(&journal->tried, false);
        atomic_fetch_add(&journal->counters.recoveries, 1);
        atomic_fetch_add(&journal->counters.replayed, replayed);
        atomic_fetch_add(&journal->counters.lost,
                         declaration.lost_to > 0 ? declaration.lost_to - declaration.lost_from + 1
                                                 : 0);
        enqueue_recovered(journal, replayed);
        return;
    }
    if (!left) {
        journal->chain = written;
        sg_buf_clear(&journal->batch);
    }
    char cause[SG_JOURNAL_CAUSE_BYTES];
    sg_writer_fault_text(&fault, cause, sizeof cause);
    try_later(journal, framed ? cause : "out of memory");
}
