#include "audit/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/follow.h"
#include "audit/members.h"
#include "audit/open_intents.h"
#include "audit/segment.h"

/*
 * Where to begin: no request lives longer than its time limits allow, hours at most. So of a long
 * run only the segments are read that were written to lately, and at least the last two.
 */
enum { LATELY_S = 2 * 3600, SEGMENTS_MIN = 2, TEXT_BYTES_MAX = 1 << 20 };

/* What of an intent is not said of its outcome, or said differently. */
static bool is_left_out(struct sg_str name)
{
    static const char *const names[] = {"schema",         "stream", "epoch", "seq",
                                        "prev",           "time",   "event", "request_bytes",
                                        "response_bytes", "crc",    "reason"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (sg_str_equal_text(name, names[i])) {
            return true;
        }
    }
    return false;
}

static void format_outcome(struct sg_str intent, const struct sg_clock *clock, struct sg_buf *out)
{
    char time[SG_CLOCK_RFC3339_BYTES];
    struct sg_str rest = sg_members_inside(intent);
    struct sg_member member;
    sg_clock_format_rfc3339(sg_clock_realtime_us(clock), time);
    sg_buf_add_text(out, "\"time\":\"");
    sg_buf_add(out, time, sizeof time);
    sg_buf_add_text(out, "\",\"event\":\"outcome\"");
    while (sg_members_next(&rest, &member)) {
        if (is_left_out(member.name)) {
            continue;
        }
        sg_buf_add_text(out, ",\"");
        sg_buf_add_str(out, member.name);
        sg_buf_add_text(out, member.is_string ? "\":\"" : "\":");
        sg_buf_add_str(out, member.value);
        sg_buf_add_text(out, member.is_string ? "\"" : "");
        if (sg_str_equal_text(member.name, "decision")) {
            sg_buf_add_text(out, ",\"reason\":\"crash\"");
        }
    }
    sg_buf_add_text(out, ",\"outcome\":\"unknown\"");
}

/* The position before the first segment that may hold an intent of a request alive at the end. */
static enum sg_status find_begin(const char *directory, struct sg_follow_position *ret,
                                 struct sg_error *reterr)
{
    struct sg_segment_name *names = NULL;
    size_t count = 0;
    time_t last = 0;
    *ret = (struct sg_follow_position){.epoch = 0};
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return sg_error_set(reterr, SG_IO, NULL, "cannot open %s: %s", directory, strerror(errno));
    }
    enum sg_status status = sg_segment_list(fd, &names, &count, reterr);
    for (size_t i = count; status == SG_OK && i > 0; i--) {
        struct stat about;
        if (fstatat(fd, names[i - 1].text, &about, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        last = i == count ? about.st_mtime : last;
        if (count - i >= SEGMENTS_MIN && about.st_mtime + LATELY_S < last) {
            break;
        }
        *ret = (struct sg_follow_position){.epoch = names[i - 1].epoch,
                                           .first_seq = names[i - 1].first_seq};
    }
    free(names);
    (void)close(fd);
    return status;
}

static enum sg_status hand_over(const struct sg_open_intents *intents, const struct sg_clock *clock,
                                sg_crash_take_fn *take, void *arg)
{
    struct sg_buf text;
    enum sg_status status = SG_OK;
    sg_buf_init(&text, TEXT_BYTES_MAX);
    for (const struct sg_open_intent *intent = sg_open_intents_next(intents, NULL);
         intent != NULL && status == SG_OK; intent = sg_open_intents_next(intents, intent)) {
        sg_buf_clear(&text);
        format_outcome(sg_open_intent_line(intent), clock, &text);
        status = sg_buf_failed(&text) ? SG_NO_MEMORY : take(arg, sg_buf_str(&text));
    }
    sg_buf_done(&text);
    return status;
}

enum sg_status sg_crash_outcomes(const char *directory, const struct sg_clock *clock,
                                 sg_crash_take_fn *take, void *arg, struct sg_error *reterr)
{
    struct sg_follow_position begin;
    struct sg_str line;
    enum sg_status status = find_begin(directory, &begin, reterr);
    if (status != SG_OK) {
        return status;
    }
    struct sg_follow *follow = sg_follow_open(directory, &begin, reterr);
    struct sg_open_intents *intents = sg_open_intents_new();
    if (follow == NULL || intents == NULL) {
        status = follow == NULL ? reterr->status
                                : sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        goto out;
    }
    while ((status = sg_follow_next(follow, &line, reterr)) == SG_OK) {
        status = sg_open_intents_take(intents, line);
        if (status != SG_OK) {
            break;
        }
    }
    if (status == SG_NOT_FOUND) { /* all is read */
        status = hand_over(intents, clock, take, arg);
    }
    if (status == SG_NO_MEMORY) {
        (void)sg_error_set(reterr, status, NULL, "out of memory");
    }
out:
    sg_open_intents_free(intents);
    sg_follow_close(follow);
    return status;
}
