/* audit show, audit tail: entries as rows, of what is there or as they come. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/audit.h"
#include "cli/audit_read.h"
#include "cli/audit_rows.h"
#include "cli/cells.h"

/*
 * Rows go out as they are read. With --last the rows wait in a ring until the end was seen; what is
 * read for it begins near the end of the log and goes back segment by segment, each time twice as
 * many, until there are rows enough.
 */

enum {
    LAST_MAX = 1000000,
    TAIL_LAST = 10,
    WRITE_BYTES = 1 << 16,
    ROWS_BYTES_MAX = 64 << 20, /* of text that waits to be written: no row comes near */
    POLL_MS = 100,
};

struct showing {
    struct sg_cli *cli;
    const struct sg_filter *filter;
    struct sg_audit_rows rows;
    struct sg_audit_source source;
    struct sg_entries *entries;
    struct sg_buf text;  /* not written yet */
    struct sg_buf *ring; /* NULL: rows are not held back */
    size_t last;         /* rows that the ring holds */
    uint64_t matched;
};

/* --- rows ------------------------------------------------------------------------------------- */

static enum sg_status take(struct showing *s, const struct sg_entry *entry)
{
    if (!sg_filter_matches(s->filter, entry)) {
        return SG_OK;
    }
    struct sg_buf *to = &s->text;
    if (s->ring != NULL) {
        to = &s->ring[s->matched % s->last];
        sg_buf_clear(to);
    }
    s->matched++;
    sg_audit_rows_add(&s->rows, entry, to);
    return s->ring == NULL && s->text.n >= WRITE_BYTES
               ? sg_result_write(s->cli->out, s->cli->err, &s->text)
               : SG_OK;
}

/* All that is there now. SG_OK, SG_NOT_FOUND (nobody reads any more), or what failed was said. */
static enum sg_status take_all(struct showing *s)
{
    struct sg_entry entry;
    struct sg_error error = {.text = ""};
    enum sg_status status;
    while ((status = sg_entries_next(s->entries, &entry, &error)) == SG_OK) {
        status = take(s, &entry);
        if (status != SG_OK) {
            return status;
        }
    }
    if (status != SG_NOT_FOUND) {
        sg_audit_say_failed(s->cli, s->source.directory, &error);
        return status;
    }
    return SG_OK;
}

/* What has not ended. */
static enum sg_status take_open(struct showing *s)
{
    struct sg_entry entry;
    const void *cursor = NULL;
    while (sg_entries_next_open(s->entries, &cursor, &entry)) {
        enum sg_status status = take(s, &entry);
        if (status != SG_OK) {
            return status;
        }
    }
    return SG_OK;
}

/* Read once, from a segment on. */
static enum sg_status pass(struct showing *s, size_t from, bool with_open)
{
    sg_entries_close(s->entries);
    s->matched = 0;
    s->entries = sg_audit_source_read(s->cli, &s->source, from);
    if (s->entries == NULL) {
        return SG_IO;
    }
    enum sg_status status = take_all(s);
    return status == SG_OK && with_open ? take_open(s) : status;
}

/* Fill the ring from as near to the end as there are rows enough. */
static enum sg_status pass_for_last(struct showing *s, size_t first, bool with_open)
{
    for (size_t segments = 1;; segments *= 2) {
        size_t from = s->source.count > first + segments ? s->source.count - segments : first;
        enum sg_status status = pass(s, from, with_open);
        if (status != SG_OK || s->matched >= s->last || from == first) {
            return status;
        }
    }
}

static void empty_ring(struct showing *s)
{
    size_t held = s->matched < s->last ? (size_t)s->matched : s->last;
    for (size_t i = 0; i < held; i++) {
        struct sg_buf *row = &s->ring[(s->matched - held + i) % s->last];
        sg_buf_add_str(&s->text, sg_buf_str(row));
    }
    for (size_t i = 0; i < s->last; i++) {
        sg_buf_done(&s->ring[i]);
    }
    free(s->ring);
    s->ring = NULL;
}

/* --- following -------------------------------------------------------------------------------- */

/*
 * Wait until there may be more. False: it is over, by a signal or since nobody reads any more.
 * Looking again ten times a second costs nothing that could be measured, and sees a new segment and
 * a file system that tells nobody as well.
 */
