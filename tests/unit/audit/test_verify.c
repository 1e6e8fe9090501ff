/*
 * Verifying whole directories. A log with every kind of ending is good; then each line is removed,
 * doubled, swapped and changed, each file cut at each place and taken away, and each time verify
 * must say which line it was and what was done to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"

static int setup(void **state)
{
    *state = log_new();
    return 0;
}

static int teardown(void **state)
{
    log_free(*state);
    return 0;
}

/* The line of a log as a JSON string: the inside of a replay. */
static void replay(struct log *log, struct sg_str line)
{
    struct sg_buf members;
    sg_buf_init(&members, 1 << 16);
    sg_buf_add_text(&members, "\"original\":");
    sg_json_add_string(&members, sg_str_slice(line, 0, line.n - 1));
    log_add_text(log, "replay", sg_buf_str(&members));
    sg_buf_done(&members);
}

/*
 * Eight segments in five epochs: rotated, clean, torn, torn before its first line, failed with
 * whole lines behind, failed and removed, and one that is still written.
 */
static void make(struct log *log)
{
    struct sg_buf extra;
    sg_buf_init(&extra, 1 << 16);
    log_segment(log, NULL, SG_STR(""), "");
    log_records(log, 5, "first");
    log_checkpoint(log);
    log_records(log, 2, "first");
    log_segment(log, "rotated", SG_STR(""), "");
    log_records(log, 4, "second");
    log_checkpoint(log);
    log_record(log, "stop", "second");
    log_segment(log, "clean", SG_STR(""), "");
    log_records(log, 4, "third");
    log_checkpoint(log);
    log_records(log, 1, "third");
    /* A torn line, and a start that died before its first line was whole. */
    const char torn[] = "{\"schema\":1,\"stream\":\"01234";
    sg_buf_add_text(&log->files[log->segment].bytes, torn);
    struct sg_segment_name name;
    sg_segment_name_make(log->chain.epoch + 1, log->chain.seq + 1, &name);
    size_t stillborn = log_add_file(log, name.text);
    sg_buf_add_text(&log->files[stillborn].bytes, "{\"schema");
    sg_buf_add_text(&extra, torn);
    sg_buf_add_text(&extra, "{\"schema");
    log->segment = stillborn;
    log->chain.epoch++;
    log_segment(log, "torn", sg_buf_str(&extra), "");
    log_records(log, 4, "fourth");
    log_checkpoint(log);
    /* A write that was not acknowledged left whole lines of it, which are not in the chain. */
    struct sg_chain before = log->chain;
    const size_t lines = log->lines.n;
    struct sg_buf *bytes = &log->files[log->segment].bytes;
    const size_t good = bytes->n;
    log_records(log, 2, "unacknowledged");
    log->chain = before;
    log->lines.n = lines;
    log_segment(log, "failed", sg_str_slice(sg_buf_str(bytes), good, bytes->n),
                ",\"op\":\"fdatasync\",\"errno\":\"EIO\"");
    log_records(log, 2, "fifth");
    log_checkpoint(log);
    /* A segment that somebody removed, with its notes: its lines are replayed in the next. */
    log_segment(log, "rotated", SG_STR(""), "");
    const size_t gone = log->segment;
    log_records(log, 3, "sixth");
    log_checkpoint(log);
    struct sg_str text = sg_buf_str(&log->files[gone].bytes);
    struct sg_chain_line first;
    assert_true(sg_chain_parse(sg_str_slice(text, 0, sg_str_find(text, '\n')), &first));
    memcpy(log->chain.prev, first.prev.p, sizeof log->chain.prev);
    log->chain.seq = first.seq - 1;
    log_segment(log, "failed", SG_STR(""), ",\"op\":\"unlinked\"");
    for (size_t i = 2; i <= log_line_count(text); i++) {
        replay(log, log_line(text, i));
    }
    log->files[gone].name[0] = '\0';
    log_records(log, 3, "seventh");
    log_checkpoint(log);
    log_records(log, 2, "last");
    sg_buf_done(&extra);
    log_write(log);
    log_write_anchor(log, sg_buf_str(&log->lines));
}

static bool is_segment(const struct log *log, size_t file)
{
    return sg_str_ends_with(sg_str_from(log->files[file].name), SG_STR(".jsonl"));
}

/* What is wrong must be this, wherever `line` is above zero there. */
static void expect(const struct log *log, bool with_anchor, const char *what, size_t file,
                   size_t line, const char *kind)
{
    struct sg_audit_report report = log_verify(log, true, with_anchor);
    const char *name = log->files[file].name;
    if (report.good || strcmp(report.kind, kind) != 0 ||
        (line > 0 && (report.line != line || strcmp(report.file, name) != 0))) {
        fail_msg("%s of %s:%zu%s: expected %s, got %s %s:%llu %s %s", what, name, line,
                 with_anchor ? " with anchor" : "", kind, report.good ? "good" : "bad", report.file,
                 (unsigned long long)report.line, report.kind, report.text);
    }
}

