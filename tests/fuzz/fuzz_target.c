/*
 * http/target: any bytes as a target.
 *
 * What is accepted leaves in a form that is its own canonical form, holds only bytes that stand for
 * themselves in any parser, and decodes to parts that are text: UTF-8, no control bytes, nothing
 * that is structure of a path.
 *
 * Input: the Host header's value, LF, the target.
 */
#include "fuzz.h"
#include "http/target.h"

enum { ARENA_BYTES = 1 << 20 };

static bool is_upper_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* Unreserved bytes, triplets in upper case, and the separators given. */
static void check_canonical_bytes(struct sg_str s, const char *separators)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            CHECK(i + 2 < s.n && is_upper_hex(s.p[i + 1]) && is_upper_hex(s.p[i + 2]));
            i += 2;
        } else {
            char lower = sg_ascii_lower(c);
            CHECK(c != '\0');
            CHECK((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
                  strchr("-._~", c) != NULL || strchr(separators, c) != NULL);
        }
    }
}

static void check_text(struct sg_str s)
{
    CHECK(sg_str_is_utf8(s));
    for (size_t i = 0; i < s.n; i++) {
        CHECK((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f);
    }
}

static void check_parts(const struct sg_target *target)
{
    CHECK(target->segment_count <= SG_TARGET_SEGMENTS_MAX);
    CHECK(target->pair_count <= SG_TARGET_PAIRS_MAX);
    for (size_t i = 0; i < target->segment_count; i++) {
        struct sg_str segment = target->segments[i];
        check_text(segment);
        CHECK(segment.n > 0);
        CHECK(!sg_str_equal_text(segment, ".") && !sg_str_equal_text(segment, ".."));
        CHECK(sg_str_find(segment, '/') == segment.n && sg_str_find(segment, '\\') == segment.n);
    }
    for (size_t i = 0; i < target->pair_count; i++) {
        check_text(target->pairs[i].name);
        check_text(target->pairs[i].value);
        CHECK(target->pairs[i].name.n > 0);
        CHECK(i == 0 || sg_str_compare(target->pairs[i - 1].name, target->pairs[i].name) <= 0);
    }
}

static void check_fixed_point(struct sg_arena *arena, const struct sg_target *target)
{
    struct sg_target again;
    struct sg_error error;
    struct sg_buf out;
    sg_buf_init(&out, ARENA_BYTES);
    sg_buf_add_str(&out, target->path);
    if (target->query.n > 0) {
        sg_buf_add_char(&out, '?');
        sg_buf_add_str(&out, target->query);
    }
    CHECK(sg_target_parse(arena, sg_buf_str(&out), SG_STR(""), &again, &error) == SG_OK);
    CHECK(sg_str_equal(again.path, target->path));
    CHECK(sg_str_equal(again.query, target->query));
    CHECK(again.trailing_slash == target->trailing_slash);
    CHECK(again.segment_count == target->segment_count);
    for (size_t i = 0; i < again.segment_count; i++) {
        CHECK(sg_str_equal(again.segments[i], target->segments[i]));
    }
    CHECK(again.pair_count == target->pair_count);
    for (size_t i = 0; i < again.pair_count; i++) {
        CHECK(sg_str_equal(again.pairs[i].name, target->pairs[i].name));
        CHECK(sg_str_equal(again.pairs[i].value, target->pairs[i].value));
    }
    sg_buf_done(&out);
}

static void check_host(struct sg_str host)
{
    struct sg_str name, again;
    if (sg_host_name(host, &name)) {
        CHECK(name.n > 0 && name.n <= host.n && name.p == host.p);
        CHECK(sg_host_name(name, &again) && sg_str_equal(name, again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_str input = {.p = (const char *)data, .n = size};
    struct sg_str host = fuzz_take_until(&input, '\n');
    struct sg_target target;
    struct sg_error error = {.text = ""};
    struct sg_arena arena;
    sg_arena_init(&arena, ARENA_BYTES);
    check_host(host);
    enum sg_status status = sg_target_parse(&arena, input, host, &target, &error);
    if (status == SG_OK) {
        CHECK(target.path.n > 0 && target.path.p[0] == '/');
        check_canonical_bytes(target.path, "/");
        check_canonical_bytes(target.query, "&=");
        check_parts(&target);
        check_fixed_point(&arena, &target);
    } else {
        CHECK(status == SG_MALFORMED || status == SG_TOO_LARGE);
        CHECK(error.text[0] != '\0');
    }
    sg_arena_done(&arena);
    return 0;
}
