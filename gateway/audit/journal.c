#include "audit/journal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "audit/journal_private.h"
#include "audit/members.h"

/*
 * Batches. The thread takes what all ports have published into its queue (a flood of refusals is
 * summed up on the way), frames the queue into one chain of lines, writes them with one write(2),
 * syncs when somebody waits for the disk or 200 ms have passed, then tells the ports and wakes
 * those who wait.
 *
 * States. A descriptor whose write or sync failed, or whose file is not the one that was left, is
 * never used again. What no write has taken stays in the queue, who waits for the disk is told that
 * it will not come in time, and recovery (recovery.c) begins a new segment: at once, then again and
 * again with a growing pause. Until then nothing new is admitted but refusals and the outcomes of
 * what was admitted before, which queue up within their room. Nothing behind the last sync is ever
 * claimed to be on disk.
 */

enum {
    HELD_MS = 20,
    UNSYNCED_US = 200000,
    STALLED_US = 2000000,
    ACTIVE_US = 1000000, /* how long after a batch the thread looks by itself */
    RETRY_US = 1000000,
    CLOSE_ATTEMPTS = 3,
};

const int64_t sg_journal_sync_bounds_us[SG_JOURNAL_SYNC_BOUNDS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 2000000};

const char *sg_journal_state_name(enum sg_journal_state state)
{
    static const char *const names[] = {"ok", "full", "stalled", "failed", "recovering"};
    return names[state];
}

enum sg_journal_state sg_journal_state(const struct sg_journal *journal)
{
    int64_t started_us = atomic_load(&journal->operation_started_us);
    if (atomic_load(&journal->failed)) {
        return atomic_load(&journal->tried) ? SG_JOURNAL_RECOVERING : SG_JOURNAL_FAILED;
    }
    if (started_us != 0 && sg_clock_monotonic_us(journal->clock) - started_us > STALLED_US) {
        return SG_JOURNAL_STALLED;
    }
    return atomic_load(&journal->full) ? SG_JOURNAL_FULL : SG_JOURNAL_OK;
}

static int64_t now_us(const struct sg_journal *journal)
{
    return sg_clock_monotonic_us(journal->clock);
}

