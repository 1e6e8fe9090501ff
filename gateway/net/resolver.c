#define SG_RESOLVER_PRIVATE
#include "net/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ip.h"
#include "base/str.h"
#include "base/thread.h"

/*
 * A list of names under one mutex, and one thread that looks up whatever is due. Everybody else
 * only copies results, so the mutex is held for short copies and never over getaddrinfo.
 *
 * getaddrinfo may hang for as long as a name server likes. Nobody waits for it: the thread is
 * detached, and it and the owner share the object by a count. Giving up the resolver closes it; the
 * thread sees that when its look-up returns, and whoever is last frees. Names are never removed
 * (they come from configurations, which are few), and a name's memory never moves, so the thread
 * may name the host it looks up without the mutex.
 *
 * Time: a name is due at next_us. After a good answer that is 30 s later; after a failed one 5 s; a
 * refresh makes it at once, but no more than once a second. The last good list stays for 10 minutes
 * of failures. The mutex is held while on_change is called, so that no call can be under way when
 * set_on_change returns; lock order: this mutex, then whatever posting takes.
 */

enum {
    REFRESH_US = 30 * 1000 * 1000,
    RETRY_US = 5 * 1000 * 1000,
    SOONEST_US = 1000 * 1000,
    HOST_BYTES_MAX = 255,
    PORT_BYTES = 6,
};

static const int64_t keep_us = INT64_C(10) * 60 * 1000 * 1000;

struct name {
    struct name *next;
    uint16_t port;
    bool answered;   /* once at least, good or bad */
    int64_t next_us; /* when to look up (again) */
    int64_t tried_us;
    int64_t good_us; /* when the list below was found */
    struct sg_address_list list;
    char host[]; /* as given, with NUL; never changes */
};

struct sg_resolver {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* something is due earlier, or closed */
    unsigned holders;       /* the owner and the thread */
    bool closed;
    struct name *names; /* newest first */
    void (*on_change)(void *arg);
    void *on_change_arg;
    struct sg_clock clock;
    struct sg_resolver_system system;
};

static void lock(struct sg_resolver *resolver)
{
    if (pthread_mutex_lock(&resolver->mutex) != 0) {
        abort();
    }
}

static void unlock(struct sg_resolver *resolver)
{
    if (pthread_mutex_unlock(&resolver->mutex) != 0) {
        abort();
    }
}

/* Give one hold back; takes the mutex locked. */
static void unhold(struct sg_resolver *resolver)
{
    bool last = --resolver->holders == 0;
    unlock(resolver);
    if (!last) {
        return;
    }
    while (resolver->names != NULL) {
        struct name *name = resolver->names;
        resolver->names = name->next;
        free(name);
    }
    (void)pthread_cond_destroy(&resolver->changed);
    (void)pthread_mutex_destroy(&resolver->mutex);
    free(resolver);
}

/* --- what a look-up gives --------------------------------------------------------------------- */

/* The text of a failed look-up: a literal, since nobody owns it. */
static const char *failure_text(int code)
{
    switch (code) {
    case EAI_NONAME:
        return "there is no such name";
    case EAI_AGAIN:
        return "the name server did not answer";
    case EAI_FAIL:
        return "the name server refused";
    case EAI_MEMORY:
        return "no memory for the look-up";
    case EAI_SYSTEM:
        return "the system refused the look-up";
    default:
        return "the look-up failed";
    }
}

static bool is_localhost(struct sg_str host)
{
    struct sg_str bare = host;
    if (bare.n > 0 && bare.p[bare.n - 1] == '.') {
        bare.n--;
    }
    const struct sg_str localhost = SG_STR("localhost");
    if (sg_str_equal_fold(bare, localhost)) {
        return true;
    }
    return bare.n > localhost.n && bare.p[bare.n - localhost.n - 1] == '.' &&
           sg_str_equal_fold(sg_str_slice(bare, bare.n - localhost.n, bare.n), localhost);
}

static bool is_within_any(const struct sg_ip *address, const char *const *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sg_prefix prefix;
        if (sg_prefix_parse(sg_str_from(prefixes[i]), &prefix) &&
            sg_prefix_contains(&prefix, address)) {
            return true;
        }
    }
    return false;
}

/* Whether an address that a name server gave may be dialled. */
static bool may_dial(const struct sg_ip *address, bool loopback_too)
{
    static const char *const never[] = {"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3",
                                        "::/128",    "fe80::/10",      "ff00::/8"};
    static const char *const loopback[] = {"127.0.0.0/8", "::1/128"};
    return address->family != 0 && !is_within_any(address, never, sizeof never / sizeof *never) &&
           (loopback_too || !is_within_any(address, loopback, sizeof loopback / sizeof *loopback));
}

