#include "server/sink_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "audit/members.h"
#include "audit/sink_retry.h"
#include "net/loop.h"

/*
 * Here is what every sink needs, whatever it speaks: reading the log, its saved position, when to
 * try again, what is said of it. The file of the position is written every few seconds while it
 * moves, and at the end: what was taken in between is sent again after a crash, which is the price
 * of not syncing a file for each line.
 */

enum { SAVE_MS = 5000, LOOK_MS = 200, MEASURE_MS = 1000, OPEN_MS = 1000 };

static const char unreadable[] = "the audit log cannot be read for a sink";

/* --- figures ---------------------------------------------------------------------------------- */

struct sg_sink_figures *sg_sink_figures_new(const char *name)
{
    const size_t bytes = strlen(name) + 1;
    struct sg_sink_figures *figures = calloc(1, sizeof *figures + bytes);
    if (figures != NULL) {
        atomic_init(&figures->references, 1);
        memcpy(figures->name, name, bytes);
    }
    return figures;
}

struct sg_sink_figures *sg_sink_figures_ref(struct sg_sink_figures *figures)
{
    atomic_fetch_add(&figures->references, 1);
    return figures;
}

void sg_sink_figures_unref(struct sg_sink_figures *figures)
{
    if (figures != NULL && atomic_fetch_sub(&figures->references, 1) == 1) {
        free(figures);
    }
}

/* --- what is said ----------------------------------------------------------------------------- */

int64_t sg_sink_now_ms(const struct sg_sink *sink)
{
    return sg_loop_now_ms(sink->world->loop);
}

const char *sg_sink_name(const struct sg_sink *sink)
{
    return sink->figures->name;
}

/* Say what is wrong, unless it was the last thing said. */
static void tell(struct sg_sink *sink, enum sg_log_level level, const char *message,
                 const char *detail)
{
    if (strcmp(sink->told, detail) == 0) {
        return;
    }
    (void)snprintf(sink->told, sizeof sink->told, "%s", detail);
    sg_log_event(sink->world->log, level, message,
                 SG_LOG_TEXT_FIELD("sink", sg_str_from(sg_sink_name(sink))),
                 SG_LOG_TEXT_FIELD("to", sink->spec->text),
                 SG_LOG_TEXT_FIELD("error", sg_str_from(detail)));
}

bool sg_sink_may_try(const struct sg_sink *sink)
{
    return sg_sink_now_ms(sink) >= sink->next_try_ms;
}

void sg_sink_failed(struct sg_sink *sink, int64_t at_least_ms, const char *detail)
{
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    sink->failures++;
    int64_t wait_ms = sg_sink_retry_ms(sink->failures, random);
    if (wait_ms < at_least_ms) {
        wait_ms = at_least_ms;
    }
    sink->next_try_ms = sg_sink_now_ms(sink) + wait_ms;
    sink->works = false;
    atomic_fetch_add(&sink->figures->failures, 1);
    atomic_store(&sink->figures->connected, 0);
    tell(sink, SG_LOG_WARN, "an audit sink fails; it is tried until it works, and loses nothing",
         detail);
    sink->over = sink->over || sink->finishing;
}

void sg_sink_works(struct sg_sink *sink)
{
    if (!sink->works) {
        sg_log_event(sink->world->log, SG_LOG_INFO, "an audit sink works",
                     SG_LOG_TEXT_FIELD("sink", sg_str_from(sg_sink_name(sink))),
                     SG_LOG_TEXT_FIELD("to", sink->spec->text),
                     SG_LOG_NUMBER_FIELD("failures", sink->failures));
    }
    sink->works = true;
    sink->failures = 0;
    sink->told[0] = '\0';
}

/* --- the position ----------------------------------------------------------------------------- */

bool sg_sink_saved(const struct sg_sink *sink, struct sg_follow_position *ret)
{
    if (!sink->loaded || sink->saved.position.epoch == 0) {
        return false;
    }
    *ret = sink->saved.position;
    return true;
}

