#include "audit/flood.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Longer texts are never cut, which could split an escape: they count as "other". */
enum { PROBES = 8, KEY_BYTES = 128, REASON_BYTES = 48, OVERFLOW_AT = SG_FLOOD_SOURCES };

struct key {
    char bytes[KEY_BYTES];
    size_t n;
};

struct reason {
    char text[REASON_BYTES];
    size_t n;
    uint64_t count;
};

struct source {
    bool used;
    bool is_caller; /* key is a caller's name, not an address */
    struct key key;
    int64_t window_us; /* when it began */
    uint64_t written;  /* by themselves, in the window */
    uint64_t count;    /* in the sum */
    char first[SG_CLOCK_RFC3339_BYTES];
    char last[SG_CLOCK_RFC3339_BYTES];
    struct reason reasons[SG_FLOOD_REASONS];
    size_t reason_count;
    uint64_t other_reasons;
};

struct sg_flood {
    uint64_t held;  /* sums that are not taken yet */
    int64_t due_us; /* none of them is due before */
    struct source sources[SG_FLOOD_SOURCES + 1];
};

struct sg_flood *sg_flood_new(void)
{
    return calloc(1, sizeof(struct sg_flood));
}

void sg_flood_free(struct sg_flood *flood)
{
    free(flood);
}

/* FNV-1a; whoever aims at one place only shares a sum with himself. */
static uint32_t hash(struct sg_str text)
{
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < text.n; i++) {
        value = (value ^ (unsigned char)text.p[i]) * 16777619u;
    }
    return value;
}

static bool is_key(const struct source *source, struct sg_str text, bool is_caller)
{
    return source->used && source->is_caller == is_caller &&
           sg_str_equal((struct sg_str){.p = source->key.bytes, .n = source->key.n}, text);
}

static bool is_idle(const struct source *source, int64_t now_us)
{
    return !source->used ||
           (source->count == 0 && now_us - source->window_us >= SG_FLOOD_WINDOW_US);
}

/* The source's place, a free one that is now its, or the one for all that found none. */
static struct source *find(struct sg_flood *flood, struct sg_str text, bool is_caller,
                           int64_t now_us)
{
    uint32_t start = hash(text);
    struct source *free_one = &flood->sources[OVERFLOW_AT];
    for (uint32_t i = 0; i < PROBES && text.n <= KEY_BYTES; i++) {
        struct source *source = &flood->sources[(start + i) % SG_FLOOD_SOURCES];
        if (is_key(source, text, is_caller)) {
            return source;
        }
        if (free_one == &flood->sources[OVERFLOW_AT] && is_idle(source, now_us)) {
            free_one = source;
        }
    }
    if (free_one != &flood->sources[OVERFLOW_AT]) {
        *free_one = (struct source){.used = true, .is_caller = is_caller, .window_us = now_us};
        if (text.n > 0) {
            memcpy(free_one->key.bytes, text.p, text.n);
        }
        free_one->key.n = text.n;
    }
    return free_one;
}

static void count_reason(struct source *source, struct sg_str text)
{
    for (size_t i = 0; i < source->reason_count; i++) {
        struct reason *reason = &source->reasons[i];
        if (sg_str_equal((struct sg_str){.p = reason->text, .n = reason->n}, text)) {
            reason->count++;
            return;
        }
    }
    if (source->reason_count == SG_FLOOD_REASONS || text.n == 0 || text.n > REASON_BYTES) {
        source->other_reasons++;
        return;
    }
    struct reason *reason = &source->reasons[source->reason_count++];
    memcpy(reason->text, text.p, text.n);
    reason->n = text.n;
    reason->count = 1;
}

static void copy_time(char to[SG_CLOCK_RFC3339_BYTES], struct sg_str time)
{
    memset(to, '0', SG_CLOCK_RFC3339_BYTES);
    struct sg_str fits = sg_str_slice(time, 0, SG_CLOCK_RFC3339_BYTES);
    if (fits.n > 0) {
        memcpy(to, fits.p, fits.n);
    }
}

