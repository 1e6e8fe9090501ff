/*
 * The request target, in three steps.
 *
 * 1. Form. Only origin-form ("/path?query") and an absolute-form whose host is the Host header's
 *    are served; of the latter only the part behind the authority goes on.
 * 2. Bytes. One pass over what is left, as it came: every byte must be one that RFC 3986 lets stand
 *    in a path or query, every "%" must begin a good triplet, no triplet may stand for a control
 *    byte, and in the path none for "/" or "\", which some servers take for separators. The pass
 *    knows the place of each byte, so refusals name it.
 * 3. Parts. The path is cut at "/", the query at "&" and the first "="; each part is decoded once,
 *    must be UTF-8, and is written anew with every byte percent-encoded that is not unreserved.
 *    Cutting comes before decoding: no encoded byte can become structure.
 *
 * The pairs are sorted by their decoded bytes, name first, since that is how the cloud's own
 * signers order the canonical query; it is also the query that is sent. A "+" is a plus sign.
 *
 * Only the arena is used for memory, and never more than the target's length in parts and three
 * times that in the canonical forms.
 */
#include "http/target.h"

#include <stdint.h>

#include "base/ip.h"
#include "text/encode.h"

struct parse {
    struct sg_arena *arena;
    struct sg_str raw; /* the whole target: places are counted from its first byte */
    struct sg_target target;
    struct sg_error *reterr;
};

/* Refuse what stands at p, a byte of raw. */
static enum sg_status malformed(const struct parse *parse, const char *p, const char *what)
{
    return sg_error_set(parse->reterr, SG_MALFORMED, NULL, "%s at byte %zu of the target", what,
                        (size_t)(p - parse->raw.p) + 1);
}

static enum sg_status no_memory(const struct parse *parse)
{
    return sg_error_set(parse->reterr, SG_NO_MEMORY, NULL, "no memory for the target");
}

/* --- hosts ------------------------------------------------------------------------------------ */

enum { HOST_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_byte(char c)
{
    char lower = sg_ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || is_digit(c) || c == '-' || c == '_';
}

/* Dot-separated labels, none of them empty: names and IPv4 addresses. */
static bool is_name(struct sg_str name)
{
    size_t label = 0;
    if (name.n > HOST_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (!is_label_byte(name.p[i]) || ++label > LABEL_MAX_BYTES) {
            return false;
        }
    }
    return label > 0;
}

bool sg_host_name(struct sg_str host, struct sg_str *ret)
{
    struct sg_str name, rest;
    if (host.n > 0 && host.p[0] == '[') {
        struct sg_ip address;
        size_t close = sg_str_find(host, ']');
        if (close == host.n || !sg_ip_parse(sg_str_slice(host, 1, close), &address) ||
            sg_str_find(sg_str_slice(host, 1, close), ':') == close - 1) {
            return false;
        }
        name = sg_str_slice(host, 0, close + 1);
        rest = sg_str_slice(host, close + 1, host.n);
    } else {
        size_t colon = sg_str_find(host, ':');
        name = sg_str_slice(host, 0, colon);
        rest = sg_str_slice(host, colon, host.n);
        if (name.n > 0 && name.p[name.n - 1] == '.') {
            name.n--;
        }
        if (!is_name(name)) {
            return false;
        }
    }
    uint64_t port; /* any digits, even none (RFC 3986 section 3.2.3) */
    if (rest.n > 0 &&
        (rest.p[0] != ':' ||
         (rest.n > 1 && !sg_str_to_u64(sg_str_slice(rest, 1, rest.n), UINT16_MAX, &port)))) {
        return false;
    }
    *ret = name;
    return true;
}

/* --- form ------------------------------------------------------------------------------------- */

/* How long "http://" or "https://" at the start is; 0: neither stands there. */
static size_t scheme_length(struct sg_str raw)
{
    static const struct sg_str schemes[] = {SG_STR("http://"), SG_STR("https://")};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (sg_str_equal_fold(sg_str_slice(raw, 0, schemes[i].n), schemes[i])) {
            return schemes[i].n;
        }
    }
    return 0;
}

