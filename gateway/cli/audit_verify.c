/* audit verify: prove the chain of an audit log, its checkpoints and its end. */
#include <string.h>
#include <time.h>

#include "audit/reader.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/audit.h"
#include "text/json_out.h"

enum { TEXT_BYTES_MAX = 65536, NUMBER_BYTES = 32 };

/* --- JSON ------------------------------------------------------------------------------------- */

static void add_time(struct sg_json *json, const char *name, int64_t time_s)
{
    char time[SG_CLOCK_RFC3339_BYTES];
    sg_clock_format_rfc3339(time_s * 1000000, time);
    sg_json_string(json, name, (struct sg_str){.p = time, .n = sizeof time});
}

static void add_proof(struct sg_json *json, const char *name, const struct sg_audit_proof *proof)
{
    if (!proof->any) {
        sg_json_null(json, name);
        return;
    }
    sg_json_begin_object(json, name);
    sg_json_u64(json, "epoch", proof->epoch);
    sg_json_u64(json, "seq", proof->seq);
    add_time(json, "time", proof->time_s);
    sg_json_u64(json, "records_behind", proof->records_behind);
    sg_json_i64(json, "seconds_behind", proof->seconds_behind);
    sg_json_end_object(json);
}

static void add_fault(struct sg_json *json, const struct sg_audit_report *report)
{
    sg_json_text(json, "file", report->file);
    sg_json_bool(json, "in_anchor", report->in_anchor);
    sg_json_u64(json, "line", report->line);
    sg_json_u64(json, "offset", report->offset);
    sg_json_text(json, "kind", report->kind);
    sg_json_text(json, "text", report->text);
    if (report->hash_found[0] != '\0') {
        sg_json_text(json, "hash_expected", report->hash_expected);
        sg_json_text(json, "hash_found", report->hash_found);
    }
    sg_json_u64(json, "proven_before", report->proven_before);
    sg_json_u64(json, "lines_behind", report->lines_behind);
    sg_json_bool(json, "torn_tail", report->torn_tail_open);
}

