#include "server/anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/sink_retry.h"
#include "base/buf.h"
#include "base/object.h"
#include "base/thread.h"

/*
 * Once a second the thread reads on in the notes of the log and appends what is new. The place
 * where it goes on is the last note that stands whole in the anchor's file: nothing about it is
 * kept here. What stands behind that note (a copy that broke off) is cut away.
 *
 * A system call on a folder that hangs may never return. So the thread is detached, holds its own
 * memory by a count, and everybody else looks at atomics. It logs only while its owner is there:
 * under the mutex, which is never held over a call that could hang.
 */

enum {
    ANCHOR_MAGIC = 0x53474e43,
    PASS_MS = 1000,
    TAIL_BYTES = 64 * 1024, /* of the anchor's file: holds many notes */
    NOTE_BYTES_MAX = 2048,
    TORN_BYTES_MAX = NOTE_BYTES_MAX,
    SYNC_NOTES = 256,
    PATH_BYTES = 4096,
    FILE_MODE = 0640,
    TOLD_BYTES = 256,
};

struct sg_anchor {
    uint32_t magic;
    char *directory;
    char *folder;
    char *stream;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned holders;   /* the owner, the thread, and who else counts */
    bool finishing;     /* one more pass, then end */
    bool ended;         /* the thread is through */
    struct sg_log *log; /* NULL: the owner has gone */
    bool works;         /* and that was said */
    char told[TOLD_BYTES];
    _Atomic uint64_t notes;    /* in the log */
    _Atomic uint64_t anchored; /* of them */
    _Atomic uint64_t failures;
    _Atomic uint64_t passed_epoch, passed_seq;
    /* the thread's */
    int fd;           /* of the anchor's file; -1 */
    off_t size;       /* of it, as far as it is good */
    bool needs_blank; /* a line between what is there and the next note */
    struct sg_note_walk *walk;
    struct sg_note_head last; /* that stands in the anchor; zeros: none */
    char last_bytes[NOTE_BYTES_MAX];
    size_t last_count;
    bool found;     /* last was met in the log */
    uint64_t count; /* of notes walked */
    uint64_t failures_in_a_row;
    int64_t next_try_ms;
};

static void lock(struct sg_anchor *anchor)
{
    if (pthread_mutex_lock(&anchor->mutex) != 0) {
        abort();
    }
}

static void unlock(struct sg_anchor *anchor)
{
    if (pthread_mutex_unlock(&anchor->mutex) != 0) {
        abort();
    }
}

static void free_anchor(struct sg_anchor *anchor)
{
    sg_note_walk_free(anchor->walk);
    if (anchor->fd >= 0) {
        (void)close(anchor->fd);
    }
    free(anchor->directory);
    free(anchor->folder);
    free(anchor->stream);
    anchor->magic = 0;
    free(anchor);
}

/* Give one hold back; takes the mutex locked. */
static void unhold(struct sg_anchor *anchor)
{
    const bool last = --anchor->holders == 0;
    unlock(anchor);
    if (last) {
        (void)pthread_cond_destroy(&anchor->changed);
        (void)pthread_mutex_destroy(&anchor->mutex);
        free_anchor(anchor);
    }
}

static int64_t now_ms(void)
{
    return sg_clock_monotonic_us(&sg_clock_system) / 1000;
}

/* --- what is said ----------------------------------------------------------------------------- */

static void say(struct sg_anchor *anchor, enum sg_log_level level, const char *message,
                const char *detail)
{
    lock(anchor);
    if (anchor->log != NULL && strcmp(anchor->told, detail) != 0) {
        (void)snprintf(anchor->told, sizeof anchor->told, "%s", detail);
        sg_log_event(anchor->log, level, message,
                     SG_LOG_TEXT_FIELD("folder", sg_str_from(anchor->folder)),
                     SG_LOG_TEXT_FIELD("detail", sg_str_from(detail)));
    }
    unlock(anchor);
}

static void says_works(struct sg_anchor *anchor)
{
    if (!anchor->works) {
        say(anchor, SG_LOG_INFO, "the audit anchor works", "notes are copied and synced");
    }
    anchor->works = true;
    anchor->failures_in_a_row = 0;
}