static void test_a_log_with_all_endings_is_good(void **state)
{
    struct log *log = *state;
    make(log);
    for (int way = 0; way < 4; way++) {
        struct sg_audit_report report = log_verify(log, way % 2 == 1, way >= 2);
        if (!report.good) {
            fail_msg("way %d: %s:%llu %s %s", way, report.file, (unsigned long long)report.line,
                     report.kind, report.text);
        }
        assert_int_equal(report.files, 7);
        assert_int_equal(report.gone, 1);
        assert_int_equal(report.begins_at, 1);
        assert_int_equal(report.checkpoints, 6);
        assert_int_equal(report.signatures_checked, way % 2 == 1);
        assert_int_equal(strlen(report.key), 8);
        assert_true(report.covered.any);
        assert_int_equal(report.covered.records_behind, 3);
        assert_int_equal(report.covered.seconds_behind, 2);
        assert_int_equal(report.proven.any, way >= 2);
        assert_int_equal(report.proven.records_behind, 0);
    }
    /* The notes alone, as the anchor folder has them. */
    log_write_anchor(log, sg_buf_str(&log->notes));
    struct sg_audit_report report = log_verify(log, true, true);
    assert_true(report.good && report.proven.any);
    assert_int_equal(report.proven.records_behind, 3);
}

/* The lines of a segment that belong to the chain. */
static size_t good_lines(const struct log *log, size_t file)
{
    struct sg_str text = sg_buf_str(&log->files[file].bytes);
    size_t count = 0;
    while (count < log_line_count(text)) {
        struct sg_str line = log_line(text, count + 1);
        if (line.p[line.n - 1] != '\n' ||
            memmem(line.p, line.n, "unacknowledged", strlen("unacknowledged")) != NULL) {
            break;
        }
        count++;
    }
    return count;
}

static bool has_extra(const struct log *log, size_t file)
{
    return good_lines(log, file) < log_line_count(sg_buf_str(&log->files[file].bytes));
}

/* The last segment is the last file that is one. */
static size_t last_segment(const struct log *log)
{
    size_t last = log->count - 1;
    while (!is_segment(log, last)) {
        last--;
    }
    return last;
}

struct change {
    struct sg_buf before;
    struct sg_buf *bytes;
};

static void begin_change(struct log *log, size_t file, struct change *ret)
{
    ret->bytes = &log->files[file].bytes;
    ret->before = *ret->bytes;
    sg_buf_init(ret->bytes, LOG_FILE_BYTES_MAX);
}

static void end_change(struct log *log, size_t file, struct change *change)
{
    sg_buf_done(change->bytes);
    *change->bytes = change->before;
    log_write_file(log, file);
}

/* Put the file together from lines [1, first), then the given ones, then from `rest` on. */
static void compose(struct change *change, size_t first, const struct sg_str *lines, size_t count,
                    size_t rest)
{
    struct sg_str text = sg_buf_str(&change->before);
    for (size_t i = 1; i < first; i++) {
        sg_buf_add_str(change->bytes, log_line(text, i));
    }
    for (size_t i = 0; i < count; i++) {
        sg_buf_add_str(change->bytes, lines[i]);
    }
    for (size_t i = rest; i <= log_line_count(text); i++) {
        sg_buf_add_str(change->bytes, log_line(text, i));
    }
}

static void test_every_line_removed(void **state)
{
    struct log *log = *state;
    make(log);
    for (size_t file = 0; file < log->count; file++) {
        size_t good = is_segment(log, file) ? good_lines(log, file) : 0;
        for (size_t line = 1; line <= good; line++) {
            const bool last = line == good;
            struct change change;
            begin_change(log, file, &change);
            compose(&change, line, NULL, 0, line + 1);
            log_write_file(log, file);
            const char *kind = last && !has_extra(log, file) ? "cut" : "removed";
            bool at_end = last && file == last_segment(log);
            expect(log, true, "removal", file, line, kind);
            if (!at_end) {
                expect(log, false, "removal", file, line, kind);
            }
            end_change(log, file, &change);
        }
    }
}

static void test_every_run_of_lines_removed(void **state)
{
    struct log *log = *state;
    make(log);
    for (size_t file = 0; file < log->count; file++) {
        size_t good = is_segment(log, file) ? good_lines(log, file) : 0;
        for (size_t line = 1; line <= good; line++) {
            for (size_t rest = line + 2; rest <= good; rest++) {
                struct change change;
                begin_change(log, file, &change);
                compose(&change, line, NULL, 0, rest);
                log_write_file(log, file);
                expect(log, false, "removal of some", file, line, "removed");
                end_change(log, file, &change);
            }
        }
    }
}

