/* The notes of a segment: what is whole is taken, and what is wrong is named with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audit/note_file.h"
#include "log.h"

static int setup(void **state)
{
    struct log *log = log_new();
    log_segment(log, NULL, SG_STR(""), "");
    for (int i = 0; i < 3; i++) {
        log_records(log, 2, "one");
        log_checkpoint(log);
    }
    log_write(log);
    *state = log;
    return 0;
}

static int teardown(void **state)
{
    log_free(*state);
    return 0;
}

enum { NOTES = 1 }; /* the index of the file */

static void read_notes(const struct log *log, bool keyed, struct sg_note_file *ret)
{
    struct sg_note_chain chain = {.known = false};
    struct sg_note_keys keys = {.count = 1};
    struct sg_error error = {.text = ""};
    int fd = open(log->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    sg_ed25519_private_public(log->key, keys.public_keys[0]);
    assert_int_equal(sg_note_keys_begin(&keys, log->chain.stream), SG_OK);
    assert_int_equal(sg_note_file_read(fd, log->files[NOTES].name, log->chain.stream, &chain,
                                       keyed ? &keys : NULL, ret, &error),
                     SG_OK);
    (void)close(fd);
}

static void expect(const struct log *log, bool keyed, size_t count, const char *kind, uint64_t line)
{
    struct sg_note_file file;
    log_write_file(log, NOTES);
    read_notes(log, keyed, &file);
    const char *found = file.fault.kind != NULL ? file.fault.kind : "good";
    if (file.count != count || strcmp(found, kind) != 0 || file.fault.line != line) {
        fail_msg("expected %zu, %s at %llu; got %zu, %s at %llu: %s", count, kind,
                 (unsigned long long)line, file.count, found, (unsigned long long)file.fault.line,
                 file.fault.text);
    }
    sg_note_file_done(&file);
}

static void test_good_ones(void **state)
{
    const struct log *log = *state;
    struct sg_note_file file;
    read_notes(log, true, &file);
    assert_true(file.exists);
    assert_int_equal(file.count, 3);
    assert_null(file.fault.kind);
    assert_int_equal(file.entries[0].seq, 3);
    assert_int_equal(file.entries[1].line, 9);
    assert_memory_equal(file.entries[1].previous, file.entries[0].sha256, SG_DIGEST_HEX_BYTES);
    sg_note_file_done(&file);
    log_remove(log->directory, log->files[NOTES].name);
    read_notes(log, true, &file);
    assert_false(file.exists);
    assert_int_equal(file.count, 0);
    sg_note_file_done(&file);
}

static void test_torn_ones(void **state)
{
    struct log *log = *state;
    struct sg_buf *bytes = &log->files[NOTES].bytes;
    const size_t whole = bytes->n;
    const struct sg_str text = sg_buf_str(bytes);
    size_t third = 0;
    for (size_t line = 1; line < 17; line++) {
        third += log_line(text, line).n;
    }
    for (size_t length = third - 1; length < whole; length++) {
        bytes->n = length;
        expect(log, true, 2, "good", 0);
    }
    bytes->n = whole;
    expect(log, true, 3, "good", 0);
}

static void test_wrong_ones(void **state)
{
    struct log *log = *state;
    struct sg_buf *bytes = &log->files[NOTES].bytes;
    const size_t whole = bytes->n;
    struct sg_str text = sg_buf_str(bytes);
    /* A byte of the second note's text; of its form; of its signature. */
    size_t second = 0;
    for (size_t line = 1; line < 9; line++) {
        second += log_line(text, line).n;
    }
    const size_t time_at =
        second + log_line(text, 9).n + log_line(text, 10).n + log_line(text, 11).n;
    const char digit = bytes->p[time_at + 3];
    bytes->p[time_at + 3] ^= 1;
    expect(log, true, 1, "edited", 9);
    expect(log, false, 2, "removed", 17); /* without keys the third does not follow it */
    bytes->p[time_at + 3] = 'x';
    expect(log, false, 1, "edited", 9);
    bytes->p[time_at + 3] = digit;
    bytes->p[second] = 'b';
    expect(log, true, 1, "edited", 9);
    bytes->p[second] = 'a';
    bytes->p[second + 20] = bytes->p[second + 20] == 'f' ? 'e' : 'f'; /* its stream */
    expect(log, true, 1, "edited", 9);                                /* unlike its signature's */
    bytes->p[second + 20] = text.p[20];
    expect(log, true, 3, "good", 0);
    /* The second is missing. */
    char rest[2048];
    const size_t third = second + second;
    assert_true(whole - third < sizeof rest);
    memcpy(rest, bytes->p + third, whole - third);
    memcpy(bytes->p + second, rest, whole - third);
    bytes->n = second + whole - third;
    expect(log, true, 1, "removed", 9);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_good_ones),
        TEST(test_torn_ones),
        TEST(test_wrong_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