bool sg_flood_admits(struct sg_flood *flood, const struct sg_flood_refusal *refusal, int64_t now_us)
{
    bool is_caller = refusal->source_ip.n == 0;
    struct source *source =
        find(flood, is_caller ? refusal->caller : refusal->source_ip, is_caller, now_us);
    if (source->count == 0 && now_us - source->window_us >= SG_FLOOD_WINDOW_US) {
        source->window_us = now_us;
        source->written = 0;
    }
    if (source->count == 0 && source->written < SG_FLOOD_RECORDS) {
        source->written++;
        return true;
    }
    if (source->count == 0) {
        int64_t due_us = source->window_us + SG_FLOOD_WINDOW_US;
        flood->due_us = flood->held == 0 || due_us < flood->due_us ? due_us : flood->due_us;
        flood->held++;
        source->reason_count = 0;
        source->other_reasons = 0;
        copy_time(source->first, refusal->time);
    }
    source->count++;
    copy_time(source->last, refusal->time);
    count_reason(source, refusal->reason);
    return false;
}

int64_t sg_flood_due_us(const struct sg_flood *flood)
{
    return flood->held > 0 ? flood->due_us : INT64_MAX;
}

static void add_quoted(struct sg_buf *out, const char *bytes, size_t count)
{
    sg_buf_add_char(out, '"');
    sg_buf_add(out, bytes, count);
    sg_buf_add_char(out, '"');
}

static void format(const struct source *source, bool known, struct sg_str time, struct sg_buf *out)
{
    sg_buf_add_text(out, "\"time\":\"");
    sg_buf_add_str(out, time);
    sg_buf_add_text(out, "\",\"event\":\"rejected\"");
    if (known && source->key.n > 0) {
        sg_buf_add_text(out, source->is_caller ? ",\"caller\":" : ",\"source_ip\":");
        add_quoted(out, source->key.bytes, source->key.n);
    }
    sg_buf_add_text(out, ",\"count\":");
    sg_buf_add_u64(out, source->count);
    sg_buf_add_text(out, ",\"first\":\"");
    sg_buf_add(out, source->first, sizeof source->first);
    sg_buf_add_text(out, "\",\"last\":\"");
    sg_buf_add(out, source->last, sizeof source->last);
    sg_buf_add_text(out, "\",\"reasons\":{");
    for (size_t i = 0; i < source->reason_count; i++) {
        const struct reason *reason = &source->reasons[i];
        sg_buf_add_text(out, i > 0 ? "," : "");
        add_quoted(out, reason->text, reason->n);
        sg_buf_add_char(out, ':');
        sg_buf_add_u64(out, reason->count);
    }
    if (source->other_reasons > 0) {
        sg_buf_add_text(out, source->reason_count > 0 ? ",\"other\":" : "\"other\":");
        sg_buf_add_u64(out, source->other_reasons);
    }
    sg_buf_add_char(out, '}');
}

bool sg_flood_take(struct sg_flood *flood, int64_t now_us, bool everything, struct sg_str time,
                   struct sg_buf *out)
{
    int64_t next_us = INT64_MAX;
    if (flood->held == 0 || (!everything && now_us < flood->due_us)) {
        return false;
    }
    for (size_t i = 0; i <= SG_FLOOD_SOURCES; i++) {
        struct source *source = &flood->sources[i];
        int64_t due_us = source->window_us + SG_FLOOD_WINDOW_US;
        if (source->count == 0) {
            continue;
        }
        if (everything || due_us <= now_us) {
            format(source, i != OVERFLOW_AT, time, out);
            source->count = 0;
            flood->held--;
            return true;
        }
        next_us = due_us < next_us ? due_us : next_us;
    }
    flood->due_us = next_us;
    return false;
}
