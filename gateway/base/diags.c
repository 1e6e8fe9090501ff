#include "base/diags.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { SHOWN_ERRORS_MAX = 50, TEXT_MAX = 1024, SOURCES_MAX = 4096, ENTRIES_MAX = 10000 };

struct source {
    char *file;
    char *text;
    size_t length;
};

struct entry {
    enum sg_severity severity;
    size_t file; /* index into files, SIZE_MAX: no place */
    size_t order;
    struct sg_place place;
    char *text;
    char *help;
};

struct sg_diags {
    char **files; /* names in the order first seen */
    size_t file_count;
    struct source *sources;
    size_t source_count;
    struct entry *entries;
    size_t entry_count;
    size_t errors;
    size_t warnings;
    bool sorted;
    bool no_memory;
};

struct sg_diags *sg_diags_new(void)
{
    return calloc(1, sizeof(struct sg_diags));
}

void sg_diags_free(struct sg_diags *diags)
{
    if (diags == NULL) {
        return;
    }
    for (size_t i = 0; i < diags->file_count; i++) {
        free(diags->files[i]);
    }
    for (size_t i = 0; i < diags->source_count; i++) {
        free(diags->sources[i].file);
        if (diags->sources[i].text != NULL) {
            explicit_bzero(diags->sources[i].text, diags->sources[i].length);
        }
        free(diags->sources[i].text);
    }
    for (size_t i = 0; i < diags->entry_count; i++) {
        free(diags->entries[i].text);
        free(diags->entries[i].help);
    }
    free(diags->files);
    free(diags->sources);
    free(diags->entries);
    free(diags);
}

static void *grow(struct sg_diags *diags, void *list, size_t count, size_t size, size_t max)
{
    void *grown = count < max ? realloc(list, (count + 1) * size) : NULL;
    if (grown == NULL) {
        diags->no_memory = true;
    }
    return grown;
}

static size_t file_index(struct sg_diags *diags, const char *file)
{
    for (size_t i = 0; i < diags->file_count; i++) {
        if (strcmp(diags->files[i], file) == 0) {
            return i;
        }
    }
    char **files = grow(diags, diags->files, diags->file_count, sizeof *diags->files, SOURCES_MAX);
    if (files == NULL) {
        return SIZE_MAX;
    }
    diags->files = files;
    char *copy = strdup(file);
    if (copy == NULL) {
        diags->no_memory = true;
        return SIZE_MAX;
    }
    diags->files[diags->file_count] = copy;
    return diags->file_count++;
}

void sg_diags_add_source(struct sg_diags *diags, const char *file, struct sg_str text)
{
    (void)file_index(diags, file);
    struct source *sources =
        grow(diags, diags->sources, diags->source_count, sizeof *diags->sources, SOURCES_MAX);
    if (sources == NULL) {
        return;
    }
    diags->sources = sources;
    struct source *source = &diags->sources[diags->source_count];
    *source = (struct source){.file = strdup(file), .text = malloc(text.n + 1), .length = text.n};
    if (source->file == NULL || source->text == NULL) {
        diags->no_memory = true;
        free(source->file);
        free(source->text);
        return;
    }
    if (text.n > 0) {
        memcpy(source->text, text.p, text.n);
    }
    source->text[text.n] = '\0';
    diags->source_count++;
}

static void add(struct sg_diags *diags, enum sg_severity severity, const struct sg_place *place,
                const char *help, const char *format, va_list args)
{
    if (severity == SG_SEVERITY_ERROR) {
        diags->errors++;
    } else {
        diags->warnings++;
    }
    struct entry *entries =
        grow(diags, diags->entries, diags->entry_count, sizeof *diags->entries, ENTRIES_MAX);
    if (entries == NULL) {
        return;
    }
    diags->entries = entries;
    struct entry *entry = &diags->entries[diags->entry_count];
    *entry = (struct entry){.severity = severity, .file = SIZE_MAX, .order = diags->entry_count};
    char text[TEXT_MAX];
    (void)vsnprintf(text, sizeof text, format, args);
    entry->text = strdup(text);
    entry->help = help != NULL ? strdup(help) : NULL;
    if (entry->text == NULL || (help != NULL && entry->help == NULL)) {
        diags->no_memory = true;
        free(entry->text);
        free(entry->help);
        return;
    }
    if (place != NULL && place->file != NULL) {
        entry->place = *place;
        entry->file = file_index(diags, place->file);
        entry->place.file = entry->file != SIZE_MAX ? diags->files[entry->file] : NULL;
    }
    diags->entry_count++;
    diags->sorted = false;
}

