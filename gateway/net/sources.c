#include "net/sources.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/object.h"

/*
 * A table of chains under one lock. There is an entry for each address that has a connection, so
 * its size is bounded by limits.connections. The hash is seeded: who has many addresses shall not
 * choose which chain they are in.
 */

enum { CHAINS = 4096 };

struct entry {
    struct entry *next;
    struct sg_ip address;
    uint64_t connections;
};

struct sg_sources {
    pthread_mutex_t lock;
    uint64_t seed;
    struct entry *chains[CHAINS];
};

struct sg_sources *sg_sources_new(void)
{
    struct sg_sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL) {
        return NULL;
    }
    if (getrandom(&sources->seed, sizeof sources->seed, GRND_NONBLOCK) < 0) {
        sources->seed = (uintptr_t)sources; /* before the system has entropy: as good as it gets */
    }
    (void)pthread_mutex_init(&sources->lock, NULL);
    return sources;
}

void sg_sources_free(struct sg_sources *sources)
{
    if (sources == NULL) {
        return;
    }
    for (size_t i = 0; i < CHAINS; i++) {
        while (sources->chains[i] != NULL) {
            struct entry *first = sources->chains[i];
            sources->chains[i] = first->next;
            free(first);
        }
    }
    (void)pthread_mutex_destroy(&sources->lock);
    free(sources);
}

/* FNV-1a from a secret start. */
static size_t chain_of(const struct sg_sources *sources, const struct sg_ip *address)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ sources->seed;
    for (size_t i = 0; i < sizeof address->bytes; i++) {
        hash = (hash ^ address->bytes[i]) * UINT64_C(1099511628211);
    }
    return (size_t)((hash >> 32 ^ hash) % CHAINS);
}

/* Where the entry is linked from, or where the chain ends. */
static struct entry **find(struct sg_sources *sources, const struct sg_ip *address)
{
    struct entry **at = &sources->chains[chain_of(sources, address)];
    while (*at != NULL && !sg_ip_equal(&(*at)->address, address)) {
        at = &(*at)->next;
    }
    return at;
}

bool sg_sources_enter(struct sg_sources *sources, const struct sg_ip *address, uint64_t max)
{
    (void)pthread_mutex_lock(&sources->lock);
    struct entry **at = find(sources, address);
    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        if (*at != NULL) {
            (*at)->address = *address;
        }
    }
    bool enters = *at != NULL && (max == 0 || (*at)->connections < max);
    if (enters) {
        (*at)->connections++;
    }
    (void)pthread_mutex_unlock(&sources->lock);
    return enters;
}

void sg_sources_leave(struct sg_sources *sources, const struct sg_ip *address)
{
    (void)pthread_mutex_lock(&sources->lock);
    struct entry **at = find(sources, address);
    struct entry *entry = *at;
    SG_ASSERT(entry != NULL && entry->connections > 0);
    if (--entry->connections == 0) {
        *at = entry->next;
        free(entry);
    }
    (void)pthread_mutex_unlock(&sources->lock);
}
