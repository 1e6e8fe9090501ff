/* audit reconcile: the log against the cloud's own trail. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/members.h"
#include "audit/reconcile.h"
#include "cli/audit.h"
#include "cli/audit_read.h"
#include "cli/cells.h"
#include "text/json_out.h"

enum { TEXT_BYTES_MAX = 256 << 20, FILE_BYTES_MAX = 1 << 30, WINDOW_MS = 60000 };

struct work {
    struct sg_cli *cli;
    const char *directory;
    bool utc;
    struct sg_trail *trail;
    struct sg_reconcile *reconcile;
    struct sg_reconcile_options options;
    struct sg_buf text;
    struct sg_buf cell;
};

/* --- options and files ------------------------------------------------------------------------ */

static int read_window(struct sg_cli *cli, const char *given, int64_t *ret_ms)
{
    const int64_t day_us = (int64_t)86400 * 1000000;
    int64_t us;
    /* A span before a fixed time. */
    if (given == NULL) {
        *ret_ms = WINDOW_MS;
    } else if (sg_str_find(sg_str_from(given), '-') < strlen(given) ||
               !sg_filter_parse_time(sg_str_from(given), day_us, &us) || us <= 0) {
        return sg_usage_error(cli, "--window is a span below a day such as 30s or 5m, not \"%s\"",
                              given);
    } else {
        *ret_ms = (day_us - us) / 1000;
    }
    return SG_EXIT_GOOD;
}

static int read_keys(struct work *w, const struct sg_arguments *arguments)
{
    for (size_t i = 0; i < arguments->value_count; i++) {
        const char *value = arguments->values[i].value;
        if (strcmp(arguments->values[i].option->name, "fingerprint") != 0) {
            continue;
        }
        if (strlen(value) != SG_TRAIL_FINGERPRINT_BYTES ||
            strspn(value, "0123456789abcdef") != SG_TRAIL_FINGERPRINT_BYTES) {
            return sg_usage_error(w->cli,
                                  "--fingerprint is the credential_fingerprint of a record (%d hex "
                                  "digits), never the key itself",
                                  SG_TRAIL_FINGERPRINT_BYTES);
        }
        if (w->options.key_count == SG_RECONCILE_KEYS_MAX) {
            return sg_usage_error(w->cli, "--fingerprint is given too often");
        }
        w->options.keys[w->options.key_count++] = value;
    }
    return SG_EXIT_GOOD;
}

static bool to_ms(const char time[SG_CLOCK_RFC3339_BYTES], int64_t *ret_ms)
{
    int64_t us;
    bool good = sg_clock_parse_rfc3339((struct sg_str){time, SG_CLOCK_RFC3339_BYTES}, &us);
    *ret_ms = good ? us / 1000 : 0;
    return good;
}

static enum sg_status read_file(const char *path, struct sg_buf *out, struct sg_error *reterr)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        enum sg_status status = sg_error_set(reterr, SG_IO, NULL, "%s", strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return status;
    }
    for (;;) {
        char *to = sg_buf_reserve(out, 1 << 16);
        ssize_t count = to != NULL ? read(fd, to, 1 << 16) : -1;
        out->n -= to != NULL ? (1 << 16) - (count > 0 ? (size_t)count : 0) : 0;
        if (count < 0 && to != NULL && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            (void)close(fd);
            return to == NULL  ? sg_error_set(reterr, SG_TOO_LARGE, NULL, "it is larger than 1 GiB")
                   : count < 0 ? sg_error_set(reterr, SG_IO, NULL, "%s", strerror(errno))
                               : SG_OK;
        }
    }
}