void sg_diags_error(struct sg_diags *diags, const struct sg_place *place, const char *help,
                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diags, SG_SEVERITY_ERROR, place, help, format, args);
    va_end(args);
}

void sg_diags_warning(struct sg_diags *diags, const struct sg_place *place, const char *help,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diags, SG_SEVERITY_WARNING, place, help, format, args);
    va_end(args);
}

size_t sg_diags_errors(const struct sg_diags *diags)
{
    return diags->errors + (diags->no_memory ? 1 : 0);
}

size_t sg_diags_warnings(const struct sg_diags *diags)
{
    return diags->warnings;
}

static int by_place(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->file != y->file) {
        return x->file < y->file ? -1 : 1;
    }
    if (x->place.line != y->place.line) {
        return x->place.line < y->place.line ? -1 : 1;
    }
    if (x->place.column != y->place.column) {
        return x->place.column < y->place.column ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

static void sort(struct sg_diags *diags)
{
    if (!diags->sorted && diags->entry_count > 0) {
        qsort(diags->entries, diags->entry_count, sizeof *diags->entries, by_place);
    }
    diags->sorted = true;
}

/* The line of source a place names, without its end; empty when the source is not known. */
static struct sg_str source_line(const struct sg_diags *diags, const struct sg_place *place)
{
    for (size_t i = 0; i < diags->source_count; i++) {
        const struct source *source = &diags->sources[i];
        if (strcmp(source->file, place->file) != 0) {
            continue;
        }
        struct sg_str rest = {.p = source->text, .n = source->length};
        for (unsigned line = 1; line < place->line; line++) {
            size_t end = sg_str_find(rest, '\n');
            if (end == rest.n) {
                return (struct sg_str){.p = NULL};
            }
            rest = sg_str_slice(rest, end + 1, rest.n);
        }
        struct sg_str found = sg_str_slice(rest, 0, sg_str_find(rest, '\n'));
        if (found.n > 0 && found.p[found.n - 1] == '\r') {
            found.n--;
        }
        return found;
    }
    return (struct sg_str){.p = NULL};
}

/* Where the "user:password@" of an URL starts, or line.n. */
static size_t user_of_url(struct sg_str line)
{
    const struct sg_str mark = SG_STR("://");
    for (size_t at = 0; at + mark.n < line.n; at++) {
        size_t end = at + mark.n;
        if (!sg_str_equal(sg_str_slice(line, at, end), mark)) {
            continue;
        }
        while (end < line.n && strchr("/?# \t\"'", line.p[end]) == NULL && line.p[end] != '@') {
            end++;
        }
        if (end < line.n && line.p[end] == '@') {
            return at + mark.n;
        }
    }
    return line.n;
}

/* Where the value of a secret starts in a line of source, or line.n. */
static size_t secret_value(struct sg_str line)
{
    static const char *const keys[] = {"secret_key", "access_key", "security_token", "password"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        struct sg_str key = sg_str_from(keys[k]);
        for (size_t at = 0; at + key.n <= line.n; at++) {
            struct sg_str rest = sg_str_slice(line, at, line.n);
            size_t colon = sg_str_find(rest, ':');
            if (sg_str_equal_fold(sg_str_slice(rest, 0, key.n), key) && colon < rest.n) {
                return at + colon + 1;
            }
        }
    }
    return user_of_url(line);
}

/* One character of UTF-8: its bytes in *length, its columns as the result. */
static int character_columns(struct sg_str rest, size_t *length)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t used = mbrtowc(&wide, rest.p, rest.n, &state);
    if (used == 0 || used > rest.n) { /* NUL, a broken sequence, or a locale without UTF-8 */
        size_t bytes = 1;
        while (bytes < rest.n && ((unsigned char)rest.p[bytes] & 0xc0) == 0x80) {
            bytes++;
        }
        *length = bytes;
        return 1;
    }
    *length = used;
    int columns = wcwidth(wide);
    return columns >= 0 ? columns : 1;
}

