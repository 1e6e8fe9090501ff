#include "table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/encode.h"

enum { FILE_MAX_BYTES = 4 * 1024 * 1024, CASE_MAX_BYTES = 16 * 1024 * 1024 };

struct table {
    const char *file;
    struct sg_arena arena; /* the settings */
    struct table_setting settings[TABLE_SETTINGS_MAX];
    size_t setting_count;
    table_judge_fn *judge;
    void *arg;
    size_t passed;
    size_t failed;
};

struct sg_str table_setting(const struct table_case *test, const char *name)
{
    for (size_t i = 0; i < test->setting_count; i++) {
        if (sg_str_equal_text(test->settings[i].name, name)) {
            return test->settings[i].value;
        }
    }
    return SG_STR("");
}

/* Read a file of the source directory whole. */
static bool read_file(const char *file, struct sg_buf *ret)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", SG_SOURCE_DIR, file);
    FILE *stream = fopen(path, "r");
    if (stream == NULL) {
        return false;
    }
    char bytes[4096];
    size_t count;
    while ((count = fread(bytes, 1, sizeof bytes, stream)) > 0) {
        sg_buf_add(ret, bytes, count);
    }
    bool good = !ferror(stream) && !sg_buf_failed(ret);
    (void)fclose(stream);
    return good;
}

/* Put the bytes that escapes stand for in their place. A NULL p: there is no such escape. */
static struct sg_str unescape(struct sg_arena *arena, struct sg_str s)
{
    static const struct sg_str names = {.p = "tnrs\\", .n = 5};
    static const char bytes[] = "\t\n\r \\"; /* what the names stand for */
    char *out = sg_arena_alloc(arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; out != NULL && i < s.n; i++) {
        if (s.p[i] != '\\') {
            out[n++] = s.p[i];
            continue;
        }
        unsigned char byte;
        size_t name = i + 1 < s.n ? sg_str_find(names, s.p[i + 1]) : names.n;
        if (name < names.n) {
            out[n++] = bytes[name];
            i += 1;
        } else if (i + 1 < s.n && s.p[i + 1] == 'x' &&
                   sg_hex_decode(sg_str_slice(s, i + 2, i + 4), &byte, 1)) {
            out[n++] = (char)byte;
            i += 3;
        } else {
            return (struct sg_str){0};
        }
    }
    return (struct sg_str){.p = out, .n = n};
}

/* Print a text with all that is not plain ASCII as escapes, so that a failure can be pasted. */
static void print_text(struct sg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\\') {
            (void)printf("\\\\");
        } else if (c < 0x20 || c >= 0x7f) {
            (void)printf("\\x%02x", c);
        } else {
            (void)putchar(c);
        }
    }
}

static void fail(struct table *table, unsigned line, const char *why)
{
    table->failed++;
    (void)printf("%s:%u: %s\n", table->file, line, why);
}

static void set(struct table *table, unsigned line, struct sg_str text)
{
    size_t blank = sg_str_find(text, ' ');
    struct sg_str name = sg_str_slice(text, 0, blank);
    struct sg_str value = unescape(&table->arena, sg_str_trim(sg_str_slice(text, blank, text.n)));
    size_t at = 0;
    while (at < table->setting_count && !sg_str_equal(table->settings[at].name, name)) {
        at++;
    }
    if (value.p == NULL || at == TABLE_SETTINGS_MAX) {
        fail(table, line, "a bad escape, or too many settings");
        return;
    }
    table->settings[at] =
        (struct table_setting){.name = sg_arena_copy(&table->arena, name), .value = value};
    if (at == table->setting_count) {
        table->setting_count++;
    }
}

static void judge(struct table *table, unsigned line, struct sg_str input, struct sg_str expected)
{
    struct sg_arena arena;
    struct sg_buf got;
    sg_arena_init(&arena, CASE_MAX_BYTES);
    sg_buf_init(&got, CASE_MAX_BYTES);
    struct table_case test = {
        .file = table->file,
        .line = line,
        .input = unescape(&arena, input),
        .settings = table->settings,
        .setting_count = table->setting_count,
        .arena = &arena,
    };
    struct sg_str wanted = unescape(&arena, expected);
    if (test.input.p == NULL || wanted.p == NULL) {
        fail(table, line, "a bad escape");
    } else {
        table->judge(table->arg, &test, &got);
        if (!sg_buf_failed(&got) && sg_str_equal(sg_buf_str(&got), wanted)) {
            table->passed++;
        } else {
            fail(table, line, "not as expected");
            (void)printf("     input: ");
            print_text(test.input);
            (void)printf("\n  expected: ");
            print_text(wanted);
            (void)printf("\n       got: ");
            print_text(sg_buf_str(&got));
            (void)putchar('\n');
        }
    }
    sg_buf_done(&got);
    sg_arena_done(&arena);
}

static bool is_blank_at(struct sg_str text, size_t at)
{
    return at >= text.n || text.p[at] == ' ' || text.p[at] == '\t';
}

/* The first "=>" with blanks around it, or a line's end, parts input and expected. */
static void read_line(struct table *table, unsigned line, struct sg_str text)
{
    if (text.n == 0 || text.p[0] == '#') {
        return;
    }
    if (text.p[0] == '@') {
        set(table, line, sg_str_slice(text, 1, text.n));
        return;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (sg_str_starts_with(sg_str_slice(text, i, text.n), SG_STR("=>")) &&
            (i == 0 || is_blank_at(text, i - 1)) && is_blank_at(text, i + 2)) {
            judge(table, line, sg_str_trim(sg_str_slice(text, 0, i)),
                  sg_str_trim(sg_str_slice(text, i + 2, text.n)));
            return;
        }
    }
    fail(table, line, "expected INPUT => EXPECTED");
}

static void run_file(struct table *table)
{
    struct sg_buf content;
    unsigned line = 0;
    sg_buf_init(&content, FILE_MAX_BYTES);
    sg_arena_init(&table->arena, FILE_MAX_BYTES);
    table->setting_count = 0;
    if (!read_file(table->file, &content)) {
        fail(table, 0, "cannot be read");
    }
    struct sg_str all = sg_buf_str(&content);
    for (size_t at = 0; at < all.n;) {
        struct sg_str rest = sg_str_slice(all, at, all.n);
        size_t length = sg_str_find(rest, '\n');
        read_line(table, ++line, sg_str_trim(sg_str_slice(rest, 0, length)));
        at += length + 1;
    }
    sg_arena_done(&table->arena);
    sg_buf_done(&content);
}

int table_run(const char *const *files, size_t count, table_judge_fn *judge_fn, void *arg)
{
    struct table table = {.judge = judge_fn, .arg = arg};
    for (size_t i = 0; i < count; i++) {
        table.file = files[i];
        run_file(&table);
    }
    (void)printf("%zu passed, %zu failed\n", table.passed, table.failed);
    return table.passed > 0 && table.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