static void load(struct sg_sink *sink)
{
    struct sg_error error;
    const struct sg_sink_world *world = sink->world;
    enum sg_status status = sg_sink_cursor_load(world->directory, sg_sink_name(sink), world->stream,
                                                &sink->saved, &error);
    if (status == SG_IO) {
        sg_sink_failed(sink, 0, error.text);
        return;
    }
    if (status == SG_MALFORMED) {
        tell(sink, SG_LOG_ERROR,
             "the position of an audit sink is lost: it gets the whole log again", error.text);
    }
    if (status != SG_OK) {
        sink->saved = (struct sg_sink_cursor){.seq = 0};
        memcpy(sink->saved.stream, world->stream, sizeof sink->saved.stream);
    }
    sink->taken = sink->saved;
    sink->read_from = sink->saved.position;
    sink->loaded = true;
    atomic_store(&sink->figures->seq, sink->saved.seq);
}

static bool is_saved(const struct sg_sink *sink)
{
    const struct sg_follow_position *a = &sink->taken.position, *b = &sink->saved.position;
    return a->epoch == b->epoch && a->first_seq == b->first_seq && a->offset == b->offset;
}

static void save(struct sg_sink *sink)
{
    struct sg_error error;
    if (!sink->loaded || is_saved(sink)) {
        return;
    }
    sink->saved_ms = sg_sink_now_ms(sink);
    if (sg_sink_cursor_save(sink->world->directory, sg_sink_name(sink), &sink->taken, &error) ==
        SG_OK) {
        sink->saved = sink->taken;
        sink->saving_fails = false;
    } else if (!sink->saving_fails) {
        sink->saving_fails = true;
        sg_log_event(sink->world->log, SG_LOG_ERROR,
                     "the position of an audit sink cannot be saved; a restart sends lines again",
                     SG_LOG_TEXT_FIELD("sink", sg_str_from(sg_sink_name(sink))),
                     SG_LOG_TEXT_FIELD("error", sg_str_from(error.text)));
    }
}

void sg_sink_took(struct sg_sink *sink, const struct sg_follow_position *behind, uint64_t seq)
{
    sink->taken.position = *behind;
    sink->taken.seq = seq;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Whether the log can be read; says why not, and does not try again at once. */
static bool open_log(struct sg_sink *sink)
{
    struct sg_error error;
    if (sink->follow == NULL && sg_sink_now_ms(sink) >= sink->next_open_ms) {
        sink->follow = sg_follow_open(sink->world->directory,
                                      sink->read_from.epoch > 0 ? &sink->read_from : NULL, &error);
        if (sink->follow != NULL) {
            (void)stat(sink->world->directory, &sink->folder);
        } else {
            sink->next_open_ms = sg_sink_now_ms(sink) + OPEN_MS;
            atomic_fetch_add(&sink->figures->failures, 1);
            tell(sink, SG_LOG_ERROR, unreadable, error.text);
        }
    }
    return sink->follow != NULL;
}

void sg_sink_rewind(struct sg_sink *sink, const struct sg_follow_position *to)
{
    sg_follow_close(sink->follow);
    sink->follow = NULL;
    sink->read_from = *to;
    sink->at_end = false;
    (void)open_log(sink);
}

bool sg_sink_next(struct sg_sink *sink, struct sg_str *ret_line,
                  struct sg_follow_position *ret_behind, uint64_t *ret_seq)
{
    struct sg_error error;
    const int64_t now_ms = sg_sink_now_ms(sink);
    if ((sink->at_end && now_ms - sink->looked_ms < LOOK_MS) || !open_log(sink)) {
        return false;
    }
    enum sg_status status = sg_follow_next(sink->follow, ret_line, &error);
    sink->at_end = status == SG_NOT_FOUND;
    sink->looked_ms = now_ms;
    if (status == SG_OK) {
        sg_follow_position(sink->follow, ret_behind);
        *ret_seq = 0;
        (void)sg_members_find_u64(*ret_line, "seq", ret_seq);
        return true;
    }
    if (status != SG_NOT_FOUND) {
        sink->at_end = true; /* look again, but not at once */
        atomic_fetch_add(&sink->figures->failures, 1);
        tell(sink, SG_LOG_ERROR, unreadable, error.text);
    }
    return false;
}

/* Go on in the folder that stands in the place of the one that is open, if another does. */
static void look_for_another_folder(struct sg_sink *sink)
{
    struct sg_follow_position at;
    struct stat folder;
    if (sink->follow != NULL && stat(sink->world->directory, &folder) == 0 &&
        (folder.st_ino != sink->folder.st_ino || folder.st_dev != sink->folder.st_dev)) {
        sg_follow_position(sink->follow, &at);
        sg_sink_rewind(sink, &at);
    }
}

static void measure(struct sg_sink *sink)
{
    const int64_t now_ms = sg_sink_now_ms(sink);
    if (sink->follow == NULL || now_ms - sink->measured_ms < MEASURE_MS) {
        return;
    }
    sink->measured_ms = now_ms;
    if (sink->at_end) {
        look_for_another_folder(sink);
    }
    if (sink->follow != NULL) {
        atomic_store(&sink->figures->lag_bytes,
                     sg_follow_lag_bytes(sink->follow) + sink->kind->pending_bytes(sink));
    }
}

/* --- a sink ----------------------------------------------------------------------------------- */

struct sg_sink *sg_sink_new(const struct sg_sink_world *world, const struct sg_snapshot *snapshot,
                            const struct sg_audit_sink *spec, struct sg_sink_figures *figures)
{
    struct sg_sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL) {
        return NULL;
    }
    sink->world = world;
    sink->snapshot = sg_snapshot_ref(snapshot);
    sink->spec = spec;
    sink->figures = sg_sink_figures_ref(figures);
    sink->kind = spec->settings->type == SG_SINK_SYSLOG ? &sg_sink_syslog : &sg_sink_http;
    if (!sink->kind->make(sink)) {
        sg_sink_free(sink);
        return NULL;
    }
    return sink;
}