static void test_every_line_doubled(void **state)
{
    struct log *log = *state;
    make(log);
    for (size_t file = 0; file < log->count; file++) {
        size_t good = is_segment(log, file) ? good_lines(log, file) : 0;
        for (size_t line = 1; line <= good; line++) {
            for (size_t to = 1; to <= good + 1; to++) {
                struct change change;
                begin_change(log, file, &change);
                struct sg_str copy = log_line(sg_buf_str(&change.before), line);
                compose(&change, to, &copy, 1, to);
                log_write_file(log, file);
                /* Two like ones beside each other: the second is the copy. */
                expect(log, to % 2 == 0, "copy", file, to == line ? to + 1 : to, "inserted");
                end_change(log, file, &change);
            }
        }
    }
}

static void test_every_two_neighbours_swapped(void **state)
{
    struct log *log = *state;
    make(log);
    for (size_t file = 0; file < log->count; file++) {
        size_t good = is_segment(log, file) ? good_lines(log, file) : 0;
        for (size_t line = 1; line < good; line++) {
            struct change change;
            begin_change(log, file, &change);
            struct sg_str text = sg_buf_str(&change.before);
            struct sg_str two[] = {log_line(text, line + 1), log_line(text, line)};
            compose(&change, line, two, 2, line + 2);
            log_write_file(log, file);
            expect(log, false, "swap", file, line, "swapped");
            expect(log, true, "swap", file, line, "swapped");
            end_change(log, file, &change);
        }
    }
}

static void test_any_two_lines_swapped(void **state)
{
    struct log *log = *state;
    make(log);
    for (size_t a = 1; a <= good_lines(log, 0); a++) {
        for (size_t b = a + 2; b <= good_lines(log, 0); b++) {
            struct change change;
            begin_change(log, 0, &change);
            struct sg_str text = sg_buf_str(&change.before);
            for (size_t i = 1; i <= log_line_count(text); i++) {
                sg_buf_add_str(change.bytes, log_line(text, i == a ? b : i == b ? a : i));
            }
            log_write_file(log, 0);
            expect(log, false, "swap of two", 0, a, "swapped");
            end_change(log, 0, &change);
        }
    }
}

static void test_every_line_changed_with_a_checksum_that_fits(void **state)
{
    struct log *log = *state;
    make(log);
    for (size_t file = 0; file < log->count; file++) {
        size_t good = is_segment(log, file) ? good_lines(log, file) : 0;
        for (size_t line = 1; line <= good; line++) {
            struct change change;
            struct sg_buf forged;
            sg_buf_init(&forged, 1 << 16);
            begin_change(log, file, &change);
            log_forge(log_line(sg_buf_str(&change.before), line), "\"time\":\"2019",
                      "\"time\":\"2018", &forged);
            struct sg_str one = sg_buf_str(&forged);
            compose(&change, line, &one, 1, line + 1);
            log_write_file(log, file);
            if (file == last_segment(log) && line == good) {
                assert_true(log_verify(log, true, false).good); /* nobody else has its hash */
                expect(log, true, "change", file, line, "forked");
            } else {
                expect(log, false, "change", file, line, "edited");
                expect(log, true, "change", file, line, "edited");
            }
            end_change(log, file, &change);
            sg_buf_done(&forged);
        }
    }
}

/* Every one in one file, and beside that at the ends of lines and in steps. */
enum { CUT_STEP = 13, FLIP_STEP = 7, FLIP_ALL_FILE = 0 };

static void test_every_byte_changed(void **state)
{
    struct log *log = *state;
    make(log);
    for (size_t file = 0; file < log->count; file++) {
        struct sg_buf *bytes = &log->files[file].bytes;
        for (size_t at = 0; at < bytes->n && log->files[file].name[0] != '\0'; at++) {
            const char before = bytes->p[at];
            if (file != FLIP_ALL_FILE && at % FLIP_STEP != 0 && before != '\n') {
                continue;
            }
            struct sg_str text = sg_buf_str(bytes);
            size_t line = log_line_count(sg_str_slice(text, 0, at + 1));
            bytes->p[at] = (char)(before ^ (at % 3 == 0 ? 1 : at % 3 == 1 ? 0x20 : 0x80));
            log_write_file(log, file);
            struct sg_audit_report report = log_verify(log, true, at % 2 == 0);
            if (report.good) {
                fail_msg("byte %zu of %s", at, log->files[file].name);
            }
            if (is_segment(log, file) && line <= good_lines(log, file)) {
                if (strcmp(report.kind, "edited") != 0 || report.line != line ||
                    strcmp(report.file, log->files[file].name) != 0) {
                    fail_msg("byte %zu of %s:%zu: %s:%llu %s %s", at, log->files[file].name, line,
                             report.file, (unsigned long long)report.line, report.kind,
                             report.text);
                }
            }
            bytes->p[at] = before;
        }
        if (log->files[file].name[0] != '\0') {
            log_write_file(log, file);
        }
    }
}

