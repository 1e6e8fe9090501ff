#include "server/shipper.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/retain.h"
#include "audit/sink_cursor.h"
#include "base/object.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/memory.h"
#include "server/anchor.h"
#include "server/sink.h"
#include "server/stats.h"

/*
 * Two sides. The supervisor's: which snapshot is in force, the figures of its sinks, the anchor;
 * what it wants it posts. The thread's: its loop, and the sinks that are open.
 *
 * A change names the sinks that are wanted. One that runs and has the same receiver takes the new
 * specification over; one that has another receiver finishes first, so that its position is saved,
 * and only then the new one of its name begins there. Sinks that nobody wants finish and go. In
 * between, nothing is deleted: every sink that is wanted must have said where it is.
 */

enum {
    SHIPPER_MAGIC = 0x53475348,
    FINISH_MS = 5000,
    RETAIN_MS = 60000,
    COUNT_MS = 1000,
    HOST_BYTES = 256,
};

/* Messages to the thread. */
enum { MESSAGE_TAKE = 1, MESSAGE_FINISH };

struct sg_shipper_change {
    struct sg_message message;
    const struct sg_snapshot *snapshot;   /* counted */
    struct sg_sink_figures **figures;     /* of its sinks, in their order; each counted */
    bool *open;                           /* whether the thread has opened it, or had it open */
    struct sg_anchor *anchor;             /* counted; NULL: none */
    struct sg_anchor *new_anchor;         /* owned until it is committed; NULL: the one before */
    struct sg_shipper_change *for_thread; /* the same, with counts of its own */
};

/* A sink that is open, or still closing. */
struct running {
    struct running *next;
    struct sg_sink *sink;
};

struct sg_shipper {
    uint32_t magic;
    struct sg_shipper_options options;
    char *directory;
    char stream[SG_CHAIN_STREAM_BYTES + 1];
    char host[HOST_BYTES];
    /* the supervisor's */
    struct sg_shipper_change *in_force; /* NULL: none yet */
    struct sg_anchor *anchor;
    bool started;
    pthread_t thread;
    sem_t build_done;
    struct sg_error error; /* of the build */
    bool built;
    struct sg_mailbox *mailbox;
    /* the thread's */
    struct sg_loop *loop;
    struct sg_sink_world world;
    struct sg_shipper_change *wanted;
    struct running *running;
    struct sg_note_walk *notes;
    uint64_t note_count;
    bool finishing;
    int64_t finish_by_ms;
    bool retaining_fails;
    bool no_memory; /* was said */
    int64_t retained_ms, counted_ms;
};

/* --- changes ---------------------------------------------------------------------------------- */

void sg_shipper_change_free(struct sg_shipper_change *change)
{
    if (change == NULL) {
        return;
    }
    sg_shipper_change_free(change->for_thread);
    for (size_t i = 0; change->figures != NULL && i < change->snapshot->sink_count; i++) {
        sg_sink_figures_unref(change->figures[i]);
    }
    sg_anchor_unref(change->anchor);
    sg_anchor_finish(change->new_anchor, 0);
    free(change->figures);
    free(change->open);
    (void)sg_snapshot_unref(change->snapshot);
    free(change);
}

/* The figures of a sink go on over a reload, by its name. */
static struct sg_sink_figures *figures_of(const struct sg_shipper_change *before, const char *name)
{
    for (size_t i = 0; before != NULL && i < before->snapshot->sink_count; i++) {
        if (strcmp(before->figures[i]->name, name) == 0) {
            return sg_sink_figures_ref(before->figures[i]);
        }
    }
    return sg_sink_figures_new(name);
}

static struct sg_shipper_change *change_new(const struct sg_shipper_change *before,
                                            const struct sg_snapshot *snapshot,
                                            struct sg_anchor *anchor)
{
    struct sg_shipper_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return NULL;
    }
    change->snapshot = sg_snapshot_ref(snapshot);
    change->anchor = sg_anchor_ref(anchor);
    change->figures = calloc(snapshot->sink_count + 1, sizeof(struct sg_sink_figures *));
    change->open = calloc(snapshot->sink_count + 1, sizeof(bool));
    bool good = change->figures != NULL && change->open != NULL;
    for (size_t i = 0; good && i < snapshot->sink_count; i++) {
        change->figures[i] = figures_of(before, snapshot->sinks[i].settings->name);
        good = change->figures[i] != NULL;
    }
    if (!good) {
        sg_shipper_change_free(change);
        return NULL;
    }
    return change;
}

/* --- the thread: sinks ------------------------------------------------------------------------ */

