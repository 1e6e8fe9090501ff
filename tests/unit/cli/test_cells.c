/* Cells: their columns are exact whatever the data, and no byte of data is obeyed by a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "cli/cells.h"

static int setup(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") != NULL ? 0 : -1;
}

static void assert_cell(const char *text, size_t columns, enum sg_cell_side side,
                        const char *expected)
{
    struct sg_buf out;
    sg_buf_init(&out, 4096);
    sg_cell_add(&out, sg_str_from(text), columns, side);
    sg_buf_add_char(&out, '\0');
    assert_string_equal(out.p, expected);
    assert_true(columns == 0 || sg_cell_columns(sg_str_from(out.p)) == columns);
    sg_buf_done(&out);
}

static void test_padding_and_cutting(void **state)
{
    (void)state;
    assert_cell("abc", 5, SG_CELL_LEFT, "abc  ");
    assert_cell("abc", 5, SG_CELL_RIGHT, "  abc");
    assert_cell("abc", 5, SG_CELL_TAIL, "abc  ");
    assert_cell("abc", 3, SG_CELL_LEFT, "abc");
    assert_cell("abcd", 3, SG_CELL_LEFT, "ab\xe2\x80\xa6");
    assert_cell("abcd", 3, SG_CELL_RIGHT,
                "\xe2\x80\xa6"
                "cd");
    assert_cell("abcd", 3, SG_CELL_TAIL,
                "\xe2\x80\xa6"
                "cd");
    assert_cell("abcd", 1, SG_CELL_LEFT, "\xe2\x80\xa6");
    assert_cell("abcd", 1, SG_CELL_TAIL, "\xe2\x80\xa6");
    assert_cell("abcd", 0, SG_CELL_LEFT, "");
    assert_cell("", 2, SG_CELL_RIGHT, "  ");
    /* wide: two columns each, never cut in the middle */
    assert_cell("\xe4\xb8\xad\xe6\x96\x87", 4, SG_CELL_LEFT, "\xe4\xb8\xad\xe6\x96\x87");
    assert_cell("\xe4\xb8\xad\xe6\x96\x87x", 4, SG_CELL_LEFT, "\xe4\xb8\xad\xe2\x80\xa6 ");
    assert_cell("x\xe4\xb8\xad\xe6\x96\x87", 4, SG_CELL_TAIL, "\xe2\x80\xa6\xe6\x96\x87 ");
}

static void test_nothing_is_obeyed(void **state)
{
    static const char *const texts[] = {
        "\x1b[31mred",
        "a\nb\rc\td\b\a",
        "\x7f",
        "\xc2\x9b"
        "31m",
        "\xff\xfe\x80",
        "\xe2\x80\xae"
        "x",
        "e\xcc\x81",
        "\xf0\x9f\x98",
        "\xed\xa0\x80",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sg_buf out;
        sg_buf_init(&out, 4096);
        sg_cell_add_safe(&out, sg_str_from(texts[i]));
        assert_non_null(memmem(out.p, out.n, "\xef\xbf\xbd", 3));
        for (size_t at = 0; at < out.n; at++) {
            unsigned char c = (unsigned char)out.p[at];
            assert_true(c >= 0x20 && c != 0x7f);
        }
        assert_true(sg_str_is_utf8(sg_buf_str(&out)));
        assert_null(memmem(out.p, out.n, "\xc2\x9b", 2));
        assert_null(memmem(out.p, out.n, "\xe2\x80\xae", 3));
        assert_int_equal(sg_cell_columns(sg_str_from(texts[i])), sg_cell_columns(sg_buf_str(&out)));
        sg_buf_done(&out);
    }
}

static void assert_time(const char *time, bool utc, const char *expected)
{
    struct sg_buf out;
    sg_buf_init(&out, 256);
    sg_cell_add_time(&out, sg_str_from(time), utc);
    sg_buf_add_char(&out, '\0');
    assert_string_equal(out.p, expected);
    sg_buf_done(&out);
}

static void test_times(void **state)
{
    static const char time[] = "2026-01-31T12:00:59.999999Z";
    (void)state;
    assert_int_equal(setenv("TZ", "XXX-05:30", 1), 0);
    tzset();
    assert_time(time, true, "2026-01-31T12:00:59Z");
    assert_time(time, false, "2026-01-31T17:30:59+05:30");
    assert_int_equal(setenv("TZ", "XXX+03", 1), 0);
    tzset();
    assert_time(time, false, "2026-01-31T09:00:59-03:00");
    assert_time("not\x1b a time", false, "not\xef\xbf\xbd a time");
    assert_time("", true, "");
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static void test_milliseconds(void **state)
{
    static const struct {
        uint64_t us;
        const char *text;
    } rows[] = {{0, "0.0"},    {99, "0.0"},   {100, "0.1"},        {9999, "9.9"},
                {10000, "10"}, {10999, "10"}, {99999999, "99999"}, {1234567, "1234"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_buf out;
        sg_buf_init(&out, 64);
        sg_cell_add_ms(&out, rows[i].us);
        sg_buf_add_char(&out, '\0');
        assert_string_equal(out.p, rows[i].text);
        sg_buf_done(&out);
    }
}

/* Nobody reads: quiet, and nothing is left in the stream that a later flush would fail on. */
static void test_a_reader_that_has_left(void **state)
{
    int ends[2];
    struct sg_buf text;
    char *said = NULL;
    size_t said_size = 0;
    (void)state;
    assert_ptr_not_equal(signal(SIGPIPE, SIG_IGN), SIG_ERR);
    assert_int_equal(pipe(ends), 0);
    FILE *out = fdopen(ends[1], "w"), *err = open_memstream(&said, &said_size);
    assert_non_null(out);
    assert_non_null(err);
    sg_buf_init(&text, 1 << 20);
    sg_buf_add_text(&text, "read\n");
    assert_int_equal(sg_result_write(out, err, &text), SG_OK);
    assert_int_equal(text.n, 0);
    (void)close(ends[0]);
    sg_buf_add_text(&text, "not read\n");
    assert_int_equal(sg_result_write(out, err, &text), SG_NOT_FOUND);
    assert_int_equal(fflush(out), 0);
    assert_int_equal(ferror(out), 0);
    (void)fclose(out);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    sg_buf_add_text(&text, "x\n");
    assert_int_equal(sg_result_write(full, err, &text), SG_IO);
    (void)fclose(full);
    assert_int_equal(fclose(err), 0);
    assert_non_null(strstr(said, "cannot write the result: No space left on device\n"));
    free(said);
    sg_buf_done(&text);
}

static void test_colour(void **state)
{
    struct sg_buf out;
    (void)state;
    sg_buf_init(&out, 64);
    sg_colour_begin(&out, SG_COLOUR_NONE);
    sg_colour_end(&out, SG_COLOUR_NONE);
    assert_int_equal(out.n, 0);
    FILE *file = fopen("/dev/null", "w");
    assert_non_null(file);
    assert_false(sg_colour_wanted(file)); /* no terminal */
    (void)fclose(file);
    sg_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_padding_and_cutting),
        cmocka_unit_test(test_nothing_is_obeyed),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_milliseconds),
        cmocka_unit_test(test_a_reader_that_has_left),
        cmocka_unit_test(test_colour),
    };
    return cmocka_run_group_tests_name("cells", tests, setup, NULL);
}