static void count(atomic_uint_fast64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

void sg_journal_set_cause(struct sg_journal *journal, const char *text)
{
    (void)pthread_mutex_lock(&journal->told_lock);
    (void)snprintf(journal->cause, sizeof journal->cause, "%s", text);
    (void)pthread_mutex_unlock(&journal->told_lock);
}

void sg_journal_cause(struct sg_journal *journal, char ret[SG_JOURNAL_CAUSE_BYTES])
{
    (void)pthread_mutex_lock(&journal->told_lock);
    memcpy(ret, journal->cause, SG_JOURNAL_CAUSE_BYTES);
    (void)pthread_mutex_unlock(&journal->told_lock);
}

/* --- room ------------------------------------------------------------------------------------- */

void sg_journal_count_room(struct sg_journal *journal)
{
    int64_t remaining = (int64_t)sg_writer_remaining(&journal->writer) - OWN_BYTES;
    atomic_fetch_add(&journal->room, remaining - journal->remaining);
    journal->remaining = remaining;
}

static void set_cause_of(struct sg_journal *journal, const struct sg_writer_fault *fault)
{
    char text[SG_JOURNAL_CAUSE_BYTES];
    sg_writer_fault_text(fault, text, sizeof text);
    sg_journal_set_cause(journal, text);
}

/* Allocate ahead when the water is low. */
static void allocate_ahead(struct sg_journal *journal)
{
    struct sg_writer_fault fault;
    if (sg_writer_remaining(&journal->writer) >= LOW_WATER_BYTES ||
        now_us(journal) < journal->allocate_again_us) {
        return;
    }
    sg_journal_begin_operation(journal);
    bool good = sg_writer_allocate(&journal->writer, AHEAD_BYTES, &fault);
    sg_journal_end_operation(journal);
    if (good) {
        sg_journal_count_room(journal);
        atomic_store(&journal->full, false);
        return;
    }
    journal->allocate_again_us = now_us(journal) + RETRY_US;
    if (!atomic_exchange(&journal->full, true)) {
        set_cause_of(journal, &fault);
        count(&journal->counters.failures, 1);
    }
    if (fault.error == EFBIG) { /* the file may not grow, the next one may */
        atomic_store(&journal->rotate_wanted, true);
    }
}

/* --- the queue -------------------------------------------------------------------------------- */

static void add_entry(struct sg_journal *journal, const struct sg_journal_entry *entry,
                      const char *text)
{
    sg_buf_add(&journal->queue, entry, sizeof *entry);
    sg_buf_add(&journal->queue, text, entry->bytes);
}

bool sg_journal_enqueue(struct sg_journal *journal, struct sg_str text)
{
    const struct sg_journal_entry entry = {.bytes = (uint32_t)text.n};
    size_t before = journal->queue.n;
    add_entry(journal, &entry, text.p);
    if (sg_buf_failed(&journal->queue)) {
        journal->queue.n = before;
        journal->queue.failed = false;
        return false;
    }
    return true;
}

/* Whether a record is to be written by itself. */
static bool is_admitted(struct sg_journal *journal, const struct sg_journal_entry *entry,
                        struct sg_str text)
{
    if (!entry->refusal) {
        return true;
    }
    const struct sg_flood_refusal refusal = {
        .source_ip = sg_members_find_text(text, "source_ip"),
        .caller = sg_members_find_text(text, "caller"),
        .reason = sg_members_find_text(text, "reason"),
        .time = sg_members_find_text(text, "time"),
    };
    if (sg_flood_admits(journal->flood, &refusal, now_us(journal))) {
        return true;
    }
    count(&journal->counters.summed, 1);
    return false;
}

/* Queue the records of one port. */
static void queue_port(struct sg_journal *journal, struct sg_journal_port *port, bool *ret_durable)
{
    struct sg_str rest = sg_buf_str(&port->taken);
    while (rest.n > 0) {
        struct sg_journal_entry entry;
        memcpy(&entry, rest.p, sizeof entry);
        struct sg_str text = {.p = rest.p + sizeof entry, .n = entry.bytes};
        if (is_admitted(journal, &entry, text)) {
            add_entry(journal, &entry, text.p);
        }
        journal->queue_accounted += entry.accounted;
        port->taken_ticket = entry.ticket;
        port->has_waiters = port->has_waiters || entry.wait != SG_JOURNAL_WAIT_NONE;
        *ret_durable = *ret_durable || entry.wait == SG_JOURNAL_WAIT_DURABLE;
        rest = sg_str_slice(rest, sizeof entry + entry.bytes, rest.n);
    }
    sg_buf_clear(&port->taken);
}

/* Queue the sums that are due. */
static void queue_sums(struct sg_journal *journal, bool everything)
{
    char time[SG_CLOCK_RFC3339_BYTES];
    struct sg_buf text;
    if (sg_flood_due_us(journal->flood) > now_us(journal) && !everything) {
        return;
    }
    sg_buf_init(&text, 4096);
    sg_clock_format_rfc3339(sg_clock_realtime_us(journal->clock), time);
    while (sg_flood_take(journal->flood, now_us(journal), everything,
                         (struct sg_str){.p = time, .n = sizeof time}, &text)) {
        (void)sg_journal_enqueue(journal, sg_buf_str(&text));
        sg_buf_clear(&text);
    }
    sg_buf_done(&text);
}

/* Take what a port has published. False: no memory for it, it stays where it is. */
static bool take_port(struct sg_journal *journal, struct sg_journal_port *port, bool *ret_durable)
{
    (void)pthread_mutex_lock(&port->lock);
    bool any = port->published.n > 0;
    /* What is summed up takes less than its records would. */
    bool fits = !any || sg_buf_reserve(&journal->queue, port->published.n) != NULL;
    if (any && fits) {
        journal->queue.n -= port->published.n; /* only the room for it is wanted */
        struct sg_buf empty = port->taken;
        port->taken = port->published;
        port->published = empty;
    }
    (void)pthread_mutex_unlock(&port->lock);
    if (fits) {
        queue_port(journal, port, ret_durable);
    } else {
        journal->queue.failed = false;
    }
    return fits;
}

/* The port that was made first comes last: its owner's stop is the end of everything. */
static bool take_all(struct sg_journal *journal, bool *ret_durable)
{
    bool all = true;
    for (size_t i = journal->port_count; i > 0; i--) {
        all = take_port(journal, journal->ports[i - 1], ret_durable) && all;
    }
    return all;
}

bool sg_journal_frame(struct sg_journal *journal, uint64_t skip, struct sg_writer_fault *ret)
{
    struct sg_str rest = sg_buf_str(&journal->queue);
    while (rest.n > 0) {
        struct sg_journal_entry entry;
        memcpy(&entry, rest.p, sizeof entry);
        struct sg_str text = {.p = rest.p + sizeof entry, .n = entry.bytes};
        if (skip > 0) {
            skip--;
        } else if (sg_chain_append(&journal->chain, journal->digest, text, &journal->batch) !=
                   SG_OK) {
            *ret = (struct sg_writer_fault){.operation = "frame", .error = ENOMEM};
            return false;
        }
        rest = sg_str_slice(rest, sizeof entry + entry.bytes, rest.n);
    }
    return true;
}

/* Keep the last lines, whole ones, for the case that the disk loses them. */
static void keep_recent(struct sg_journal *journal)
{
    struct sg_buf *recent = &journal->recent;
    sg_buf_add_str(recent, sg_buf_str(&journal->batch));
    if (sg_buf_failed(recent)) { /* no memory, or one batch above the cap: keep none of it */
        sg_buf_clear(recent);
    } else if (recent->n > 2 * RECENT_BYTES && !atomic_load(&journal->failed)) {
        size_t drop = recent->n - RECENT_BYTES;
        drop += sg_str_find(sg_str_slice(sg_buf_str(recent), drop, recent->n), '\n') + 1;
        sg_buf_consume(recent, drop);
    }
}

void sg_journal_took_batch(struct sg_journal *journal, uint64_t lines)
{
    struct sg_journal_counters *counters = &journal->counters;
    keep_recent(journal);
    count(&counters->records, lines);
    count(&counters->bytes, journal->batch.n);
    count(&counters->batches, 1);
    atomic_store_explicit(&counters->epoch, journal->chain.epoch, memory_order_relaxed);
    atomic_store_explicit(&counters->seq, journal->chain.seq, memory_order_relaxed);
    journal->written = journal->chain;
    sg_buf_clear(&journal->batch);
    sg_buf_clear(&journal->queue);
    sg_checkpoint_count(&journal->checkpoint, lines, now_us(journal));
    sg_journal_count_room(journal);
    atomic_fetch_add(&journal->room, (int_fast64_t)journal->queue_accounted);
    journal->queue_accounted = 0;
    for (size_t i = 0; i < journal->port_count; i++) {
        struct sg_journal_port *port = journal->ports[i];
        atomic_store(&port->written, port->taken_ticket);
    }
}

void sg_journal_is_durable(struct sg_journal *journal)
{
    journal->unsynced_from_us = 0;
    for (size_t i = 0; i < journal->port_count; i++) {
        struct sg_journal_port *port = journal->ports[i];
        atomic_store(&port->durable, port->taken_ticket);
    }
}

static void wake_waiters(struct sg_journal *journal, bool all)
{
    for (size_t i = 0; i < journal->port_count; i++) {
        struct sg_journal_port *port = journal->ports[i];
        if ((all || port->has_waiters) && port->wake_fd >= 0) {
            sg_journal_wake(port->wake_fd);
        }
        port->has_waiters = false;
    }
}

/* Tell everybody who waits for a queued record that it will not be acknowledged in time. */
static void cancel_waiters(struct sg_journal *journal)
{
    for (size_t i = 0; i < journal->port_count; i++) {
        struct sg_journal_port *port = journal->ports[i];
        atomic_store(&port->cancelled, port->taken_ticket);
    }
    wake_waiters(journal, false);
}

/* --- the disk --------------------------------------------------------------------------------- */

void sg_journal_begin_operation(struct sg_journal *journal)
{
    atomic_store(&journal->operation_started_us, now_us(journal));
}

void sg_journal_end_operation(struct sg_journal *journal)
{
    atomic_store(&journal->operation_started_us, 0);
}

void sg_journal_fail(struct sg_journal *journal, const struct sg_writer_fault *fault)
{
    sg_writer_close(&journal->writer, false);
    journal->fault = *fault;
    set_cause_of(journal, fault);
    sg_buf_clear(&journal->batch);
    journal->chain = journal->written;
    journal->unsynced_from_us = 0;
    if (!atomic_load(&journal->failed)) {
        journal->failed_us = now_us(journal);
        journal->recover_us = journal->failed_us;
        journal->backoff_us = 0;
        atomic_store(&journal->tried, false);
        atomic_store(&journal->failed, true);
        count(&journal->counters.failures, 1);
    }
    cancel_waiters(journal);
}

static void count_sync(struct sg_journal *journal, int64_t took_us)
{
    size_t at = 0;
    while (at < SG_JOURNAL_SYNC_BOUNDS && took_us > sg_journal_sync_bounds_us[at]) {
        at++;
    }
    count(&journal->counters.sync_counts[at], 1);
    count(&journal->counters.sync_us, (uint64_t)took_us);
}

static bool sync_segment(struct sg_journal *journal)
{
    struct sg_writer_fault fault;
    int64_t started_us = now_us(journal);
    sg_journal_begin_operation(journal);
    bool good = sg_writer_sync(&journal->writer, &fault);
    sg_journal_end_operation(journal);
    if (!good) {
        sg_journal_fail(journal, &fault);
        return false;
    }
    count_sync(journal, now_us(journal) - started_us);
    sg_journal_is_durable(journal);
    return true;
}

/* Whether directory and segment are the ones that were left, under their names. */
static bool is_in_place(const struct sg_journal *journal, struct sg_writer_fault *ret)
{
    if (!sg_folder_is_there(&journal->folder)) {
        *ret = (struct sg_writer_fault){.operation = "replaced"};
        return false;
    }
    return sg_writer_is_in_place(&journal->writer, journal->folder.fd, ret);
}

static bool write_queue(struct sg_journal *journal)
{
    struct sg_writer_fault fault;
    if (journal->queue.n == 0) {
        return true;
    }
    sg_journal_begin_operation(journal);
    bool good = sg_journal_frame(journal, 0, &fault) && is_in_place(journal, &fault) &&
                sg_writer_write(&journal->writer, sg_buf_str(&journal->batch), &fault);
    sg_journal_end_operation(journal);
    if (!good) {
        sg_journal_fail(journal, &fault);
        return false;
    }
    if (journal->unsynced_from_us == 0) {
        journal->unsynced_from_us = now_us(journal);
    }
    sg_journal_took_batch(journal, journal->chain.seq - journal->written.seq);
    return true;
}

/* --- checkpoints ------------------------------------------------------------------------------ */

void sg_journal_set_checkpoint_key(struct sg_journal *journal, struct sg_ed25519_private *key)
{
    (void)pthread_mutex_lock(&journal->told_lock);
    sg_ed25519_private_free(journal->next_key);
    journal->next_key = key;
    journal->key_changes = true;
    (void)pthread_mutex_unlock(&journal->told_lock);
    sg_journal_wake(journal->wake_fd);
}

static void take_key(struct sg_journal *journal)
{
    (void)pthread_mutex_lock(&journal->told_lock);
    bool changes = journal->key_changes;
    struct sg_ed25519_private *key = journal->next_key;
    journal->next_key = NULL;
    journal->key_changes = false;
    (void)pthread_mutex_unlock(&journal->told_lock);
    if (changes) {
        sg_checkpoint_set_key(&journal->checkpoint, key);
    }
}

/* A note of where the chain stands, once that is on the disk, and its record. */
static void make_checkpoint(struct sg_journal *journal)
{
    struct sg_buf text;
    if (journal->unsynced_from_us != 0 && !sync_segment(journal)) {
        return;
    }
    sg_buf_init(&text, 1024);
    sg_journal_begin_operation(journal);
    bool good = sg_checkpoint_write(&journal->checkpoint, journal->folder.fd, &journal->writer.name,
                                    &journal->chain, journal->clock, journal->digest, &text) &&
                sg_journal_enqueue(journal, sg_buf_str(&text));
    sg_journal_end_operation(journal);
    sg_buf_done(&text);
    if (!good) { /* the next segment has a file of notes of its own */
        count(&journal->counters.checkpoint_failures, 1);
        atomic_store(&journal->rotate_wanted, true);
        return;
    }
    count(&journal->counters.checkpoints, 1);
    if (write_queue(journal)) {
        journal->checkpoint.records = 0; /* its own record is no news */
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool rotation_is_due(const struct sg_journal *journal)
{
    uint64_t bytes = atomic_load(&journal->rotate_bytes);
    int64_t age_us = atomic_load(&journal->rotate_age_us), now = now_us(journal);
    if (journal->writer.offset <= journal->segment_first_bytes || now < journal->rotate_again_us) {
        return false;
    }
    return atomic_load(&journal->rotate_wanted) || (bytes > 0 && journal->writer.offset >= bytes) ||
           (age_us > 0 && now - journal->segment_begun_us >= age_us);
}

static void rotate(struct sg_journal *journal)
{
    atomic_store(&journal->rotate_wanted, false);
    if (sg_checkpoint_has_news(&journal->checkpoint)) {
        make_checkpoint(journal);
    }
    if (!atomic_load(&journal->failed) && !sg_journal_turn_over(journal)) {
        atomic_store(&journal->rotate_wanted, true);
    }
    journal->rotate_again_us = now_us(journal) + RETRY_US;
}

/* All that is published, and a sync or a rotation that is due. True: there were records. */
static bool work(struct sg_journal *journal)
{
    bool durable = false;
    take_key(journal);
    (void)take_all(journal, &durable);
    queue_sums(journal, false);
    bool any = journal->queue.n > 0;
    if (!write_queue(journal)) {
        return true;
    }
    bool due = journal->unsynced_from_us != 0 &&
               now_us(journal) - journal->unsynced_from_us >= UNSYNCED_US;
    if ((durable || due) && !sync_segment(journal)) {
        return true;
    }
    wake_waiters(journal, false);
    allocate_ahead(journal);
    if (sg_checkpoint_due_us(&journal->checkpoint) <= now_us(journal)) {
        make_checkpoint(journal);
    }
    if (atomic_load(&journal->failed)) {
        return true;
    }
    if (rotation_is_due(journal)) {
        rotate(journal);
    } else if (journal->writer.offset <= journal->segment_first_bytes) {
        atomic_store(&journal->rotate_wanted, false); /* it is new already */
    }
    return any;
}

/* Without a segment: what comes in is queued, nobody is left to wait, and recovery has its turns.
 */
static void work_without_segment(struct sg_journal *journal)
{
    bool durable = false;
    (void)take_all(journal, &durable);
    cancel_waiters(journal);
    if (now_us(journal) >= journal->recover_us) {
        sg_journal_recover(journal);
    }
}

static bool anything_published(struct sg_journal *journal)
{
    bool any = false;
    for (size_t i = 0; i < journal->port_count && !any; i++) {
        struct sg_journal_port *port = journal->ports[i];
        (void)pthread_mutex_lock(&port->lock);
        any = port->published.n > 0;
        (void)pthread_mutex_unlock(&port->lock);
    }
    return any;
}

/* When a rotation is due; INT64_MAX: with the next record at the soonest. */
static int64_t rotation_due_us(const struct sg_journal *journal)
{
    const int64_t age_us = atomic_load(&journal->rotate_age_us);
    int64_t due = INT64_MAX;
    if (atomic_load(&journal->rotate_wanted)) {
        due = 0;
    } else if (age_us > 0 && journal->writer.offset > journal->segment_first_bytes) {
        due = journal->segment_begun_us + age_us;
    }
    return due > journal->rotate_again_us ? due : journal->rotate_again_us;
}

/*
 * When the thread has something to do without being woken; INT64_MAX: never. What cannot be done
 * now must not stand here: the thread would not sleep at all.
 */
static int64_t next_look_us(const struct sg_journal *journal, int64_t last_work_us)
{
    int64_t now = now_us(journal), next = INT64_MAX;
    if (atomic_load(&journal->failed)) {
        return journal->recover_us;
    }
    const int64_t looks[] = {
        now - last_work_us < ACTIVE_US || journal->unsynced_from_us != 0 ? now + HELD_MS * 1000
                                                                         : INT64_MAX,
        journal->queue.n > 0 ? now : INT64_MAX,
        sg_flood_due_us(journal->flood),
        sg_checkpoint_due_us(&journal->checkpoint),
        atomic_load(&journal->full) ? journal->allocate_again_us : INT64_MAX,
        rotation_due_us(journal),
    };
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        next = looks[i] < next ? looks[i] : next;
    }
    return next;
}

/* Sleep until there is something to do: woken, or by the clock. */
static void sleep_until_work(struct sg_journal *journal, int64_t last_work_us)
{
    enum { LONGEST_MS = 60000 };
    struct pollfd wakeups = {.fd = journal->wake_fd, .events = POLLIN};
    uint64_t ignored;
    int64_t now = now_us(journal), next = next_look_us(journal, last_work_us);
    int64_t timeout_ms = next <= now ? 0 : (next - now) / 1000 + 1;
    if (timeout_ms > HELD_MS + 1) {
        atomic_store(&journal->dozing, true);
        if (anything_published(journal)) { /* by a flush that did not see us doze off */
            timeout_ms = 0;
        }
    }
    timeout_ms = timeout_ms < LONGEST_MS ? timeout_ms : LONGEST_MS;
    if (poll(&wakeups, 1, (int)timeout_ms) > 0) {
        (void)!read(journal->wake_fd, &ignored, sizeof ignored);
    }
    atomic_store(&journal->dozing, false);
}

static void *thread_main(void *arg)
{
    struct sg_journal *journal = arg;
    int64_t last_work_us = now_us(journal);
    while (!atomic_load(&journal->quit)) {
        if (atomic_load(&journal->failed)) {
            work_without_segment(journal);
        } else if (work(journal)) {
            last_work_us = now_us(journal);
        }
        if (!atomic_load(&journal->quit)) {
            sleep_until_work(journal, last_work_us);
        }
    }
    return NULL;
}

void sg_journal_rotate(struct sg_journal *journal)
{
    atomic_store(&journal->rotate_wanted, true);
    sg_journal_wake(journal->wake_fd);
}

void sg_journal_set_rotation(struct sg_journal *journal, uint64_t bytes, int64_t age_ms)
{
    atomic_store(&journal->rotate_bytes, bytes);
    atomic_store(&journal->rotate_age_us, age_ms * 1000);
    sg_journal_wake(journal->wake_fd);
}

struct sg_journal_figures sg_journal_figures(const struct sg_journal *journal)
{
    const struct sg_journal_counters *counters = &journal->counters;
    struct sg_journal_figures figures = {
        .state = sg_journal_state(journal),
        .epoch = atomic_load(&counters->epoch),
        .seq = atomic_load(&counters->seq),
        .records = atomic_load(&counters->records),
        .bytes = atomic_load(&counters->bytes),
        .batches = atomic_load(&counters->batches),
        .sync_us = atomic_load(&counters->sync_us),
        .failures = atomic_load(&counters->failures),
        .recoveries = atomic_load(&counters->recoveries),
        .replayed = atomic_load(&counters->replayed),
        .lost = atomic_load(&counters->lost),
        .summed = atomic_load(&counters->summed),
        .segments = atomic_load(&counters->segments),
        .checkpoints = atomic_load(&counters->checkpoints),
        .checkpoint_failures = atomic_load(&counters->checkpoint_failures),
        .room = atomic_load(&journal->room),
    };
    for (size_t i = 0; i <= SG_JOURNAL_SYNC_BOUNDS; i++) {
        figures.sync_counts[i] = atomic_load(&counters->sync_counts[i]);
    }
    return figures;
}

/* --- life ------------------------------------------------------------------------------------- */

static void free_port(struct sg_journal_port *port)
{
    sg_buf_done(&port->filling);
    sg_buf_done(&port->published);
    sg_buf_done(&port->taken);
    (void)pthread_mutex_destroy(&port->lock);
    free(port);
}

static void free_journal(struct sg_journal *journal)
{
    for (size_t i = 0; i < journal->port_count; i++) {
        free_port(journal->ports[i]);
    }
    sg_writer_close(&journal->writer, false);
    sg_folder_done(&journal->folder);
    if (journal->wake_fd >= 0) {
        (void)close(journal->wake_fd);
    }
    sg_checkpoint_done(&journal->checkpoint);
    sg_ed25519_private_free(journal->next_key);
    sg_digest_free(journal->digest);
    sg_flood_free(journal->flood);
    sg_buf_done(&journal->queue);
    sg_buf_done(&journal->batch);
    sg_buf_done(&journal->recent);
    (void)pthread_mutex_destroy(&journal->told_lock);
    free(journal->version);
    free(journal);
}

enum sg_status sg_journal_open(const struct sg_journal_options *options, struct sg_journal **ret,
                               struct sg_error *reterr)
{
    struct sg_journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        sg_ed25519_private_free(options->checkpoint_key);
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    journal->writer = SG_WRITER_NONE;
    journal->remaining = -OWN_BYTES;
    atomic_store(&journal->room, -OWN_BYTES);
    journal->clock = options->clock;
    journal->line_bytes = options->line_bytes;
    sg_checkpoint_init(&journal->checkpoint, options->checkpoint_key, now_us(journal));
    atomic_store(&journal->rotate_bytes, options->rotate_bytes);
    atomic_store(&journal->rotate_age_us, options->rotate_age_ms * 1000);
    (void)pthread_mutex_init(&journal->told_lock, NULL);
    sg_buf_init(&journal->queue, QUEUE_BYTES_MAX);
    sg_buf_init(&journal->batch, 2 * QUEUE_BYTES_MAX);
    sg_buf_init(&journal->recent, 2 * RECENT_BYTES + QUEUE_BYTES_MAX);
    enum sg_status status = sg_folder_init(&journal->folder, options->directory);
    journal->version = strdup(options->version);
    journal->flood = sg_flood_new();
    journal->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    journal->digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
    if (status != SG_OK || journal->version == NULL || journal->flood == NULL ||
        journal->wake_fd < 0 || journal->digest == NULL) {
        status = sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    } else {
        status = sg_journal_begin(journal, options->refuse_on_damage, reterr);
    }
    if (status != SG_OK) {
        free_journal(journal);
        return status;
    }
    *ret = journal;
    return SG_OK;
}

enum sg_status sg_journal_start(struct sg_journal *journal, struct sg_error *reterr)
{
    if (pthread_create(&journal->thread, NULL, thread_main, journal) != 0) {
        return sg_error_set(reterr, SG_IO, NULL, "cannot start the journal's thread");
    }
    journal->started = true;
    return SG_OK;
}

/* What the ports and the sums still hold, on disk. */
static bool finish(struct sg_journal *journal)
{
    bool durable = false, all = true;
    for (size_t i = journal->port_count; i > 1; i--) {
        all = take_port(journal, journal->ports[i - 1], &durable) && all;
    }
    queue_sums(journal, true);
    if (!all || (journal->port_count > 0 && !take_port(journal, journal->ports[0], &durable))) {
        return false;
    }
    for (int i = 0; i < CLOSE_ATTEMPTS && atomic_load(&journal->failed); i++) {
        sg_journal_recover(journal);
    }
    if (atomic_load(&journal->failed) || !write_queue(journal) || !sync_segment(journal)) {
        return false;
    }
    if (sg_checkpoint_has_news(&journal->checkpoint)) {
        make_checkpoint(journal);
        return !atomic_load(&journal->failed) && sync_segment(journal);
    }
    return true;
}

enum sg_status sg_journal_close(struct sg_journal **journal_to_close)
{
    struct sg_journal *journal = *journal_to_close;
    *journal_to_close = NULL;
    if (journal == NULL) {
        return SG_OK;
    }
    if (journal->started) {
        atomic_store(&journal->quit, true);
        sg_journal_wake(journal->wake_fd);
        (void)pthread_join(journal->thread, NULL);
    }
    bool good = finish(journal);
    /* The stop record may be what a full disk or a file that went away hit: once more. */
    good = good || finish(journal);
    if (good) {
        sg_writer_close(&journal->writer, true);
    }
    free_journal(journal);
    return good ? SG_OK : SG_IO;
}