static void print_json(struct sg_cli *cli, const struct sg_audit_report *report)
{
    struct sg_buf text;
    struct sg_json json;
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_json_init(&json, &text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.audit.verify.1");
    sg_json_bool(&json, "ok", report->good);
    sg_json_text(&json, "stream", report->stream);
    sg_json_u64(&json, "records", report->records);
    sg_json_u64(&json, "files", report->files);
    sg_json_u64(&json, "epochs", report->epochs);
    sg_json_u64(&json, "begins_at", report->begins_at);
    sg_json_u64(&json, "last_epoch", report->last_epoch);
    sg_json_u64(&json, "last_seq", report->last_seq);
    sg_json_u64(&json, "segments_gone", report->gone);
    sg_json_bool(&json, "being_written", report->being_written);
    sg_json_u64(&json, "checkpoints", report->checkpoints);
    sg_json_text(&json, "key", report->key[0] != '\0' ? report->key : NULL);
    sg_json_bool(&json, "signatures_checked", report->signatures_checked);
    sg_json_u64(&json, "key_changes", report->key_changes);
    sg_json_u64(&json, "key_changes_unproven", report->key_changes_unproven);
    add_proof(&json, "covered", &report->covered);
    sg_json_bool(&json, "end_proven", report->good && report->proven.any);
    add_proof(&json, "proven", &report->proven);
    if (report->anchored) {
        sg_json_u64(&json, "anchor_lines_unread", report->anchor_unread);
        sg_json_u64(&json, "anchor_lines_lost", report->anchor_lost);
    }
    if (!report->good) {
        add_fault(&json, report);
    }
    sg_json_end_object(&json);
    sg_buf_add_char(&text, '\n');
    sg_cli_print(cli->out, sg_buf_str(&text));
    sg_buf_done(&text);
}

/* --- text ------------------------------------------------------------------------------------- */

/* Digits in groups of three. */
static const char *grouped(uint64_t value, char ret[NUMBER_BYTES])
{
    char *at = ret + NUMBER_BYTES - 1;
    *at = '\0';
    for (int digits = 0; value > 0 || digits == 0; digits++) {
        if (digits > 0 && digits % 3 == 0) {
            *--at = ',';
        }
        *--at = (char)('0' + value % 10);
        value /= 10;
    }
    return at;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_count(FILE *to, uint64_t count, const char *what)
{
    char number[NUMBER_BYTES];
    (void)fprintf(to, "%s %s%s", grouped(count, number), what, plural(count));
}

/* Seconds as people say them: "8 s", "12 min", "3 h", "2 d". */
static void print_age(FILE *to, int64_t seconds)
{
    enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };
    const char *unit = seconds < 2 * MINUTE ? "s"
                       : seconds < 2 * HOUR ? "min"
                       : seconds < 2 * DAY  ? "h"
                                            : "d";
    int64_t of = *unit == 's' ? 1 : *unit == 'm' ? MINUTE : *unit == 'h' ? HOUR : DAY;
    (void)fprintf(to, "%lld %s", (long long)(seconds / of), unit);
}

static void print_proof(FILE *to, const struct sg_audit_proof *proof)
{
    char number[NUMBER_BYTES], time[SG_CLOCK_RFC3339_BYTES];
    sg_clock_format_rfc3339(proof->time_s * 1000000, time);
    (void)fprintf(to, "up to record %s (%.19sZ); ", grouped(proof->seq, number), time);
    print_count(to, proof->records_behind, "record");
    (void)fputs(" behind it", to);
    if (proof->records_behind > 0) {
        (void)fputs(", of ", to);
        print_age(to, proof->seconds_behind);
    }
}

/* What is said of a good log and of the good part of a bad one. */
static void print_checkpoints(struct sg_cli *cli, const struct sg_audit_report *report)
{
    if (report->key_changes > 0) {
        print_count(cli->out, report->key_changes, "change");
        (void)fprintf(cli->out, " of the checkpoints' key");
        if (report->key_changes_unproven > 0) {
            (void)fprintf(cli->out, ", %llu without the signature of the key before",
                          (unsigned long long)report->key_changes_unproven);
        }
        (void)fputc('\n', cli->out);
    }
    if (report->checkpoints > 0 && !report->signatures_checked) {
        (void)fputs("signatures not checked: give --public-key\n", cli->out);
    }
}

static void print_good(struct sg_cli *cli, const struct sg_audit_report *report)
{
    char number[NUMBER_BYTES];
    (void)fputs("ok: ", cli->out);
    print_count(cli->out, report->records, "record");
    (void)fputs(", ", cli->out);
    print_count(cli->out, report->files, "file");
    if (report->checkpoints > 0) {
        (void)fputs(", ", cli->out);
        print_count(cli->out, report->checkpoints, "checkpoint");
        (void)fprintf(cli->out, " (key %s)", report->key);
    }
    (void)fputc('\n', cli->out);
    if (report->begins_at > 1) {
        (void)fprintf(cli->out, "begins at record %s: earlier segments are elsewhere\n",
                      grouped(report->begins_at, number));
    }
    if (report->gone > 0) {
        print_count(cli->out, report->gone, "segment");
        (void)fprintf(cli->out,
                      " %s removed while the gateway wrote; the next one says so and "
                      "holds what was in it\n",
                      report->gone == 1 ? "was" : "were");
    }
    if (report->being_written) {
        (void)fputs("the last line is being written, and was left out\n", cli->out);
    }
    if (report->proven.any) {
        (void)fputs("end proven ", cli->out);
        print_proof(cli->out, &report->proven);
    } else {
        (void)fputs("end not provable (no anchor)", cli->out);
        if (report->covered.any) {
            (void)fputs("; the last checkpoint covers it ", cli->out);
            print_proof(cli->out, &report->covered);
        }
    }
    (void)fputc('\n', cli->out);
    if (report->anchor_unread > 0) {
        print_count(cli->out, report->anchor_unread, "line");
        (void)fputs(" of the anchor could not be read as notes or records\n", cli->out);
    }
    if (report->anchor_lost > 0) {
        print_count(cli->out, report->anchor_lost, "record");
        (void)fputs(" of the anchor never reached the disk, says the segment that followed\n",
                    cli->out);
    }
    print_checkpoints(cli, report);
}

static void print_bad(struct sg_cli *cli, const char *directory,
                      const struct sg_audit_report *report)
{
    (void)fputs("bad: ", cli->out);
    if (!report->in_anchor) {
        (void)fprintf(cli->out, "%s%s", directory,
                      directory[strlen(directory) - 1] == '/' ? "" : "/");
    }
    (void)fputs(report->file, cli->out);
    if (report->line > 0) {
        (void)fprintf(cli->out, ":%llu", (unsigned long long)report->line);
    }
    (void)fprintf(cli->out, ": %s: %s", report->kind, report->text);
    if (report->line > 0) {
        (void)fprintf(cli->out, " (byte %llu)", (unsigned long long)report->offset);
    }
    (void)fputc('\n', cli->out);
    if (report->hash_found[0] != '\0') {
        (void)fprintf(cli->out, "  hash expected %s\n  hash found    %s\n", report->hash_expected,
                      report->hash_found);
    }
    print_count(cli->out, report->proven_before, "record");
    (void)fprintf(cli->out, " before it %s proven; ", report->proven_before == 1 ? "is" : "are");
    print_count(cli->out, report->lines_behind, "line");
    (void)fprintf(cli->out, " stand%s behind it\n", report->lines_behind == 1 ? "s" : "");
    print_checkpoints(cli, report);
}

/* --- the word --------------------------------------------------------------------------------- */

/* Read the keys given; the exit status, 0 for good. */
static int read_keys(struct sg_cli *cli, const struct sg_arguments *arguments,
                     struct sg_note_keys *ret)
{
    struct sg_error error = {.text = ""};
    for (size_t i = 0; i < arguments->value_count; i++) {
        if (strcmp(arguments->values[i].option->name, "public-key") != 0) {
            continue;
        }
        if (ret->count == SG_NOTE_KEYS_MAX) {
            return sg_usage_error(cli, "more than %d times --public-key", SG_NOTE_KEYS_MAX);
        }
        if (sg_ed25519_public_read(arguments->values[i].value, ret->public_keys[ret->count],
                                   &error) != SG_OK) {
            (void)fprintf(cli->err, "signgate: %s\n", error.text);
            return SG_EXIT_FAILED;
        }
        ret->count++;
    }
    return SG_EXIT_GOOD;
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    const char *directory = arguments->items[0];
    struct sg_note_keys keys = {.count = 0};
    struct sg_audit_report report;
    struct sg_error error = {.text = ""};
    int status = read_keys(cli, arguments, &keys);
    if (status != SG_EXIT_GOOD) {
        return status;
    }
    const struct sg_audit_options options = {
        .keys = keys.count > 0 ? &keys : NULL,
        .anchor = sg_option_value(arguments, "anchor", NULL),
    };
    if (sg_audit_verify_with(directory, &options, &report, &error) != SG_OK) {
        (void)fprintf(cli->err, "signgate: %s\n", error.text);
        return SG_EXIT_FAILED;
    }
    if (cli->json) {
        print_json(cli, &report);
    } else if (report.good) {
        print_good(cli, &report);
    } else {
        print_bad(cli, directory, &report);
    }
    return report.good ? SG_EXIT_GOOD : SG_EXIT_FAILED;
}

static const struct sg_option options[] = {
    {.name = "public-key",
     .argument = "FILE",
     .repeatable = true,
     .summary = "a key that may sign checkpoints (PEM)"},
    {.name = "anchor",
     .argument = "FILE",
     .summary = "what was kept elsewhere: notes, or lines of the log"},
    {.name = NULL},
};

const struct sg_verb sg_audit_word_verify = {
    .name = "audit verify",
    .summary = "prove the chain of an audit log",
    .usage = "audit verify DIR [options]",
    .options = options,
    .has_output = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .examples = "  signgate audit verify /var/lib/signgate/audit\n"
                "  signgate audit verify audit --public-key checkpoint.pub --anchor kept.note\n",
    .run = run,
};