static void test_every_cut(void **state)
{
    struct log *log = *state;
    make(log);
    for (size_t file = 0; file < log->count; file++) {
        struct sg_buf *bytes = &log->files[file].bytes;
        const size_t whole = bytes->n;
        for (size_t length = 0; length < whole && log->files[file].name[0] != '\0'; length++) {
            if (length % CUT_STEP != 0 && length + 2 < whole && bytes->p[length] != '\n' &&
                (length == 0 || bytes->p[length - 1] != '\n')) {
                continue;
            }
            bytes->n = length;
            log_write_file(log, file);
            struct sg_audit_report report = log_verify(log, true, true);
            /* What was torn off may be the beginning of any line: then that is left of them. */
            const bool removed = has_extra(log, file) && strcmp(report.kind, "removed") == 0;
            if (report.good ||
                (is_segment(log, file) && !removed && strcmp(report.kind, "cut") != 0)) {
                fail_msg("%s cut at %zu of %zu: %s %s", log->files[file].name, length, whole,
                         report.kind, report.text);
            }
            bytes->n = whole;
        }
        if (log->files[file].name[0] != '\0') {
            log_write_file(log, file);
        }
    }
}

static void test_every_file_taken_away_or_renamed(void **state)
{
    struct log *log = *state;
    make(log);
    char path[512], other[512];
    for (size_t file = 0; file < log->count; file++) {
        const char *name = log->files[file].name;
        const bool segment = is_segment(log, file);
        if (name[0] == '\0') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", log->directory, name);
        assert_int_equal(unlink(path), 0);
        struct sg_audit_report report = log_verify(log, true, true);
        if (strcmp(name, "audit-000004-00000000000000000034.note") == 0) {
            assert_true(report.good); /* those of the segment that is gone may be gone with it */
        } else if (file == 0) {
            assert_true(report.good); /* earlier ones may be elsewhere */
            assert_int_equal(report.begins_at, good_lines(log, 0) + 1);
        } else {
            const char *kind = file == last_segment(log) ? "cut" : "removed";
            if (report.good || strcmp(report.kind, kind) != 0) {
                fail_msg("%s taken away: %s %s", name, report.kind, report.text);
            }
        }
        log_write_file(log, file);
        if (!segment || good_lines(log, file) == 0) {
            continue;
        }
        (void)snprintf(other, sizeof other, "%s/kept.old", log->directory);
        assert_int_equal(rename(path, other), 0);
        report = log_verify(log, true, true);
        if (file > 0 && file != last_segment(log)) {
            assert_string_equal(report.kind, "renamed");
            assert_string_equal(report.file, name);
            assert_non_null(strstr(report.text, "kept.old"));
        }
        assert_int_equal(unlink(other), 0);
        /* To a name that is one of a segment. */
        (void)snprintf(other, sizeof other, "%s/%.27s%06zu.jsonl", log->directory, name,
                       file * 1000 + 777);
        log_write_file(log, file);
        assert_int_equal(rename(path, other), 0);
        report = log_verify(log, true, true);
        if (report.good || strcmp(report.kind, "renamed") != 0) {
            fail_msg("%s as %s: %s %s", name, other, report.kind, report.text);
        }
        assert_int_equal(unlink(other), 0);
        log_write_file(log, file);
    }
}

/* --- forks and other logs --------------------------------------------------------------------- */

/* Twelve records, a checkpoint, twelve more, another one; who writes them. */
static void make_simple(struct log *log, const char *who, const char *who_later)
{
    log_segment(log, NULL, SG_STR(""), "");
    log_records(log, 8, who);
    log_records(log, 4, who_later);
    log_checkpoint(log);
    log_records(log, 12, who_later);
    log_checkpoint(log);
    log_record(log, "stop", who_later);
}

static void test_lines_of_a_fork(void **state)
{
    struct log *log = *state, *fork = log_new();
    make_simple(log, "common", "ours");
    make_simple(fork, "common", "theirs");
    log_write(log);
    log_write_anchor(log, sg_buf_str(&log->notes));
    struct sg_str theirs = sg_buf_str(&fork->files[0].bytes);
    const size_t count = log_line_count(theirs), diverged = 10;
    for (size_t from = diverged + 1; from <= count; from++) {
        for (size_t to = from + 2; to <= count; to++) {
            struct sg_str lines[64];
            struct change change;
            size_t taken = 0;
            for (size_t i = from; i <= to; i++) {
                lines[taken++] = log_line(theirs, i);
            }
            begin_change(log, 0, &change);
            compose(&change, from, lines, taken, to + 1);
            log_write_file(log, 0);
            struct sg_audit_report report = log_verify(log, true, true);
            /* Behind the last note a tail of theirs looks like a change of the line before it. */
            const bool unseen = to == count && from > count - 2;
            if (report.good ||
                (!unseen && (strcmp(report.kind, "forked") != 0 || report.line != from))) {
                fail_msg("%zu to %zu: %s:%llu %s %s", from, to, report.file,
                         (unsigned long long)report.line, report.kind, report.text);
            }
            end_change(log, 0, &change);
        }
    }
    log_free(fork);
}

