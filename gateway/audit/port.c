#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/journal_private.h"
#include "audit/record.h"

/*
 * Hand-over. A port has two buffers: one that its thread fills, and one behind a lock that the
 * journal takes. Once a loop turn flush moves the first behind the second (or swaps them when that
 * is empty, the common case). Records nobody waits for do not wake the journal: it looks by itself
 * 20 ms after it last had something to do, and only when it has gone to sleep for good does a flush
 * wake it.
 *
 * Room. Nothing may fail for want of disk space once its request is admitted. So space is allocated
 * ahead of the end of the file, and `room` counts what of it is neither written nor promised. A
 * reservation takes from it, a record gives back what it did not need.
 */

struct sg_journal_port *sg_journal_port_new(struct sg_journal *journal, int wake_fd)
{
    struct sg_journal_port *port = journal->port_count < PORTS_MAX ? calloc(1, sizeof *port) : NULL;
    if (port == NULL) {
        return NULL;
    }
    port->journal = journal;
    port->wake_fd = wake_fd;
    sg_buf_init(&port->filling, QUEUE_BYTES_MAX);
    sg_buf_init(&port->published, QUEUE_BYTES_MAX);
    sg_buf_init(&port->taken, QUEUE_BYTES_MAX);
    (void)pthread_mutex_init(&port->lock, NULL);
    journal->ports[journal->port_count++] = port;
    return port;
}

/* Whether intents are admitted at all. */
static bool takes_intents(const struct sg_journal *journal)
{
    return sg_journal_state(journal) == SG_JOURNAL_OK;
}

bool sg_journal_reserve(struct sg_journal_port *port, size_t bytes)
{
    struct sg_journal *journal = port->journal;
    if (!takes_intents(journal)) {
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

uint64_t sg_journal_submit(struct sg_journal_port *port, const struct sg_audit_record *record,
                           enum sg_journal_wait wait, size_t reserved)
{
    struct sg_journal *journal = port->journal;
    struct sg_buf *filling = &port->filling;
    const size_t before = filling->n;
    struct sg_journal_entry entry = {
        .ticket = port->tickets + 1,
        .wait = (uint8_t)wait,
        .refusal = record->event == SG_AUDIT_DENIED || record->event == SG_AUDIT_REJECTED,
    };
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

void sg_journal_wake(int fd)
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
    bool moved = true;
    if (port->published.n == 0) {
        struct sg_buf empty = port->published;
        port->published = port->filling;
        port->filling = empty;
    } else {
        sg_buf_add_str(&port->published, sg_buf_str(&port->filling));
        moved = !sg_buf_failed(&port->published);
        port->published.failed = false;
        if (moved) {
            sg_buf_clear(&port->filling);
        } /* no memory: they stay where they are, and the next flush tries again */
    }
    (void)pthread_mutex_unlock(&port->lock);
    bool urgent = port->urgent;
    port->urgent = !moved && urgent;
    if (urgent || atomic_load(&journal->dozing)) {
        sg_journal_wake(journal->wake_fd);
    }
}

struct sg_journal_progress sg_journal_progress(const struct sg_journal_port *port)
{
    return (struct sg_journal_progress){
        .cancelled = atomic_load(&port->cancelled),
        .durable = atomic_load(&port->durable),
        .written = atomic_load(&port->written),
    };
}
