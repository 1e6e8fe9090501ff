/* Lines of a file: each as it is, wherever the blocks end, and never more in memory than one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/lines.h"
#include "base/buf.h"

static int file_of(struct sg_str text)
{
    int fd = memfd_create("lines", MFD_CLOEXEC);
    assert_true(fd >= 0);
    while (text.n > 0) {
        ssize_t count = write(fd, text.p, text.n);
        assert_true(count > 0);
        text = sg_str_slice(text, (size_t)count, text.n);
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* The lines put together again are the file. */
static void check(struct sg_str text, uint64_t expected_lines)
{
    struct sg_lines lines;
    struct sg_line line;
    struct sg_buf again;
    uint64_t count = 0;
    int fd = file_of(text);
    sg_buf_init(&again, text.n + 1);
    sg_lines_init(&lines, fd);
    enum sg_status status;
    while ((status = sg_lines_next(&lines, &line)) == SG_OK) {
        assert_int_equal(line.number, ++count);
        assert_int_equal(line.offset, again.n);
        assert_false(line.too_long);
        sg_buf_add_str(&again, line.text);
        if (line.whole) {
            sg_buf_add_char(&again, '\n');
        }
        assert_int_equal(line.offset + line.bytes, again.n);
    }
    assert_int_equal(status, SG_NOT_FOUND);
    assert_int_equal(count, expected_lines);
    assert_true(sg_str_equal(sg_buf_str(&again), text));
    sg_lines_done(&lines);
    sg_buf_done(&again);
    (void)close(fd);
}

static void test_small_files(void **state)
{
    (void)state;
    check(SG_STR(""), 0);
    check(SG_STR("\n"), 1);
    check(SG_STR("a"), 1);
    check(SG_STR("a\n"), 1);
    check(SG_STR("a\n\nb"), 3);
    check((struct sg_str){.p = "a\0b\nc\0", .n = 6}, 2);
}

static void test_lines_over_the_ends_of_blocks(void **state)
{
    struct sg_buf text;
    uint64_t count = 0;
    (void)state;
    sg_buf_init(&text, 8 << 20);
    for (size_t length = 0; text.n < 3 << 20; length = (length * 7 + 13) % 9001) {
        char *to = sg_buf_reserve(&text, length + 1);
        assert_non_null(to);
        memset(to, 'x', length);
        to[length] = '\n';
        count++;
    }
    check(sg_buf_str(&text), count);
    sg_buf_done(&text);
}

static void test_the_longest_line(void **state)
{
    struct sg_buf text;
    struct sg_lines lines;
    struct sg_line line;
    (void)state;
    sg_buf_init(&text, 8 << 20);
    memset(sg_buf_reserve(&text, SG_LINE_BYTES_MAX), 'x', SG_LINE_BYTES_MAX);
    sg_buf_add_text(&text, "\nafter\n");
    check(sg_buf_str(&text), 2);
    for (int whole = 0; whole < 2; whole++) {
        sg_buf_clear(&text);
        sg_buf_add_text(&text, "before\n");
        size_t count = 4 * SG_LINE_BYTES_MAX + 17;
        memset(sg_buf_reserve(&text, count), 'x', count);
        if (whole == 1) {
            sg_buf_add_text(&text, "\nafter\n");
        }
        int fd = file_of(sg_buf_str(&text));
        sg_lines_init(&lines, fd);
        assert_int_equal(sg_lines_next(&lines, &line), SG_OK);
        assert_int_equal(sg_lines_next(&lines, &line), SG_OK);
        assert_true(line.too_long);
        assert_int_equal(line.whole, whole);
        assert_int_equal(line.text.n, 0);
        assert_int_equal(line.bytes, count + (size_t)whole);
        if (whole == 1) {
            assert_int_equal(sg_lines_next(&lines, &line), SG_OK);
            assert_true(sg_str_equal(line.text, SG_STR("after")));
            assert_int_equal(line.offset, 7 + count + 1);
        }
        assert_int_equal(sg_lines_next(&lines, &line), SG_NOT_FOUND);
        assert_true(lines.allocated <= 4 * SG_LINE_BYTES_MAX);
        sg_lines_done(&lines);
        (void)close(fd);
    }
    sg_buf_done(&text);
}

static void test_a_file_that_cannot_be_read(void **state)
{
    struct sg_lines lines;
    struct sg_line line;
    (void)state;
    sg_lines_init(&lines, -1);
    assert_int_equal(sg_lines_next(&lines, &line), SG_IO);
    sg_lines_done(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_files),
        cmocka_unit_test(test_lines_over_the_ends_of_blocks),
        cmocka_unit_test(test_the_longest_line),
        cmocka_unit_test(test_a_file_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