static void test_a_log_written_anew(void **state)
{
    struct log *log = *state, *other = log_new();
    make_simple(log, "common", "ours");
    make_simple(other, "common", "theirs");
    log_write_anchor(log, sg_buf_str(&log->notes));
    log_write_anchor(other, sg_buf_str(&log->notes));
    log_write(other);
    /* Good by itself, notes and all: who has the key can do that; only the anchor tells. */
    assert_true(log_verify(other, true, false).good);
    struct sg_audit_report report = log_verify(other, true, true);
    assert_false(report.good);
    assert_string_equal(report.kind, "forked");
    assert_int_equal(report.line, 13);
    assert_int_equal(report.proven_before, 0); /* nothing before the first note is proven */
    assert_memory_not_equal(report.hash_expected, report.hash_found, SG_DIGEST_HEX_BYTES);
    /* The lines anew, the notes as they were: no anchor is needed. */
    sg_buf_clear(&other->files[1].bytes);
    sg_buf_add_str(&other->files[1].bytes, sg_buf_str(&log->files[1].bytes));
    log_write(other);
    report = log_verify(other, true, false);
    assert_string_equal(report.kind, "forked");
    log_free(other);
}

static void test_lines_of_another_log(void **state)
{
    struct log *log = *state, *other = log_new();
    make_simple(log, "ours", "ours");
    other->chain.stream[0] = 'f';
    make_simple(other, "theirs", "theirs");
    log_write(log);
    log_write_anchor(log, sg_buf_str(&log->lines));
    struct sg_str theirs = sg_buf_str(&other->files[0].bytes);
    for (size_t line = 1; line <= good_lines(log, 0); line++) {
        struct change change;
        struct sg_str one = log_line(theirs, line);
        begin_change(log, 0, &change);
        compose(&change, line, &one, 1, line); /* put in */
        log_write_file(log, 0);
        expect(log, true, "another log's line", 0, line, "inserted");
        end_change(log, 0, &change);
        begin_change(log, 0, &change);
        compose(&change, line, &one, 1, line + 1); /* put over one of ours */
        log_write_file(log, 0);
        expect(log, true, "another log's line over ours", 0, line,
               line < good_lines(log, 0) ? "edited" : "inserted");
        end_change(log, 0, &change);
    }
    /* An anchor of another log proves nothing. */
    struct sg_error error = {.text = ""};
    struct sg_audit_report report;
    log_write_anchor(log, sg_buf_str(&other->notes));
    const struct sg_audit_options options = {.anchor = log->anchor};
    assert_int_equal(sg_audit_verify_with(log->directory, &options, &report, &error), SG_CONFIG);
    assert_non_null(strstr(error.text, "another audit log"));
    log_free(other);
}

static void test_a_segment_of_a_fork_or_of_another_log(void **state)
{
    struct log *log = *state, *fork = log_new();
    for (int i = 0; i < 2; i++) {
        struct log *one = i == 0 ? log : fork;
        log_segment(one, NULL, SG_STR(""), "");
        log_records(one, 5, "common");
        log_record(one, "stop", "common");
        log_records(one, i, "fork");
        log_segment(one, i == 0 ? "clean" : "torn", SG_STR(""), "");
        log_records(one, 5, i == 0 ? "ours" : "theirs");
        log_segment(one, "rotated", SG_STR(""), "");
        log_records(one, 5, i == 0 ? "ours" : "theirs");
    }
    size_t file = log_add_file(log, fork->files[1].name);
    sg_buf_add_str(&log->files[file].bytes, sg_buf_str(&fork->files[1].bytes));
    log_write(log);
    expect(log, false, "segment of a fork", file, 1, "forked");
    /* The same file, of another log, at a place between ours. */
    sg_buf_clear(&log->files[file].bytes);
    (void)snprintf(log->files[file].name, sizeof log->files[file].name, "audit-000001-%020d.jsonl",
                   9);
    fork->chain.stream[0] = 'f';
    while (fork->count > 0) {
        sg_buf_done(&fork->files[--fork->count].bytes);
    }
    fork->chain.seq = 8;
    fork->chain.epoch = 1;
    log_segment(fork, NULL, SG_STR(""), "");
    sg_buf_add_str(&log->files[file].bytes, sg_buf_str(&fork->files[fork->segment].bytes));
    log_write(log);
    expect(log, false, "segment of another log", file, 1, "inserted");
    log_free(fork);
}