static struct sg_sink *find_running(const struct sg_shipper *shipper, const char *name)
{
    for (struct running *at = shipper->running; at != NULL; at = at->next) {
        if (strcmp(sg_sink_name(at->sink), name) == 0) {
            return at->sink;
        }
    }
    return NULL;
}

/* Open a sink that is wanted and not there yet; without memory the next tick tries again. */
static void open_sink(struct sg_shipper *shipper, size_t index)
{
    const struct sg_shipper_change *wanted = shipper->wanted;
    struct running *running = calloc(1, sizeof *running);
    if (running != NULL) {
        running->sink = sg_sink_new(&shipper->world, wanted->snapshot,
                                    &wanted->snapshot->sinks[index], wanted->figures[index]);
        if (running->sink != NULL) {
            running->next = shipper->running;
            shipper->running = running;
            wanted->open[index] = true;
            if (shipper->finishing) {
                sg_sink_finish(running->sink, FINISH_MS);
            }
            return;
        }
        free(running);
    }
    if (!shipper->no_memory) {
        shipper->no_memory = true;
        sg_log_event(shipper->options.log, SG_LOG_ERROR, "no memory for an audit sink",
                     SG_LOG_TEXT_FIELD("sink", sg_str_from(wanted->figures[index]->name)));
    }
}

/* Open what is wanted; a sink of the same name must have ended before. */
static void open_wanted(struct sg_shipper *shipper)
{
    for (size_t i = 0; shipper->wanted != NULL && i < shipper->wanted->snapshot->sink_count; i++) {
        if (!shipper->wanted->open[i] &&
            find_running(shipper, shipper->wanted->figures[i]->name) == NULL) {
            open_sink(shipper, i);
        }
    }
}

/* The specification that is wanted under a name: its index, or that of none. */
static size_t find_wanted(const struct sg_shipper *shipper, const char *name)
{
    const struct sg_shipper_change *wanted = shipper->wanted;
    size_t i = 0;
    while (i < wanted->snapshot->sink_count && strcmp(wanted->figures[i]->name, name) != 0) {
        i++;
    }
    return i;
}

/* Another configuration is in force. */
static void take(struct sg_shipper *shipper, struct sg_shipper_change *change)
{
    struct sg_shipper_change *before = shipper->wanted;
    shipper->wanted = change;
    shipper->retained_ms = 0;
    for (struct running *at = shipper->running; at != NULL; at = at->next) {
        const size_t i = find_wanted(shipper, sg_sink_name(at->sink));
        if (i < change->snapshot->sink_count &&
            sg_sink_adopt(at->sink, change->snapshot, &change->snapshot->sinks[i])) {
            change->open[i] = true;
        } else {
            sg_sink_finish(at->sink, FINISH_MS);
        }
    }
    if (before == NULL || before->anchor != change->anchor) {
        sg_note_walk_free(shipper->notes);
        shipper->notes = change->anchor != NULL ? sg_note_walk_new(shipper->directory) : NULL;
        shipper->note_count = 0;
    }
    sg_shipper_change_free(before);
    open_wanted(shipper);
}

static void finish(struct sg_shipper *shipper)
{
    shipper->finishing = true;
    shipper->finish_by_ms = sg_loop_now_ms(shipper->loop) + FINISH_MS;
    for (struct running *at = shipper->running; at != NULL; at = at->next) {
        sg_sink_finish(at->sink, FINISH_MS);
    }
}

static void free_over(struct sg_shipper *shipper, bool all)
{
    struct running **at = &shipper->running;
    while (*at != NULL) {
        struct running *running = *at;
        if (all || sg_sink_is_over(running->sink)) {
            *at = running->next;
            sg_sink_free(running->sink);
            free(running);
        } else {
            at = &running->next;
        }
    }
}

/* --- the thread: segments and notes ----------------------------------------------------------- */

/* Count the notes of the log for the anchor's lag; the anchor's thread may hang. */
static void count_notes(struct sg_shipper *shipper)
{
    struct sg_note_head head;
    struct sg_error error;
    struct sg_str note;
    if (shipper->notes == NULL || shipper->wanted == NULL) {
        return;
    }
    while (sg_note_walk_next(shipper->notes, &note, &head, &error) == SG_OK) {
        shipper->note_count++;
    }
    sg_anchor_set_notes(shipper->wanted->anchor, shipper->note_count);
}

