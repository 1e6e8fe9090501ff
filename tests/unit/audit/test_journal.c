/*
 * The journal on a real folder: what is submitted is there in one chain, every way a segment can
 * end is declared by the next one, and verify finds every change.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/journal.h"
#include "audit/reader.h"
#include "base/buf.h"

enum { FILE_BYTES_MAX = 64 << 20, WAIT_MS = 20000 };

struct bench {
    char folder[64];
    char directory[80];
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/signgate-test-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    (void)snprintf(bench->directory, sizeof bench->directory, "%s/audit", bench->folder);
    *state = bench;
    return 0;
}

/* Remove what the log's directory holds. */
static void empty(const struct bench *bench)
{
    char path[512];
    DIR *directory = opendir(bench->directory);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s", bench->directory, entry->d_name);
        (void)unlink(path);
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    empty(bench);
    (void)rmdir(bench->directory);
    (void)rmdir(bench->folder);
    free(bench);
    return 0;
}

static struct sg_journal *open_journal(const struct bench *bench, bool refuse_on_damage)
{
    const struct sg_journal_options options = {
        .directory = bench->directory,
        .line_bytes = 65536,
        .refuse_on_damage = refuse_on_damage,
        .version = "test",
        .clock = &sg_clock_system,
    };
    struct sg_journal *journal = NULL;
    struct sg_error error = {.text = ""};
    if (sg_journal_open(&options, &journal, &error) != SG_OK) {
        assert_true(strlen(error.text) > 0);
        return NULL;
    }
    return journal;
}

static struct sg_audit_record record_of(enum sg_audit_event event, const char *id)
{
    return (struct sg_audit_record){
        .event = event, .time_us = 1573788995000000, .request_id = sg_str_from(id)};
}

/* One run of a gateway: start, count outcomes, and a stop when it ends well. */
static void run(const struct bench *bench, int count, bool ends_well)
{
    struct sg_error error;
    struct sg_journal *journal = open_journal(bench, false);
    assert_non_null(journal);
    struct sg_journal_port *port = sg_journal_port_new(journal, -1);
    assert_non_null(port);
    assert_int_equal(sg_journal_start(journal, &error), SG_OK);
    for (int i = 0; i < count; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "r%d", i);
        struct sg_audit_record record = record_of(SG_AUDIT_OUTCOME, id);
        assert_int_equal(sg_journal_submit(port, &record, SG_JOURNAL_WAIT_NONE, 0), i + 1);
    }
    if (ends_well) {
        struct sg_audit_record record = record_of(SG_AUDIT_STOP, "");
        assert_true(sg_journal_submit(port, &record, SG_JOURNAL_WAIT_NONE, 0) > 0);
    }
    sg_journal_flush(port);
    assert_int_equal(sg_journal_close(&journal), SG_OK);
    assert_null(journal);
}

/* The newest segment's path. */
static void newest(const struct bench *bench, char path[512])
{
    char best[256] = "";
    DIR *directory = opendir(bench->directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strncmp(entry->d_name, "audit-", 6) == 0 && strcmp(entry->d_name, best) > 0) {
            (void)snprintf(best, sizeof best, "%s", entry->d_name);
        }
    }
    (void)closedir(directory);
    assert_true(best[0] != '\0');
    (void)snprintf(path, 512, "%s/%s", bench->directory, best);
}

static void read_file(const char *path, struct sg_buf *out)
{
    char block[65536];
    size_t count;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    sg_buf_init(out, FILE_BYTES_MAX);
    while ((count = fread(block, 1, sizeof block, file)) > 0) {
        sg_buf_add(out, block, count);
    }
    (void)fclose(file);
    assert_false(sg_buf_failed(out));
}

static void write_file(const char *path, struct sg_str text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.p != NULL ? text.p : "", 1, text.n, file), text.n);
    assert_int_equal(fclose(file), 0);
}

