#include "audit/filter.h"

#include <string.h>

#include "audit/members.h"
#include "text/wildcard.h"

const char *const sg_filter_events[] = {
    "start",    "stop",    "reload",  "freeze",     "intent",    "outcome",    "denied",
    "rejected", "dry_run", "segment", "checkpoint", "recovered", "clock_jump", NULL,
};

bool sg_filter_add(struct sg_filter_words *words, const char *item)
{
    if (words->count == SG_FILTER_MAX) {
        return false;
    }
    words->items[words->count++] = item;
    return true;
}

bool sg_filter_add_status(struct sg_filter_statuses *statuses, struct sg_str text)
{
    enum { STATUS_MIN = 100, STATUS_MAX = 599 };
    uint64_t from, to;
    size_t dash = sg_str_find(text, '-');
    if (text.n == 3 && sg_str_equal_fold(sg_str_slice(text, 1, 3), SG_STR("xx"))) {
        if (!sg_str_to_u64(sg_str_slice(text, 0, 1), STATUS_MAX / 100, &from)) {
            return false;
        }
        from *= 100;
        to = from + 99;
    } else {
        if (!sg_str_to_u64(sg_str_slice(text, 0, dash), STATUS_MAX, &from)) {
            return false;
        }
        to = from;
        if (dash < text.n &&
            !sg_str_to_u64(sg_str_slice(text, dash + 1, text.n), STATUS_MAX, &to)) {
            return false;
        }
    }
    if (from < STATUS_MIN || from > to || statuses->count == SG_FILTER_MAX) {
        return false;
    }
    statuses->items[statuses->count].from = (unsigned)from;
    statuses->items[statuses->count].to = (unsigned)to;
    statuses->count++;
    return true;
}

static bool parse_span(struct sg_str text, int64_t *ret_us)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    enum { COUNT_MAX = 100000000 }; /* three years of seconds, and no overflow of any unit */
    uint64_t count;
    if (text.n < 2 || !sg_str_to_u64(sg_str_slice(text, 0, text.n - 1), COUNT_MAX, &count)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (text.p[text.n - 1] == units[i].letter) {
            *ret_us = (int64_t)count * units[i].seconds * 1000000;
            return true;
        }
    }
    return false;
}

bool sg_filter_parse_time(struct sg_str text, int64_t now_us, int64_t *ret_us)
{
    int64_t span_us;
    if (parse_span(text, &span_us)) {
        *ret_us = span_us < now_us ? now_us - span_us : 0;
        return true;
    }
    return sg_clock_parse_rfc3339(text, ret_us);
}

/* --- matching --------------------------------------------------------------------------------- */

/* What stands in a member, in the scratch buffer when it had to be unescaped. */
static struct sg_str plain(struct sg_str escaped, struct sg_buf *scratch)
{
    if (sg_str_find(escaped, '\\') == escaped.n) {
        return escaped;
    }
    sg_buf_clear(scratch);
    sg_members_unescape(escaped, scratch);
    return sg_buf_str(scratch);
}

static bool word_matches(const struct sg_filter_words *words, struct sg_str escaped, bool fold)
{
    char bytes[4096]; /* longer than any name may be */
    struct sg_buf scratch;
    if (words->count == 0) {
        return true;
    }
    sg_buf_init_fixed(&scratch, bytes, sizeof bytes);
    struct sg_str text = plain(escaped, &scratch);
    for (size_t i = 0; i < words->count; i++) {
        if (sg_wildcard_matches(sg_str_from(words->items[i]), text, fold)) {
            return true;
        }
    }
    return false;
}

static bool is_one_of(const struct sg_filter_words *words, struct sg_str text)
{
    for (size_t i = 0; i < words->count; i++) {
        if (sg_str_equal_text(text, words->items[i])) {
            return true;
        }
    }
    return false;
}

static bool event_matches(const struct sg_filter *filter, const struct sg_entry *entry)
{
    if (filter->events.count == 0) {
        return entry->kind != SG_ENTRY_EVENT || filter->with_gateway_events;
    }
    return is_one_of(&filter->events, sg_entry_text(entry, SG_ENTRY_event)) ||
           (entry->has_intent && is_one_of(&filter->events, SG_STR("intent")));
}

static bool outcome_matches(const struct sg_filter *filter, const struct sg_entry *entry)
{
    if (filter->outcomes.count == 0) {
        return true;
    }
    bool open = entry->kind == SG_ENTRY_CALL && !entry->has_outcome;
    return is_one_of(&filter->outcomes,
                     open ? SG_STR("open") : sg_entry_text(entry, SG_ENTRY_outcome));
}

static bool status_matches(const struct sg_filter *filter, const struct sg_entry *entry)
{
    uint64_t status;
    if (filter->statuses.count == 0) {
        return true;
    }
    if (!sg_entry_number(entry, SG_ENTRY_status, &status)) {
        return false;
    }
    for (size_t i = 0; i < filter->statuses.count; i++) {
        if (status >= filter->statuses.items[i].from && status <= filter->statuses.items[i].to) {
            return true;
        }
    }
    return false;
}

static bool id_matches(const struct sg_filter *filter, const struct sg_entry *entry)
{
    static const enum sg_entry_member ids[] = {SG_ENTRY_request_id, SG_ENTRY_client_request_id,
                                               SG_ENTRY_trace_id, SG_ENTRY_upstream_request_id};
    enum { TAIL_BYTES_MIN = 8 };
    char bytes[4096];
    struct sg_buf scratch;
    if (filter->request_ids.count == 0) {
        return true;
    }
    sg_buf_init_fixed(&scratch, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct sg_str id = plain(sg_entry_text(entry, ids[i]), &scratch);
        if (id.n > 0 && is_one_of(&filter->request_ids, id)) {
            return true;
        }
    }
    /* The table shows the end of ours alone. */
    struct sg_str ours = sg_entry_text(entry, SG_ENTRY_request_id);
    for (size_t i = 0; i < filter->request_ids.count; i++) {
        struct sg_str wanted = sg_str_from(filter->request_ids.items[i]);
        if (wanted.n >= TAIL_BYTES_MIN && sg_str_ends_with(ours, wanted)) {
            return true;
        }
    }
    return false;
}

/* Times are written in one form, in which their order is that of their texts. */
static bool time_matches(const struct sg_filter *filter, const struct sg_entry *entry)
{
    struct sg_str time = sg_entry_text(entry, SG_ENTRY_time);
    return (!filter->has_since ||
            sg_str_compare(time, (struct sg_str){filter->since, sizeof filter->since}) >= 0) &&
           (!filter->has_until ||
            sg_str_compare(time, (struct sg_str){filter->until, sizeof filter->until}) < 0);
}

bool sg_filter_matches(const struct sg_filter *filter, const struct sg_entry *entry)
{
    return event_matches(filter, entry) && time_matches(filter, entry) &&
           word_matches(&filter->callers, sg_entry_text(entry, SG_ENTRY_caller), false) &&
           word_matches(&filter->teams, sg_entry_text(entry, SG_ENTRY_team), false) &&
           word_matches(&filter->actions, sg_entry_text(entry, SG_ENTRY_action), true) &&
           (filter->decisions.count == 0 ||
            is_one_of(&filter->decisions, sg_entry_text(entry, SG_ENTRY_decision))) &&
           outcome_matches(filter, entry) && status_matches(filter, entry) &&
           id_matches(filter, entry);
}