static void add_address(struct sg_address_list *list, const struct addrinfo *info)
{
    struct sg_address *address = &list->items[list->count];
    if (list->count == SG_RESOLVER_ADDRESSES_MAX || info->ai_addrlen > sizeof address->socket) {
        return;
    }
    memset(address, 0, sizeof *address);
    memcpy(&address->socket, info->ai_addr, info->ai_addrlen);
    address->bytes = info->ai_addrlen;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].bytes == address->bytes &&
            memcmp(&list->items[i].socket, &address->socket, sizeof address->socket) == 0) {
            return; /* listed twice */
        }
    }
    list->count++;
}

/* Look a name up; called without the mutex. */
static void look_up(struct sg_resolver *resolver, const char *host, uint16_t port,
                    struct sg_address_list *ret)
{
    char port_text[PORT_BYTES];
    struct addrinfo *infos = NULL;
    const bool loopback_too = is_localhost(sg_str_from(host));
    *ret = (struct sg_address_list){.count = 0};
    (void)snprintf(port_text, sizeof port_text, "%u", (unsigned)port);
    int code = resolver->system.look_up(resolver->system.arg, host, port_text, &infos);
    if (code != 0) {
        ret->failure = failure_text(code);
        return;
    }
    for (const struct addrinfo *info = infos; info != NULL; info = info->ai_next) {
        const struct sg_ip address = sg_ip_from_sockaddr(info->ai_addr);
        if (may_dial(&address, loopback_too)) {
            add_address(ret, info);
        }
    }
    if (ret->count == 0) {
        ret->failure = infos != NULL ? "the name has loopback or link-local addresses only"
                                     : "the name has no address";
    }
    resolver->system.release(resolver->system.arg, infos);
}

/* Take over an answer. */
static void store(struct name *name, const struct sg_address_list *found, int64_t now_us)
{
    if (found->count > 0) {
        name->list = *found;
        name->good_us = now_us;
        name->next_us = now_us + REFRESH_US;
        return;
    }
    name->next_us = now_us + RETRY_US;
    if (name->list.count == 0 || now_us - name->good_us >= keep_us) {
        name->list = *found; /* else the last good list stands */
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Sleep until until_us of the clock (0: until something changes), or something changes. */
static void wait_until(struct sg_resolver *resolver, int64_t until_us, int64_t now_us)
{
    struct timespec at;
    if (until_us == 0) {
        (void)pthread_cond_wait(&resolver->changed, &resolver->mutex);
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t nanoseconds = at.tv_nsec + (until_us - now_us) % 1000000 * 1000;
    at.tv_sec += (time_t)((until_us - now_us) / 1000000 + nanoseconds / 1000000000);
    at.tv_nsec = (long)(nanoseconds % 1000000000);
    (void)pthread_cond_timedwait(&resolver->changed, &resolver->mutex, &at);
}

static void *thread_main(void *arg)
{
    struct sg_resolver *resolver = arg;
    lock(resolver);
    while (!resolver->closed) {
        struct name *due = NULL;
        for (struct name *name = resolver->names; name != NULL; name = name->next) {
            if (due == NULL || name->next_us < due->next_us) {
                due = name;
            }
        }
        int64_t now_us = sg_clock_monotonic_us(&resolver->clock);
        if (due == NULL || due->next_us > now_us) {
            wait_until(resolver, due != NULL ? due->next_us : 0, now_us);
            continue;
        }
        struct sg_address_list found;
        due->tried_us = now_us;
        unlock(resolver);
        look_up(resolver, due->host, due->port, &found);
        lock(resolver);
        if (resolver->closed) {
            break;
        }
        bool first = !due->answered;
        due->answered = true;
        store(due, &found, sg_clock_monotonic_us(&resolver->clock));
        if (first && resolver->on_change != NULL) {
            resolver->on_change(resolver->on_change_arg);
        }
    }
    if (resolver->system.ended != NULL) {
        resolver->system.ended(resolver->system.arg);
    }
    unhold(resolver);
    return NULL;
}

/* --- the owner's side ------------------------------------------------------------------------- */

static int system_look_up(void *arg, const char *host, const char *port, struct addrinfo **ret)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    (void)arg;
    return getaddrinfo(host, port, &hints, ret);
}

static void system_release(void *arg, struct addrinfo *list)
{
    (void)arg;
    if (list != NULL) {
        freeaddrinfo(list);
    }
}

struct sg_resolver *sg_resolver_new_over(const struct sg_clock *clock,
                                         const struct sg_resolver_system *system,
                                         struct sg_error *reterr)
{
    struct sg_resolver *resolver = calloc(1, sizeof *resolver);
    pthread_condattr_t attributes;
    if (resolver == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    resolver->clock = *clock;
    resolver->system = *system;
    resolver->holders = 1;
    int error = pthread_condattr_init(&attributes);
    if (error == 0) {
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        error = pthread_cond_init(&resolver->changed, &attributes);
        (void)pthread_condattr_destroy(&attributes);
    }
    if (error != 0) {
        goto no_condition;
    }
    error = pthread_mutex_init(&resolver->mutex, NULL);
    if (error != 0) {
        goto no_mutex;
    }
    resolver->holders = 2;
    error = sg_thread_start_detached(thread_main, resolver);
    if (error == 0) {
        return resolver;
    }
    (void)pthread_mutex_destroy(&resolver->mutex);
no_mutex:
    (void)pthread_cond_destroy(&resolver->changed);
no_condition:
    free(resolver);
    (void)sg_error_set(reterr, SG_IO, NULL, "cannot start the thread that looks up names: %s",
                       strerror(error));
    return NULL;
}

struct sg_resolver *sg_resolver_new(const struct sg_clock *clock, struct sg_error *reterr)
{
    static const struct sg_resolver_system system = {.look_up = system_look_up,
                                                     .release = system_release};
    return sg_resolver_new_over(clock, &system, reterr);
}

void sg_resolver_free(struct sg_resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    lock(resolver);
    resolver->closed = true;
    (void)pthread_cond_signal(&resolver->changed);
    unhold(resolver);
}

void sg_resolver_set_on_change(struct sg_resolver *resolver, void (*fn)(void *arg), void *arg)
{
    lock(resolver);
    resolver->on_change = fn;
    resolver->on_change_arg = arg;
    unlock(resolver);
}

/* Read an address literal, an IPv6 one with or without brackets. */
static bool literal_address(const char *host, uint16_t port, struct sg_address *ret)
{
    struct sg_str text = sg_str_from(host);
    struct sg_ip ip;
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
        text = sg_str_slice(text, 1, text.n - 1);
    }
    if (!sg_ip_parse(text, &ip)) {
        return false;
    }
    memset(ret, 0, sizeof *ret);
    if (ip.family == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, ip.bytes, sizeof in.sin_addr);
        memcpy(&ret->socket, &in, sizeof in);
        ret->bytes = sizeof in;
    } else {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&in.sin6_addr, ip.bytes, sizeof in.sin6_addr);
        memcpy(&ret->socket, &in, sizeof in);
        ret->bytes = sizeof in;
    }
    return true;
}

