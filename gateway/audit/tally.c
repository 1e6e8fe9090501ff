#include "audit/tally.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLOTS_FIRST = 64, /* a power of two */
    SUB_BITS = 6,
    SUB_COUNT = 1 << SUB_BITS,
    VALUE_BITS = 40, /* longer is counted as that: twelve days */
    BUCKET_COUNT = (VALUE_BITS - SUB_BITS + 1) * SUB_COUNT,
};

struct sg_tally_group {
    struct sg_tally_group *next; /* of its slot */
    uint64_t hash;
    struct sg_tally_figures figures;
    uint64_t *buckets; /* NULL: nothing was timed */
    size_t key_bytes;
    char key[]; /* the values, each with a NUL behind it */
};

struct sg_tally {
    enum sg_entry_member by[SG_TALLY_BY_MAX];
    size_t by_count;
    struct sg_tally_group *total;
    struct sg_tally_group **slots;
    size_t slot_count;
    struct sg_tally_group **groups;
    size_t count;
    struct sg_buf key; /* scratch */
};

static struct sg_tally_group *new_group(struct sg_str key, uint64_t hash)
{
    struct sg_tally_group *group = calloc(1, sizeof *group + key.n + 1);
    if (group != NULL) {
        group->hash = hash;
        group->key_bytes = key.n;
        if (key.n > 0) {
            memcpy(group->key, key.p, key.n);
        }
    }
    return group;
}

static void free_group(struct sg_tally_group *group)
{
    if (group != NULL) {
        free(group->buckets);
        free(group);
    }
}

struct sg_tally *sg_tally_new(const enum sg_entry_member *by, size_t by_count)
{
    struct sg_tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL) {
        return NULL;
    }
    sg_buf_init(&tally->key, 1 << 24);
    tally->by_count = by_count < SG_TALLY_BY_MAX ? by_count : SG_TALLY_BY_MAX;
    for (size_t i = 0; i < tally->by_count; i++) {
        tally->by[i] = by[i];
    }
    tally->slot_count = SLOTS_FIRST;
    tally->slots = calloc(SLOTS_FIRST, sizeof(struct sg_tally_group *));
    tally->groups = calloc(SLOTS_FIRST, sizeof(struct sg_tally_group *));
    tally->total = new_group(SG_STR(""), 0);
    if (tally->slots == NULL || tally->groups == NULL || tally->total == NULL) {
        sg_tally_free(tally);
        return NULL;
    }
    return tally;
}

void sg_tally_free(struct sg_tally *tally)
{
    if (tally == NULL) {
        return;
    }
    for (size_t i = 0; i < tally->count; i++) {
        free_group(tally->groups[i]);
    }
    free_group(tally->total);
    free(tally->slots);
    free(tally->groups);
    sg_buf_done(&tally->key);
    free(tally);
}

/* --- latencies -------------------------------------------------------------------------------- */

static size_t bucket_of(uint64_t us)
{
    const uint64_t most = ((uint64_t)1 << VALUE_BITS) - 1;
    us = us < most ? us : most;
    if (us < SUB_COUNT) {
        return (size_t)us;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - SUB_BITS;
    return ((size_t)shift + 1) * SUB_COUNT + (size_t)(us >> shift) - SUB_COUNT;
}

/* The highest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    size_t shift = bucket / SUB_COUNT - 1;
    return ((uint64_t)(bucket % SUB_COUNT + SUB_COUNT + 1) << shift) - 1;
}

static bool add_latency(struct sg_tally_group *group, uint64_t us)
{
    if (group->buckets == NULL) {
        group->buckets = calloc(BUCKET_COUNT, sizeof *group->buckets);
    }
    if (group->buckets == NULL) {
        return false;
    }
    group->buckets[bucket_of(us)]++;
    group->figures.timed++;
    if (us > group->figures.max_us) {
        group->figures.max_us = us;
    }
    return true;
}

uint64_t sg_tally_percentile_us(const struct sg_tally_group *group, unsigned permille)
{
    uint64_t rank = (group->figures.timed * permille + 999) / 1000, seen = 0;
    for (size_t i = 0; group->buckets != NULL && i < BUCKET_COUNT; i++) {
        seen += group->buckets[i];
        if (seen > 0 && seen >= rank) {
            uint64_t end = bucket_end(i);
            return end < group->figures.max_us ? end : group->figures.max_us;
        }
    }
    return group->figures.max_us;
}

/* --- counting --------------------------------------------------------------------------------- */

static void add_call(struct sg_tally_figures *figures, const struct sg_entry *entry)
{
    struct sg_str outcome = sg_entry_text(entry, SG_ENTRY_outcome);
    figures->calls++;
    if (!entry->has_outcome) {
        figures->open++;
    } else if (sg_str_equal(outcome, SG_STR("success"))) {
        figures->succeeded++;
    } else if (sg_str_equal(outcome, SG_STR("failure"))) {
        figures->failed++;
    } else {
        figures->unknown++;
    }
}

static bool add_to(struct sg_tally_group *group, const struct sg_entry *entry)
{
    uint64_t count = sg_entry_count(entry), us;
    struct sg_tally_figures *figures = &group->figures;
    struct sg_str event = sg_entry_text(entry, SG_ENTRY_event);
    figures->requests += count;
    if (entry->kind == SG_ENTRY_CALL) {
        add_call(figures, entry);
    } else if (sg_str_equal(event, SG_STR("denied"))) {
        figures->denied += count;
    } else if (sg_str_equal(event, SG_STR("dry_run"))) {
        figures->dry_runs += count;
    } else {
        figures->rejected += count;
    }
    return !sg_entry_number(entry, SG_ENTRY_duration_us, &us) || add_latency(group, us);
}

static uint64_t hash_of(struct sg_str key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.n; i++) {
        hash = (hash ^ (unsigned char)key.p[i]) * 0x100000001b3u;
    }
    return hash ^ hash >> 32;
}

