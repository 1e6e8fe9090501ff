#include "audit/record.h"

#include <stddef.h>

#include "base/clock.h"
#include "text/json_out.h"

/* The members that are texts, in the order of the line; names are the contract. */
static const struct {
    const char *name;
    size_t offset;
} texts[] = {
#define TEXT(member)                                      \
    {                                                     \
#member, offsetof(struct sg_audit_record, member) \
    }
    TEXT(request_id),
    TEXT(caller),
    TEXT(team),
    TEXT(identity),
    TEXT(source_ip),
    TEXT(method),
    TEXT(path),
    TEXT(query),
    TEXT(action),
    TEXT(access_level),
    TEXT(resource),
    TEXT(project_id),
    TEXT(decision),
    TEXT(reason),
    TEXT(detail),
    TEXT(policy),
    TEXT(statement),
    TEXT(policy_revision),
    TEXT(would),
    TEXT(credential),
    TEXT(credential_fingerprint),
    TEXT(upstream),
    TEXT(upstream_request_id),
    TEXT(upstream_error_code),
    TEXT(trace_id),
    TEXT(client_request_id),
    TEXT(version),
    TEXT(configuration_revision),
#undef TEXT
};

enum {
    TEXT_COUNT = sizeof texts / sizeof *texts,
    NAME_BYTES_MAX = 32,   /* with quotes, colon, comma */
    FIXED_BYTES_MAX = 512, /* time, event, outcome, sent and the numbers */
};

static struct sg_str text_of(const struct sg_audit_record *record, size_t index)
{
    const char *at = (const char *)record + texts[index].offset;
    return *(const struct sg_str *)(const void *)at;
}

static void add_number(struct sg_buf *out, const char *name, int64_t value)
{
    sg_buf_add_text(out, ",\"");
    sg_buf_add_text(out, name);
    sg_buf_add_text(out, "\":");
    sg_buf_add_i64(out, value);
}

void sg_audit_record_format(const struct sg_audit_record *record, struct sg_buf *out)
{
    char time[SG_CLOCK_RFC3339_BYTES];
    sg_clock_format_rfc3339(record->time_us, time);
    sg_buf_add_text(out, "\"time\":\"");
    sg_buf_add(out, time, sizeof time);
    sg_buf_add_text(out, "\",\"event\":\"");
    sg_buf_add_text(out, sg_audit_event_name(record->event));
    sg_buf_add_char(out, '"');
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        struct sg_str value = text_of(record, i);
        if (value.n > 0) {
            sg_buf_add_text(out, ",\"");
            sg_buf_add_text(out, texts[i].name);
            sg_buf_add_text(out, "\":");
            sg_json_add_string(out, value);
        }
    }
    if (record->status != 0) {
        add_number(out, "status", record->status);
    }
    if (record->outcome != SG_OUTCOME_NONE) {
        sg_buf_add_text(out, ",\"outcome\":\"");
        sg_buf_add_text(out, sg_outcome_name(record->outcome));
        sg_buf_add_char(out, '"');
    }
    if (record->has_sent) {
        sg_buf_add_text(out, record->sent ? ",\"sent\":true" : ",\"sent\":false");
    }
    if (record->has_bytes) {
        add_number(out, "request_bytes", (int64_t)record->request_bytes);
        add_number(out, "response_bytes", (int64_t)record->response_bytes);
    }
    if (record->has_times) {
        add_number(out, "duration_us", record->duration_us);
        add_number(out, "upstream_us", record->upstream_us);
    }
    if (record->offset_us != 0) {
        add_number(out, "offset_us", record->offset_us);
    }
}

size_t sg_audit_record_bound(const struct sg_audit_record *record)
{
    size_t bytes = FIXED_BYTES_MAX;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        struct sg_str value = text_of(record, i);
        bytes += value.n > 0 ? NAME_BYTES_MAX + sg_json_string_bound(value) : 0;
    }
    return bytes;
}