static struct name *find(const struct sg_resolver *resolver, const char *host, uint16_t port)
{
    for (struct name *name = resolver->names; name != NULL; name = name->next) {
        if (name->port == port && sg_str_equal_fold(sg_str_from(name->host), sg_str_from(host))) {
            return name;
        }
    }
    return NULL;
}

void sg_resolver_add(struct sg_resolver *resolver, const char *host, uint16_t port)
{
    struct sg_address literal;
    const size_t bytes = strlen(host);
    if (bytes == 0 || bytes > HOST_BYTES_MAX || literal_address(host, port, &literal)) {
        return;
    }
    lock(resolver);
    if (find(resolver, host, port) == NULL) {
        struct name *name = calloc(1, sizeof *name + bytes + 1);
        if (name != NULL) {
            name->port = port;
            name->next_us = INT64_MIN; /* at once */
            name->tried_us = INT64_MIN;
            memcpy(name->host, host, bytes + 1);
            name->next = resolver->names;
            resolver->names = name;
            (void)pthread_cond_signal(&resolver->changed);
        }
    }
    unlock(resolver);
}

void sg_resolver_refresh(struct sg_resolver *resolver, const char *host, uint16_t port)
{
    lock(resolver);
    struct name *name = find(resolver, host, port);
    if (name != NULL && name->answered && name->next_us > name->tried_us + SOONEST_US) {
        name->next_us = name->tried_us + SOONEST_US;
        (void)pthread_cond_signal(&resolver->changed);
    }
    unlock(resolver);
}

bool sg_resolver_get(struct sg_resolver *resolver, const char *host, uint16_t port,
                     struct sg_address_list *ret)
{
    *ret = (struct sg_address_list){.count = 0};
    if (literal_address(host, port, &ret->items[0])) {
        ret->count = 1;
        return true;
    }
    lock(resolver);
    const struct name *name = find(resolver, host, port);
    if (name != NULL) {
        *ret = name->list;
    }
    unlock(resolver);
    return ret->count > 0;
}