void sg_sink_free(struct sg_sink *sink)
{
    if (sink == NULL) {
        return;
    }
    if (sink->own != NULL) {
        sink->kind->drop(sink);
    }
    save(sink);
    atomic_store(&sink->figures->connected, 0);
    sg_follow_close(sink->follow);
    sg_sink_figures_unref(sink->figures);
    (void)sg_snapshot_unref(sink->snapshot);
    free(sink);
}

bool sg_sink_adopt(struct sg_sink *sink, const struct sg_snapshot *snapshot,
                   const struct sg_audit_sink *spec)
{
    if (sink->finishing || spec->settings->type != sink->spec->settings->type ||
        !sg_str_equal(spec->text, sink->spec->text) ||
        !sg_str_equal(spec->target, sink->spec->target)) {
        return false;
    }
    const struct sg_snapshot *before = sink->snapshot;
    sink->snapshot = sg_snapshot_ref(snapshot);
    sink->spec = spec;
    sink->kind->adopted(sink);
    sink->next_try_ms = 0; /* what was wrong may have been put right */
    (void)sg_snapshot_unref(before);
    return true;
}

void sg_sink_finish(struct sg_sink *sink, int64_t within_ms)
{
    if (!sink->finishing) {
        sink->finishing = true;
        sink->at_end = false; /* the last line may have been written since */
        sink->next_try_ms = 0;
        sink->finish_by_ms = sg_sink_now_ms(sink) + within_ms;
        look_for_another_folder(sink);
    }
}

bool sg_sink_is_finishing(const struct sg_sink *sink)
{
    return sink->finishing;
}

bool sg_sink_is_over(const struct sg_sink *sink)
{
    return sink->over;
}

void sg_sink_tick(struct sg_sink *sink)
{
    const int64_t now_ms = sg_sink_now_ms(sink);
    if (sink->finishing && now_ms >= sink->finish_by_ms) {
        sink->over = true;
    }
    if (!sink->loaded && sg_sink_may_try(sink)) {
        load(sink);
    }
    if (sink->over || !sink->loaded || !open_log(sink)) {
        return;
    }
    sink->kind->tick(sink);
    if (now_ms - sink->saved_ms >= SAVE_MS) {
        save(sink);
    }
    measure(sink);
}
