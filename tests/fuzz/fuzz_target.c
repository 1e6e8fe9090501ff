/*
 * Request targets (http/target): the canonical form is a fixed point, holds only bytes that may
 * stand in it, and its decoded parts are UTF-8 without control bytes, dot segments and slashes.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "base/buf.h"
#include "http/target.h"
#include "text/encode.h"

static struct sg_str host = SG_STR("gateway.internal");

static void check_part(struct sg_str part)
{
    HOLDS(sg_str_is_utf8(part));
    for (size_t i = 0; i < part.n; i++) {
        HOLDS((unsigned char)part.p[i] >= 0x20 && part.p[i] != 0x7f);
    }
}

static void check_segment(struct sg_str segment)
{
    check_part(segment);
    HOLDS(segment.n > 0 && !sg_str_equal_text(segment, ".") && !sg_str_equal_text(segment, ".."));
    HOLDS(sg_str_find(segment, '/') == segment.n && sg_str_find(segment, '\\') == segment.n);
}

static void check_canonical(struct sg_str text, const char *structure)
{
    for (size_t i = 0; i < text.n; i++) {
        bool structural = false;
        for (const char *c = structure; *c != '\0'; c++) {
            structural = structural || text.p[i] == *c;
        }
        HOLDS(structural || sg_is_unreserved(text.p[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const struct sg_str raw = {.p = (const char *)bytes, .n = count};
    struct sg_arena arena, second;
    struct sg_target target, again;
    struct sg_error error = {.status = SG_OK};
    sg_arena_init(&arena, 1 << 20);
    sg_arena_init(&second, 1 << 20);
    if (sg_target_parse(&arena, raw, host, &target, &error) == SG_OK) {
        struct sg_buf canonical;
        for (size_t i = 0; i < target.segment_count; i++) {
            check_segment(target.segments[i]);
        }
        for (size_t i = 0; i < target.pair_count; i++) {
            check_part(target.pairs[i].name);
            check_part(target.pairs[i].value);
            HOLDS(target.pairs[i].name.n > 0);
        }
        check_canonical(target.path, "/%");
        check_canonical(target.query, "%=&");
        sg_buf_init(&canonical, 1 << 20);
        sg_buf_add_str(&canonical, target.path);
        sg_buf_add_text(&canonical, target.query.n > 0 ? "?" : "");
        sg_buf_add_str(&canonical, target.query);
        HOLDS(sg_target_parse(&second, sg_buf_str(&canonical), host, &again, &error) == SG_OK);
        HOLDS(sg_str_equal(again.path, target.path) && sg_str_equal(again.query, target.query));
        HOLDS(again.segment_count == target.segment_count && again.pair_count == target.pair_count);
        sg_buf_done(&canonical);
    } else {
        HOLDS(error.status != SG_OK && error.text[0] != '\0');
    }
    sg_arena_done(&arena);
    sg_arena_done(&second);
    return 0;
}