static void print_excerpt(const struct sg_diags *diags, const struct entry *entry,
                          struct sg_buf *out)
{
    struct sg_str line = source_line(diags, &entry->place);
    if (line.p == NULL || entry->place.column == 0) {
        if (entry->help != NULL) {
            sg_buf_printf(out, "      %s\n", entry->help);
        }
        return;
    }
    size_t masked_from = secret_value(line);
    sg_buf_printf(out, "%5u | ", entry->place.line);
    sg_buf_add_str(out, sg_str_slice(line, 0, masked_from));
    sg_buf_add_text(out, masked_from < line.n ? " ********\n      | " : "\n      | ");
    unsigned column = 1, width = entry->place.width > 0 ? entry->place.width : 1;
    size_t at = 0;
    for (; at < line.n && column < entry->place.column; column++) {
        size_t length;
        int columns = character_columns(sg_str_slice(line, at, line.n), &length);
        /* A tab is copied, so that the caret stands under its token however wide tabs are. */
        for (int i = 0; line.p[at] != '\t' && i < columns; i++) {
            sg_buf_add_char(out, ' ');
        }
        if (line.p[at] == '\t') {
            sg_buf_add_char(out, '\t');
        }
        at += length;
    }
    bool first = true;
    for (unsigned i = 0; i < width && (first || (at < line.n && at < masked_from)); i++) {
        size_t length = 0;
        int columns = at < line.n ? character_columns(sg_str_slice(line, at, line.n), &length) : 1;
        for (int k = 0; k < columns || first; k++) {
            sg_buf_add_char(out, first ? '^' : '~');
            first = false;
        }
        at += length;
    }
    if (entry->help != NULL) {
        sg_buf_printf(out, " %s", entry->help);
    }
    sg_buf_add_char(out, '\n');
}

void sg_diags_print_text(struct sg_diags *diags, struct sg_buf *out)
{
    size_t shown = 0, hidden = 0;
    sort(diags);
    for (size_t i = 0; i < diags->entry_count; i++) {
        const struct entry *entry = &diags->entries[i];
        if (entry->severity == SG_SEVERITY_ERROR && ++shown > SHOWN_ERRORS_MAX) {
            hidden++;
            continue;
        }
        if (entry->file != SIZE_MAX) {
            sg_buf_add_text(out, diags->files[entry->file]);
            if (entry->place.line > 0) {
                sg_buf_printf(out, ":%u", entry->place.line);
            }
            if (entry->place.line > 0 && entry->place.column > 0) {
                sg_buf_printf(out, ":%u", entry->place.column);
            }
            sg_buf_add_text(out, ": ");
        }
        sg_buf_printf(out, "%s: %s\n", entry->severity == SG_SEVERITY_ERROR ? "error" : "warning",
                      entry->text);
        if (entry->file != SIZE_MAX) {
            print_excerpt(diags, entry, out);
        } else if (entry->help != NULL) {
            sg_buf_printf(out, "      %s\n", entry->help);
        }
    }
    if (hidden > 0) {
        sg_buf_printf(out, "and %zu more errors\n", hidden);
    }
    if (diags->no_memory) {
        sg_buf_add_text(out, "error: out of memory while collecting mistakes\n");
    }
}

bool sg_diags_get(struct sg_diags *diags, size_t index, struct sg_diag *ret)
{
    sort(diags);
    if (index >= diags->entry_count) {
        return false;
    }
    const struct entry *entry = &diags->entries[index];
    *ret = (struct sg_diag){.severity = entry->severity,
                            .place = entry->place,
                            .text = entry->text,
                            .help = entry->help};
    return true;
}

enum sg_status sg_diags_status(struct sg_diags *diags, struct sg_error *reterr)
{
    sort(diags);
    for (size_t i = 0; i < diags->entry_count; i++) {
        const struct entry *entry = &diags->entries[i];
        if (entry->severity == SG_SEVERITY_ERROR) {
            return sg_error_set(reterr, SG_CONFIG, &entry->place, "%s", entry->text);
        }
    }
    return diags->no_memory ? sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory") : SG_OK;
}