/* Twice as many slots and places; false: no memory. */
static bool grow(struct sg_tally *tally)
{
    size_t count = 2 * tally->slot_count;
    struct sg_tally_group **slots = calloc(count, sizeof(struct sg_tally_group *));
    struct sg_tally_group **groups =
        realloc(tally->groups, count * sizeof(struct sg_tally_group *));
    if (groups != NULL) {
        tally->groups = groups;
    }
    if (slots == NULL || groups == NULL) {
        free(slots);
        return false;
    }
    free(tally->slots);
    tally->slots = slots;
    tally->slot_count = count;
    for (size_t i = 0; i < tally->count; i++) {
        struct sg_tally_group **slot = &slots[groups[i]->hash & (count - 1)];
        groups[i]->next = *slot;
        *slot = groups[i];
    }
    return true;
}

/* The group of a key, made when it is new; NULL: no memory. */
static struct sg_tally_group *find_group(struct sg_tally *tally, struct sg_str key)
{
    uint64_t hash = hash_of(key);
    struct sg_tally_group *group = tally->slots[hash & (tally->slot_count - 1)];
    for (; group != NULL; group = group->next) {
        if (group->hash == hash &&
            sg_str_equal((struct sg_str){.p = group->key, .n = group->key_bytes}, key)) {
            return group;
        }
    }
    if (tally->count == tally->slot_count && !grow(tally)) {
        return NULL;
    }
    group = new_group(key, hash);
    if (group != NULL) {
        struct sg_tally_group **slot = &tally->slots[hash & (tally->slot_count - 1)];
        group->next = *slot;
        *slot = group;
        tally->groups[tally->count++] = group;
    }
    return group;
}

enum sg_status sg_tally_add(struct sg_tally *tally, const struct sg_entry *entry)
{
    if (entry->kind == SG_ENTRY_EVENT) {
        return SG_OK;
    }
    if (!add_to(tally->total, entry)) {
        return SG_NO_MEMORY;
    }
    if (tally->by_count == 0) {
        return SG_OK;
    }
    sg_buf_clear(&tally->key);
    for (size_t i = 0; i < tally->by_count; i++) {
        struct sg_str value = sg_entry_text(entry, tally->by[i]);
        sg_buf_add_str(&tally->key, value.n > 0 ? value : SG_STR("-"));
        sg_buf_add_char(&tally->key, '\0');
    }
    struct sg_tally_group *group =
        sg_buf_failed(&tally->key) ? NULL : find_group(tally, sg_buf_str(&tally->key));
    return group != NULL && add_to(group, entry) ? SG_OK : SG_NO_MEMORY;
}

/* --- looking ---------------------------------------------------------------------------------- */

const struct sg_tally_group *sg_tally_total(const struct sg_tally *tally)
{
    return tally->total;
}

static int by_requests(const void *a, const void *b)
{
    const struct sg_tally_group *x = *(struct sg_tally_group *const *)a;
    const struct sg_tally_group *y = *(struct sg_tally_group *const *)b;
    if (x->figures.requests != y->figures.requests) {
        return x->figures.requests > y->figures.requests ? -1 : 1;
    }
    return sg_str_compare((struct sg_str){.p = x->key, .n = x->key_bytes},
                          (struct sg_str){.p = y->key, .n = y->key_bytes});
}

void sg_tally_sort(struct sg_tally *tally)
{
    qsort(tally->groups, tally->count, sizeof(struct sg_tally_group *), by_requests);
}

size_t sg_tally_count(const struct sg_tally *tally)
{
    return tally->count;
}

const struct sg_tally_group *sg_tally_group(const struct sg_tally *tally, size_t index)
{
    return tally->groups[index];
}

struct sg_str sg_tally_value(const struct sg_tally_group *group, size_t index)
{
    struct sg_str rest = {.p = group->key, .n = group->key_bytes};
    for (; index > 0; index--) {
        rest = sg_str_slice(rest, sg_str_find(rest, '\0') + 1, rest.n);
    }
    return sg_str_slice(rest, 0, sg_str_find(rest, '\0'));
}

const struct sg_tally_figures *sg_tally_figures(const struct sg_tally_group *group)
{
    return &group->figures;
}

uint64_t sg_tally_error_ppm(const struct sg_tally_group *group)
{
    const struct sg_tally_figures *f = &group->figures;
    uint64_t ended = f->calls - f->open;
    return ended > 0 ? (f->failed + f->unknown) * 1000000 / ended : 0;
}
