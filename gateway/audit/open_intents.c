#include "audit/open_intents.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "audit/members.h"

enum { SLOTS_FIRST = 64 }; /* a power of two */

struct sg_open_intent {
    TAILQ_ENTRY(sg_open_intent) order;
    LIST_ENTRY(sg_open_intent) slot;
    uint64_t hash;
    struct sg_str id; /* within line */
    struct sg_str line;
    char bytes[]; /* the line's */
};

LIST_HEAD(slot, sg_open_intent);

struct sg_open_intents {
    TAILQ_HEAD(, sg_open_intent) order;
    struct slot *slots;
    size_t slot_count; /* a power of two */
    size_t count;
    sg_open_intents_hook *hook;
    void *arg;
};

struct sg_open_intents *sg_open_intents_new(void)
{
    struct sg_open_intents *intents = calloc(1, sizeof *intents);
    if (intents == NULL) {
        return NULL;
    }
    TAILQ_INIT(&intents->order);
    intents->slot_count = SLOTS_FIRST;
    intents->slots = calloc(SLOTS_FIRST, sizeof *intents->slots);
    if (intents->slots == NULL) {
        free(intents);
        return NULL;
    }
    return intents;
}

void sg_open_intents_free(struct sg_open_intents *intents)
{
    struct sg_open_intent *intent;
    if (intents == NULL) {
        return;
    }
    while ((intent = TAILQ_FIRST(&intents->order)) != NULL) {
        TAILQ_REMOVE(&intents->order, intent, order);
        free(intent);
    }
    free(intents->slots);
    free(intents);
}

void sg_open_intents_on_outcome(struct sg_open_intents *intents, sg_open_intents_hook *hook,
                                void *arg)
{
    intents->hook = hook;
    intents->arg = arg;
}

/* FNV-1a. The ids are the gateway's own: nobody else picks them. */
static uint64_t hash_of(struct sg_str id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < id.n; i++) {
        hash = (hash ^ (unsigned char)id.p[i]) * 0x100000001b3u;
    }
    return hash;
}

static struct slot *slot_of(const struct sg_open_intents *intents, uint64_t hash)
{
    return &intents->slots[(hash ^ hash >> 32) & (intents->slot_count - 1)];
}

static struct sg_open_intent *find(const struct sg_open_intents *intents, uint64_t hash,
                                   struct sg_str id)
{
    struct sg_open_intent *intent;
    LIST_FOREACH(intent, slot_of(intents, hash), slot)
    {
        if (intent->hash == hash && sg_str_equal(intent->id, id)) {
            return intent;
        }
    }
    return NULL;
}

/* Twice as many slots; without memory for them all works on, slower. */
static void grow(struct sg_open_intents *intents)
{
    struct sg_open_intent *intent;
    struct slot *slots = calloc(2 * intents->slot_count, sizeof *slots);
    if (slots == NULL) {
        return;
    }
    free(intents->slots);
    intents->slots = slots;
    intents->slot_count *= 2;
    TAILQ_FOREACH(intent, &intents->order, order)
    {
        LIST_INSERT_HEAD(slot_of(intents, intent->hash), intent, slot);
    }
}

static enum sg_status add(struct sg_open_intents *intents, uint64_t hash, struct sg_str id,
                          struct sg_str line)
{
    struct sg_open_intent *intent = malloc(sizeof *intent + line.n);
    if (intent == NULL) {
        return SG_NO_MEMORY;
    }
    memcpy(intent->bytes, line.p, line.n);
    intent->hash = hash;
    intent->line = (struct sg_str){.p = intent->bytes, .n = line.n};
    intent->id =
        sg_str_slice(intent->line, (size_t)(id.p - line.p), (size_t)(id.p - line.p) + id.n);
    if (intents->count >= intents->slot_count) {
        grow(intents);
    }
    TAILQ_INSERT_TAIL(&intents->order, intent, order);
    LIST_INSERT_HEAD(slot_of(intents, hash), intent, slot);
    intents->count++;
    return SG_OK;
}

enum sg_status sg_open_intents_take(struct sg_open_intents *intents, struct sg_str line)
{
    struct sg_str event = sg_members_find(line, "event");
    const bool intent = sg_str_equal(event, SG_STR("intent"));
    if (!intent && !sg_str_equal(event, SG_STR("outcome"))) {
        return SG_OK;
    }
    struct sg_str id = sg_members_find(line, "request_id");
    uint64_t hash = hash_of(id);
    struct sg_open_intent *found = find(intents, hash, id);
    if (intent) {
        return found != NULL || id.n == 0 ? SG_OK : add(intents, hash, id, line);
    }
    if (intents->hook != NULL) {
        intents->hook(intents->arg, found != NULL ? found->line : (struct sg_str){.p = ""}, line);
    }
    if (found != NULL) {
        TAILQ_REMOVE(&intents->order, found, order);
        LIST_REMOVE(found, slot);
        intents->count--;
        free(found);
    }
    return SG_OK;
}

size_t sg_open_intents_count(const struct sg_open_intents *intents)
{
    return intents->count;
}

const struct sg_open_intent *sg_open_intents_next(const struct sg_open_intents *intents,
                                                  const struct sg_open_intent *after)
{
    return after == NULL ? TAILQ_FIRST(&intents->order) : TAILQ_NEXT(after, order);
}

struct sg_str sg_open_intent_line(const struct sg_open_intent *intent)
{
    return intent->line;
}