static void say_deleted(void *arg, const struct sg_segment_name *segment, int64_t written_us)
{
    struct sg_shipper *shipper = SG_CAST(struct sg_shipper, SHIPPER_MAGIC, arg);
    char time[SG_CLOCK_RFC3339_BYTES];
    sg_clock_format_rfc3339(written_us, time);
    sg_log_event(shipper->options.log, SG_LOG_INFO, "an old audit segment was deleted",
                 SG_LOG_TEXT_FIELD("segment", sg_str_from(segment->text)),
                 SG_LOG_TEXT_FIELD("written", ((struct sg_str){.p = time, .n = sizeof time})));
}

/* The first segment that somebody has not behind; false: somebody has not said yet. */
static bool find_passed(const struct sg_shipper *shipper, struct sg_note_head *ret)
{
    const struct sg_shipper_change *wanted = shipper->wanted;
    *ret = wanted->anchor != NULL ? sg_anchor_passed(wanted->anchor)
                                  : (struct sg_note_head){.epoch = UINT64_MAX, .seq = UINT64_MAX};
    for (size_t i = 0; i < wanted->snapshot->sink_count; i++) {
        const struct sg_sink *sink = find_running(shipper, wanted->figures[i]->name);
        struct sg_follow_position saved;
        if (sink == NULL || sg_sink_is_finishing(sink) || !sg_sink_saved(sink, &saved)) {
            return false;
        }
        const struct sg_note_head at = {.epoch = saved.epoch, .seq = saved.first_seq};
        if (sg_note_head_compare(&at, ret) < 0) {
            *ret = at;
        }
    }
    return true;
}