static struct sg_audit_report verify(const struct bench *bench)
{
    struct sg_audit_report report;
    struct sg_error error;
    assert_int_equal(sg_audit_verify(bench->directory, &report, &error), SG_OK);
    return report;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_a_clean_run_verifies_and_the_next_follows(void **state)
{
    const struct bench *bench = *state;
    run(bench, 3, true);
    struct sg_audit_report report = verify(bench);
    assert_true(report.good);
    assert_int_equal(report.records, 5); /* segment, three outcomes, stop */
    assert_int_equal(report.files, 1);
    run(bench, 2, true);
    report = verify(bench);
    assert_true(report.good);
    assert_int_equal(report.records, 9);
    assert_int_equal(report.files, 2);
    assert_int_equal(report.epochs, 1); /* a clean end begins no new epoch */
}

static void test_files_have_their_modes(void **state)
{
    const struct bench *bench = *state;
    struct stat about;
    char path[512];
    run(bench, 1, true);
    assert_int_equal(stat(bench->directory, &about), 0);
    assert_int_equal(about.st_mode & 0777 & ~0750u, 0);
    newest(bench, path);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777 & ~0640u, 0);
}

static void test_every_cut_of_the_tail_is_found_and_declared(void **state)
{
    const struct bench *bench = *state;
    char path[512], next[512];
    struct sg_buf whole;
    run(bench, 3, true);
    newest(bench, path);
    read_file(path, &whole);
    for (size_t length = 0; length < whole.n; length++) {
        write_file(path, (struct sg_str){.p = whole.p, .n = length});
        struct sg_audit_report report = verify(bench);
        bool at_line_end = length > 0 && whole.p[length - 1] == '\n';
        /* A cut between lines cannot be seen without an anchor; within one it can. */
        assert_int_equal(report.good, at_line_end);
        assert_int_equal(report.torn_tail_open, !at_line_end);
        run(bench, 1, true);
        report = verify(bench);
        if (!report.good) {
            fail_msg("cut at %zu: %s %s", length, report.kind, report.text);
        }
        newest(bench, next);
        assert_string_not_equal(next, path);
        assert_int_equal(unlink(next), 0);
    }
    sg_buf_done(&whole);
}

static void test_every_changed_byte_is_found(void **state)
{
    const struct bench *bench = *state;
    char path[512];
    struct sg_buf whole;
    run(bench, 2, true);
    newest(bench, path);
    read_file(path, &whole);
    for (size_t i = 0; i < whole.n; i++) {
        char before = whole.p[i];
        whole.p[i] = (char)(before ^ 1);
        write_file(path, sg_buf_str(&whole));
        if (verify(bench).good) {
            fail_msg("byte %zu changed and nobody saw it", i);
        }
        whole.p[i] = before;
    }
    write_file(path, sg_buf_str(&whole));
    assert_true(verify(bench).good);
    sg_buf_done(&whole);
}

/* Where line number `line` begins; the end of the text behind the last. */
static size_t line_at(struct sg_str text, int line)
{
    size_t at = 0;
    for (; line > 0; line--) {
        at += sg_str_find(sg_str_slice(text, at, text.n), '\n') + 1;
    }
    return at;
}

static void test_lines_removed_swapped_and_doubled_are_found(void **state)
{
    const struct bench *bench = *state;
    char path[512];
    struct sg_buf whole, edited;
    run(bench, 4, true);
    newest(bench, path);
    read_file(path, &whole);
    struct sg_str text = sg_buf_str(&whole);
    sg_buf_init(&edited, FILE_BYTES_MAX);
    for (int line = 0; line < 5; line++) { /* the last line missing is a cut, not a removal */
        size_t from = line_at(text, line), to = line_at(text, line + 1);
        sg_buf_clear(&edited);
        sg_buf_add_str(&edited, sg_str_slice(text, 0, from));
        sg_buf_add_str(&edited, sg_str_slice(text, to, text.n));
        write_file(path, sg_buf_str(&edited));
        struct sg_audit_report report = verify(bench);
        assert_false(report.good);
        assert_int_equal(report.line, line + 1);
        sg_buf_clear(&edited); /* doubled */
        sg_buf_add_str(&edited, sg_str_slice(text, 0, to));
        sg_buf_add_str(&edited, sg_str_slice(text, from, text.n));
        write_file(path, sg_buf_str(&edited));
        assert_false(verify(bench).good);
        size_t after = line_at(text, line + 2);
        sg_buf_clear(&edited); /* swapped with the next */
        sg_buf_add_str(&edited, sg_str_slice(text, 0, from));
        sg_buf_add_str(&edited, sg_str_slice(text, to, after));
        sg_buf_add_str(&edited, sg_str_slice(text, from, to));
        sg_buf_add_str(&edited, sg_str_slice(text, after, text.n));
        write_file(path, sg_buf_str(&edited));
        assert_false(verify(bench).good);
    }
    sg_buf_done(&edited);
    sg_buf_done(&whole);
}

