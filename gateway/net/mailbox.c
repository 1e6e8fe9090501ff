#include "net/mailbox.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/object.h"

enum { MAILBOX_MAGIC = 0x53474d42 };

struct sg_mailbox {
    uint32_t magic;
    struct sg_loop *loop;
    int wake_fd;
    struct event wake;
    void (*fn)(void *arg, struct sg_message *message);
    void *arg;
    void (*on_wake)(void *arg);
    void *on_wake_arg;
    pthread_mutex_t lock; /* of the two below */
    struct sg_message *first;
    struct sg_message **end;
};

static void deliver(struct sg_mailbox *mailbox)
{
    (void)pthread_mutex_lock(&mailbox->lock);
    struct sg_message *message = mailbox->first;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    (void)pthread_mutex_unlock(&mailbox->lock);
    while (message != NULL) {
        struct sg_message *next = message->next;
        message->next = NULL;
        mailbox->fn(mailbox->arg, message);
        message = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct sg_mailbox *mailbox = SG_CAST(struct sg_mailbox, MAILBOX_MAGIC, arg);
    (void)fd;
    (void)what;
    deliver(mailbox);
    if (mailbox->on_wake != NULL) {
        mailbox->on_wake(mailbox->on_wake_arg);
    }
}

struct sg_mailbox *sg_mailbox_new(struct sg_loop *loop,
                                  void (*fn)(void *arg, struct sg_message *message), void *arg,
                                  struct sg_error *reterr)
{
    struct sg_mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (mailbox == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    *mailbox = (struct sg_mailbox){.magic = MAILBOX_MAGIC, .loop = loop, .fn = fn, .arg = arg};
    mailbox->end = &mailbox->first;
    (void)pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->wake_fd < 0) {
        (void)sg_error_set(reterr, SG_IO, NULL, "cannot make an eventfd: %s", strerror(errno));
        goto failed;
    }
    /* Edge-triggered and never read: each write to it is one wake-up, without a read(2). */
    if (event_assign(&mailbox->wake, sg_loop_base(loop), mailbox->wake_fd,
                     EV_READ | EV_PERSIST | EV_ET, on_wake, mailbox) != 0 ||
        event_add(&mailbox->wake, NULL) != 0) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        (void)close(mailbox->wake_fd);
        goto failed;
    }
    return mailbox;
failed:
    (void)pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
    return NULL;
}

void sg_mailbox_detach(struct sg_mailbox *mailbox)
{
    deliver(mailbox);
    (void)event_del(&mailbox->wake);
    mailbox->loop = NULL;
}

void sg_mailbox_free(struct sg_mailbox *mailbox)
{
    if (mailbox == NULL) {
        return;
    }
    deliver(mailbox);
    if (mailbox->loop != NULL) {
        (void)event_del(&mailbox->wake);
    }
    (void)close(mailbox->wake_fd);
    (void)pthread_mutex_destroy(&mailbox->lock);
    mailbox->magic = 0;
    free(mailbox);
}

void sg_mailbox_post(struct sg_mailbox *mailbox, struct sg_message *message)
{
    const uint64_t one = 1;
    message->next = NULL;
    (void)pthread_mutex_lock(&mailbox->lock);
    *mailbox->end = message;
    mailbox->end = &message->next;
    (void)pthread_mutex_unlock(&mailbox->lock);
    ssize_t written;
    do {
        written = write(mailbox->wake_fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
}

int sg_mailbox_wake_fd(const struct sg_mailbox *mailbox)
{
    return mailbox->wake_fd;
}

void sg_mailbox_set_on_wake(struct sg_mailbox *mailbox, void (*fn)(void *arg), void *arg)
{
    mailbox->on_wake = fn;
    mailbox->on_wake_arg = arg;
}
