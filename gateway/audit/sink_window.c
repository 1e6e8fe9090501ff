#include "audit/sink_window.h"

#include "base/object.h"

static struct sg_sink_window_entry *at(struct sg_sink_window *window, size_t index)
{
    return &window->ring[(window->first + index) % SG_SINK_WINDOW_ENTRIES];
}

void sg_sink_window_init(struct sg_sink_window *window, const struct sg_follow_position *base,
                         uint64_t base_seq)
{
    window->base = *base;
    window->base_seq = base_seq;
    window->first = window->count = window->written = window->acked = 0;
    window->unacked_bytes = 0;
}

bool sg_sink_window_has_room(const struct sg_sink_window *window)
{
    return window->count < SG_SINK_WINDOW_ENTRIES;
}

void sg_sink_window_add(struct sg_sink_window *window, const struct sg_follow_position *behind,
                        uint64_t seq, size_t line_bytes, uint64_t framed)
{
    SG_ASSERT(sg_sink_window_has_room(window));
    *at(window, window->count) = (struct sg_sink_window_entry){
        .behind = *behind, .seq = seq, .framed = framed, .bytes = line_bytes};
    window->count++;
    window->unacked_bytes += line_bytes;
}

void sg_sink_window_written(struct sg_sink_window *window, uint64_t taken, uint64_t wire)
{
    while (window->written < window->count && at(window, window->written)->framed <= taken) {
        at(window, window->written)->wire = wire;
        window->written++;
    }
}

size_t sg_sink_window_acked(struct sg_sink_window *window, uint64_t wire, int64_t now_ms)
{
    const size_t before = window->acked;
    while (window->acked < window->written && at(window, window->acked)->wire <= wire) {
        struct sg_sink_window_entry *entry = at(window, window->acked);
        entry->acked_ms = now_ms;
        window->unacked_bytes -= entry->bytes;
        window->acked++;
    }
    return window->acked - before;
}

/* The first count entries, all acknowledged, are surely taken. */
static void take(struct sg_sink_window *window, size_t count)
{
    if (count == 0) {
        return;
    }
    window->base = at(window, count - 1)->behind;
    window->base_seq = at(window, count - 1)->seq;
    window->first = (window->first + count) % SG_SINK_WINDOW_ENTRIES;
    window->count -= count;
    window->written -= count;
    window->acked -= count;
}

void sg_sink_window_settle(struct sg_sink_window *window, int64_t now_ms)
{
    size_t count = window->acked > SG_SINK_WINDOW_AGAIN ? window->acked - SG_SINK_WINDOW_AGAIN : 0;
    while (count < window->acked &&
           now_ms - at(window, count)->acked_ms >= SG_SINK_WINDOW_AGAIN_MS) {
        count++;
    }
    take(window, count);
}

bool sg_sink_window_is_quiet(const struct sg_sink_window *window)
{
    return window->acked == window->count;
}

static const struct sg_sink_window_entry *last_acked(const struct sg_sink_window *window)
{
    const size_t last = window->first + window->acked + SG_SINK_WINDOW_ENTRIES - 1;
    return &window->ring[last % SG_SINK_WINDOW_ENTRIES];
}

uint64_t sg_sink_window_acked_seq(const struct sg_sink_window *window)
{
    return window->acked > 0 ? last_acked(window)->seq : window->base_seq;
}

int64_t sg_sink_window_acked_ms(const struct sg_sink_window *window)
{
    return window->acked > 0 ? last_acked(window)->acked_ms : 0;
}

void sg_sink_window_ended(struct sg_sink_window *window, bool in_order)
{
    if (in_order) {
        take(window, window->acked);
    }
    window->first = window->count = window->written = window->acked = 0;
    window->unacked_bytes = 0;
}
