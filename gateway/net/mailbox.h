/*
 * A typed queue into a loop from other threads: reload, drain, resolved names. Woken by an eventfd
 * that is never read (edge-triggered). Not for the request path. A message embeds struct sg_message
 * first and is owned by the receiver once posted.
 */
#ifndef SG_NET_MAILBOX_H
#define SG_NET_MAILBOX_H

#include "base/error.h"
#include "net/loop.h"

struct sg_mailbox;

struct sg_message {
    struct sg_message *next;
    int kind; /* the receiver's enum */
};

/* Make a mailbox whose messages are given to fn on the loop's thread, in order of posting. */
struct sg_mailbox *sg_mailbox_new(struct sg_loop *loop,
                                  void (*fn)(void *arg, struct sg_message *message), void *arg,
                                  struct sg_error *reterr);

/*
 * Deliver what is there and leave the loop, which may go then; the eventfd stays open, since others
 * may still write to it. [the loop's thread]
 */
void sg_mailbox_detach(struct sg_mailbox *mailbox);

/*
 * Deliver what is left and free; NULL is fine. [after the last post and the last wake-up; on the
 * loop's thread unless detached]
 */
void sg_mailbox_free(struct sg_mailbox *mailbox);

/* Hand a message over; cannot fail. [any thread] */
void sg_mailbox_post(struct sg_mailbox *mailbox, struct sg_message *message);

/* The eventfd: others may write 8 bytes to it to wake the loop (the journal does). */
int sg_mailbox_wake_fd(const struct sg_mailbox *mailbox);

/* Call fn at each wake-up besides, messages or not (journal progress). */
void sg_mailbox_set_on_wake(struct sg_mailbox *mailbox, void (*fn)(void *arg), void *arg);

#endif