/* All files of the trail; a line says which one is bad. */
static bool read_trail(struct work *w, const struct sg_arguments *arguments)
{
    struct sg_error error = {.text = ""};
    w->trail = sg_trail_new(&error);
    if (w->trail == NULL) {
        (void)fprintf(w->cli->err, "signgate: %s\n", error.text);
        return false;
    }
    for (size_t i = 0; i < arguments->value_count; i++) {
        struct sg_buf text;
        const char *path = arguments->values[i].value;
        if (strcmp(arguments->values[i].option->name, "cts") != 0) {
            continue;
        }
        sg_buf_init(&text, FILE_BYTES_MAX);
        enum sg_status status = read_file(path, &text, &error);
        if (status == SG_OK) {
            status = sg_trail_read(w->trail, sg_buf_str(&text), &error);
        }
        sg_buf_done(&text);
        if (status != SG_OK) {
            (void)fprintf(w->cli->err, "signgate: cannot read the trail %s: %s\n", path,
                          error.text);
            return false;
        }
    }
    sg_trail_sort(w->trail);
    return true;
}

/* --- the log ---------------------------------------------------------------------------------- */

static enum sg_status read_log(struct work *w, struct sg_entries *entries)
{
    struct sg_entry entry;
    struct sg_error error = {.text = "out of memory"};
    const void *cursor = NULL;
    enum sg_status status;
    int64_t end_us = 0;
    while ((status = sg_entries_next(entries, &entry, &error)) == SG_OK) {
        status = sg_reconcile_add(w->reconcile, &entry);
        if (status != SG_OK) {
            break;
        }
    }
    if (status == SG_NOT_FOUND) {
        status = SG_OK;
        while (status == SG_OK && sg_entries_next_open(entries, &cursor, &entry)) {
            status = sg_reconcile_add(w->reconcile, &entry);
        }
    }
    if (status != SG_OK) {
        sg_audit_say_failed(w->cli, w->directory, &error);
        return status;
    }
    (void)sg_clock_parse_rfc3339(sg_entries_last_time(entries), &end_us);
    sg_reconcile_finish(w->reconcile, end_us / 1000);
    return SG_OK;
}

/* --- what was found --------------------------------------------------------------------------- */

static void add_log_text(struct work *w, struct sg_json *json, const char *name,
                         struct sg_str escaped)
{
    sg_buf_clear(&w->cell);
    sg_members_unescape(escaped, &w->cell);
    sg_json_string(json, name, sg_buf_str(&w->cell));
}

