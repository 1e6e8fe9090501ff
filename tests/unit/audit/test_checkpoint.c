/* Checkpoints: when a note is due, what it says, that notes follow each other, and whose they are.
 */
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

#include "audit/checkpoint.h"
#include "audit/note.h"
#include "../crypto/keys.h"

enum { SECOND = 1000000, FILE_BYTES_MAX = 65536 };

#define STREAM "0123456789abcdef0123456789abcdef"

struct bench {
    char folder[64];
    char key_path[80];
    char note_path[128];
    int fd;
    int64_t now_us;
    struct sg_clock clock;
    struct sg_digest *digest;
    struct sg_segment_name segment;
    struct sg_chain chain;
};

static int64_t now_of(void *arg)
{
    return ((struct bench *)arg)->now_us;
}

static int setup(void **state)
{
    struct sg_error error;
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/signgate-test-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    (void)snprintf(bench->key_path, sizeof bench->key_path, "%s/key", bench->folder);
    (void)snprintf(bench->note_path, sizeof bench->note_path,
                   "%s/audit-000001-00000000000000000001.note", bench->folder);
    bench->fd = open(bench->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(bench->fd >= 0);
    bench->now_us = 1000 * (int64_t)SECOND;
    bench->clock = (struct sg_clock){.monotonic_us = now_of, .realtime_us = now_of, .arg = bench};
    bench->digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    assert_non_null(bench->digest);
    sg_segment_name_make(1, 1, &bench->segment);
    bench->chain = (struct sg_chain){.stream = STREAM, .epoch = 1, .seq = 7};
    memset(bench->chain.prev, 'a', sizeof bench->chain.prev);
    char path[128]; /* notes are looked for beside segments */
    (void)snprintf(path, sizeof path, "%s/%s", bench->folder, bench->segment.text);
    write_key_file(path, SG_STR("x\n"), 0600);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", bench->folder, bench->segment.text);
    (void)unlink(path);
    (void)unlink(bench->note_path);
    (void)rmdir(bench->note_path);
    (void)unlink(bench->key_path);
    (void)close(bench->fd);
    (void)rmdir(bench->folder);
    sg_digest_free(bench->digest);
    free(bench);
    return 0;
}

static bool write_note(struct bench *bench, struct sg_checkpoint *checkpoint, struct sg_buf *record)
{
    sg_buf_clear(record);
    return sg_checkpoint_write(checkpoint, bench->fd, &bench->segment, &bench->chain, &bench->clock,
                               bench->digest, record);
}

/* The notes in the file; their hashes. */
static size_t read_notes(struct bench *bench, struct sg_note_parsed ret[4],
                         char hashes[4][SG_DIGEST_HEX_BYTES], char *bytes)
{
    size_t count = 0;
    FILE *file = fopen(bench->note_path, "r");
    assert_non_null(file);
    struct sg_str text = {.p = bytes, .n = fread(bytes, 1, FILE_BYTES_MAX, file)};
    (void)fclose(file);
    while (text.n > 0 && count < 4) {
        size_t length = sg_note_parse(text, &ret[count]);
        assert_true(length > 0);
        assert_int_equal(
            sg_digest_run_hex(bench->digest, sg_str_slice(text, 0, length), hashes[count]), SG_OK);
        count++;
        text = sg_str_slice(text, length, text.n);
        text = sg_str_slice(text, text.n > 0 ? 1 : 0, text.n);
    }
    return count;
}

static void test_when_a_note_is_due(void **state)
{
    struct bench *bench = *state;
    struct sg_checkpoint checkpoint;
    const int64_t start_us = bench->now_us;
    sg_checkpoint_init(&checkpoint, NULL, start_us);
    sg_checkpoint_count(&checkpoint, 5000, start_us);
    assert_int_equal(sg_checkpoint_due_us(&checkpoint), INT64_MAX); /* without a key never */
    assert_false(sg_checkpoint_has_news(&checkpoint));
    sg_checkpoint_init(&checkpoint, key_of(bench->key_path, 1), start_us);
    assert_int_equal(sg_checkpoint_due_us(&checkpoint), start_us + 60 * (int64_t)SECOND);
    sg_checkpoint_count(&checkpoint, 1, start_us + SECOND);
    assert_true(sg_checkpoint_has_news(&checkpoint));
    assert_int_equal(sg_checkpoint_due_us(&checkpoint), start_us + 11 * (int64_t)SECOND);
    sg_checkpoint_count(&checkpoint, 998, start_us + 2 * (int64_t)SECOND);
    assert_int_equal(sg_checkpoint_due_us(&checkpoint), start_us + 11 * (int64_t)SECOND);
    sg_checkpoint_count(&checkpoint, 1, start_us + 2 * (int64_t)SECOND);
    assert_true(sg_checkpoint_due_us(&checkpoint) <= start_us);
    sg_checkpoint_done(&checkpoint);
}

static void test_notes_follow_each_other_over_a_restart(void **state)
{
    struct bench *bench = *state;
    struct sg_checkpoint checkpoint;
    struct sg_note_parsed notes[4];
    char hashes[4][SG_DIGEST_HEX_BYTES], *bytes = malloc(FILE_BYTES_MAX), expected[128];
    struct sg_buf record;
    struct sg_error error;
    struct stat about;
    sg_buf_init(&record, 1024);
    sg_checkpoint_init(&checkpoint, key_of(bench->key_path, 1), 0);
    sg_checkpoint_count(&checkpoint, 3, bench->now_us);
    assert_true(write_note(bench, &checkpoint, &record));
    assert_false(sg_checkpoint_has_news(&checkpoint));
    sg_checkpoint_done(&checkpoint);
    sg_checkpoint_init(&checkpoint, key_of(bench->key_path, 1), 0);
    assert_int_equal(sg_checkpoint_load(&checkpoint, bench->fd, bench->digest, &error), SG_OK);
    bench->chain.seq = 9;
    assert_true(write_note(bench, &checkpoint, &record));
    assert_int_equal(read_notes(bench, notes, hashes, bytes), 2);
    assert_int_equal(notes[0].note.seq, 7);
    assert_int_equal(notes[1].note.seq, 9);
    assert_int_equal(notes[1].note.time_s, 1000);
    assert_memory_equal(notes[1].note.hash, bench->chain.prev, SG_DIGEST_HEX_BYTES);
    assert_memory_equal(notes[1].note.previous, hashes[0], SG_DIGEST_HEX_BYTES);
    (void)snprintf(expected, sizeof expected, "\"note_sha256\":\"%.64s\"", hashes[1]);
    sg_buf_add_char(&record, '\0');
    assert_non_null(strstr(record.p, expected));
    assert_int_equal(stat(bench->note_path, &about), 0);
    assert_int_equal(about.st_mode & 0777 & ~0640u, 0);
    sg_checkpoint_done(&checkpoint);
    sg_buf_done(&record);
    free(bytes);
}

static void test_a_new_key_is_vouched_for(void **state)
{
    struct bench *bench = *state;
    struct sg_checkpoint checkpoint;
    struct sg_note_parsed notes[4];
    char hashes[4][SG_DIGEST_HEX_BYTES], *bytes = malloc(FILE_BYTES_MAX);
    unsigned char first[SG_ED25519_PUBLIC_BYTES], second[SG_ED25519_PUBLIC_BYTES];
    struct sg_buf record;
    sg_buf_init(&record, 1024);
    sg_checkpoint_init(&checkpoint, key_of(bench->key_path, 1), bench->now_us);
    sg_ed25519_private_public(checkpoint.key, first);
    sg_checkpoint_set_key(&checkpoint, key_of(bench->key_path, 1)); /* the same: nothing to say */
    assert_true(sg_checkpoint_due_us(&checkpoint) > bench->now_us);
    sg_checkpoint_set_key(&checkpoint, key_of(bench->key_path, 2));
    sg_ed25519_private_public(checkpoint.key, second);
    assert_true(sg_checkpoint_due_us(&checkpoint) <= bench->now_us);
    assert_true(write_note(bench, &checkpoint, &record));
    assert_true(write_note(bench, &checkpoint, &record));
    assert_int_equal(read_notes(bench, notes, hashes, bytes), 2);
    assert_int_equal(notes[0].signature_count, 2);
    assert_true(sg_note_verify(&notes[0], first));
    assert_true(sg_note_verify(&notes[0], second));
    assert_int_equal(notes[1].signature_count, 1);
    assert_false(sg_note_verify(&notes[1], first));
    assert_true(sg_note_verify(&notes[1], second));
    sg_checkpoint_set_key(&checkpoint, NULL);
    assert_int_equal(sg_checkpoint_due_us(&checkpoint), INT64_MAX);
    sg_checkpoint_done(&checkpoint);
    sg_buf_done(&record);
    free(bytes);
}

/* A file of notes that could not be written to may end within a note: it gets no more of them. */
static void test_a_file_that_failed_gets_no_more(void **state)
{
    struct bench *bench = *state;
    struct sg_checkpoint checkpoint;
    struct sg_buf record;
    sg_buf_init(&record, 1024);
    sg_checkpoint_init(&checkpoint, key_of(bench->key_path, 1), 0);
    sg_checkpoint_count(&checkpoint, 1, bench->now_us);
    assert_int_equal(mkdir(bench->note_path, 0700), 0);
    assert_false(write_note(bench, &checkpoint, &record));
    assert_int_equal(record.n, 0);
    assert_true(sg_checkpoint_has_news(&checkpoint));
    assert_true(sg_checkpoint_due_us(&checkpoint) > bench->now_us); /* not at once again */
    assert_int_equal(rmdir(bench->note_path), 0);
    assert_false(write_note(bench, &checkpoint, &record));
    sg_segment_name_make(1, 8, &bench->segment);
    assert_true(write_note(bench, &checkpoint, &record));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/audit-000001-00000000000000000008.note", bench->folder);
    assert_int_equal(unlink(path), 0);
    sg_segment_name_make(1, 1, &bench->segment);
    sg_checkpoint_done(&checkpoint);
    sg_buf_done(&record);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_when_a_note_is_due),
        TEST(test_notes_follow_each_other_over_a_restart),
        TEST(test_a_new_key_is_vouched_for),
        TEST(test_a_file_that_failed_gets_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
