/* What may be deleted, and what never is. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/retain.h"

enum { OLD_S = 1000, YOUNG_S = 2000, LIMIT_S = 1500 };

struct fixture {
    char folder[64];
    struct sg_retain order;
    char deleted[1024]; /* the names, one a line */
};

static void on_deleted(void *arg, const struct sg_segment_name *segment, int64_t written_us)
{
    struct fixture *fixture = arg;
    assert_true(written_us < LIMIT_S * INT64_C(1000000));
    strncat(fixture->deleted, segment->text, sizeof fixture->deleted - 2);
    strncat(fixture->deleted, "\n", 2);
}

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);
    strcat(fixture->folder, "/tmp/sg-retain-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->order = (struct sg_retain){
        .directory = fixture->folder,
        .before_us = LIMIT_S * INT64_C(1000000),
        .passed_epoch = UINT64_MAX,
        .passed_first_seq = UINT64_MAX,
        .on_deleted = on_deleted,
        .arg = fixture,
    };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
    test_free(fixture);
    return 0;
}

static void make(struct fixture *fixture, unsigned epoch, unsigned first_seq, const char *end,
                 time_t written_s)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/audit-%06u-%020u.%s", fixture->folder, epoch, first_seq,
                   end);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    assert_true(fd >= 0);
    const struct timespec times[2] = {{.tv_sec = written_s}, {.tv_sec = written_s}};
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(close(fd), 0);
}

static bool is_there(struct fixture *fixture, unsigned epoch, unsigned first_seq, const char *end)
{
    char path[256];
    struct stat about;
    (void)snprintf(path, sizeof path, "%s/audit-%06u-%020u.%s", fixture->folder, epoch, first_seq,
                   end);
    return lstat(path, &about) == 0;
}

static void run(struct fixture *fixture, const char *deleted)
{
    struct sg_error error;
    fixture->deleted[0] = '\0';
    assert_int_equal(sg_retain_run(&fixture->order, &error), SG_OK);
    assert_string_equal(fixture->deleted, deleted);
}

#define NAME(epoch, seq) "audit-00000" epoch "-0000000000000000000" seq ".jsonl\n"

static void test_old_ones_go_with_their_notes(void **state)
{
    struct fixture *fixture = *state;
    make(fixture, 1, 1, "jsonl", OLD_S);
    make(fixture, 1, 1, "note", OLD_S);
    make(fixture, 1, 5, "jsonl", OLD_S);
    make(fixture, 2, 8, "jsonl", YOUNG_S);
    make(fixture, 2, 8, "note", OLD_S);
    make(fixture, 2, 9, "jsonl", OLD_S); /* behind a young one: there must be no gap */
    run(fixture, NAME("1", "1") NAME("1", "5"));
    assert_false(is_there(fixture, 1, 1, "jsonl") || is_there(fixture, 1, 1, "note") ||
                 is_there(fixture, 1, 5, "jsonl"));
    assert_true(is_there(fixture, 2, 8, "jsonl") && is_there(fixture, 2, 8, "note") &&
                is_there(fixture, 2, 9, "jsonl"));
    run(fixture, "");
}

static void test_the_newest_never_goes(void **state)
{
    struct fixture *fixture = *state;
    make(fixture, 1, 1, "jsonl", OLD_S);
    run(fixture, "");
    make(fixture, 1, 2, "jsonl", OLD_S);
    run(fixture, NAME("1", "1"));
    assert_true(is_there(fixture, 1, 2, "jsonl"));
}

static void test_what_somebody_has_not_passed_stays(void **state)
{
    struct fixture *fixture = *state;
    make(fixture, 1, 1, "jsonl", OLD_S);
    make(fixture, 1, 5, "jsonl", OLD_S);
    make(fixture, 2, 3, "jsonl", OLD_S);
    make(fixture, 3, 9, "jsonl", OLD_S);
    fixture->order.passed_epoch = 0; /* nobody knows where it is */
    fixture->order.passed_first_seq = 0;
    run(fixture, "");
    fixture->order.passed_epoch = 1;
    fixture->order.passed_first_seq = 1;
    run(fixture, "");
    fixture->order.passed_first_seq = 5;
    run(fixture, NAME("1", "1"));
    fixture->order.passed_epoch = 2;
    fixture->order.passed_first_seq = 3;
    run(fixture, NAME("1", "5"));
    fixture->order.passed_epoch = 9;
    run(fixture, NAME("2", "3"));
}

static void test_notes_without_a_segment(void **state)
{
    struct fixture *fixture = *state;
    make(fixture, 1, 1, "note", OLD_S); /* its segment went, and then there was a crash */
    make(fixture, 1, 5, "jsonl", YOUNG_S);
    make(fixture, 1, 8, "jsonl", YOUNG_S);
    run(fixture, "");
    assert_true(is_there(fixture, 1, 1, "note"));
    struct sg_error error;
    make(fixture, 1, 2, "jsonl", OLD_S);
    run(fixture, NAME("1", "2"));
    assert_false(is_there(fixture, 1, 1, "note"));
    fixture->order.directory = "/nowhere/at/all";
    assert_int_equal(sg_retain_run(&fixture->order, &error), SG_IO);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
}

/* What bears the name of a segment and is no file is nothing to be deleted. */
static void test_other_things_stay(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/audit-000001-00000000000000000001.jsonl",
                   fixture->folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    make(fixture, 1, 2, "jsonl", OLD_S);
    make(fixture, 1, 3, "jsonl", OLD_S);
    run(fixture, "");
    assert_true(is_there(fixture, 1, 1, "jsonl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_old_ones_go_with_their_notes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_newest_never_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_somebody_has_not_passed_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_notes_without_a_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_things_stay, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