static void test_a_gone_segment_that_is_there_again(void **state)
{
    struct log *log = *state;
    make(log);
    size_t gone = 0;
    while (log->files[gone].name[0] != '\0') {
        gone++;
    }
    struct sg_chain_line first;
    struct sg_segment_name name;
    struct sg_str text = sg_buf_str(&log->files[gone].bytes);
    assert_true(sg_chain_parse(sg_str_slice(text, 0, sg_str_find(text, '\n')), &first));
    sg_segment_name_make(first.epoch, first.seq, &name);
    (void)snprintf(log->files[gone].name, sizeof log->files[gone].name, "%s", name.text);
    log_write(log);
    expect(log, false, "gone segment", gone, 1, "forked");
}

/* Lines that were acknowledged and that nobody has any more. */
static void test_lost_lines(void **state)
{
    struct log *log = *state;
    log_segment(log, NULL, SG_STR(""), "");
    log_records(log, 5, "first");
    log_segment(log, "failed", SG_STR(""),
                ",\"op\":\"fdatasync\",\"errno\":\"EIO\",\"lost_from\":7,\"lost_to\":9");
    log_records(log, 5, "second");
    log_write(log);
    expect(log, false, "loss", 1, 1, "removed");
    assert_int_equal(log_verify(log, false, false).proven_before, 6);
}

/* --- checkpoints ------------------------------------------------------------------------------ */

static void rekey(struct log *log, unsigned char byte, bool proven)
{
    struct sg_ed25519_private *next = key_of(log->key_path, byte);
    if (proven) {
        log->key_before = log->key;
    } else {
        sg_ed25519_private_free(log->key);
    }
    log->key = next;
}

static struct sg_audit_report verify_keys(const struct log *log, const unsigned char *bytes,
                                          size_t count)
{
    struct sg_audit_report report;
    struct sg_note_keys keys = {.count = count};
    struct sg_error error = {.text = ""};
    for (size_t i = 0; i < count; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/other", log->folder);
        struct sg_ed25519_private *key = key_of(path, bytes[i]);
        sg_ed25519_private_public(key, keys.public_keys[i]);
        sg_ed25519_private_free(key);
        (void)unlink(path);
    }
    const struct sg_audit_options options = {.keys = &keys};
    assert_int_equal(sg_audit_verify_with(log->directory, &options, &report, &error), SG_OK);
    return report;
}

static void test_keys(void **state)
{
    struct log *log = *state;
    const unsigned char both[] = {1, 2}, wrong[] = {3};
    log_segment(log, NULL, SG_STR(""), "");
    log_records(log, 3, "one");
    log_checkpoint(log);
    rekey(log, 2, true);
    log_records(log, 3, "two");
    log_checkpoint(log);
    log_records(log, 3, "two");
    log_checkpoint(log);
    log_write(log);
    struct sg_audit_report report = verify_keys(log, both, 2);
    assert_true(report.good);
    assert_int_equal(report.key_changes, 1);
    assert_int_equal(report.key_changes_unproven, 0);
    report = verify_keys(log, wrong, 1);
    assert_string_equal(report.kind, "wrong key");
    assert_int_equal(report.line, 1);
    assert_non_null(strstr(report.file, ".note"));
    report = verify_keys(log, both, 1); /* the old key alone */
    assert_string_equal(report.kind, "wrong key");
    assert_true(report.line > 1);
    /* A key that was taken over from signs again. */
    rekey(log, 1, false);
    log_records(log, 3, "three");
    log_checkpoint(log);
    log_write(log);
    report = verify_keys(log, both, 2);
    assert_false(report.good);
    assert_string_equal(report.kind, "wrong key");
    assert_non_null(strstr(report.text, "taken over from"));
    assert_true(log_verify(log, false, false).good); /* without keys nobody can tell */
}

static void test_a_key_change_without_the_old_signature(void **state)
{
    struct log *log = *state;
    const unsigned char both[] = {2, 1};
    log_segment(log, NULL, SG_STR(""), "");
    log_checkpoint(log);
    rekey(log, 2, false);
    log_record(log, "intent", "two");
    log_checkpoint(log);
    log_write(log);
    struct sg_audit_report report = verify_keys(log, both, 2);
    assert_true(report.good);
    assert_int_equal(report.key_changes, 1);
    assert_int_equal(report.key_changes_unproven, 1);
}

static void test_every_note_removed_doubled_or_swapped(void **state)
{
    struct log *log = *state;
    log_segment(log, NULL, SG_STR(""), "");
    for (int i = 0; i < 4; i++) {
        log_records(log, 3, "one");
        log_checkpoint(log);
    }
    log_write(log);
    assert_true(log_verify(log, true, false).good);
    const size_t file = 1;
    enum { NOTE_LINES = 8, NOTES = 4 };
    for (size_t note = 0; note < NOTES; note++) {
        for (int way = 0; way < 3; way++) {
            struct change change;
            begin_change(log, file, &change);
            for (size_t i = 0; i < NOTES; i++) {
                size_t from = way == 2 && i == note                 ? (i + 1) % NOTES
                              : way == 2 && i == (note + 1) % NOTES ? note
                                                                    : i;
                for (size_t times = way == 0 && i == note   ? 0
                                    : way == 1 && i == note ? 2
                                                            : 1;
                     times > 0; times--) {
                    for (size_t line = 1; line <= NOTE_LINES; line++) {
                        sg_buf_add_str(
                            change.bytes,
                            from * NOTE_LINES + line <= NOTE_LINES * NOTES - 1
                                ? log_line(sg_buf_str(&change.before), from * NOTE_LINES + line)
                                : SG_STR("\n"));
                    }
                }
            }
            log_write_file(log, file);
            for (int keyed = 0; keyed < 2; keyed++) {
                struct sg_audit_report report = log_verify(log, keyed == 1, false);
                /* A copy of the last one says nothing more, and nothing false. */
                if (report.good) {
                    fail_msg("note %zu, way %d", note, way);
                }
            }
            end_change(log, file, &change);
        }
    }
}