/* Find path and query: raw itself, or what stands behind an absolute-form's authority. */
static enum sg_status take_origin(const struct parse *parse, struct sg_str host, struct sg_str *ret)
{
    struct sg_str raw = parse->raw;
    if (raw.n == 0) {
        return sg_error_set(parse->reterr, SG_MALFORMED, NULL, "the target is empty");
    }
    if (raw.p[0] == '/') {
        *ret = raw;
        return SG_OK;
    }
    size_t begin = scheme_length(raw);
    if (begin == 0) {
        return malformed(parse, raw.p, "expected a path that begins with \"/\"");
    }
    size_t end = begin;
    while (end < raw.n && raw.p[end] != '/' && raw.p[end] != '?' && raw.p[end] != '#') {
        end++;
    }
    struct sg_str named, served;
    if (!sg_host_name(sg_str_slice(raw, begin, end), &named)) {
        return malformed(parse, raw.p + begin, "expected host or host:port");
    }
    if (!sg_host_name(host, &served) || !sg_str_equal_fold(named, served)) {
        return malformed(parse, raw.p + begin, "a host that is not the Host header's");
    }
    *ret = sg_str_slice(raw, end, raw.n);
    return SG_OK;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Whether c may stand as it is in a path or query: pchar, "/" and "?" of RFC 3986, but for "%". */
static bool may_stand(char c)
{
    switch (c) {
    case '!':
    case '$':
    case '&':
    case '\'':
    case '(':
    case ')':
    case '*':
    case '+':
    case ',':
    case ';':
    case '=':
    case ':':
    case '@':
    case '/':
    case '?':
        return true;
    default:
        return sg_is_unreserved(c);
    }
}

static bool is_control(int byte)
{
    return byte < 0x20 || byte == 0x7f;
}

static enum sg_status check_triplet(const struct parse *parse, struct sg_str text, bool in_path)
{
    int high = text.n > 2 ? sg_hex_value(text.p[1]) : -1;
    int low = text.n > 2 ? sg_hex_value(text.p[2]) : -1;
    if (high < 0 || low < 0) {
        return malformed(parse, text.p, "a \"%\" without two hex digits behind it");
    }
    int byte = high * 16 + low;
    if (is_control(byte)) {
        return malformed(parse, text.p, "an encoded control byte");
    }
    if (in_path && (byte == '/' || byte == '\\')) {
        return malformed(parse, text.p, "an encoded slash or backslash in the path");
    }
    return SG_OK;
}

static enum sg_status check_bytes(const struct parse *parse, struct sg_str text)
{
    bool in_path = true;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            enum sg_status status = check_triplet(parse, sg_str_slice(text, i, text.n), in_path);
            if (status != SG_OK) {
                return status;
            }
            i += 2;
        } else if (c == '?') {
            in_path = false;
        } else if (c == '#') {
            return malformed(parse, text.p + i, "a fragment (\"#\")");
        } else if (is_control((unsigned char)c)) {
            return malformed(parse, text.p + i, "a control byte");
        } else if (!may_stand(c)) {
            return malformed(parse, text.p + i, "a byte that must be percent-encoded");
        }
    }
    return SG_OK;
}

/* --- parts ------------------------------------------------------------------------------------ */

static enum sg_status decode(const struct parse *parse, struct sg_str part, struct sg_str *ret)
{
    struct sg_str decoded = part;
    if (!sg_percent_decode(parse->arena, part, &decoded)) {
        return no_memory(parse); /* bad triplets did not come this far */
    }
    if (!sg_str_is_utf8(decoded)) {
        return malformed(parse, part.p, "a part that is not UTF-8");
    }
    *ret = decoded;
    return SG_OK;
}

static enum sg_status parse_segment(struct parse *parse, struct sg_str segment)
{
    struct sg_target *target = &parse->target;
    if (target->segment_count == SG_TARGET_SEGMENTS_MAX) {
        return sg_error_set(parse->reterr, SG_TOO_LARGE, NULL, "the path has more than %d segments",
                            SG_TARGET_SEGMENTS_MAX);
    }
    if (segment.n == 0) {
        return malformed(parse, segment.p, "an empty path segment");
    }
    struct sg_str *decoded = &target->segments[target->segment_count];
    enum sg_status status = decode(parse, segment, decoded);
    if (status != SG_OK) {
        return status;
    }
    if (sg_str_equal(*decoded, SG_STR(".")) || sg_str_equal(*decoded, SG_STR(".."))) {
        return malformed(parse, segment.p, "a dot segment");
    }
    target->segment_count++;
    return SG_OK;
}

/* path is empty (of an absolute-form) or begins with "/". */
static enum sg_status parse_path(struct parse *parse, struct sg_str path)
{
    for (size_t at = 1; at < path.n;) {
        struct sg_str rest = sg_str_slice(path, at, path.n);
        size_t length = sg_str_find(rest, '/');
        enum sg_status status = parse_segment(parse, sg_str_slice(rest, 0, length));
        if (status != SG_OK) {
            return status;
        }
        at += length + 1;
        parse->target.trailing_slash = at == path.n; /* without one, at is behind it */
    }
    return SG_OK;
}

static enum sg_status parse_pair(struct parse *parse, struct sg_str text,
                                 struct sg_target_pair *ret)
{
    size_t equals = sg_str_find(text, '=');
    if (text.n == 0) {
        return malformed(parse, text.p, "an empty query pair");
    }
    if (equals == 0) {
        return malformed(parse, text.p, "a query pair without a name");
    }
    enum sg_status status = decode(parse, sg_str_slice(text, 0, equals), &ret->name);
    if (status != SG_OK) {
        return status;
    }
    return decode(parse, sg_str_slice(text, equals + 1, text.n), &ret->value);
}

static int compare_pairs(const struct sg_target_pair *a, const struct sg_target_pair *b)
{
    int order = sg_str_compare(a->name, b->name);
    return order != 0 ? order : sg_str_compare(a->value, b->value);
}

