/* The position of a sink: what was written comes back, whatever else is found. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/sink_cursor.h"

#define STREAM "0123456789abcdef0123456789abcdef"

static const struct sg_sink_cursor example = {
    .stream = STREAM,
    .position = {.epoch = 2, .first_seq = 1001, .offset = 70123},
    .seq = 1100,
};

static void assert_same(const struct sg_sink_cursor *a, const struct sg_sink_cursor *b)
{
    assert_string_equal(a->stream, b->stream);
    assert_int_equal(a->position.epoch, b->position.epoch);
    assert_int_equal(a->position.first_seq, b->position.first_seq);
    assert_int_equal(a->position.offset, b->position.offset);
    assert_int_equal(a->seq, b->seq);
}

static void test_round_trip(void **state)
{
    struct sg_sink_cursor read;
    struct sg_buf text;
    (void)state;
    sg_buf_init(&text, 4096);
    sg_sink_cursor_print(&example, &text);
    assert_true(text.n <= SG_SINK_CURSOR_BYTES);
    assert_true(sg_sink_cursor_parse(sg_buf_str(&text), &read));
    assert_same(&read, &example);
    const struct sg_sink_cursor largest = {
        .stream = STREAM,
        .position = {.epoch = UINT64_MAX, .first_seq = UINT64_MAX, .offset = UINT64_MAX},
        .seq = UINT64_MAX,
    };
    sg_buf_clear(&text);
    sg_sink_cursor_print(&largest, &text);
    assert_true(text.n <= SG_SINK_CURSOR_BYTES);
    assert_true(sg_sink_cursor_parse(sg_buf_str(&text), &read));
    assert_same(&read, &largest);
    sg_buf_done(&text);
}

/* Cut anywhere, or with any byte another one, it is no cursor. */
static void test_every_change_is_found(void **state)
{
    struct sg_sink_cursor read;
    struct sg_buf text;
    (void)state;
    sg_buf_init(&text, 4096);
    sg_sink_cursor_print(&example, &text);
    for (size_t i = 0; i < text.n; i++) {
        assert_false(sg_sink_cursor_parse((struct sg_str){.p = text.p, .n = i}, &read));
        const char before = text.p[i];
        for (int bit = 0; bit < 8; bit++) {
            text.p[i] = (char)(before ^ (1 << bit));
            assert_false(sg_sink_cursor_parse(sg_buf_str(&text), &read));
        }
        text.p[i] = before;
    }
    sg_buf_add_char(&text, '\n');
    assert_false(sg_sink_cursor_parse(sg_buf_str(&text), &read));
    sg_buf_done(&text);
}

/* What an editor leaves, with numbers that were changed, or written in another way. */
static void test_other_forms(void **state)
{
    static const char *const texts[] = {
        "",
        "signgate cursor 2\nstream " STREAM "\nepoch 1\nfirst_seq 1\noffset 1\nseq 1\ncrc 0\n",
        "signgate cursor 1\nstream short\nepoch 1\nfirst_seq 1\noffset 1\nseq 1\ncrc 0\n",
        "signgate cursor 1\nstream " STREAM "\nepoch one\nfirst_seq 1\noffset 1\nseq 1\ncrc 0\n",
        "signgate cursor 1\nstream " STREAM "\nepoch 01\nfirst_seq 1\noffset 1\nseq 1\ncrc 0\n",
        "signgate cursor 1\nstream " STREAM "\nfirst_seq 1\nepoch 1\noffset 1\nseq 1\ncrc 0\n",
        "signgate cursor 1\nstream " STREAM "\nepoch 99999999999999999999\nfirst_seq 1\n",
    };
    struct sg_sink_cursor read;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(sg_sink_cursor_parse(sg_str_from(texts[i]), &read));
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_files(void **state)
{
    char folder[] = "/tmp/sg-cursor-XXXXXX", path[256];
    struct sg_sink_cursor read, moved = example;
    struct sg_error error;
    struct stat about;
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(sg_sink_cursor_load(folder, "siem", STREAM, &read, &error), SG_NOT_FOUND);
    assert_int_equal(sg_sink_cursor_save(folder, "siem", &example, &error), SG_OK);
    assert_int_equal(sg_sink_cursor_load(folder, "siem", STREAM, &read, &error), SG_OK);
    assert_same(&read, &example);
    moved.position.offset++;
    assert_int_equal(sg_sink_cursor_save(folder, "siem", &moved, &error), SG_OK);
    assert_int_equal(sg_sink_cursor_load(folder, "siem", STREAM, &read, &error), SG_OK);
    assert_same(&read, &moved);
    (void)snprintf(path, sizeof path, "%s/cursor-siem", folder);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0640);

    /* Another log's. */
    assert_int_equal(
        sg_sink_cursor_load(folder, "siem", "ffffffffffffffffffffffffffffffff", &read, &error),
        SG_MALFORMED);
    assert_non_null(strstr(error.text, "belongs to another log"));
    /* Changed by hand. */
    write_file(folder, "cursor-siem", "signgate cursor 1\nstream " STREAM "\n");
    assert_int_equal(sg_sink_cursor_load(folder, "siem", STREAM, &read, &error), SG_MALFORMED);
    assert_non_null(strstr(error.text, "torn or changed"));
    assert_int_equal(unlink(path), 0);
    /* No file. */
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(sg_sink_cursor_load(folder, "siem", STREAM, &read, &error), SG_IO);
    assert_int_equal(unlink(path), 0);
    /* What cannot be written is said, and nothing is left in the way. */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(sg_sink_cursor_save(folder, "siem", &example, &error), SG_IO);
    assert_non_null(strstr(error.text, "cursor-siem"));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(sg_sink_cursor_save(folder, "siem", &example, &error), SG_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(sg_sink_cursor_save(folder, "siem", &example, &error), SG_IO);
}

static void test_stream(void **state)
{
    char folder[] = "/tmp/sg-cursor-XXXXXX", path[256];
    char stream[SG_CHAIN_STREAM_BYTES + 1] = "";
    struct sg_error error;
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(sg_sink_stream_read(folder, stream, &error), SG_IO);
    write_file(folder, "STREAM", STREAM "\n");
    assert_int_equal(sg_sink_stream_read(folder, stream, &error), SG_OK);
    assert_string_equal(stream, STREAM);
    write_file(folder, "STREAM", "0123");
    assert_int_equal(sg_sink_stream_read(folder, stream, &error), SG_MALFORMED);
    write_file(folder, "STREAM", STREAM STREAM);
    assert_int_equal(sg_sink_stream_read(folder, stream, &error), SG_MALFORMED);
    (void)snprintf(path, sizeof path, "%s/STREAM", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_every_change_is_found),
        cmocka_unit_test(test_other_forms), cmocka_unit_test(test_files),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