static void retain(struct sg_shipper *shipper)
{
    struct sg_note_head passed;
    struct sg_error error;
    const int64_t retain_ms =
        shipper->wanted != NULL ? shipper->wanted->snapshot->settings.audit.retain_ms : 0;
    if (retain_ms == 0 || !find_passed(shipper, &passed)) {
        return;
    }
    const struct sg_retain order = {
        .directory = shipper->directory,
        .before_us = sg_clock_realtime_us(shipper->options.clock) - retain_ms * 1000,
        .passed_epoch = passed.epoch,
        .passed_first_seq = passed.seq,
        .on_deleted = say_deleted,
        .arg = shipper,
    };
    if (sg_retain_run(&order, &error) == SG_OK) {
        shipper->retaining_fails = false;
    } else if (!shipper->retaining_fails) {
        shipper->retaining_fails = true;
        sg_log_event(shipper->options.log, SG_LOG_ERROR, "old audit segments cannot be deleted",
                     SG_LOG_TEXT_FIELD("error", sg_str_from(error.text)));
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static void on_tick(void *arg)
{
    struct sg_shipper *shipper = SG_CAST(struct sg_shipper, SHIPPER_MAGIC, arg);
    const int64_t now_ms = sg_loop_now_ms(shipper->loop);
    for (struct running *at = shipper->running; at != NULL; at = at->next) {
        sg_sink_tick(at->sink);
    }
    free_over(shipper, false);
    open_wanted(shipper);
    if (shipper->finishing) {
        if (shipper->running == NULL || now_ms >= shipper->finish_by_ms) {
            sg_loop_stop(shipper->loop);
        }
        return;
    }
    if (now_ms - shipper->counted_ms >= COUNT_MS) {
        shipper->counted_ms = now_ms;
        count_notes(shipper);
    }
    if (shipper->retained_ms == 0 || now_ms - shipper->retained_ms >= RETAIN_MS) {
        shipper->retained_ms = now_ms;
        retain(shipper);
    }
}

static void on_message(void *arg, struct sg_message *message)
{
    struct sg_shipper *shipper = SG_CAST(struct sg_shipper, SHIPPER_MAGIC, arg);
    switch (message->kind) {
    case MESSAGE_TAKE:
        take(shipper, (struct sg_shipper_change *)message);
        return; /* it is part of the change */
    case MESSAGE_FINISH:
        finish(shipper);
        break;
    default:
        abort(); /* our own bug */
    }
    free(message);
}

/* On the shipper's thread: what libevent allocates here is freed here (net/memory). */
static enum sg_status build(struct sg_shipper *shipper, struct sg_error *reterr)
{
    shipper->loop = sg_loop_new(shipper->options.clock, reterr);
    if (shipper->loop == NULL) {
        return reterr->status;
    }
    shipper->mailbox = sg_mailbox_new(shipper->loop, on_message, shipper, reterr);
    if (shipper->mailbox == NULL) {
        return reterr->status;
    }
    shipper->world = (struct sg_sink_world){
        .loop = shipper->loop,
        .resolver = shipper->options.resolver,
        .log = shipper->options.log,
        .directory = shipper->directory,
        .stream = shipper->stream,
        .sender = {.host = shipper->host, .process = (unsigned long)getpid()},
        .user_agent = shipper->options.user_agent,
    };
    sg_loop_add_tick(shipper->loop, on_tick, shipper);
    return SG_OK;
}

static void dismantle(struct sg_shipper *shipper)
{
    if (shipper->mailbox != NULL) {
        sg_mailbox_detach(shipper->mailbox);
    }
    free_over(shipper, true);
    sg_shipper_change_free(shipper->wanted);
    shipper->wanted = NULL;
    sg_note_walk_free(shipper->notes);
    if (shipper->loop != NULL) {
        sg_loop_run_deferred(shipper->loop);
        sg_loop_free(shipper->loop);
    }
}

static void *thread_main(void *arg)
{
    struct sg_shipper *shipper = SG_CAST(struct sg_shipper, SHIPPER_MAGIC, arg);
    const bool built = build(shipper, &shipper->error) == SG_OK;
    shipper->built = built; /* the supervisor's, from here on */
    (void)sem_post(&shipper->build_done);
    if (built) {
        sg_loop_run(shipper->loop);
    }
    dismantle(shipper);
    sg_memory_thread_done();
    return NULL;
}

/* --- the supervisor's side -------------------------------------------------------------------- */

static enum sg_status start(struct sg_shipper *shipper, struct sg_error *reterr)
{
    enum sg_status status = sg_sink_stream_read(shipper->directory, shipper->stream, reterr);
    if (status != SG_OK) {
        return status;
    }
    if (gethostname(shipper->host, sizeof shipper->host - 1) != 0) {
        shipper->host[0] = '\0';
    }
    if (pthread_create(&shipper->thread, NULL, thread_main, shipper) != 0) {
        return sg_error_set(reterr, SG_IO, NULL, "cannot start the thread of audit.sinks");
    }
    while (sem_wait(&shipper->build_done) != 0) {
        continue; /* interrupted */
    }
    if (!shipper->built) {
        (void)pthread_join(shipper->thread, NULL);
        sg_mailbox_free(shipper->mailbox);
        shipper->mailbox = NULL;
        *reterr = shipper->error;
        return reterr->status;
    }
    shipper->started = true;
    return SG_OK;
}

/* The anchor that a snapshot asks for: the present one, a new one (*ret_new), or none. */
static enum sg_status find_anchor(struct sg_shipper *shipper, const char *folder,
                                  struct sg_anchor **ret, struct sg_anchor **ret_new,
                                  struct sg_error *reterr)
{
    *ret = *ret_new = NULL;
    if (folder == NULL) {
        return SG_OK;
    }
    if (shipper->anchor != NULL && strcmp(sg_anchor_folder(shipper->anchor), folder) == 0) {
        *ret = shipper->anchor;
        return SG_OK;
    }
    const struct sg_anchor_options options = {
        .directory = shipper->directory,
        .stream = shipper->stream,
        .folder = folder,
        .log = shipper->options.log,
    };
    *ret = *ret_new = sg_anchor_new(&options, reterr);
    return *ret != NULL ? SG_OK : reterr->status;
}

struct sg_shipper_change *sg_shipper_prepare(struct sg_shipper *shipper,
                                             const struct sg_snapshot *snapshot,
                                             struct sg_error *reterr)
{
    const struct sg_audit_settings *audit = &snapshot->settings.audit;
    struct sg_anchor *anchor = NULL, *new_anchor = NULL;
    const bool needed = snapshot->sink_count > 0 || audit->anchor != NULL || audit->retain_ms > 0;
    if (needed && !shipper->started && start(shipper, reterr) != SG_OK) {
        return NULL;
    }
    if (find_anchor(shipper, audit->anchor, &anchor, &new_anchor, reterr) != SG_OK) {
        return NULL;
    }
    struct sg_shipper_change *change = change_new(shipper->in_force, snapshot, anchor);
    if (change != NULL) {
        change->for_thread = change_new(change, snapshot, anchor);
    }
    if (change == NULL || change->for_thread == NULL) {
        sg_shipper_change_free(change);
        sg_anchor_finish(new_anchor, 0);
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    change->new_anchor = new_anchor;
    return change;
}

void sg_shipper_commit(struct sg_shipper *shipper, struct sg_shipper_change *change)
{
    struct sg_shipper_change *for_thread = change->for_thread;
    change->for_thread = NULL;
    if (change->anchor != shipper->anchor) {
        sg_anchor_finish(shipper->anchor, 0);
        shipper->anchor = change->new_anchor;
    }
    change->new_anchor = NULL;
    sg_shipper_change_free(shipper->in_force);
    shipper->in_force = change;
    if (shipper->started) {
        for_thread->message.kind = MESSAGE_TAKE;
        sg_mailbox_post(shipper->mailbox, &for_thread->message);
    } else {
        sg_shipper_change_free(for_thread);
    }
}

struct sg_shipper *sg_shipper_new(const struct sg_shipper_options *options,
                                  const struct sg_snapshot *snapshot, struct sg_error *reterr)
{
    struct sg_shipper *shipper = calloc(1, sizeof *shipper);
    char *directory = strdup(snapshot->settings.audit.directory);
    if (shipper == NULL || directory == NULL) {
        free(shipper);
        free(directory);
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    shipper->magic = SHIPPER_MAGIC;
    shipper->options = *options;
    shipper->directory = directory;
    (void)sem_init(&shipper->build_done, 0, 0);
    struct sg_shipper_change *change = sg_shipper_prepare(shipper, snapshot, reterr);
    if (change == NULL) {
        sg_shipper_finish(shipper);
        return NULL;
    }
    sg_shipper_commit(shipper, change);
    return shipper;
}

void sg_shipper_finish(struct sg_shipper *shipper)
{
    if (shipper == NULL) {
        return;
    }
    const int64_t began_ms = sg_clock_monotonic_us(shipper->options.clock) / 1000;
    if (shipper->started) {
        struct sg_message *message = calloc(1, sizeof *message);
        if (message == NULL) {
            abort(); /* it must arrive; a process without 16 bytes is at its end */
        }
        message->kind = MESSAGE_FINISH;
        sg_mailbox_post(shipper->mailbox, message);
        (void)pthread_join(shipper->thread, NULL);
        sg_mailbox_free(shipper->mailbox);
    }
    const int64_t left_ms =
        FINISH_MS - (sg_clock_monotonic_us(shipper->options.clock) / 1000 - began_ms);
    sg_shipper_change_free(shipper->in_force);
    sg_anchor_finish(shipper->anchor, left_ms > 1 ? left_ms : 1);
    (void)sem_destroy(&shipper->build_done);
    free(shipper->directory);
    shipper->magic = 0;
    free(shipper);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static const struct family {
    const char *name;
    const char *type;
    size_t offset; /* of the figure */
    const char *help;
} families[] = {
    {"signgate_audit_sink_lag_bytes", "gauge", offsetof(struct sg_sink_figures, lag_bytes),
     "Bytes of the audit log that a sink has still to take, what is sent again included."},
    {"signgate_audit_sink_position_seq", "gauge", offsetof(struct sg_sink_figures, seq),
     "Sequence number of the last record that a sink took."},
    {"signgate_audit_sink_records_total", "counter", offsetof(struct sg_sink_figures, records),
     "Records that a sink took; one that was sent twice counts twice."},
    {"signgate_audit_sink_failures_total", "counter", offsetof(struct sg_sink_figures, failures),
     "Failed attempts to hand records to a sink."},
    {"signgate_audit_sink_connected", "gauge", offsetof(struct sg_sink_figures, connected),
     "1 when the last thing heard of a sink was good: it is connected, or has answered."},
};

void sg_shipper_print_metrics(const struct sg_shipper *shipper, struct sg_buf *out)
{
    const struct sg_shipper_change *now = shipper != NULL ? shipper->in_force : NULL;
    const size_t sinks = now != NULL ? now->snapshot->sink_count : 0;
    for (size_t f = 0; sinks > 0 && f < sizeof families / sizeof *families; f++) {
        const struct family *family = &families[f];
        sg_stats_print_head(out, family->name, family->type, family->help);
        for (size_t i = 0; i < sinks; i++) {
            const char *at = (const char *)now->figures[i] + family->offset;
            const uint64_t value = atomic_load((const _Atomic uint64_t *)(const void *)at);
            sg_buf_printf(out, "%s{sink=\"%s\"} %llu\n", family->name, now->figures[i]->name,
                          (unsigned long long)value);
        }
    }
    if (shipper != NULL && shipper->anchor != NULL) {
        sg_stats_print_head(out, "signgate_audit_anchor_lag_notes", "gauge",
                            "Signed checkpoints that do not stand in the anchor yet.");
        sg_buf_printf(out, "signgate_audit_anchor_lag_notes %llu\n",
                      (unsigned long long)sg_anchor_lag_notes(shipper->anchor));
        sg_stats_print_head(out, "signgate_audit_anchor_failures_total", "counter",
                            "Failed attempts to copy checkpoints to the anchor.");
        sg_buf_printf(out, "signgate_audit_anchor_failures_total %llu\n",
                      (unsigned long long)sg_anchor_failures(shipper->anchor));
    }
}