static void test_damage_in_the_middle_stays_damage(void **state)
{
    const struct bench *bench = *state;
    char path[512];
    struct sg_buf whole;
    run(bench, 3, true);
    newest(bench, path);
    read_file(path, &whole);
    whole.p[line_at(sg_buf_str(&whole), 2) + 40] = '#';
    write_file(path, sg_buf_str(&whole));
    assert_null(open_journal(bench, true)); /* on_damage: refuse */
    run(bench, 1, true);                    /* on_damage: continue */
    struct sg_audit_report report = verify(bench);
    assert_false(report.good);
    assert_int_equal(report.line, 3);
    assert_int_equal(report.proven_before, 2);
    sg_buf_done(&whole);
}

static void test_a_crash_begins_a_new_epoch(void **state)
{
    const struct bench *bench = *state;
    run(bench, 2, false); /* no stop: as after kill -9 with the last line whole */
    run(bench, 1, true);
    struct sg_audit_report report = verify(bench);
    assert_true(report.good);
    assert_int_equal(report.epochs, 2);
}

static void test_a_second_writer_is_refused(void **state)
{
    const struct bench *bench = *state;
    struct sg_journal *first = open_journal(bench, false);
    assert_non_null(first);
    assert_null(open_journal(bench, false));
    assert_int_equal(sg_journal_close(&first), SG_OK);
}

/* Wait until a ticket is on disk; false: it was cancelled before. */
static bool wait_for(const struct sg_journal_port *port, int wake_fd, uint64_t ticket)
{
    struct pollfd wakeups = {.fd = wake_fd, .events = POLLIN};
    for (;;) {
        struct sg_journal_progress progress = sg_journal_progress(port);
        uint64_t count;
        if (progress.durable >= ticket || progress.cancelled >= ticket) {
            return progress.durable >= ticket;
        }
        if (poll(&wakeups, 1, WAIT_MS) <= 0) {
            fail_msg("nobody woke the port");
        }
        assert_int_equal(read(wake_fd, &count, sizeof count), sizeof count);
    }
}

static void test_waiters_are_woken_when_their_record_is_on_disk(void **state)
{
    const struct bench *bench = *state;
    struct sg_error error;
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct sg_journal *journal = open_journal(bench, false);
    struct sg_journal_port *port = sg_journal_port_new(journal, wake_fd);
    assert_int_equal(sg_journal_start(journal, &error), SG_OK);
    struct sg_audit_record record = record_of(SG_AUDIT_INTENT, "one");
    size_t bytes = sg_journal_bound(&record);
    assert_true(sg_journal_reserve(port, bytes));
    uint64_t ticket = sg_journal_submit(port, &record, SG_JOURNAL_WAIT_DURABLE, bytes);
    assert_int_equal(ticket, 1);
    assert_int_equal(sg_journal_progress(port).durable, 0); /* nothing before the flush */
    sg_journal_flush(port);
    assert_true(wait_for(port, wake_fd, ticket));
    assert_int_equal(sg_journal_state(journal), SG_JOURNAL_OK);
    /* More than there is room for is not promised. */
    assert_false(sg_journal_reserve(port, (size_t)1 << 40));
    assert_int_equal(sg_journal_close(&journal), SG_OK);
    (void)close(wake_fd);
}