/* A crash between a note and its record leaves a note that no record names. */
static void test_a_note_behind_the_last_record(void **state)
{
    struct log *log = *state;
    char hash[SG_DIGEST_HEX_BYTES];
    for (int follows = 0; follows < 2; follows++) {
        char before[SG_DIGEST_HEX_BYTES];
        log_segment(log, follows == 0 ? NULL : "torn", SG_STR(""), "");
        log_records(log, 3, "one");
        log_checkpoint(log);
        log_records(log, 3, "one");
        memcpy(before, log->note_previous, sizeof before);
        log_note(log, hash);
        /* Whether it was synced or not, the next one follows it, or the one before. */
        if (follows == 1) {
            memcpy(log->note_previous, before, sizeof before);
        }
    }
    log_segment(log, "torn", SG_STR(""), "");
    log_checkpoint(log);
    log_write(log);
    struct sg_audit_report report = log_verify(log, true, false);
    if (!report.good) {
        fail_msg("%s:%llu %s %s", report.file, (unsigned long long)report.line, report.kind,
                 report.text);
    }
    assert_int_equal(report.checkpoints, 3);
    /* Torn off within it: as good. */
    size_t notes = (size_t)log_find(log, "audit-000001-00000000000000000001.note");
    log->files[notes].bytes.n -= 30;
    sg_buf_consume(&log->files[notes].bytes, 0);
    log->files[0].bytes.n -= 0;
    log_write_file(log, notes);
    report = log_verify(log, false, false);
    assert_false(report.good); /* here the next note follows the torn one: it was whole once */
}

/* A failure puts the record of a note off to the next segment. */
static void test_a_record_in_the_next_segment(void **state)
{
    struct log *log = *state;
    char hash[SG_DIGEST_HEX_BYTES];
    log_segment(log, NULL, SG_STR(""), "");
    log_records(log, 3, "one");
    log_note(log, hash);
    log_segment(log, "failed", SG_STR(""), ",\"op\":\"write\",\"errno\":\"EIO\"");
    log_note_record(log, hash);
    log_checkpoint(log);
    log_write(log);
    struct sg_audit_report report = log_verify(log, true, false);
    assert_true(report.good);
    assert_int_equal(report.checkpoints, 2);
}

static void test_a_key_but_no_checkpoint(void **state)
{
    struct log *log = *state;
    log_segment(log, NULL, SG_STR(""), "");
    log_write(log);
    assert_true(log_verify(log, false, false).good);
    struct sg_audit_report report = log_verify(log, true, false);
    assert_false(report.good);
    assert_string_equal(report.kind, "removed");
}

/* --- anchors ---------------------------------------------------------------------------------- */

static void test_an_anchor_with_syslog_headers(void **state)
{
    struct log *log = *state;
    struct sg_buf text;
    make_simple(log, "one", "two");
    log_write(log);
    sg_buf_init(&text, 1 << 20);
    for (size_t i = 1; i <= log_line_count(sg_buf_str(&log->lines)); i += 3) {
        struct sg_str line = log_line(sg_buf_str(&log->lines), i);
        sg_buf_add_text(&text, "<110>1 2019-11-15T03:36:35Z gw1 signgate 7 audit - ");
        sg_buf_add_str(&text, sg_str_slice(line, 0, line.n - 1));
        sg_buf_add_text(&text, "\r\n");
    }
    sg_buf_add_text(&text, "something else\n");
    log_write_anchor(log, sg_buf_str(&text));
    struct sg_audit_report report = log_verify(log, false, true);
    assert_true(report.good && report.proven.any);
    assert_int_equal(report.anchor_unread, 1);
    assert_int_equal(report.proven.seq, 28);
    assert_int_equal(report.proven.records_behind, 0);
    log_write_anchor(log, SG_STR("nothing\n"));
    const struct sg_audit_options options = {.anchor = log->anchor};
    struct sg_error error = {.text = ""};
    assert_int_equal(sg_audit_verify_with(log->directory, &options, &report, &error), SG_CONFIG);
    assert_int_equal(unlink(log->anchor), 0);
    assert_int_equal(sg_audit_verify_with(log->directory, &options, &report, &error), SG_IO);
    assert_non_null(strstr(error.text, log->anchor));
    sg_buf_done(&text);
}

