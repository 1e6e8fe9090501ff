#include "audit/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/record.h"
#include "audit/segment.h"
#include "text/json_out.h"

/*
 * Hand-over. A port has two buffers: one that its thread fills, and one behind a lock that the
 * journal takes. Once a loop turn flush moves the first behind the second (or swaps them when that
 * is empty, the common case). Records nobody waits for do not wake the journal: it looks by itself
 * 20 ms after it last had something to do, and only when it has gone to sleep for good does a flush
 * wake it.
 *
 * Room. Nothing may fail for want of disk space once its request is admitted. So space is allocated
 * ahead of the end of the file (fallocate KEEP_SIZE), and `room` counts what of it is neither
 * written nor promised. A reservation takes from it, a record gives back what it did not need.
 *
 * Batches. The thread takes what all ports have published, frames it (chain.h), writes it with one
 * write(2), syncs when somebody waits for the disk or 200 ms have passed, then tells the ports and
 * wakes those who wait. Any failure ends the journal for good: a descriptor whose write or sync
 * failed is never used again, and nothing behind the last sync is ever claimed to be on disk.
 */

enum {
    AHEAD_BYTES = 8 * 1024 * 1024,
    LOW_WATER_BYTES = AHEAD_BYTES / 2,
    BATCH_BYTES_MAX = 64 * 1024 * 1024, /* never reached: room bounds what is queued */
    HELD_MS = 20,
    UNSYNCED_US = 200000,
    STALLED_US = 2000000,
    RETRY_US = 1000000,
    ACTIVE_US = 1000000, /* how long after a batch the thread looks by itself */
    PORTS_MAX = 512,
    PATH_BYTES = 4096,
    DIRECTORY_MODE = 0750,
    FILE_MODE = 0640,
};

/* Before each text in a port's buffers. */
struct entry {
    uint64_t ticket;
    uint32_t bytes;     /* of the text behind */
    uint32_t accounted; /* of room */
    int wait;           /* enum sg_journal_wait */
};

struct sg_journal_port {
    struct sg_journal *journal;
    int wake_fd;
    uint64_t tickets;      /* given out */
    struct sg_buf filling; /* the port's thread only */
    bool urgent;           /* somebody waits for something in filling */
    pthread_mutex_t lock;  /* of published */
    struct sg_buf published;
    struct sg_buf taken;   /* the journal's thread only */
    uint64_t taken_ticket; /* last ticket in taken */
    bool has_waiters;      /* of the batch */
    atomic_uint_fast64_t durable;
    atomic_uint_fast64_t written;
};

struct sg_journal {
    const struct sg_clock *clock;
    char *directory;
    char *version;
    size_t line_bytes;
    int directory_fd;
    int lock_fd;
    int fd; /* the segment */
    struct sg_chain chain;
    struct sg_digest *digest;
    uint64_t offset;           /* bytes written to the segment */
    uint64_t allocated;        /* bytes allocated for it */
    uint64_t unsynced_from_us; /* monotonic; 0: all is synced */
    uint64_t allocation_failed_us;
    struct sg_buf batch;
    struct sg_journal_port *ports[PORTS_MAX];
    size_t port_count;
    int wake_fd;
    pthread_t thread;
    bool started;
    atomic_bool quit;
    atomic_bool dozing; /* the thread sleeps until it is woken */
    atomic_bool failed;
    atomic_bool full;
    atomic_int_fast64_t room;
    atomic_int_fast64_t operation_started_us; /* a write or sync that is under way; 0: none */
};

/* --- opening ---------------------------------------------------------------------------------- */

static enum sg_status cannot(const struct sg_journal *journal, const char *what, const char *repair,
                             struct sg_error *reterr)
{
    return sg_error_set(reterr, SG_IO, NULL,
                        "the audit directory %s %s: %s; nothing is sent to the cloud without a "
                        "durable record; %s",
                        journal->directory, what, strerror(errno), repair);
}

