/* Notes in files, in order: whole ones, and what stands between them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/note_walk.h"
#include "audit/segment.h"
#include "base/buf.h"

#define SIGNATURE "\xe2\x80\x94 audit.signgate/s AAAAbbbbCCCC\n"

static const char example[] = "audit.signgate/0123456789abcdef0123456789abcdef\n"
                              "1 42\n"
                              "bm90IGEgaGFzaCwgYnV0IG9uZSBmb3IgYSB0ZXN0IQ==\n"
                              "1700000000\n"
                              "0000000000000000000000000000000000000000000000000000000000000000\n"
                              "\n" SIGNATURE;

/* A note for a line, with so many signatures. */
static void add_note(struct sg_buf *out, unsigned epoch, unsigned seq, int signatures)
{
    sg_buf_printf(out, "audit.signgate/0123456789abcdef0123456789abcdef\n%u %u\nbm90\n17\n00\n\n",
                  epoch, seq);
    for (int i = 0; i < signatures; i++) {
        sg_buf_add_text(out, SIGNATURE);
    }
}

static void test_measure(void **state)
{
    struct sg_note_head head = {.epoch = 0};
    const struct sg_str whole = SG_STR(example);
    struct sg_buf text;
    (void)state;
    assert_int_equal(sg_note_measure(whole, &head), whole.n);
    assert_int_equal(head.epoch, 1);
    assert_int_equal(head.seq, 42);
    for (size_t i = 0; i < whole.n; i++) { /* cut anywhere, it is none */
        assert_int_equal(sg_note_measure(sg_str_slice(whole, 0, i), &head), 0);
    }
    sg_buf_init(&text, 1 << 16);
    add_note(&text, 7, 8, 2);
    const size_t first = text.n;
    sg_buf_add_char(&text, '\n');
    add_note(&text, 7, 9, 1);
    assert_int_equal(sg_note_measure(sg_buf_str(&text), &head), first);
    assert_int_equal(head.seq, 8);
    /* A second signature that is cut: the note is not whole yet. */
    assert_int_equal(sg_note_measure(sg_str_slice(sg_buf_str(&text), 0, first - 1), &head), 0);
    sg_buf_done(&text);
}

static void test_no_notes(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "audit.signgate/s\n1 2\nx\n1\n0\n\nnot signed\n",
        "audit.signgate/s\n1 2\nx\n1\n0\n" SIGNATURE,
        "audit.signgate/s\n1 2\nx\n1\n\n" SIGNATURE,
        "audit.signgate/s\n12\nx\n1\n0\n\n" SIGNATURE,
        "audit.signgate/s\n1 2 3\nx\n1\n0\n\n" SIGNATURE,
        "audit.signgate/s\n1 -2\nx\n1\n0\n\n" SIGNATURE,
        "another.origin/s\n1 2\nx\n1\n0\n\n" SIGNATURE,
        " audit.signgate/s\n1 2\nx\n1\n0\n\n" SIGNATURE,
    };
    struct sg_note_head head = {.epoch = 99};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(sg_note_measure(sg_str_from(texts[i]), &head), 0);
    }
    assert_int_equal(head.epoch, 99);
}

static void test_find_last(void **state)
{
    struct sg_note_head head;
    struct sg_buf text;
    size_t end = 99;
    (void)state;
    sg_buf_init(&text, 1 << 16);
    assert_int_equal(sg_note_find_last(sg_buf_str(&text), &head, &end).n, 0);
    assert_int_equal(end, 99);
    sg_buf_add_text(&text, "0000\n\n" SIGNATURE "\n"); /* the end of one that begins before */
    add_note(&text, 1, 1, 1);
    sg_buf_add_char(&text, '\n');
    const size_t second = text.n;
    add_note(&text, 1, 2, 2);
    const size_t whole = text.n;
    struct sg_str last = sg_note_find_last(sg_buf_str(&text), &head, &end);
    assert_ptr_equal(last.p, text.p + second);
    assert_int_equal(last.n, whole - second);
    assert_int_equal(head.seq, 2);
    assert_int_equal(end, whole);
    sg_buf_add_char(&text, '\n');
    (void)sg_note_find_last(sg_buf_str(&text), &head, &end);
    assert_int_equal(end, whole + 1);
    sg_buf_add_text(&text, "audit.signgate/0123\n1 3\n"); /* torn */
    last = sg_note_find_last(sg_buf_str(&text), &head, &end);
    assert_int_equal(last.n, whole - second);
    assert_int_equal(head.seq, 2);
    assert_int_equal(end, whole + 1);
    sg_buf_done(&text);
}

static void test_names(void **state)
{
    char name[SG_NOTE_FILE_BYTES];
    uint64_t epoch = 0, first_seq = 0;
    static const char *const bad[] = {
        "audit-000001-00000000000000000001.jsonl",
        "audit-000001-0000000000000000001.note",
        "audit-00001-000000000000000000001.note",
        "audit-000001-0000000000000000000a.note",
        "audit-000001-00000000000000000001.notes",
        "cursor-x",
        "",
    };
    (void)state;
    sg_note_file_make(12, 345, name);
    assert_string_equal(name, "audit-000012-00000000000000000345.note");
    assert_true(sg_note_file_parse(name, &epoch, &first_seq));
    assert_int_equal(epoch, 12);
    assert_int_equal(first_seq, 345);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(sg_note_file_parse(bad[i], &epoch, &first_seq));
    }
}