/* How often a text stands in the files of the log. */
static int count_in_log(const struct bench *bench, const char *text)
{
    int found = 0;
    DIR *directory = opendir(bench->directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct sg_buf whole;
        char path[512];
        if (strncmp(entry->d_name, "audit-", 6) != 0) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", bench->directory, entry->d_name);
        read_file(path, &whole);
        const char *at = whole.p, *end = whole.p + whole.n;
        while (whole.n > 0 && (at = memmem(at, (size_t)(end - at), text, strlen(text))) != NULL) {
            at += strlen(text);
            found++;
        }
        sg_buf_done(&whole);
    }
    (void)closedir(directory);
    return found;
}

/* Spoil the file that is being written, as a clumsy or hostile user does. */
static void spoil(const struct bench *bench, int way)
{
    char path[512], other[512];
    newest(bench, path);
    (void)snprintf(other, sizeof other, "%s/elsewhere", bench->folder);
    switch (way) {
    case 0:
        assert_int_equal(unlink(path), 0);
        break;
    case 1:
        assert_int_equal(truncate(path, 10), 0);
        break;
    case 2:
        assert_int_equal(rename(path, other), 0);
        break;
    case 3:
        assert_int_equal(rename(path, other), 0);
        assert_int_equal(symlink(other, path), 0);
        break;
    case 4:
        write_file(path, SG_STR(""));
        break;
    case 5: {
        FILE *file = fopen(path, "a");
        assert_non_null(file);
        assert_true(fputs("something else\n", file) >= 0);
        assert_int_equal(fclose(file), 0);
        break;
    }
    default:
        fail();
    }
}

static void submit_one(struct sg_journal_port *port, const char *id)
{
    struct sg_audit_record record = record_of(SG_AUDIT_INTENT, id);
    assert_true(sg_journal_submit(port, &record, SG_JOURNAL_WAIT_DURABLE, 0) > 0);
    sg_journal_flush(port);
}

static void test_a_file_changed_by_others_is_left_behind(void **state)
{
    const struct bench *bench = *state;
    struct sg_error error;
    for (int way = 0; way < 6; way++) {
        char text[64], other[512];
        int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct sg_journal *journal = open_journal(bench, false);
        assert_non_null(journal);
        struct sg_journal_port *port = sg_journal_port_new(journal, wake_fd);
        assert_int_equal(sg_journal_start(journal, &error), SG_OK);
        submit_one(port, "before");
        assert_true(wait_for(port, wake_fd, 1));
        spoil(bench, way);
        submit_one(port, "during");
        (void)wait_for(port, wake_fd, 2); /* cancelled, unless recovery was quicker than the look */
        while (sg_journal_figures(journal).recoveries == 0) {
            (void)usleep(1000);
        }
        submit_one(port, "after");
        assert_true(wait_for(port, wake_fd, 3));
        assert_int_equal(sg_journal_state(journal), SG_JOURNAL_OK);
        assert_int_equal(sg_journal_figures(journal).lost, 0);
        struct sg_audit_record stop = record_of(SG_AUDIT_STOP, "");
        assert_true(sg_journal_submit(port, &stop, SG_JOURNAL_WAIT_NONE, 0) > 0);
        sg_journal_flush(port);
        assert_int_equal(sg_journal_close(&journal), SG_OK);
        (void)close(wake_fd);
        (void)snprintf(text, sizeof text, "\"request_id\":\"during\"");
        assert_int_equal(count_in_log(bench, text), 1);
        /* What was acknowledged is in the log still, as it was or replayed. */
        int there = count_in_log(bench, "\"request_id\":\"before\"");
        int replayed = count_in_log(bench, "\\\"request_id\\\":\\\"before\\\"");
        assert_true(there + replayed >= 1);
        assert_int_equal(count_in_log(bench, "\"ended\":\"failed\""), 1);
        (void)snprintf(other, sizeof other, "%s/elsewhere", bench->folder);
        (void)unlink(other);
        if (way != 3) { /* with a strange file in its folder the log cannot be read */
            struct sg_audit_report report = verify(bench);
            if (!report.good) {
                fail_msg("way %d: %s:%llu %s %s", way, report.file, (unsigned long long)report.line,
                         report.kind, report.text);
            }
        }
        empty(bench);
    }
}

