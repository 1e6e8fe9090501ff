#include "audit/entries.h"

#include <stdlib.h>

#include "audit/members.h"
#include "audit/open_intents.h"

enum { INTENT_BYTES_MAX = 4 << 20, TIME_BYTES_MAX = 40 };

struct sg_entries {
    struct sg_follow *follow;
    struct sg_open_intents *open;
    struct sg_buf intent; /* of the outcome just read */
    char time_bytes[TIME_BYTES_MAX];
    size_t time_length;
};

/* The set forgets an intent with its outcome: it is kept for the entry. */
static void keep_intent(void *arg, struct sg_str intent, struct sg_str outcome)
{
    struct sg_entries *entries = arg;
    (void)outcome;
    sg_buf_add_str(&entries->intent, intent);
}

struct sg_entries *sg_entries_open(const char *directory, const struct sg_follow_position *from,
                                   struct sg_error *reterr)
{
    struct sg_entries *entries = calloc(1, sizeof *entries);
    if (entries == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    sg_buf_init(&entries->intent, INTENT_BYTES_MAX);
    entries->follow = sg_follow_open(directory, from, reterr);
    if (entries->follow == NULL) {
        sg_entries_close(entries);
        return NULL;
    }
    entries->open = sg_open_intents_new();
    if (entries->open == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        sg_entries_close(entries);
        return NULL;
    }
    sg_open_intents_on_outcome(entries->open, keep_intent, entries);
    return entries;
}

void sg_entries_close(struct sg_entries *entries)
{
    if (entries == NULL) {
        return;
    }
    sg_follow_close(entries->follow);
    sg_open_intents_free(entries->open);
    sg_buf_done(&entries->intent);
    free(entries);
}

static void note_time(struct sg_entries *entries, const struct sg_entry *entry)
{
    struct sg_str time = sg_entry_text(
        entry, entry->has_intent && entry->has_outcome ? SG_ENTRY_outcome_time : SG_ENTRY_time);
    entries->time_length = time.n < TIME_BYTES_MAX ? time.n : TIME_BYTES_MAX;
    memcpy(entries->time_bytes, time.p, entries->time_length);
}

enum sg_status sg_entries_next(struct sg_entries *entries, struct sg_entry *ret,
                               struct sg_error *reterr)
{
    for (;;) {
        struct sg_str line;
        enum sg_status status = sg_follow_next(entries->follow, &line, reterr);
        if (status != SG_OK) {
            return status;
        }
        sg_buf_clear(&entries->intent);
        if (sg_open_intents_take(entries->open, line) != SG_OK) {
            return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        }
        sg_entry_read(sg_buf_str(&entries->intent), line, ret);
        note_time(entries, ret);
        if (ret->kind != SG_ENTRY_CALL || ret->has_outcome) {
            return SG_OK;
        }
    }
}

bool sg_entries_next_open(struct sg_entries *entries, const void **cursor, struct sg_entry *ret)
{
    const struct sg_open_intent *intent = sg_open_intents_next(entries->open, *cursor);
    *cursor = intent;
    if (intent == NULL) {
        return false;
    }
    sg_entry_read((struct sg_str){.p = ""}, sg_open_intent_line(intent), ret);
    return true;
}

struct sg_follow *sg_entries_follow(struct sg_entries *entries)
{
    return entries->follow;
}

struct sg_str sg_entries_last_time(const struct sg_entries *entries)
{
    return (struct sg_str){.p = entries->time_bytes, .n = entries->time_length};
}
