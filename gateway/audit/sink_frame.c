#include "audit/sink_frame.h"

#include "audit/chain.h"
#include "audit/members.h"

enum {
    FACILITY_LOG_AUDIT = 13,
    SEVERITY_WARNING = 4,
    SEVERITY_NOTICE = 5,
    HOST_BYTES_MAX = 255, /* RFC 5424 section 6 */
    MSGID_BYTES_MAX = 32,
    HEADER_BYTES_MAX = 512,
};

static const struct sg_str nil = {.p = "-", .n = 1};

/* PRINTUSASCII of RFC 5424, or nil. */
static struct sg_str printable(struct sg_str text, size_t max)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] > '~') {
            return nil;
        }
    }
    return text.n > 0 && text.n <= max ? text : nil;
}

/* The journal's time is a TIMESTAMP of RFC 5424 as it stands; anything else is nil. */
static struct sg_str timestamp(struct sg_str time)
{
    static const char form[] = "0000-00-00T00:00:00.000000Z";
    if (time.n != sizeof form - 1) {
        return nil;
    }
    for (size_t i = 0; i < time.n; i++) {
        const bool digit = time.p[i] >= '0' && time.p[i] <= '9';
        if (form[i] == '0' ? !digit : time.p[i] != form[i]) {
            return nil;
        }
    }
    return time;
}

void sg_sink_frame(const struct sg_sink_sender *sender, struct sg_str line, struct sg_buf *out)
{
    char bytes[HEADER_BYTES_MAX];
    struct sg_chain_line parts;
    struct sg_buf header;
    const bool ours = sg_chain_parse(line, &parts);
    struct sg_str event = ours ? sg_members_find_text(parts.text, "event") : nil;
    const struct sg_str time = timestamp(ours ? sg_members_find_text(parts.text, "time") : nil);
    const bool refusal =
        sg_str_equal(event, SG_STR("denied")) || sg_str_equal(event, SG_STR("rejected"));
    const struct sg_str host = printable(sg_str_from(sender->host), HOST_BYTES_MAX);
    event = printable(event, MSGID_BYTES_MAX);
    sg_buf_init_fixed(&header, bytes, sizeof bytes);
    sg_buf_printf(&header, "<%d>1 %.*s %.*s signgate %lu %.*s ",
                  FACILITY_LOG_AUDIT * 8 + (refusal ? SEVERITY_WARNING : SEVERITY_NOTICE),
                  SG_STR_ARG(time), SG_STR_ARG(host), sender->process, SG_STR_ARG(event));
    if (ours) {
        sg_buf_printf(&header, "[signgate@32473 stream=\"%.*s\" epoch=\"%llu\" seq=\"%llu\"] ",
                      SG_STR_ARG(parts.stream), (unsigned long long)parts.epoch,
                      (unsigned long long)parts.seq);
    } else {
        sg_buf_add_text(&header, "- ");
    }
    sg_buf_add_u64(out, header.n + line.n);
    sg_buf_add_char(out, ' ');
    sg_buf_add_str(out, sg_buf_str(&header));
    sg_buf_add_str(out, line);
}