static void SG_PRINTF(2, 3) failed(struct sg_anchor *anchor, const char *format, ...)
{
    char detail[TOLD_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    atomic_fetch_add(&anchor->failures, 1);
    anchor->failures_in_a_row++;
    anchor->next_try_ms = now_ms() + sg_sink_retry_ms(anchor->failures_in_a_row, 0);
    anchor->works = false;
    if (anchor->fd >= 0) {
        (void)close(anchor->fd);
        anchor->fd = -1;
    }
    say(anchor, SG_LOG_WARN, "the audit anchor fails; it is tried until it works", detail);
}

/* --- the anchor's file ------------------------------------------------------------------------ */

static void remember(struct sg_anchor *anchor, struct sg_str note, const struct sg_note_head *head)
{
    anchor->last = *head;
    anchor->last_count = note.n < sizeof anchor->last_bytes ? note.n : 0;
    if (anchor->last_count > 0) {
        memcpy(anchor->last_bytes, note.p, anchor->last_count);
    }
}

/* Find the last whole note of the file and cut away what stands behind it. */
static bool resume(struct sg_anchor *anchor, const char *path)
{
    struct stat about;
    struct sg_note_head head;
    bool good = false;
    char *tail = malloc(TAIL_BYTES);
    if (tail == NULL || fstat(anchor->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        failed(anchor, "cannot read %s: %s", path,
               tail == NULL ? "out of memory" : "it is not a regular file");
        goto out;
    }
    const off_t from = about.st_size > TAIL_BYTES ? about.st_size - TAIL_BYTES : 0;
    const ssize_t count = pread(anchor->fd, tail, TAIL_BYTES, from);
    if (count < 0) {
        failed(anchor, "cannot read %s: %s", path, strerror(errno));
        goto out;
    }
    size_t end = 0;
    const struct sg_str last =
        sg_note_find_last((struct sg_str){.p = tail, .n = (size_t)count}, &head, &end);
    anchor->last = (struct sg_note_head){.epoch = 0};
    anchor->last_count = 0;
    if (last.n > 0) {
        remember(anchor, last, &head);
    }
    const off_t whole = from + (off_t)end; /* blank lines included */
    const off_t note_end = last.n > 0 ? from + (last.p + last.n - tail) : 0;
    anchor->size = whole < about.st_size ? note_end : whole;
    anchor->needs_blank = anchor->size > 0 && anchor->size == note_end;
    if (about.st_size - anchor->size > TORN_BYTES_MAX) { /* that is no note that broke off */
        failed(anchor, "%s does not end in notes; move it away to begin anew", path);
        goto out;
    }
    if (anchor->size < about.st_size && ftruncate(anchor->fd, anchor->size) != 0) {
        failed(anchor, "%s ends in a torn note, which cannot be cut away: %s", path,
               strerror(errno));
        goto out;
    }
    good = true;
out:
    free(tail);
    return good;
}

static void path_of(const struct sg_anchor *anchor, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%s.note", anchor->folder, anchor->stream);
}

static bool sync_folder(const struct sg_anchor *anchor)
{
    int fd = open(anchor->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

/* Open the file, when that is to be tried, and go to the beginning of the log's notes. */
static bool open_file(struct sg_anchor *anchor)
{
    char path[PATH_BYTES];
    struct stat about;
    path_of(anchor, path);
    if (anchor->fd >= 0 && fstat(anchor->fd, &about) == 0 && about.st_nlink == 0) {
        failed(anchor, "%s was removed; it is made again from the notes that are here", path);
        anchor->next_try_ms = 0;
    }
    if (anchor->fd >= 0) {
        return true;
    }
    if (now_ms() < anchor->next_try_ms) {
        return false;
    }
    anchor->fd =
        open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, FILE_MODE);
    if (anchor->fd < 0) {
        failed(anchor, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    if (!sync_folder(anchor)) {
        failed(anchor, "cannot sync %s: %s", anchor->folder, strerror(errno));
        return false;
    }
    if (!resume(anchor, path)) {
        return false;
    }
    sg_note_walk_free(anchor->walk);
    anchor->walk = sg_note_walk_new(anchor->directory);
    anchor->count = 0;
    anchor->found = anchor->last.epoch == 0;
    if (anchor->walk == NULL) {
        failed(anchor, "out of memory");
    }
    return anchor->walk != NULL;
}

static bool append(struct sg_anchor *anchor, struct sg_str note, const struct sg_note_head *head)
{
    struct sg_buf text;
    sg_buf_init(&text, sizeof anchor->last_bytes + note.n + 1);
    if (anchor->needs_blank) {
        sg_buf_add_char(&text, '\n');
    }
    sg_buf_add_str(&text, note);
    const bool whole = !sg_buf_failed(&text);
    const ssize_t written = whole ? write(anchor->fd, text.p, text.n) : -1;
    const int error = whole ? errno : ENOMEM;
    const bool good = written == (ssize_t)text.n;
    sg_buf_done(&text);
    if (good) {
        anchor->size += written;
        anchor->needs_blank = true;
        remember(anchor, note, head);
    } else {
        if (written > 0) {
            (void)!ftruncate(anchor->fd, anchor->size); /* else the next open does it */
        }
        failed(anchor, "cannot write to %s: %s", anchor->folder,
               strerror(written < 0 ? error : ENOSPC));
    }
    return good;
}

static bool sync_file(struct sg_anchor *anchor, uint64_t count)
{
    if (fsync(anchor->fd) != 0) {
        failed(anchor, "cannot sync the file in %s: %s", anchor->folder, strerror(errno));
        return false;
    }
    atomic_store(&anchor->anchored, count);
    return true;
}

/* --- a pass ----------------------------------------------------------------------------------- */

static void set_passed(struct sg_anchor *anchor, struct sg_note_head head)
{
    atomic_store(&anchor->passed_epoch, head.epoch);
    atomic_store(&anchor->passed_seq, head.seq);
}

/* The log has been walked to its end, and what was last in the anchor is not in it. */
static void tell_stranger(struct sg_anchor *anchor)
{
    char detail[TOLD_BYTES];
    (void)snprintf(detail, sizeof detail,
                   "its note for seq %llu of epoch %llu is not among those of the log: one of the "
                   "two was changed, or old segments were moved away",
                   (unsigned long long)anchor->last.seq, (unsigned long long)anchor->last.epoch);
    say(anchor, SG_LOG_ERROR, "the audit anchor and the audit log do not agree", detail);
    anchor->found = true; /* said once for each time it is opened */
}

/* Copy the notes that are new; false: it has failed, and that was said. */
static bool copy_notes(struct sg_anchor *anchor)
{
    struct sg_note_head head;
    struct sg_error error;
    struct sg_str note;
    enum sg_status status;
    unsigned unsynced = 0;
    while ((status = sg_note_walk_next(anchor->walk, &note, &head, &error)) == SG_OK) {
        const int order = sg_note_head_compare(&head, &anchor->last);
        anchor->count++;
        if (order <= 0) {
            anchor->found =
                anchor->found || (order == 0 && note.n == anchor->last_count &&
                                  sg_str_equal(note, (struct sg_str){.p = anchor->last_bytes,
                                                                     .n = anchor->last_count}));
            continue;
        }
        if (!anchor->found) {
            tell_stranger(anchor);
        }
        set_passed(anchor, sg_note_walk_segment(anchor->walk));
        if (!append(anchor, note, &head)) {
            return false;
        }
        if (++unsynced >= SYNC_NOTES) {
            unsynced = 0;
            if (!sync_file(anchor, anchor->count)) {
                return false;
            }
        }
    }
    if (status != SG_NOT_FOUND) {
        failed(anchor, "%s", error.text);
        return false;
    }
    if (unsynced > 0 && !sync_file(anchor, anchor->count)) {
        return false;
    }
    if (!anchor->found) {
        tell_stranger(anchor);
    }
    atomic_store(&anchor->anchored, anchor->count);
    return true;
}

static void pass(struct sg_anchor *anchor)
{
    /* Until this pass is through, nothing is known of what came since the last one. */
    if (anchor->walk != NULL) {
        set_passed(anchor, sg_note_walk_segment(anchor->walk));
    }
    if (open_file(anchor) && copy_notes(anchor)) {
        set_passed(anchor, (struct sg_note_head){.epoch = UINT64_MAX, .seq = UINT64_MAX});
        says_works(anchor);
    }
}

static void *thread_main(void *arg)
{
    struct sg_anchor *anchor = SG_CAST(struct sg_anchor, ANCHOR_MAGIC, arg);
    bool finishing = false;
    while (!finishing) {
        pass(anchor);
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += PASS_MS / 1000;
        lock(anchor);
        if (!anchor->finishing) {
            (void)pthread_cond_timedwait(&anchor->changed, &anchor->mutex, &until);
        }
        finishing = anchor->finishing;
        unlock(anchor);
    }
    anchor->next_try_ms = 0;
    pass(anchor);
    lock(anchor);
    anchor->ended = true;
    (void)pthread_cond_broadcast(&anchor->changed);
    unhold(anchor);
    return NULL;
}

/* --- the owner's side ------------------------------------------------------------------------- */

struct sg_anchor *sg_anchor_new(const struct sg_anchor_options *options, struct sg_error *reterr)
{
    pthread_condattr_t attributes;
    struct sg_anchor *anchor = calloc(1, sizeof *anchor);
    if (anchor == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    anchor->magic = ANCHOR_MAGIC;
    anchor->fd = -1;
    anchor->holders = 2;
    anchor->log = options->log;
    anchor->directory = strdup(options->directory);
    anchor->folder = strdup(options->folder);
    anchor->stream = strdup(options->stream);
    int error = anchor->directory == NULL || anchor->folder == NULL || anchor->stream == NULL
                    ? ENOMEM
                    : pthread_condattr_init(&attributes);
    if (error == 0) {
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        error = pthread_cond_init(&anchor->changed, &attributes);
        (void)pthread_condattr_destroy(&attributes);
    }
    if (error == 0) {
        error = pthread_mutex_init(&anchor->mutex, NULL);
        if (error == 0) {
            error = sg_thread_start_detached(thread_main, anchor);
            if (error != 0) {
                (void)pthread_mutex_destroy(&anchor->mutex);
            }
        }
        if (error != 0) {
            (void)pthread_cond_destroy(&anchor->changed);
        }
    }
    if (error != 0) {
        free_anchor(anchor);
        (void)sg_error_set(reterr, SG_IO, NULL, "cannot start the thread of audit.anchor: %s",
                           strerror(error));
        return NULL;
    }
    return anchor;
}

void sg_anchor_finish(struct sg_anchor *anchor, int64_t within_ms)
{
    struct timespec until;
    if (anchor == NULL) {
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(within_ms / 1000);
    until.tv_nsec += (long)(within_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    lock(anchor);
    anchor->finishing = true;
    (void)pthread_cond_broadcast(&anchor->changed);
    int waited = 0;
    while (within_ms > 0 && !anchor->ended && waited == 0) {
        waited = pthread_cond_timedwait(&anchor->changed, &anchor->mutex, &until);
    }
    anchor->log = NULL;
    unhold(anchor);
}

struct sg_anchor *sg_anchor_ref(struct sg_anchor *anchor)
{
    if (anchor != NULL) {
        lock(anchor);
        anchor->holders++;
        unlock(anchor);
    }
    return anchor;
}

void sg_anchor_unref(struct sg_anchor *anchor)
{
    if (anchor != NULL) {
        lock(anchor);
        unhold(anchor);
    }
}

const char *sg_anchor_folder(const struct sg_anchor *anchor)
{
    return anchor->folder;
}

void sg_anchor_set_notes(struct sg_anchor *anchor, uint64_t notes)
{
    atomic_store(&anchor->notes, notes);
}

struct sg_note_head sg_anchor_passed(const struct sg_anchor *anchor)
{
    return (struct sg_note_head){.epoch = atomic_load(&anchor->passed_epoch),
                                 .seq = atomic_load(&anchor->passed_seq)};
}

uint64_t sg_anchor_lag_notes(const struct sg_anchor *anchor)
{
    const uint64_t notes = atomic_load(&anchor->notes), anchored = atomic_load(&anchor->anchored);
    return notes > anchored ? notes - anchored : 0;
}

uint64_t sg_anchor_failures(const struct sg_anchor *anchor)
{
    return atomic_load(&anchor->failures);
}