enum { THREADS = 4, RECORDS_PER_THREAD = 2000 };

struct submitter {
    pthread_t thread;
    struct sg_journal_port *port;
    int wake_fd;
    uint64_t refused;
};

static void *submit_many(void *arg)
{
    struct submitter *submitter = arg;
    for (int i = 0; i < RECORDS_PER_THREAD; i++) {
        struct sg_audit_record record = record_of(SG_AUDIT_INTENT, "many");
        enum sg_journal_wait wait = (enum sg_journal_wait)(i % 3);
        size_t bytes = sg_journal_bound(&record);
        while (!sg_journal_reserve(submitter->port, bytes)) {
            submitter->refused++;
            sg_journal_flush(submitter->port);
        }
        (void)sg_journal_submit(submitter->port, &record, wait, bytes);
        if (i % 16 == 0) {
            sg_journal_flush(submitter->port);
        }
    }
    struct sg_audit_record last = record_of(SG_AUDIT_INTENT, "last");
    uint64_t ticket = sg_journal_submit(submitter->port, &last, SG_JOURNAL_WAIT_DURABLE, 0);
    sg_journal_flush(submitter->port);
    (void)wait_for(submitter->port, submitter->wake_fd, ticket);
    return NULL;
}

static void test_many_ports_write_one_chain(void **state)
{
    const struct bench *bench = *state;
    struct submitter submitters[THREADS] = {{.port = NULL}};
    struct sg_error error;
    struct sg_journal *journal = open_journal(bench, false);
    assert_non_null(journal);
    for (int i = 0; i < THREADS; i++) {
        submitters[i].wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        submitters[i].port = sg_journal_port_new(journal, submitters[i].wake_fd);
        assert_non_null(submitters[i].port);
    }
    assert_int_equal(sg_journal_start(journal, &error), SG_OK);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&submitters[i].thread, NULL, submit_many, &submitters[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(submitters[i].thread, NULL);
    }
    assert_int_equal(sg_journal_close(&journal), SG_OK);
    for (int i = 0; i < THREADS; i++) {
        (void)close(submitters[i].wake_fd);
    }
    struct sg_audit_report report = verify(bench);
    assert_true(report.good);
    assert_int_equal(report.records, 1 + THREADS * (RECORDS_PER_THREAD + 1));
}

static void test_a_directory_that_cannot_be_used_says_why(void **state)
{
    struct bench *bench = *state;
    struct sg_journal *journal = NULL;
    struct sg_error error = {.text = ""};
    char path[128];
    (void)snprintf(path, sizeof path, "%s/missing/audit", bench->folder);
    const struct sg_journal_options options = {
        .directory = path, .line_bytes = 65536, .version = "test", .clock = &sg_clock_system};
    assert_int_equal(sg_journal_open(&options, &journal, &error), SG_IO);
    assert_null(journal);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "install -d"));
}

/* A wrong folder, or one from which everything was taken, must not look like a whole chain. */
static void test_a_directory_without_a_log_does_not_verify(void **state)
{
    struct bench *bench = *state;
    struct sg_audit_report report;
    struct sg_error error = {.text = ""};
    assert_int_equal(sg_audit_verify(bench->folder, &report, &error), SG_NOT_FOUND);
    assert_non_null(strstr(error.text, bench->folder));
    assert_non_null(strstr(error.text, "holds no audit log"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_clean_run_verifies_and_the_next_follows),
        TEST(test_files_have_their_modes),
        TEST(test_every_cut_of_the_tail_is_found_and_declared),
        TEST(test_every_changed_byte_is_found),
        TEST(test_lines_removed_swapped_and_doubled_are_found),
        TEST(test_damage_in_the_middle_stays_damage),
        TEST(test_a_crash_begins_a_new_epoch),
        TEST(test_a_second_writer_is_refused),
        TEST(test_waiters_are_woken_when_their_record_is_on_disk),
        TEST(test_a_file_changed_by_others_is_left_behind),
        TEST(test_many_ports_write_one_chain),
        TEST(test_a_directory_that_cannot_be_used_says_why),
        TEST(test_a_directory_without_a_log_does_not_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
