#include "exchange/reply.h"

#include <time.h>

/* IMF-fixdate (RFC 9110 section 5.6.7), whatever the locale. */
static void add_date(struct sg_buf *headers, int64_t now_us)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm parts = {.tm_mday = 1, .tm_year = 70};
    (void)gmtime_r(&seconds, &parts);
    sg_buf_printf(headers, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[parts.tm_wday],
                  parts.tm_mday, months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour,
                  parts.tm_min, parts.tm_sec);
}

void sg_reply_refusal(enum sg_refusal refusal, struct sg_str detail, struct sg_str request_id,
                      int64_t now_us, const struct sg_problem_denial *denial,
                      struct sg_buf *headers, struct sg_buf *body)
{
    const struct sg_refusal_row *row = sg_refusal_row(refusal);
    add_date(headers, now_us);
    sg_buf_printf(headers,
                  "Content-Type: application/problem+json\r\n"
                  "Signgate-Request-Id: %.*s\r\n"
                  "X-Request-Id: %.*s\r\n"
                  "Signgate-Error: %s\r\n",
                  SG_STR_ARG(request_id), SG_STR_ARG(request_id), row->code);
    if (row->status == 401) {
        /* RFC 9110 section 15.5.2 wants a challenge; a token is the one that can be sent again. */
        sg_buf_add_text(headers, "WWW-Authenticate: Bearer realm=\"signgate\"\r\n");
    }
    if (row->retry_after > 0) {
        sg_buf_printf(headers, "Retry-After: %u\r\n", row->retry_after);
    }
    sg_problem_render(body, refusal, detail, request_id, denial);
}