/*
 * Shell's sort: in place, and a caller cannot make it slow with SG_TARGET_PAIRS_MAX pairs. That it
 * is not stable does not matter: pairs that compare equal are equal.
 */
static void sort_pairs(struct sg_target_pair *pairs, size_t count)
{
    static const size_t gaps[] = {121, 40, 13, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        size_t gap = gaps[g];
        for (size_t i = gap; i < count; i++) {
            struct sg_target_pair moving = pairs[i];
            size_t to = i;
            for (; to >= gap && compare_pairs(&pairs[to - gap], &moving) > 0; to -= gap) {
                pairs[to] = pairs[to - gap];
            }
            pairs[to] = moving;
        }
    }
}

/* query is what stands behind the "?". */
static enum sg_status parse_query(struct parse *parse, struct sg_str query)
{
    struct sg_target *target = &parse->target;
    size_t count = 1;
    for (size_t i = 0; i < query.n; i++) {
        count += query.p[i] == '&';
    }
    if (count > SG_TARGET_PAIRS_MAX) {
        return sg_error_set(parse->reterr, SG_TOO_LARGE, NULL, "the query has more than %d pairs",
                            SG_TARGET_PAIRS_MAX);
    }
    target->pairs = sg_arena_alloc_array(parse->arena, count, sizeof *target->pairs);
    if (target->pairs == NULL) {
        return no_memory(parse);
    }
    for (size_t at = 0; target->pair_count < count; target->pair_count++) {
        struct sg_str rest = sg_str_slice(query, at, query.n);
        size_t length = sg_str_find(rest, '&');
        enum sg_status status =
            parse_pair(parse, sg_str_slice(rest, 0, length), &target->pairs[target->pair_count]);
        if (status != SG_OK) {
            return status;
        }
        at += length + 1;
    }
    sort_pairs(target->pairs, count);
    return SG_OK;
}

/* --- canonical forms -------------------------------------------------------------------------- */

enum { ENCODED_MAX = 3 }; /* bytes that one byte can become */

/* Write the canonical path; "/" when there is no segment. from is the path as it came. */
static enum sg_status write_path(struct parse *parse, struct sg_str from)
{
    struct sg_target *target = &parse->target;
    if (target->segment_count == 0) {
        target->path = SG_STR("/");
        return SG_OK;
    }
    struct sg_buf out;
    size_t size = from.n * ENCODED_MAX;
    char *bytes = sg_arena_alloc(parse->arena, size);
    if (bytes == NULL) {
        return no_memory(parse);
    }
    sg_buf_init_fixed(&out, bytes, size);
    for (size_t i = 0; i < target->segment_count; i++) {
        sg_buf_add_char(&out, '/');
        sg_percent_encode(&out, target->segments[i]);
    }
    if (target->trailing_slash) {
        sg_buf_add_char(&out, '/');
    }
    target->path = sg_buf_str(&out);
    return SG_OK;
}

/* from is the query as it came. */
static enum sg_status write_query(struct parse *parse, struct sg_str from)
{
    struct sg_target *target = &parse->target;
    if (target->pair_count == 0) {
        target->query = SG_STR("");
        return SG_OK;
    }
    struct sg_buf out;
    size_t size = from.n * ENCODED_MAX + target->pair_count; /* each pair may gain a "=" */
    char *bytes = sg_arena_alloc(parse->arena, size);
    if (bytes == NULL) {
        return no_memory(parse);
    }
    sg_buf_init_fixed(&out, bytes, size);
    for (size_t i = 0; i < target->pair_count; i++) {
        if (i > 0) {
            sg_buf_add_char(&out, '&');
        }
        sg_percent_encode(&out, target->pairs[i].name);
        sg_buf_add_char(&out, '=');
        sg_percent_encode(&out, target->pairs[i].value);
    }
    target->query = sg_buf_str(&out);
    return SG_OK;
}

enum sg_status sg_target_parse(struct sg_arena *arena, struct sg_str raw, struct sg_str host,
                               struct sg_target *ret, struct sg_error *reterr)
{
    struct parse parse = {.arena = arena, .raw = raw, .reterr = reterr};
    struct sg_str origin;
    enum sg_status status = take_origin(&parse, host, &origin);
    if (status != SG_OK) {
        return status;
    }
    status = check_bytes(&parse, origin);
    if (status != SG_OK) {
        return status;
    }
    size_t mark = sg_str_find(origin, '?');
    struct sg_str path = sg_str_slice(origin, 0, mark);
    struct sg_str query = sg_str_slice(origin, mark + 1, origin.n);
    status = parse_path(&parse, path);
    if (status == SG_OK && mark < origin.n) {
        status = parse_query(&parse, query);
    }
    if (status == SG_OK) {
        status = write_path(&parse, path);
    }
    if (status == SG_OK) {
        status = write_query(&parse, query);
    }
    if (status == SG_OK) {
        *ret = parse.target;
    }
    return status;
}