static bool wait_for_more(const struct showing *s, int signal_fd)
{
    struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
                           {.fd = fileno(s->cli->out), .events = 0}};
    return poll(fds, 2, POLL_MS) >= 0 && fds[0].revents == 0 &&
           (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

static enum sg_status follow(struct showing *s)
{
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    int signal_fd = signalfd(-1, &ends, SFD_CLOEXEC);
    enum sg_status status = SG_OK;
    do {
        status = take_all(s);
        if (status == SG_OK) {
            status = sg_result_write(s->cli->out, s->cli->err, &s->text);
        }
    } while (status == SG_OK && wait_for_more(s, signal_fd));
    (void)close(signal_fd);
    return status;
}

/* --- the words -------------------------------------------------------------------------------- */

static enum sg_status show(struct showing *s, bool follows)
{
    enum sg_status status;
    size_t first = sg_audit_source_first(&s->source, s->filter);
    sg_audit_rows_add_head(&s->rows, &s->text);
    if (s->last > 0) {
        s->ring = calloc(s->last, sizeof *s->ring);
        if (s->ring == NULL) {
            (void)fputs("signgate: out of memory\n", s->cli->err);
            return SG_NO_MEMORY;
        }
        for (size_t i = 0; i < s->last; i++) {
            sg_buf_init(&s->ring[i], ROWS_BYTES_MAX);
        }
        status = pass_for_last(s, first, !follows);
        empty_ring(s);
    } else {
        status = pass(s, first, !follows);
    }
    if (status == SG_OK) {
        status = sg_result_write(s->cli->out, s->cli->err, &s->text);
    }
    if (status == SG_OK && follows) {
        status = follow(s);
    } else if (status == SG_OK && s->matched == 0 && !s->cli->json && !s->cli->csv) {
        (void)fputs("signgate: no record matches\n", s->cli->err);
    }
    if (status == SG_OK) {
        sg_audit_say_bad_lines(s->cli, s->source.directory, s->entries);
    }
    return status;
}

static int run_with(struct sg_cli *cli, const struct sg_arguments *arguments, uint64_t last,
                    bool follows)
{
    struct sg_filter filter;
    const char *directory = arguments->items[0];
    const char *given = sg_option_value(arguments, "last", NULL);
    struct showing s = {.cli = cli, .filter = &filter};
    if (given != NULL && (!sg_str_to_u64(sg_str_from(given), LAST_MAX, &last) || last == 0)) {
        return sg_usage_error(cli, "--last is a number from 1 to %d, not \"%s\"", LAST_MAX, given);
    }
    int exit_status = sg_audit_filter_read(cli, arguments, &filter);
    if (exit_status != SG_EXIT_GOOD) {
        return exit_status;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    exit_status = sg_audit_source_open(cli, directory, &s.source);
    if (exit_status != SG_EXIT_GOOD) {
        return exit_status;
    }
    s.rows = sg_audit_rows_make(cli, sg_option_count(arguments, "utc") > 0, directory);
    s.last = (size_t)last;
    sg_buf_init(&s.text, ROWS_BYTES_MAX);
    enum sg_status status = show(&s, follows);
    sg_entries_close(s.entries);
    sg_audit_source_done(&s.source);
    sg_buf_done(&s.text);
    return status == SG_OK || status == SG_NOT_FOUND ? SG_EXIT_GOOD : SG_EXIT_FAILED;
}

static int run_show(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    return run_with(cli, arguments, 0, false);
}

static int run_tail(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    return run_with(cli, arguments, TAIL_LAST, sg_option_count(arguments, "follow") > 0);
}

static const struct sg_option show_options[] = {
    SG_AUDIT_WHO_OPTIONS,
    SG_AUDIT_WHAT_OPTIONS,
    SG_AUDIT_WHEN_OPTIONS,
    {.name = "last", .argument = "N", .summary = "the last N of them alone"},
    {.name = "all", .summary = "start, stop and other events of the gateway too"},
    {.name = "utc", .summary = "times in UTC"},
    {.name = NULL},
};

static const struct sg_option tail_options[] = {
    {.name = "follow", .letter = 'f', .summary = "go on as records come"},
    SG_AUDIT_WHO_OPTIONS,
    SG_AUDIT_WHAT_OPTIONS,
    SG_AUDIT_WHEN_OPTIONS,
    {.name = "last", .argument = "N", .summary = "begin with the last N (10)"},
    {.name = "all", .summary = "start, stop and other events of the gateway too"},
    {.name = "utc", .summary = "times in UTC"},
    {.name = NULL},
};

const struct sg_verb sg_audit_word_show = {
    .name = "audit show",
    .summary = "list what was asked, decided and answered",
    .usage = "audit show DIR [options]",
    .options = show_options,
    .has_output = true,
    .has_csv = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .examples = "  signgate audit show DIR --caller harvester --status 4xx --since 1d\n",
    .run = run_show,
};

const struct sg_verb sg_audit_word_tail = {
    .name = "audit tail",
    .summary = "show the latest records, and follow what comes",
    .usage = "audit tail DIR [-f] [options]",
    .options = tail_options,
    .has_output = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .examples = "  signgate audit tail DIR -f --action 'live:ott:*' --decision deny\n",
    .run = run_tail,
};