static enum sg_status open_directory(struct sg_journal *journal, struct sg_error *reterr)
{
    static const char *const repair =
        "make it with: install -d -m 0750 -o USER DIRECTORY, for the user that runs signgate";
    if (mkdir(journal->directory, DIRECTORY_MODE) != 0 && errno != EEXIST) {
        return cannot(journal, "cannot be made", repair, reterr);
    }
    journal->directory_fd = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory_fd < 0) {
        return cannot(journal, "cannot be opened", repair, reterr);
    }
    journal->lock_fd =
        openat(journal->directory_fd, "LOCK", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (journal->lock_fd < 0) {
        return cannot(journal, "cannot be written", repair, reterr);
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(journal->lock_fd, F_OFD_SETLK, &lock) != 0) {
        if (errno == EAGAIN || errno == EACCES) {
            return sg_error_set(reterr, SG_IO, NULL,
                                "the audit directory %s is in use by another signgate; end it, or "
                                "give each gateway a directory of its own",
                                journal->directory);
        }
        return cannot(journal, "cannot be locked", repair, reterr);
    }
    return SG_OK;
}

/* Read or make STREAM: 32 hex digits that name this log for ever. */
static enum sg_status load_stream(struct sg_journal *journal, struct sg_error *reterr)
{
    char *stream = journal->chain.stream;
    int fd = openat(journal->directory_fd, "STREAM", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t count = read(fd, stream, SG_CHAIN_STREAM_BYTES);
        (void)close(fd);
        stream[SG_CHAIN_STREAM_BYTES] = '\0';
        if (count != SG_CHAIN_STREAM_BYTES ||
            strspn(stream, "0123456789abcdef") != SG_CHAIN_STREAM_BYTES) {
            return sg_error_set(reterr, SG_CONFIG, NULL,
                                "%s/STREAM does not hold 32 hex digits; restore it from the first "
                                "line of the oldest segment",
                                journal->directory);
        }
        return SG_OK;
    }
    if (errno != ENOENT) {
        return cannot(journal, "cannot be read", "look at the file STREAM", reterr);
    }
    unsigned char random[SG_CHAIN_STREAM_BYTES / 2];
    struct sg_buf text;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return sg_error_set(reterr, SG_IO, NULL, "the system gives no random bytes");
    }
    sg_buf_init(&text, SG_CHAIN_STREAM_BYTES + 1);
    sg_buf_add_hex(&text, random, sizeof random);
    sg_buf_add_char(&text, '\n');
    fd = openat(journal->directory_fd, "STREAM.tmp",
                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    bool good =
        fd >= 0 && !sg_buf_failed(&text) && write(fd, text.p, text.n) == (ssize_t)text.n &&
        fsync(fd) == 0 &&
        renameat(journal->directory_fd, "STREAM.tmp", journal->directory_fd, "STREAM") == 0 &&
        fsync(journal->directory_fd) == 0;
    int error = errno;
    if (good) {
        memcpy(stream, text.p, SG_CHAIN_STREAM_BYTES);
        stream[SG_CHAIN_STREAM_BYTES] = '\0';
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    sg_buf_done(&text);
    errno = error;
    return good ? SG_OK
                : cannot(journal, "cannot be written", "make room, or correct its owner", reterr);
}

/* How the last segment ended, for the first line of the next one. */
struct ending {
    bool any; /* there was a segment */
    const char *ended;
    char name[SG_SEGMENT_NAME_BYTES];
    uint64_t extra_bytes;
    char extra_sha256[SG_DIGEST_HEX_BYTES + 1];
};

/* Walk the last segment; earlier ones only lend their chain. */
static enum sg_status read_last(struct sg_journal *journal, bool refuse_on_damage,
                                struct ending *ret, struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    struct sg_segment_report report;
    size_t count = 0;
    char stream[SG_CHAIN_STREAM_BYTES + 1];
    memcpy(stream, journal->chain.stream, sizeof stream);
    enum sg_status status = sg_segment_list(journal->directory_fd, &names, &count, reterr);
    if (status != SG_OK || count == 0) {
        goto out;
    }
    /* A segment without one good line says nothing of the chain: begin at the one before it. */
    size_t from = count;
    do {
        from--;
        journal->chain.seq = 0;
        memset(journal->chain.prev, '0', sizeof journal->chain.prev);
        status = sg_segment_read(journal->directory_fd, &names[from], false, &journal->chain,
                                 &report, reterr);
    } while (status == SG_OK && report.lines == 0 && from > 0);
    for (size_t i = from + 1; status == SG_OK && i < count; i++) {
        status = sg_segment_read(journal->directory_fd, &names[i], true, &journal->chain, &report,
                                 reterr);
    }
    if (status != SG_OK) {
        goto out;
    }
    const struct sg_segment_name *last = &names[count - 1];
    if (report.fault == SG_SEGMENT_DAMAGED && refuse_on_damage) {
        status = sg_error_set(
            reterr, SG_IO, NULL,
            "%s/%s is damaged at line %llu (%s) and audit.on_damage is refuse; look into it with: "
            "signgate audit verify %s, then set audit.on_damage: continue to go on in a new epoch",
            journal->directory, last->text, (unsigned long long)report.lines + 1, report.kind,
            journal->directory);
        goto out;
    }
    ret->any = true;
    memcpy(ret->name, last->text, sizeof ret->name);
    ret->extra_bytes = report.file_bytes - report.good_bytes;
    memcpy(ret->extra_sha256, report.extra_sha256, sizeof ret->extra_sha256);
    ret->ended = report.fault == SG_SEGMENT_DAMAGED ? "damaged"
                 : report.ends_with_stop            ? "clean"
                                                    : "torn";
    if (last->epoch > journal->chain.epoch) {
        journal->chain.epoch = last->epoch;
    }
    memcpy(journal->chain.stream, stream, sizeof stream);
out:
    free(names);
    return status;
}

static bool write_all(int fd, struct sg_str bytes)
{
    while (bytes.n > 0) {
        ssize_t written = write(fd, bytes.p, bytes.n);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes = sg_str_slice(bytes, (size_t)written, bytes.n);
    }
    return true;
}

/* Make the next segment with its first line, durable with its name. */
static enum sg_status begin_segment(struct sg_journal *journal, const struct ending *ending,
                                    struct sg_error *reterr)
{
    struct sg_chain *chain = &journal->chain;
    struct sg_segment_name name;
    struct sg_buf text;
    char time[SG_CLOCK_RFC3339_BYTES];
    bool clean = !ending->any || strcmp(ending->ended, "clean") == 0;
    if (chain->epoch == 0) {
        chain->epoch = 1;
    } else if (!clean) {
        chain->epoch++;
    }
    sg_segment_name_make(chain->epoch, chain->seq + 1, &name);
    sg_clock_format_rfc3339(sg_clock_realtime_us(journal->clock), time);
    sg_buf_init(&text, PATH_BYTES);
    sg_buf_printf(&text, "\"time\":\"%.*s\",\"event\":\"segment\",\"version\":\"%s\"",
                  (int)sizeof time, time, journal->version);
    if (ending->any) {
        sg_buf_printf(&text, ",\"previous\":\"%s\",\"ended\":\"%s\",\"last_good_seq\":%llu",
                      ending->name, ending->ended, (unsigned long long)chain->seq);
        sg_buf_printf(&text, ",\"last_good_hash\":\"%.*s\",\"extra_bytes\":%llu",
                      SG_DIGEST_HEX_BYTES, chain->prev, (unsigned long long)ending->extra_bytes);
        if (ending->extra_bytes > 0) {
            sg_buf_printf(&text, ",\"extra_sha256\":\"%s\"", ending->extra_sha256);
        }
    }
    sg_buf_clear(&journal->batch);
    enum sg_status status =
        sg_buf_failed(&text)
            ? SG_NO_MEMORY
            : sg_chain_append(chain, journal->digest, sg_buf_str(&text), &journal->batch);
    sg_buf_done(&text);
    if (status != SG_OK) {
        return sg_error_set(reterr, status, NULL, "out of memory");
    }
    journal->fd =
        openat(journal->directory_fd, name.text,
               O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (journal->fd < 0 || !write_all(journal->fd, sg_buf_str(&journal->batch)) ||
        fdatasync(journal->fd) != 0 || fsync(journal->directory_fd) != 0) {
        return cannot(journal, "cannot be written", "make room, or correct its owner", reterr);
    }
    journal->offset = journal->batch.n;
    return SG_OK;
}

/* --- room ------------------------------------------------------------------------------------- */

/* Allocate ahead when the water is low; what it adds is room. */
static void allocate_ahead(struct sg_journal *journal)
{
    uint64_t now_us = (uint64_t)sg_clock_monotonic_us(journal->clock);
    uint64_t wanted = journal->offset + AHEAD_BYTES;
    if (journal->allocated >= journal->offset + LOW_WATER_BYTES ||
        (journal->allocation_failed_us != 0 && now_us - journal->allocation_failed_us < RETRY_US)) {
        return;
    }
    int result;
    do {
        result = fallocate(journal->fd, FALLOC_FL_KEEP_SIZE, (off_t)journal->offset, AHEAD_BYTES);
    } while (result != 0 && errno == EINTR);
    /* A file system without it cannot promise room; its writes can only be hoped for. */
    if (result != 0 && errno != EOPNOTSUPP) {
        journal->allocation_failed_us = now_us;
        atomic_store(&journal->full, true);
        return;
    }
    uint64_t before = journal->allocated > journal->offset ? journal->allocated : journal->offset;
    atomic_fetch_add(&journal->room, (int_fast64_t)(wanted - before));
    journal->allocated = wanted;
    journal->allocation_failed_us = 0;
    atomic_store(&journal->full, false);
}

bool sg_journal_reserve(struct sg_journal_port *port, size_t bytes)
{
    struct sg_journal *journal = port->journal;
    if (atomic_load(&journal->failed) || sg_journal_state(journal) == SG_JOURNAL_STALLED) {
        return false;
    }
    if (atomic_fetch_sub(&journal->room, (int_fast64_t)bytes) < (int_fast64_t)bytes) {
        atomic_fetch_add(&journal->room, (int_fast64_t)bytes);
        return false;
    }
    return true;
}

void sg_journal_release(struct sg_journal_port *port, size_t bytes)
{
    atomic_fetch_add(&port->journal->room, (int_fast64_t)bytes);
}

size_t sg_journal_bound(const struct sg_audit_record *record)
{
    return sg_audit_record_bound(record) + SG_CHAIN_FRAME_BYTES;
}

/* --- ports ------------------------------------------------------------------------------------ */

struct sg_journal_port *sg_journal_port_new(struct sg_journal *journal, int wake_fd)
{
    struct sg_journal_port *port = journal->port_count < PORTS_MAX ? calloc(1, sizeof *port) : NULL;
    if (port == NULL) {
        return NULL;
    }
    port->journal = journal;
    port->wake_fd = wake_fd;
    sg_buf_init(&port->filling, BATCH_BYTES_MAX);
    sg_buf_init(&port->published, BATCH_BYTES_MAX);
    sg_buf_init(&port->taken, BATCH_BYTES_MAX);
    (void)pthread_mutex_init(&port->lock, NULL);
    journal->ports[journal->port_count++] = port;
    return port;
}

static void free_port(struct sg_journal_port *port)
{
    sg_buf_done(&port->filling);
    sg_buf_done(&port->published);
    sg_buf_done(&port->taken);
    (void)pthread_mutex_destroy(&port->lock);
    free(port);
}

uint64_t sg_journal_submit(struct sg_journal_port *port, const struct sg_audit_record *record,
                           enum sg_journal_wait wait, size_t reserved)
{
    struct sg_journal *journal = port->journal;
    struct sg_buf *filling = &port->filling;
    const size_t before = filling->n;
    if (atomic_load(&journal->failed)) {
        return 0;
    }
    struct entry entry = {.ticket = port->tickets + 1, .wait = (int)wait};
    sg_buf_add(filling, &entry, sizeof entry);
    const size_t text_at = filling->n;
    sg_audit_record_format(record, filling);
    const size_t bytes = filling->n - text_at;
    const size_t accounted = bytes + SG_CHAIN_FRAME_BYTES;
    if (sg_buf_failed(filling) || accounted > journal->line_bytes + SG_CHAIN_FRAME_BYTES) {
        filling->n = before;
        filling->failed = false;
        return 0;
    }
    if (reserved == 0 && atomic_load(&journal->room) < (int_fast64_t)accounted) {
        filling->n = before;
        return 0;
    }
    atomic_fetch_add(&journal->room, (int_fast64_t)reserved - (int_fast64_t)accounted);
    entry.bytes = (uint32_t)bytes;
    entry.accounted = (uint32_t)accounted;
    memcpy(filling->p + before, &entry, sizeof entry);
    port->urgent = port->urgent || wait != SG_JOURNAL_WAIT_NONE;
    return ++port->tickets;
}

static void wake(int fd)
{
    const uint64_t one = 1;
    ssize_t written;
    do {
        written = write(fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
}

void sg_journal_flush(struct sg_journal_port *port)
{
    struct sg_journal *journal = port->journal;
    if (port->filling.n == 0) {
        return;
    }
    (void)pthread_mutex_lock(&port->lock);
    if (port->published.n == 0) {
        struct sg_buf empty = port->published;
        port->published = port->filling;
        port->filling = empty;
    } else {
        sg_buf_add_str(&port->published, sg_buf_str(&port->filling));
        if (sg_buf_failed(&port->published)) { /* no memory: what is not recorded is not sent */
            atomic_store(&journal->failed, true);
        }
        sg_buf_clear(&port->filling);
    }
    (void)pthread_mutex_unlock(&port->lock);
    bool urgent = port->urgent;
    port->urgent = false;
    if (urgent || atomic_load(&journal->dozing)) {
        wake(journal->wake_fd);
    }
}

struct sg_journal_progress sg_journal_progress(const struct sg_journal_port *port)
{
    return (struct sg_journal_progress){
        .failed = atomic_load(&port->journal->failed),
        .durable = atomic_load(&port->durable),
        .written = atomic_load(&port->written),
    };
}

enum sg_journal_state sg_journal_state(const struct sg_journal *journal)
{
    int64_t started_us = atomic_load(&journal->operation_started_us);
    if (atomic_load(&journal->failed)) {
        return SG_JOURNAL_FAILED;
    }
    if (started_us != 0 && sg_clock_monotonic_us(journal->clock) - started_us > STALLED_US) {
        return SG_JOURNAL_STALLED;
    }
    return atomic_load(&journal->full) ? SG_JOURNAL_FULL : SG_JOURNAL_OK;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Take what the ports have published. True: there is something. */
static bool take_all(struct sg_journal *journal)
{
    bool any = false;
    for (size_t i = 0; i < journal->port_count; i++) {
        struct sg_journal_port *port = journal->ports[i];
        sg_buf_clear(&port->taken);
        (void)pthread_mutex_lock(&port->lock);
        if (port->published.n > 0) {
            struct sg_buf empty = port->taken;
            port->taken = port->published;
            port->published = empty;
            any = true;
        }
        (void)pthread_mutex_unlock(&port->lock);
    }
    return any;
}

/* Frame the records of one port into the batch. */
static enum sg_status frame(struct sg_journal *journal, struct sg_journal_port *port,
                            uint64_t *accounted, bool *ret_durable)
{
    struct sg_str rest = sg_buf_str(&port->taken);
    enum sg_status status = SG_OK;
    port->has_waiters = false;
    while (rest.n > 0 && status == SG_OK) {
        struct entry entry;
        memcpy(&entry, rest.p, sizeof entry);
        struct sg_str text = {.p = rest.p + sizeof entry, .n = entry.bytes};
        status = sg_chain_append(&journal->chain, journal->digest, text, &journal->batch);
        *accounted += entry.accounted;
        port->taken_ticket = entry.ticket;
        port->has_waiters = port->has_waiters || entry.wait != SG_JOURNAL_WAIT_NONE;
        *ret_durable = *ret_durable || entry.wait == SG_JOURNAL_WAIT_DURABLE;
        rest = sg_str_slice(rest, sizeof entry + entry.bytes, rest.n);
    }
    return status;
}

/* Whether the segment is still the file we wrote: its one name, and as long as we left it. */
static bool is_untouched(struct sg_journal *journal)
{
    struct stat about;
    return fstat(journal->fd, &about) == 0 && about.st_nlink == 1 &&
           (uint64_t)about.st_size == journal->offset;
}

static void begin_operation(struct sg_journal *journal)
{
    atomic_store(&journal->operation_started_us, sg_clock_monotonic_us(journal->clock));
}

static bool sync_segment(struct sg_journal *journal)
{
    begin_operation(journal);
    bool good = fdatasync(journal->fd) == 0;
    atomic_store(&journal->operation_started_us, 0);
    if (good) {
        journal->unsynced_from_us = 0;
        for (size_t i = 0; i < journal->port_count; i++) {
            struct sg_journal_port *port = journal->ports[i];
            atomic_store(&port->durable, port->taken_ticket);
        }
    }
    return good;
}

static bool write_batch(struct sg_journal *journal)
{
    begin_operation(journal);
    bool good = is_untouched(journal) && write_all(journal->fd, sg_buf_str(&journal->batch));
    atomic_store(&journal->operation_started_us, 0);
    if (good) {
        journal->offset += journal->batch.n;
        for (size_t i = 0; i < journal->port_count; i++) {
            struct sg_journal_port *port = journal->ports[i];
            atomic_store(&port->written, port->taken_ticket);
        }
    }
    return good;
}

static void wake_waiters(struct sg_journal *journal, bool all)
{
    for (size_t i = 0; i < journal->port_count; i++) {
        struct sg_journal_port *port = journal->ports[i];
        if ((all || port->has_waiters) && port->wake_fd >= 0) {
            wake(port->wake_fd);
        }
        port->has_waiters = false;
    }
}

static void fail(struct sg_journal *journal)
{
    atomic_store(&journal->failed, true);
    wake_waiters(journal, true);
}

/* One batch: all that is published, or a sync that is due. True: there was something to do. */
static bool work(struct sg_journal *journal)
{
    uint64_t now_us = (uint64_t)sg_clock_monotonic_us(journal->clock);
    uint64_t accounted = 0;
    bool durable = false;
    if (!take_all(journal)) {
        if (journal->unsynced_from_us != 0 && now_us - journal->unsynced_from_us >= UNSYNCED_US &&
            !sync_segment(journal)) {
            fail(journal);
        }
        return false;
    }
    sg_buf_clear(&journal->batch);
    for (size_t i = 0; i < journal->port_count; i++) {
        if (frame(journal, journal->ports[i], &accounted, &durable) != SG_OK) {
            fail(journal);
            return true;
        }
    }
    if (!write_batch(journal)) {
        fail(journal);
        return true;
    }
    if (journal->unsynced_from_us == 0) {
        journal->unsynced_from_us = now_us;
    }
    if ((durable || now_us - journal->unsynced_from_us >= UNSYNCED_US) && !sync_segment(journal)) {
        fail(journal);
        return true;
    }
    /* What was accounted more than it took is room again. */
    atomic_fetch_add(&journal->room, (int_fast64_t)accounted - (int_fast64_t)journal->batch.n);
    wake_waiters(journal, false);
    allocate_ahead(journal);
    return true;
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

/* Sleep until there is something to do: woken, or by the clock while there was traffic lately. */
static void sleep_until_work(struct sg_journal *journal, int64_t last_work_us)
{
    struct pollfd wakeups = {.fd = journal->wake_fd, .events = POLLIN};
    uint64_t count;
    bool active = sg_clock_monotonic_us(journal->clock) - last_work_us < ACTIVE_US;
    int timeout_ms = active ? HELD_MS : -1;
    if (atomic_load(&journal->full)) {
        timeout_ms = RETRY_US / 1000; /* space may come back without a word */
    } else if (!active) {
        atomic_store(&journal->dozing, true);
        if (anything_published(journal)) { /* by a flush that did not see us doze off */
            timeout_ms = 0;
        }
    }
    if (poll(&wakeups, 1, timeout_ms) > 0) {
        (void)!read(journal->wake_fd, &count, sizeof count);
    }
    atomic_store(&journal->dozing, false);
}

static void *thread_main(void *arg)
{
    struct sg_journal *journal = arg;
    int64_t last_work_us = sg_clock_monotonic_us(journal->clock);
    while (!atomic_load(&journal->quit)) {
        if (!atomic_load(&journal->failed) && work(journal)) {
            last_work_us = sg_clock_monotonic_us(journal->clock);
        }
        if (atomic_load(&journal->full)) {
            allocate_ahead(journal);
        }
        if (!atomic_load(&journal->quit)) {
            sleep_until_work(journal, last_work_us);
        }
    }
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void free_journal(struct sg_journal *journal)
{
    for (size_t i = 0; i < journal->port_count; i++) {
        free_port(journal->ports[i]);
    }
    close_fd(&journal->fd);
    close_fd(&journal->lock_fd);
    close_fd(&journal->directory_fd);
    close_fd(&journal->wake_fd);
    sg_digest_free(journal->digest);
    sg_buf_done(&journal->batch);
    free(journal->directory);
    free(journal->version);
    free(journal);
}

enum sg_status sg_journal_open(const struct sg_journal_options *options, struct sg_journal **ret,
                               struct sg_error *reterr)
{
    struct ending ending = {.any = false};
    struct sg_journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    journal->fd = journal->lock_fd = journal->directory_fd = journal->wake_fd = -1;
    journal->clock = options->clock;
    journal->line_bytes = options->line_bytes;
    memset(journal->chain.prev, '0', sizeof journal->chain.prev);
    sg_buf_init(&journal->batch, BATCH_BYTES_MAX);
    journal->directory = strdup(options->directory);
    journal->version = strdup(options->version);
    journal->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    journal->digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
    enum sg_status status = SG_OK;
    if (journal->directory == NULL || journal->version == NULL || journal->wake_fd < 0 ||
        journal->digest == NULL) {
        status = sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    if (status == SG_OK) {
        status = open_directory(journal, reterr);
    }
    if (status == SG_OK) {
        status = load_stream(journal, reterr);
    }
    if (status == SG_OK) {
        status = read_last(journal, options->refuse_on_damage, &ending, reterr);
    }
    if (status == SG_OK) {
        status = begin_segment(journal, &ending, reterr);
    }
    if (status != SG_OK) {
        free_journal(journal);
        return status;
    }
    allocate_ahead(journal);
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

enum sg_status sg_journal_close(struct sg_journal **journal_to_close)
{
    struct sg_journal *journal = *journal_to_close;
    *journal_to_close = NULL;
    if (journal == NULL) {
        return SG_OK;
    }
    if (journal->started) {
        atomic_store(&journal->quit, true);
        wake(journal->wake_fd);
        (void)pthread_join(journal->thread, NULL);
    }
    while (!atomic_load(&journal->failed) && work(journal)) {
        continue; /* what the ports still held */
    }
    if (!atomic_load(&journal->failed) && journal->unsynced_from_us != 0 &&
        !sync_segment(journal)) {
        fail(journal);
    }
    enum sg_status status = atomic_load(&journal->failed) ? SG_IO : SG_OK;
    if (status == SG_OK) {
        (void)!ftruncate(journal->fd, (off_t)journal->offset); /* gives back what was ahead */
    }
    free_journal(journal);
    return status;
}
