#include "cli/audit_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/members.h"

/* --- options ---------------------------------------------------------------------------------- */

static const char *const decisions[] = {"allow", "deny", NULL};
static const char *const outcomes[] = {"success", "failure", "unknown", "open", NULL};

/* A word that is one of a few. */
static int check_word(struct sg_cli *cli, const char *option, const char *const *words,
                      const char *given)
{
    size_t count = 0;
    for (; words[count] != NULL; count++) {
        if (strcmp(words[count], given) == 0) {
            return SG_EXIT_GOOD;
        }
    }
    const char *nearest = sg_str_nearest(sg_str_from(given), words, count);
    if (nearest != NULL) {
        return sg_usage_error(cli, "--%s \"%s\"; did you mean \"%s\"?", option, given, nearest);
    }
    char all[256] = "";
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(all);
        (void)snprintf(all + at, sizeof all - at, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    return sg_usage_error(cli, "--%s is one of %s, not \"%s\"", option, all, given);
}

static int read_time(struct sg_cli *cli, const char *option, const char *given, bool *ret_has,
                     char ret[SG_CLOCK_RFC3339_BYTES])
{
    int64_t us, now_us = sg_clock_realtime_us(&sg_clock_system);
    if (!sg_filter_parse_time(sg_str_from(given), now_us, &us)) {
        return sg_usage_error(cli,
                              "--%s \"%s\" is no time: expected 2026-01-31T12:00:00Z, "
                              "2026-01-31T20:00:00+08:00, or 90s, 15m, 2h, 1d, 1w before now",
                              option, given);
    }
    *ret_has = true;
    sg_clock_format_rfc3339(us > 0 ? us : 0, ret);
    return SG_EXIT_GOOD;
}

static struct sg_filter_words *words_of(struct sg_filter *filter, const char *option)
{
    const struct {
        const char *name;
        struct sg_filter_words *words;
    } all[] = {
        {"caller", &filter->callers},         {"team", &filter->teams},
        {"action", &filter->actions},         {"decision", &filter->decisions},
        {"event", &filter->events},           {"outcome", &filter->outcomes},
        {"request-id", &filter->request_ids},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].name, option) == 0) {
            return all[i].words;
        }
    }
    return NULL;
}

static int read_option(struct sg_cli *cli, const char *name, const char *value,
                       struct sg_filter *ret)
{
    int status = SG_EXIT_GOOD;
    struct sg_filter_words *words = words_of(ret, name);
    if (strcmp(name, "since") == 0) {
        return read_time(cli, name, value, &ret->has_since, ret->since);
    }
    if (strcmp(name, "until") == 0) {
        return read_time(cli, name, value, &ret->has_until, ret->until);
    }
    if (strcmp(name, "status") == 0) {
        if (ret->statuses.count == SG_FILTER_MAX) {
            return sg_usage_error(cli, "--status is given too often");
        }
        return sg_filter_add_status(&ret->statuses, sg_str_from(value))
                   ? SG_EXIT_GOOD
                   : sg_usage_error(cli, "--status is 403, 4xx or 200-299, not \"%s\"", value);
    }
    if (strcmp(name, "all") == 0) {
        ret->with_gateway_events = true;
        return SG_EXIT_GOOD;
    }
    if (words == NULL) {
        return SG_EXIT_GOOD; /* not ours */
    }
    if (words == &ret->decisions) {
        status = check_word(cli, name, decisions, value);
    } else if (words == &ret->events) {
        status = check_word(cli, name, sg_filter_events, value);
    } else if (words == &ret->outcomes) {
        status = check_word(cli, name, outcomes, value);
    } else if (value[0] == '\0') {
        status = sg_usage_error(cli, "--%s is empty", name);
    }
    if (status == SG_EXIT_GOOD && !sg_filter_add(words, value)) {
        status = sg_usage_error(cli, "--%s is given too often", name);
    }
    return status;
}

int sg_audit_filter_read(struct sg_cli *cli, const struct sg_arguments *arguments,
                         struct sg_filter *ret)
{
    int status = SG_EXIT_GOOD;
    *ret = (struct sg_filter){.has_since = false};
    for (size_t i = 0; status == SG_EXIT_GOOD && i < arguments->value_count; i++) {
        status =
            read_option(cli, arguments->values[i].option->name, arguments->values[i].value, ret);
    }
    if (status == SG_EXIT_GOOD && ret->has_since && ret->has_until &&
        memcmp(ret->since, ret->until, sizeof ret->since) >= 0) {
        status = sg_usage_error(cli, "--since is not before --until: nothing lies between them");
    }
    return status;
}

/* --- the directory ---------------------------------------------------------------------------- */