/* A receiver may have what the disk had not yet; whether it also has what came then decides. */
static void test_an_anchor_with_lines_that_a_crash_took(void **state)
{
    struct log *log = *state;
    log_segment(log, NULL, SG_STR(""), "");
    log_records(log, 5, "one");
    struct sg_chain before = log->chain;
    struct sg_buf *bytes = &log->files[log->segment].bytes;
    const size_t good = bytes->n;
    log_records(log, 2, "lost");
    const size_t lost = log->lines.n;
    log->chain = before;
    bytes->n = good;
    log_segment(log, "torn", SG_STR(""), "");
    log_records(log, 2, "two");
    log_write(log);
    log_write_anchor(log, sg_buf_str(&log->lines));
    struct sg_audit_report report = log_verify(log, false, true);
    assert_true(report.good);
    assert_int_equal(report.anchor_lost, 2);
    assert_true(report.proven.any);
    log_write_anchor(log, sg_str_slice(sg_buf_str(&log->lines), 0, lost));
    report = log_verify(log, false, true);
    assert_false(report.good);
    assert_string_equal(report.kind, "cut");
}

static void test_an_anchor_that_another_key_signed(void **state)
{
    struct log *log = *state, *forger = log_new();
    make_simple(log, "one", "two");
    log_write(log);
    rekey(forger, 9, false);
    make_simple(forger, "one", "two");
    log_write_anchor(log, sg_buf_str(&forger->notes));
    struct sg_audit_report report = log_verify(log, true, true);
    assert_false(report.good);
    assert_string_equal(report.kind, "wrong key");
    assert_true(report.in_anchor);
    assert_string_equal(report.file, log->anchor);
    log_free(forger);
}

static void test_an_anchor_from_before_the_beginning(void **state)
{
    struct log *log = *state;
    make(log);
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", log->directory, log->files[0].name);
    assert_int_equal(unlink(path), 0);
    struct sg_str text = sg_buf_str(&log->lines);
    /* All it knows was moved away. */
    log_write_anchor(log, log_line(text, 3));
    struct sg_audit_report report = log_verify(log, false, true);
    assert_false(report.good);
    assert_string_equal(report.kind, "removed");
}

/* --- while a gateway writes ------------------------------------------------------------------- */

static void test_a_directory_that_is_written(void **state)
{
    struct log *log = *state;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[256];
    make_simple(log, "one", "two");
    log->files[0].bytes.n -= 17;
    log_write(log);
    struct sg_audit_report report = log_verify(log, true, false);
    assert_false(report.good);
    assert_true(report.torn_tail_open);
    assert_string_equal(report.kind, "cut");
    assert_non_null(strstr(report.text, "after a crash that is normal"));
    (void)snprintf(path, sizeof path, "%s/LOCK", log->directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    report = log_verify(log, true, false);
    assert_false(report.good); /* nobody holds it */
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
    report = log_verify(log, true, false);
    assert_true(report.good && report.being_written);
    assert_int_equal(report.records, 27);
    /* A segment of which not even the first line is there. */
    (void)log_add_file(log, "audit-000001-00000000000000000028.jsonl");
    log->files[0].bytes.n += 17;
    log->files[0].bytes.n -= log_line(sg_buf_str(&log->files[0].bytes), 28).n;
    log_write(log);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
    report = log_verify(log, true, false);
    assert_true(report.good && report.being_written);
    (void)close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_log_with_all_endings_is_good),
        TEST(test_every_line_removed),
        TEST(test_every_run_of_lines_removed),
        TEST(test_every_line_doubled),
        TEST(test_every_two_neighbours_swapped),
        TEST(test_any_two_lines_swapped),
        TEST(test_every_line_changed_with_a_checksum_that_fits),
        TEST(test_every_byte_changed),
        TEST(test_every_cut),
        TEST(test_every_file_taken_away_or_renamed),
        TEST(test_lines_of_a_fork),
        TEST(test_a_log_written_anew),
        TEST(test_lines_of_another_log),
        TEST(test_a_segment_of_a_fork_or_of_another_log),
        TEST(test_a_gone_segment_that_is_there_again),
        TEST(test_lost_lines),
        TEST(test_keys),
        TEST(test_a_key_change_without_the_old_signature),
        TEST(test_every_note_removed_doubled_or_swapped),
        TEST(test_a_note_behind_the_last_record),
        TEST(test_a_record_in_the_next_segment),
        TEST(test_a_key_but_no_checkpoint),
        TEST(test_an_anchor_with_syslog_headers),
        TEST(test_an_anchor_with_lines_that_a_crash_took),
        TEST(test_an_anchor_that_another_key_signed),
        TEST(test_an_anchor_from_before_the_beginning),
        TEST(test_a_directory_that_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