static void add_trace_json(struct work *w, const char *kind, const struct sg_trace *trace,
                           const struct sg_reconcile_call *call)
{
    struct sg_json json;
    sg_json_init(&json, &w->text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.audit.reconcile.1");
    sg_json_text(&json, "kind", kind);
    if (trace != NULL) {
        sg_json_begin_object(&json, "trace");
        sg_json_i64(&json, "time_ms", trace->time_ms);
        sg_json_string(&json, "trace_id", trace->trace_id);
        sg_json_string(&json, "trace_name", trace->name);
        sg_json_string(&json, "service_type", trace->service);
        sg_json_string(&json, "source_ip", trace->source_ip);
        sg_json_string(&json, "code", trace->code);
        sg_json_string(&json, "request_id", trace->request_id);
        sg_json_string(&json, "project_id", trace->project_id);
        sg_json_string(&json, "user", trace->user);
        sg_json_text(&json, "credential_fingerprint",
                     trace->fingerprint[0] != '\0' ? trace->fingerprint : NULL);
        sg_json_end_object(&json);
    }
    if (call != NULL) {
        sg_json_begin_object(&json, "call");
        add_log_text(w, &json, "time", call->time);
        add_log_text(w, &json, "request_id", call->request_id);
        add_log_text(w, &json, "caller", call->caller);
        add_log_text(w, &json, "action", call->action);
        add_log_text(w, &json, "upstream_request_id", call->upstream_request_id);
        add_log_text(w, &json, "project_id", call->project_id);
        sg_json_end_object(&json);
    }
    sg_json_end_object(&json);
    sg_buf_add_char(&w->text, '\n');
}

static void add_field(struct work *w, const char *name, struct sg_str value)
{
    if (value.n > 0) {
        sg_buf_add_text(&w->text, "  ");
        sg_buf_add_text(&w->text, name);
        sg_cell_add_safe(&w->text, value);
    }
}

static void add_trace_text(struct work *w, const struct sg_trace *trace)
{
    char time[SG_CLOCK_RFC3339_BYTES];
    sg_clock_format_rfc3339(trace->time_ms * 1000, time);
    sg_buf_add_text(&w->text, "  ");
    sg_cell_add_time(&w->text, (struct sg_str){time, sizeof time}, w->utc);
    add_field(w, "", trace->service);
    add_field(w, "", trace->name);
    add_field(w, "code ", trace->code);
    add_field(w, "from ", trace->source_ip);
    add_field(w, "user ", trace->user);
    sg_buf_add_text(&w->text, "\n  ");
    add_field(w, "request ", trace->request_id);
    add_field(w, "trace ", trace->trace_id);
    add_field(w, "key ", sg_str_from(trace->fingerprint));
    sg_buf_add_char(&w->text, '\n');
}

static void add_log_field(struct work *w, const char *name, struct sg_str escaped)
{
    sg_buf_clear(&w->cell);
    sg_members_unescape(escaped, &w->cell);
    add_field(w, name, sg_buf_str(&w->cell));
}

static void add_call_text(struct work *w, const struct sg_reconcile_call *call)
{
    sg_buf_add_text(&w->text, "  ");
    sg_cell_add_time(&w->text, call->time, w->utc);
    add_log_field(w, "", call->caller);
    add_log_field(w, "", call->action);
    sg_buf_add_text(&w->text, "\n  ");
    add_log_field(w, "request ", call->request_id);
    add_log_field(w, "upstream request ", call->upstream_request_id);
    sg_buf_add_char(&w->text, '\n');
}

static void add_heading(struct work *w, uint64_t count, const char *one, const char *many)
{
    if (!w->cli->json && count > 0) {
        sg_buf_printf(&w->text, "%llu %s\n", (unsigned long long)count, count == 1 ? one : many);
    }
}

static void add_unexplained(struct work *w)
{
    const struct sg_reconcile_sums *sums = sg_reconcile_sums(w->reconcile);
    add_heading(w, sums->unexplained,
                "call with our key that is not in the log: the key has leaked, or somebody goes "
                "around the gateway",
                "calls with our key that are not in the log: the key has leaked, or somebody goes "
                "around the gateway");
    for (size_t i = 0; i < sg_trail_count(w->trail); i++) {
        const struct sg_trace *trace = sg_trail_trace(w->trail, i);
        if (sg_reconcile_verdict(w->reconcile, i) != SG_TRACE_UNEXPLAINED) {
            continue;
        }
        if (w->cli->json) {
            add_trace_json(w, "not_in_log", trace, NULL);
        } else {
            add_trace_text(w, trace);
        }
    }
}

static void add_calls(struct work *w)
{
    const struct sg_reconcile_sums *sums = sg_reconcile_sums(w->reconcile);
    size_t count = sg_reconcile_call_count(w->reconcile);
    add_heading(w, sums->missing, "call of the log that the cloud's trail does not have",
                "calls of the log that the cloud's trail does not have");
    for (size_t i = 0; i < count; i++) {
        const struct sg_reconcile_call *call = sg_reconcile_call(w->reconcile, i);
        if (call->trace != NULL || !call->is_expected) {
            continue;
        }
        if (w->cli->json) {
            add_trace_json(w, "not_in_trail", NULL, call);
        } else {
            add_call_text(w, call);
        }
    }
    add_heading(w, sums->resolved, "call in doubt that the cloud has done, as its trail says",
                "calls in doubt that the cloud has done, as its trail says");
    for (size_t i = 0; i < count; i++) {
        const struct sg_reconcile_call *call = sg_reconcile_call(w->reconcile, i);
        if (call->trace == NULL || !call->in_doubt) {
            continue;
        }
        if (w->cli->json) {
            add_trace_json(w, "in_doubt_found", call->trace, call);
        } else {
            add_call_text(w, call);
            add_trace_text(w, call->trace);
        }
    }
}

static void add_sums_json(struct work *w)
{
    const struct sg_reconcile_sums *s = sg_reconcile_sums(w->reconcile);
    struct sg_json json;
    sg_json_init(&json, &w->text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.audit.reconcile.1");
    sg_json_text(&json, "kind", "summary");
    sg_json_bool(&json, "ok", s->unexplained == 0 && s->missing == 0);
    sg_json_u64(&json, "traces", s->traces);
    sg_json_u64(&json, "traces_foreign", s->foreign);
    sg_json_u64(&json, "traces_outside", s->outside);
    sg_json_u64(&json, "traces_without_key", s->without_key);
    sg_json_u64(&json, "by_request_id", s->by_id);
    sg_json_u64(&json, "by_time", s->by_time);
    sg_json_u64(&json, "not_in_log", s->unexplained);
    sg_json_u64(&json, "keys", s->keys);
    sg_json_u64(&json, "calls", s->calls);
    sg_json_u64(&json, "calls_expected", s->expected);
    sg_json_u64(&json, "not_in_trail", s->missing);
    sg_json_u64(&json, "in_doubt", s->in_doubt);
    sg_json_u64(&json, "in_doubt_found", s->resolved);
    sg_json_end_object(&json);
    sg_buf_add_char(&w->text, '\n');
}

static void add_sums_text(struct work *w)
{
    const struct sg_reconcile_sums *s = sg_reconcile_sums(w->reconcile);
    sg_buf_printf(&w->text,
                  "%llu traces: %llu found in the log (%llu by request id, %llu by action and "
                  "time), %llu not,\n"
                  "  %llu of other keys or done by hand, %llu outside of the log's time\n",
                  (unsigned long long)s->traces, (unsigned long long)(s->by_id + s->by_time),
                  (unsigned long long)s->by_id, (unsigned long long)s->by_time,
                  (unsigned long long)s->unexplained, (unsigned long long)s->foreign,
                  (unsigned long long)s->outside);
    sg_buf_printf(&w->text,
                  "%llu calls in the trail's time: %llu that it should have, %llu of them it has "
                  "not;\n  %llu in doubt, %llu of them it has\n",
                  (unsigned long long)s->calls, (unsigned long long)s->expected,
                  (unsigned long long)s->missing, (unsigned long long)s->in_doubt,
                  (unsigned long long)s->resolved);
    if (s->without_key > 0) {
        sg_buf_printf(&w->text,
                      "%llu traces name no access key and were taken for ours: other users' calls "
                      "may be among them\n",
                      (unsigned long long)s->without_key);
    }
    if (s->keys == 0) {
        sg_buf_add_text(&w->text, "the log names no key: give --fingerprint\n");
    }
    if (s->by_time > 0 && s->by_id == 0) {
        sg_buf_add_text(&w->text, "no request id of the trail is in the log: a call of somebody "
                                  "else with the same action at the\n"
                                  "  same time would not be seen\n");
    }
    sg_buf_add_text(&w->text,
                    w->options.all_levels
                        ? "The trail often has no calls that only read; they were expected in it "
                          "(--all-levels).\n"
                        : "The trail often has no calls that only read, and none that the cloud "
                          "refused: none was expected in it.\n");
}

static enum sg_status print(struct work *w)
{
    add_unexplained(w);
    add_calls(w);
    if (w->cli->json) {
        add_sums_json(w);
    } else {
        add_sums_text(w);
    }
    return sg_result_write(w->cli->out, w->cli->err, &w->text);
}

/* --- the word --------------------------------------------------------------------------------- */

/* SG_OK: printed. */
static enum sg_status reconcile(struct work *w, const struct sg_audit_source *source)
{
    struct sg_entries *entries = NULL;
    enum sg_status status = SG_NO_MEMORY;
    w->reconcile = sg_reconcile_new(w->trail, &w->options);
    if (w->reconcile == NULL) {
        (void)fputs("signgate: out of memory\n", w->cli->err);
        return status;
    }
    entries = sg_audit_source_read(w->cli, source, 0);
    status = entries != NULL ? read_log(w, entries) : SG_IO;
    if (status == SG_OK) {
        status = print(w);
        sg_audit_say_bad_lines(w->cli, w->directory, entries);
    }
    sg_entries_close(entries);
    return status;
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    struct sg_filter filter;
    struct sg_audit_source source;
    struct work w = {.cli = cli, .directory = arguments->items[0]};
    int exit_status = sg_audit_filter_read(cli, arguments, &filter);
    if (exit_status == SG_EXIT_GOOD) {
        exit_status =
            read_window(cli, sg_option_value(arguments, "window", NULL), &w.options.window_ms);
    }
    if (exit_status == SG_EXIT_GOOD) {
        exit_status = read_keys(&w, arguments);
    }
    if (exit_status == SG_EXIT_GOOD && sg_option_count(arguments, "cts") == 0) {
        exit_status = sg_usage_error(cli, "which trail?   (usage: signgate audit reconcile DIR "
                                          "--cts FILE)");
    }
    if (exit_status != SG_EXIT_GOOD) {
        return exit_status;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    exit_status = sg_audit_source_open(cli, w.directory, &source);
    if (exit_status != SG_EXIT_GOOD) {
        return exit_status;
    }
    w.utc = sg_option_count(arguments, "utc") > 0;
    w.options.all_levels = sg_option_count(arguments, "all-levels") > 0;
    w.options.has_from = filter.has_since && to_ms(filter.since, &w.options.from_ms);
    w.options.has_to = filter.has_until && to_ms(filter.until, &w.options.to_ms);
    sg_buf_init(&w.text, TEXT_BYTES_MAX);
    sg_buf_init(&w.cell, TEXT_BYTES_MAX);
    enum sg_status status = read_trail(&w, arguments) ? reconcile(&w, &source) : SG_IO;
    exit_status = status == SG_NOT_FOUND ? SG_EXIT_GOOD : SG_EXIT_FAILED;
    if (status == SG_OK) {
        const struct sg_reconcile_sums *sums = sg_reconcile_sums(w.reconcile);
        exit_status = sums->unexplained + sums->missing > 0 ? SG_EXIT_FAILED : SG_EXIT_GOOD;
    }
    sg_reconcile_free(w.reconcile);
    sg_trail_free(w.trail);
    sg_audit_source_done(&source);
    sg_buf_done(&w.text);
    sg_buf_done(&w.cell);
    return exit_status;
}

static const struct sg_option options[] = {
    {.name = "cts",
     .argument = "FILE",
     .repeatable = true,
     .summary = "traces as CTS exports them (JSON)"},
    {.name = "fingerprint",
     .argument = "HEX",
     .repeatable = true,
     .summary = "our key's; left out: all that the log names"},
    {.name = "window", .argument = "SPAN", .summary = "how far times may be apart (60s)"},
    {.name = "all-levels", .summary = "expect calls that only read in the trail too"},
    {.name = "since", .argument = "TIME", .summary = "where the trail begins (its first trace)"},
    {.name = "until", .argument = "TIME", .summary = "where it ends (its last trace)"},
    {.name = "utc", .summary = "times in UTC"},
    {.name = NULL},
};

const struct sg_verb sg_audit_word_reconcile = {
    .name = "audit reconcile",
    .summary = "compare with the cloud's own trail",
    .usage = "audit reconcile DIR --cts FILE [options]",
    .options = options,
    .has_output = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .examples = "  signgate audit reconcile DIR --cts traces.json\n",
    .run = run,
};