static enum sg_status list(const char *directory, struct sg_audit_source *ret,
                           struct sg_error *reterr)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return sg_error_set(
            reterr, SG_IO, NULL, "cannot open the audit directory %s: %s", directory,
            errno == ENOTDIR ? "it is a file; name the directory it is in" : strerror(errno));
    }
    enum sg_status status = sg_segment_list(fd, &ret->names, &ret->count, reterr);
    (void)close(fd);
    return status;
}

int sg_audit_source_open(struct sg_cli *cli, const char *directory, struct sg_audit_source *ret)
{
    struct sg_error error = {.text = ""};
    char below[4096];
    *ret = (struct sg_audit_source){.directory = directory};
    if (list(directory, ret, &error) != SG_OK) {
        (void)fprintf(cli->err, "signgate: %s\n", error.text);
        return SG_EXIT_FAILED;
    }
    if (ret->count > 0) {
        return SG_EXIT_GOOD;
    }
    /* A gateway's directory has a segment from its first start on: this is another, or it is gone.
     */
    struct sg_audit_source inner = {.count = 0};
    (void)snprintf(below, sizeof below, "%s/audit", directory);
    bool meant = list(below, &inner, &error) == SG_OK && inner.count > 0;
    (void)fprintf(cli->err,
                  "signgate: %s holds no audit log: no file is called audit-*.jsonl%s%s%s\n",
                  directory, meant ? "; did you mean " : "", meant ? below : "", meant ? "?" : "");
    sg_audit_source_done(&inner);
    sg_audit_source_done(ret);
    return SG_EXIT_FAILED;
}

void sg_audit_source_done(struct sg_audit_source *source)
{
    free(source->names);
    source->names = NULL;
    source->count = 0;
}

static struct sg_follow_position position_of(const struct sg_audit_source *source, size_t index)
{
    return (struct sg_follow_position){.epoch = source->names[index].epoch,
                                       .first_seq = source->names[index].first_seq};
}

/* Whether a segment begins before this time; a segment that tells no time does not. */
static bool begins_before(const struct sg_audit_source *source, size_t index,
                          const char time[SG_CLOCK_RFC3339_BYTES])
{
    struct sg_str line;
    const struct sg_follow_position at = position_of(source, index);
    struct sg_follow *follow = sg_follow_open(source->directory, &at, NULL);
    bool before = false;
    if (follow != NULL && sg_follow_next(follow, &line, NULL) == SG_OK) {
        struct sg_str begins = sg_members_find(line, "time");
        before = begins.n > 0 &&
                 sg_str_compare(begins, (struct sg_str){time, SG_CLOCK_RFC3339_BYTES}) < 0;
    }
    sg_follow_close(follow);
    return before;
}

size_t sg_audit_source_first(const struct sg_audit_source *source, const struct sg_filter *filter)
{
    const int64_t hour_us = (int64_t)3600 * 1000000;
    int64_t since_us;
    char time[SG_CLOCK_RFC3339_BYTES];
    if (!filter->has_since ||
        !sg_clock_parse_rfc3339((struct sg_str){filter->since, sizeof filter->since}, &since_us)) {
        return 0;
    }
    sg_clock_format_rfc3339(since_us > hour_us ? since_us - hour_us : 0, time);
    size_t first = source->count;
    while (first > 0) {
        first--;
        if (begins_before(source, first, time)) {
            break;
        }
    }
    return first;
}

struct sg_entries *sg_audit_source_read(struct sg_cli *cli, const struct sg_audit_source *source,
                                        size_t from)
{
    struct sg_error error = {.text = ""};
    const struct sg_follow_position at = position_of(source, from);
    struct sg_entries *entries = sg_entries_open(source->directory, from > 0 ? &at : NULL, &error);
    if (entries == NULL) {
        sg_audit_say_failed(cli, source->directory, &error);
    }
    return entries;
}

bool sg_audit_is_written(const char *directory)
{
    char path[4096];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int length = snprintf(path, sizeof path, "%s/LOCK", directory);
    int fd = length > 0 && (size_t)length < sizeof path
                 ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                 : -1;
    bool locked = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0) {
        (void)close(fd);
    }
    return locked;
}

void sg_audit_say_bad_lines(struct sg_cli *cli, const char *directory, struct sg_entries *entries)
{
    uint64_t count = sg_follow_bad_lines(sg_entries_follow(entries));
    if (count > 0) {
        (void)fprintf(
            cli->err,
            "signgate: %llu line%s of %s %s no whole record and %s left out; see: signgate "
            "audit verify %s\n",
            (unsigned long long)count, count == 1 ? "" : "s", directory, count == 1 ? "is" : "are",
            count == 1 ? "was" : "were", directory);
    }
}

void sg_audit_say_failed(struct sg_cli *cli, const char *directory, const struct sg_error *error)
{
    (void)fprintf(cli->err, "signgate: cannot read %s on: %s\n", directory, error->text);
}
