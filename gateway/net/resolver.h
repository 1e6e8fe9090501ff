/*
 * Names to addresses on one thread of its own (getaddrinfo blocks). Every name of the
 * configuration is resolved at start, again every 30 s, and after a connect failure; the last good
 * list is kept for 10 minutes. Readers copy the list; nobody waits for the thread, which is
 * detached and owns its strings, so that drain never waits for a name server.
 */
#ifndef SG_NET_RESOLVER_H
#define SG_NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"

struct sg_resolver;

enum { SG_RESOLVER_ADDRESSES_MAX = 16 };

struct sg_address {
    struct sockaddr_storage socket;
    socklen_t bytes;
};

struct sg_address_list {
    size_t count;        /* 0: not resolved (yet) */
    const char *failure; /* why the look-up failed (count is 0), a literal; NULL: not known yet */
    struct sg_address items[SG_RESOLVER_ADDRESSES_MAX];
};

struct sg_resolver *sg_resolver_new(const struct sg_clock *clock, struct sg_error *reterr);

/* Give up the resolver; the thread ends when its present look-up returns. */
void sg_resolver_free(struct sg_resolver *resolver);

/*
 * Ask for a name to be kept resolved; known names are ignored. Returns at once. Without memory the
 * name stays unknown: ask again. [any]
 */
void sg_resolver_add(struct sg_resolver *resolver, const char *host, uint16_t port);

/* Ask for a fresh look-up soon (at most once a second a name). [any] */
void sg_resolver_refresh(struct sg_resolver *resolver, const char *host, uint16_t port);

/*
 * Copy the addresses of a name, in the order in which to try them. An address literal needs no
 * thread. False: not known yet or failed; ret->count is 0 and ret->failure says which. [any]
 *
 * What a name may resolve to: never an unspecified, link-local (metadata services) or multicast
 * address, and loopback only for "localhost" and names below it; literals are taken as they are.
 * What is given here is what is dialled: no second look-up can change it.
 */
bool sg_resolver_get(struct sg_resolver *resolver, const char *host, uint16_t port,
                     struct sg_address_list *ret);

/*
 * Call fn(arg) from the resolver's thread whenever a name's first answer (good or bad) is there, so
 * that callers who wait can look again. Set before add; NULL ends it: when this returns no call is
 * under way. fn must only post. [any]
 */
void sg_resolver_set_on_change(struct sg_resolver *resolver, void (*fn)(void *arg), void *arg);

#ifdef SG_RESOLVER_PRIVATE
/* A look-up as getaddrinfo does it: 0 and a list for freeaddrinfo, or an EAI_ value. */
struct addrinfo;
struct sg_resolver_system {
    int (*look_up)(void *arg, const char *host, const char *port, struct addrinfo **ret);
    void (*release)(void *arg, struct addrinfo *list);
    void (*ended)(void *arg); /* the thread needs clock and system no more; may be NULL */
    void *arg;
};

/* The same as sg_resolver_new over another system; it and the clock must live until ended. */
struct sg_resolver *sg_resolver_new_over(const struct sg_clock *clock,
                                         const struct sg_resolver_system *system,
                                         struct sg_error *reterr);
#endif

#endif
