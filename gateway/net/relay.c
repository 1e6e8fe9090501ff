#include "net/relay.h"

#include "http/headers.h"

/* Whether a Connection field of the head names this one (RFC 9110 section 7.6.1). */
static bool is_named_by_connection(const struct sg_strict_response *head, struct sg_str name)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct sg_strict_header *header = &head->headers[i];
        if (sg_str_equal_fold(header->name, SG_STR("Connection")) &&
            sg_list_has_token(header->value, name)) {
            return true;
        }
    }
    return false;
}

void sg_relay_headers(struct sg_buf *out, const struct sg_strict_response *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct sg_strict_header *header = &head->headers[i];
        if (sg_header_is_dropped_from_answer(header->name) ||
            is_named_by_connection(head, header->name)) {
            continue;
        }
        sg_buf_add_str(out, header->name);
        sg_buf_add_text(out, ": ");
        sg_buf_add_str(out, header->value);
        sg_buf_add_text(out, "\r\n");
    }
}