/* --- walking --- */

static void append(const char *folder, unsigned epoch, unsigned first_seq, struct sg_str bytes)
{
    char name[SG_NOTE_FILE_BYTES], path[256];
    sg_note_file_make(epoch, first_seq, name);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_true(bytes.n == 0 || fwrite(bytes.p, bytes.n, 1, file) == 1);
    assert_int_equal(fclose(file), 0);
}

static void append_note(const char *folder, unsigned epoch, unsigned first_seq, unsigned seq)
{
    struct sg_buf text;
    sg_buf_init(&text, 1 << 16);
    sg_buf_add_char(&text, '\n'); /* blank lines may stand before, too */
    add_note(&text, epoch, seq, 1);
    append(folder, epoch, first_seq, sg_buf_str(&text));
    sg_buf_done(&text);
}

static void assert_next(struct sg_note_walk *walk, unsigned seq)
{
    struct sg_note_head head = {.epoch = 0}, again;
    struct sg_error error;
    struct sg_str note;
    enum sg_status status = sg_note_walk_next(walk, &note, &head, &error);
    assert_int_equal(status, seq > 0 ? SG_OK : SG_NOT_FOUND);
    if (seq > 0) {
        assert_int_equal(head.seq, seq);
        assert_int_equal(sg_note_measure(note, &again), note.n);
    }
}

static void remove_folder(const char *folder)
{
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            assert_int_equal(unlinkat(dirfd(directory), entry->d_name, 0), 0);
        }
    }
    (void)closedir(directory);
    assert_int_equal(rmdir(folder), 0);
}

static void test_walk(void **state)
{
    char folder[] = "/tmp/sg-notes-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    struct sg_note_walk *walk = sg_note_walk_new(folder);
    assert_non_null(walk);
    assert_next(walk, 0);
    assert_int_equal(sg_note_walk_segment(walk).epoch, 0);
    append_note(folder, 1, 1, 10);
    append_note(folder, 1, 1, 20);
    assert_next(walk, 10);
    assert_next(walk, 20);
    assert_next(walk, 0);
    append_note(folder, 1, 1, 30); /* it grows */
    assert_next(walk, 30);
    assert_next(walk, 0);
    append_note(folder, 1, 31, 40); /* the next segment's */
    append_note(folder, 2, 41, 50);
    append_note(folder, 2, 41, 51);
    assert_next(walk, 40);
    assert_int_equal(sg_note_walk_segment(walk).seq, 31);
    assert_next(walk, 50);
    assert_int_equal(sg_note_walk_segment(walk).epoch, 2);
    assert_next(walk, 51);
    assert_next(walk, 0);
    sg_note_walk_free(walk);
    remove_folder(folder);
}

static void test_walk_over_what_is_no_note(void **state)
{
    char folder[] = "/tmp/sg-notes-XXXXXX";
    struct sg_buf garbage;
    (void)state;
    assert_non_null(mkdtemp(folder));
    append_note(folder, 1, 1, 10);
    append(folder, 1, 1, SG_STR("\naudit.signgate/0123\n1 11\n")); /* torn, and then more */
    append_note(folder, 1, 1, 12);
    sg_buf_init(&garbage, 1 << 20);
    for (int i = 0; i < 4000; i++) { /* longer than any block */
        sg_buf_add_text(&garbage, "no note\n");
    }
    append(folder, 1, 1, sg_buf_str(&garbage));
    append_note(folder, 1, 1, 13);
    append(folder, 1, 1, SG_STR("audit.signgate/0123\n1")); /* torn, at the end */
    append_note(folder, 1, 14, 14);
    append(folder, 1, 20, SG_STR("")); /* empty */
    append_note(folder, 1, 30, 31);
    struct sg_note_walk *walk = sg_note_walk_new(folder);
    assert_next(walk, 10);
    assert_next(walk, 12);
    assert_next(walk, 13);
    assert_next(walk, 14);
    assert_next(walk, 31);
    assert_next(walk, 0);
    sg_note_walk_free(walk);
    sg_buf_done(&garbage);
    remove_folder(folder);
}

static void test_walk_without_a_folder(void **state)
{
    struct sg_note_head head;
    struct sg_error error;
    struct sg_str note;
    (void)state;
    struct sg_note_walk *walk = sg_note_walk_new("/nowhere/at/all");
    assert_int_equal(sg_note_walk_next(walk, &note, &head, &error), SG_IO);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
    sg_note_walk_free(walk);
    sg_note_walk_free(NULL);
}

static void test_compare(void **state)
{
    const struct sg_note_head a = {1, 5}, b = {1, 6}, c = {2, 1};
    (void)state;
    assert_true(sg_note_head_compare(&a, &b) < 0);
    assert_true(sg_note_head_compare(&c, &b) > 0);
    assert_int_equal(sg_note_head_compare(&a, &a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_no_notes),
        cmocka_unit_test(test_find_last),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_walk_over_what_is_no_note),
        cmocka_unit_test(test_walk_without_a_folder),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
