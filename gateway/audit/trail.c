#include "audit/trail.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include "text/json_in.h"

enum { TIME_BYTES_MAX = 64 };

struct sg_trail {
    struct sg_arena arena;
    struct sg_digest *digest;
    struct sg_trace *traces;
    size_t count, allocated;
};

struct sg_trail *sg_trail_new(struct sg_error *reterr)
{
    struct sg_trail *trail = calloc(1, sizeof *trail);
    if (trail == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    sg_arena_init(&trail->arena, SIZE_MAX / 2);
    trail->digest = sg_digest_new(SG_DIGEST_SHA256, reterr);
    if (trail->digest == NULL) {
        sg_trail_free(trail);
        return NULL;
    }
    return trail;
}

void sg_trail_free(struct sg_trail *trail)
{
    if (trail != NULL) {
        sg_digest_free(trail->digest);
        sg_arena_done(&trail->arena);
        free(trail->traces);
        free(trail);
    }
}

/* --- values ----------------------------------------------------------------------------------- */

static bool parse_count(struct sg_str text, int64_t *ret_ms)
{
    const uint64_t seconds_below = (uint64_t)100000000000; /* of milliseconds that is March 1973 */
    uint64_t value;
    if (!sg_str_to_u64(text, (uint64_t)INT64_MAX / 1000, &value)) {
        return false;
    }
    *ret_ms = (int64_t)(value < seconds_below ? value * 1000 : value);
    return true;
}

bool sg_trail_parse_time(struct sg_str text, int64_t *ret_ms)
{
    const struct sg_str zone = SG_STR(" GMT");
    char bytes[TIME_BYTES_MAX];
    size_t length = 0;
    int64_t us;
    if (parse_count(text, ret_ms)) {
        return true;
    }
    for (size_t i = 0; i < text.n && length < sizeof bytes; i++) {
        if (sg_str_starts_with(sg_str_slice(text, i, text.n), zone)) {
            i += zone.n - 1;
        } else {
            bytes[length++] = text.p[i] == '/' ? '-' : text.p[i];
        }
    }
    if (!sg_clock_parse_rfc3339((struct sg_str){bytes, length}, &us)) {
        return false;
    }
    *ret_ms = us / 1000;
    return true;
}

/* A string member, copied; empty when it is not there. A whole number is one as well. */
static struct sg_str text_of(struct sg_trail *trail, const struct sg_json_value *object,
                             const char *name)
{
    const struct sg_json_value *value = sg_json_member(object, name);
    struct sg_str text = {.p = ""};
    char digits[24];
    int64_t number;
    if (sg_json_get_i64(value, &number)) {
        struct sg_buf out;
        sg_buf_init_fixed(&out, digits, sizeof digits);
        sg_buf_add_i64(&out, number);
        text = sg_buf_str(&out);
    } else if (!sg_json_get_string(value, &text)) {
        return SG_STR("");
    }
    return sg_arena_copy(&trail->arena, text);
}

static enum sg_status set_fingerprint(struct sg_trail *trail, const struct sg_json_value *user,
                                      struct sg_trace *ret)
{
    char hex[SG_DIGEST_HEX_BYTES];
    struct sg_str key;
    if (!sg_json_get_string(sg_json_member(user, "access_key_id"), &key) || key.n == 0) {
        return SG_OK;
    }
    enum sg_status status = sg_digest_run_hex(trail->digest, key, hex);
    if (status == SG_OK) {
        memcpy(ret->fingerprint, hex, SG_TRAIL_FINGERPRINT_BYTES);
    }
    return status;
}

/* The user is an object, or a string that holds one, or just a name. */
static enum sg_status read_user(struct sg_trail *trail, const struct sg_json_value *value,
                                struct sg_trace *ret)
{
    struct sg_json_value *inner = NULL;
    struct sg_str text;
    if (sg_json_get_string(value, &text)) {
        if (sg_json_parse(text, &inner, NULL) != SG_OK || !sg_json_is_object(inner)) {
            sg_json_free(inner);
            ret->user = sg_arena_copy(&trail->arena, text);
            return SG_OK;
        }
        value = inner;
    }
    enum sg_status status = set_fingerprint(trail, value, ret);
    ret->user = text_of(trail, value, "user_name");
    if (ret->user.n == 0) {
        ret->user = text_of(trail, value, "name");
    }
    sg_json_free(inner);
    return status;
}

/* --- traces ----------------------------------------------------------------------------------- */

static struct sg_trace *new_trace(struct sg_trail *trail)
{
    if (trail->count == trail->allocated) {
        size_t allocated = trail->allocated > 0 ? 2 * trail->allocated : 256;
        struct sg_trace *grown = realloc(trail->traces, allocated * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        trail->traces = grown;
        trail->allocated = allocated;
    }
    struct sg_trace *trace = &trail->traces[trail->count];
    *trace = (struct sg_trace){.time_ms = 0};
    return trace;
}

static bool is_by_hand(struct sg_str type)
{
    return sg_str_equal_fold(type, SG_STR("ConsoleAction")) ||
           sg_str_equal_fold(type, SG_STR("SystemAction"));
}

static enum sg_status add_trace(struct sg_trail *trail, const struct sg_json_value *value,
                                struct sg_error *reterr)
{
    const struct sg_json_value *inner = sg_json_member(value, "cts");
    value = inner != NULL ? inner : value;
    struct sg_trace *trace = new_trace(trail);
    if (trace == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    const struct {
        struct sg_str *to;
        const char *name;
    } texts[] = {
        {&trace->trace_id, "trace_id"},         {&trace->name, "trace_name"},
        {&trace->operation_id, "operation_id"}, {&trace->service, "service_type"},
        {&trace->source_ip, "source_ip"},       {&trace->code, "code"},
        {&trace->request_id, "request_id"},     {&trace->project_id, "project_id"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i].to = text_of(trail, value, texts[i].name);
    }
    trace->by_hand = is_by_hand(text_of(trail, value, "trace_type"));
    if (trace->name.n == 0 ||
        !sg_trail_parse_time(text_of(trail, value, "time"), &trace->time_ms)) {
        return sg_error_set(reterr, SG_MALFORMED, NULL,
                            "trace %zu has no %s: this is no export of the cloud's trail",
                            trail->count + 1, trace->name.n == 0 ? "\"trace_name\"" : "\"time\"");
    }
    if (read_user(trail, sg_json_member(value, "user"), trace) != SG_OK) {
        return sg_error_set(reterr, SG_INTERNAL, NULL, "OpenSSL cannot hash");
    }
    trail->count++;
    return SG_OK;
}

static enum sg_status add_list(struct sg_trail *trail, const struct sg_json_value *list,
                               struct sg_error *reterr)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < sg_json_count(list); i++) {
        status = add_trace(trail, sg_json_item(list, i), reterr);
    }
    return status;
}

static enum sg_status add_root(struct sg_trail *trail, const struct sg_json_value *root,
                               struct sg_error *reterr)
{
    const struct sg_json_value *traces = sg_json_member(root, "traces");
    if (sg_json_is_list(root) || sg_json_is_list(traces)) {
        return add_list(trail, sg_json_is_list(root) ? root : traces, reterr);
    }
    if (sg_json_is_object(root)) {
        return add_trace(trail, root, reterr);
    }
    return sg_error_set(reterr, SG_MALFORMED, NULL,
                        "expected traces: {\"traces\": [...]}, a list, or one trace a line");
}

static enum sg_status read_lines(struct sg_trail *trail, struct sg_str text,
                                 struct sg_error *reterr)
{
    size_t number = 0;
    while (text.n > 0) {
        size_t end = sg_str_find(text, '\n');
        struct sg_str line = sg_str_slice(text, 0, end);
        struct sg_json_value *root = NULL;
        text = sg_str_slice(text, end + 1, text.n);
        number++;
        line = sg_str_slice(line, 0, line.n - sg_str_ends_with(line, SG_STR("\r")));
        if (sg_str_trim(line).n == 0) {
            continue;
        }
        enum sg_status status = sg_json_parse(line, &root, reterr);
        if (status == SG_OK) {
            status = add_root(trail, root, reterr);
            sg_json_free(root);
        }
        if (status != SG_OK) {
            sg_error_context(reterr, "line %zu", number);
            return status;
        }
    }
    return SG_OK;
}

enum sg_status sg_trail_read(struct sg_trail *trail, struct sg_str text, struct sg_error *reterr)
{
    struct sg_json_value *root = NULL;
    struct sg_error whole = {.text = ""};
    if (sg_str_starts_with(text, SG_STR("\x1f\x8b"))) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "it is compressed: gunzip it first");
    }
    enum sg_status status = sg_json_parse(text, &root, &whole);
    if (status == SG_OK) {
        status = add_root(trail, root, reterr);
        sg_json_free(root);
        return status;
    }
    if (status == SG_NO_MEMORY) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    /* One a line? What is wrong with a text of one value is told better by the first try. */
    struct sg_str first = sg_str_slice(text, 0, sg_str_find(text, '\n'));
    if (sg_json_parse(first, &root, NULL) != SG_OK) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "%s",
                            text.n == 0 ? "it is empty" : whole.text);
    }
    sg_json_free(root);
    return read_lines(trail, text, reterr);
}

size_t sg_trail_count(const struct sg_trail *trail)
{
    return trail->count;
}

static int by_time(const void *a, const void *b)
{
    const struct sg_trace *x = a, *y = b;
    if (x->time_ms != y->time_ms) {
        return x->time_ms < y->time_ms ? -1 : 1;
    }
    return sg_str_compare(x->trace_id, y->trace_id);
}

void sg_trail_sort(struct sg_trail *trail)
{
    if (trail->count > 0) {
        qsort(trail->traces, trail->count, sizeof *trail->traces, by_time);
    }
}

const struct sg_trace *sg_trail_trace(const struct sg_trail *trail, size_t index)
{
    return &trail->traces[index];
}
