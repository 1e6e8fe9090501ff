#include "text/fields.h"

#include <stdio.h>
#include <string.h>

#include "base/object.h"

/*
 * One pass over the rows of a table for each mapping: a row that finds its key decodes the value,
 * one that does not decodes its default by the same code, so defaults cannot be in another form
 * than what an operator writes. A second pass over the keys of the mapping finds unknown ones.
 */

enum { PATH_BYTES = 256, HELP_BYTES = 512, KEYS_MAX = 64 };

struct decode {
    const struct sg_fields *table;
    const char *path; /* of the mapping: "services[0]" */
    struct sg_arena *arena;
    struct sg_diags *diags;
};

/* --- scalars ---------------------------------------------------------------------------------- */

/* A number and the unit behind it; false when there are no digits or they are too many. */
static bool split_unit(struct sg_str text, uint64_t *ret_number, struct sg_str *ret_unit)
{
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9') {
        digits++;
    }
    *ret_unit = sg_str_slice(text, digits, text.n);
    return sg_str_to_u64(sg_str_slice(text, 0, digits), UINT64_MAX, ret_number);
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* From small to large. */
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}};
static const struct unit count_units[] = {{"", 1}};

enum {
    DURATION_UNITS = sizeof duration_units / sizeof *duration_units,
    SIZE_UNITS = sizeof size_units / sizeof *size_units,
    COUNT_UNITS = sizeof count_units / sizeof *count_units,
};

static bool parse_with_unit(struct sg_str text, const struct unit *units, size_t count,
                            uint64_t max, uint64_t *ret)
{
    uint64_t number;
    struct sg_str unit;
    if (!split_unit(text, &number, &unit)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (sg_str_equal_text(unit, units[i].name) && number <= max / units[i].factor) {
            *ret = number * units[i].factor;
            return true;
        }
    }
    return false;
}

bool sg_duration_parse(struct sg_str text, int64_t *ret_ms)
{
    uint64_t value;
    if (!parse_with_unit(text, duration_units, DURATION_UNITS, INT64_MAX, &value)) {
        return false;
    }
    *ret_ms = (int64_t)value;
    return true;
}

bool sg_bytes_parse(struct sg_str text, uint64_t *ret)
{
    if (sg_str_equal(text, SG_STR("0"))) {
        *ret = 0;
        return true;
    }
    return parse_with_unit(text, size_units, SIZE_UNITS, UINT64_MAX, ret);
}

/* --- saying what is wrong --------------------------------------------------------------------- */

/* "timeouts" within "services[0]" is "services[0].timeouts". */
static const char *join_path(struct decode *d, const char *key)
{
    char text[PATH_BYTES];
    (void)snprintf(text, sizeof text, "%s%s%s", d->path, d->path[0] != '\0' ? "." : "", key);
    const char *copy = sg_arena_text(d->arena, sg_str_from(text));
    return copy != NULL ? copy : key;
}

static void wrong_kind(struct decode *d, const struct sg_field *row,
                       const struct sg_yaml_node *node, const char *expected)
{
    char help[HELP_BYTES];
    (void)snprintf(help, sizeof help, "expected %s", expected);
    sg_diags_error(d->diags, &node->place, help, "\"%s\" is %s", join_path(d, row->key),
                   sg_yaml_kind_name(node));
}

static void out_of_memory(struct decode *d)
{
    sg_diags_error(d->diags, NULL, NULL, "out of memory");
}

/* "expected a, b or c", and the nearest of them to what was written. */
static void wrong_word(struct decode *d, const struct sg_field *row,
                       const struct sg_yaml_node *node)
{
    struct sg_buf help;
    size_t count = 0;
    while (row->words[count] != NULL) {
        count++;
    }
    const char *nearest = sg_str_nearest(node->text, row->words, count);
    sg_buf_init(&help, HELP_BYTES);
    if (nearest != NULL) {
        sg_buf_printf(&help, "did you mean \"%s\"?", nearest);
    } else {
        sg_buf_add_text(&help, "expected ");
        for (size_t i = 0; i < count; i++) {
            sg_buf_printf(&help, "%s%s",
                          i == 0           ? ""
                          : i + 1 == count ? " or "
                                           : ", ",
                          row->words[i]);
        }
    }
    sg_buf_add_char(&help, '\0');
    sg_diags_error(d->diags, &node->place, help.p, "\"%s\" cannot be \"%.*s\"",
                   join_path(d, row->key), SG_STR_ARG(node->text));
    sg_buf_done(&help);
}

/* A value as one would write it: in the largest of the units that leaves no rest. */
static struct unit largest_unit(uint64_t value, const struct unit *units, size_t count)
{
    struct unit unit = units[0];
    for (size_t i = 1; i < count && value > 0; i++) {
        if (value % units[i].factor == 0) {
            unit = units[i];
        }
    }
    return unit;
}

/* Say what may stand there; units from small to large. */
static void out_of_range(struct decode *d, const struct sg_field *row,
                         const struct sg_yaml_node *node, const struct unit *units, size_t count)
{
    char help[HELP_BYTES];
    struct unit least = largest_unit(row->min, units, count);
    struct unit most = largest_unit(row->max, units, count);
    unsigned long long min = row->min / least.factor, max = row->max / most.factor;
    if (row->max == 0) {
        (void)snprintf(help, sizeof help, "expected at least %llu%s", min, least.name);
    } else if (row->max == row->min) {
        (void)snprintf(help, sizeof help, "expected %llu%s", min, least.name);
    } else {
        (void)snprintf(help, sizeof help, "expected %llu%s to %llu%s", min, least.name, max,
                       most.name);
    }
    sg_diags_error(d->diags, &node->place, help, "\"%s\" cannot be %.*s", join_path(d, row->key),
                   SG_STR_ARG(node->text));
}

static bool in_range(const struct sg_field *row, uint64_t value)
{
    return value >= row->min && (row->max == 0 || value <= row->max);
}

/* --- decoding a value ------------------------------------------------------------------------- */

static bool decode_count(struct decode *d, const struct sg_field *row,
                         const struct sg_yaml_node *node, uint64_t *to)
{
    uint64_t value;
    if (row->words != NULL && sg_str_equal_text(node->text, row->words[0])) {
        *to = 0;
        return true;
    }
    if (node->quoted || !sg_str_to_u64(node->text, UINT64_MAX, &value)) {
        char help[HELP_BYTES];
        (void)snprintf(help, sizeof help, "expected a whole number%s%s%s",
                       row->words != NULL ? " or " : "", row->words != NULL ? row->words[0] : "",
                       node->quoted ? ", without quotes" : "");
        sg_diags_error(d->diags, &node->place, help, "\"%s\" cannot be \"%.*s\"",
                       join_path(d, row->key), SG_STR_ARG(node->text));
        return false;
    }
    if (!in_range(row, value)) {
        out_of_range(d, row, node, count_units, COUNT_UNITS);
        return false;
    }
    *to = value;
    return true;
}

static bool decode_bytes(struct decode *d, const struct sg_field *row,
                         const struct sg_yaml_node *node, uint64_t *to)
{
    uint64_t value;
    struct sg_str unit;
    if (!sg_bytes_parse(node->text, &value)) {
        char help[HELP_BYTES];
        bool bare = split_unit(node->text, &value, &unit) && unit.n == 0;
        (void)snprintf(help, sizeof help, "expected a size such as 512B, 16KiB, 8MiB, 1GiB%s%.*s%s",
                       bare ? "; write \"" : "", bare ? (int)node->text.n : 0, node->text.p,
                       bare ? "B\"" : "");
        sg_diags_error(d->diags, &node->place, help,
                       bare ? "\"%.*s\" has no unit" : "\"%.*s\" is no size",
                       SG_STR_ARG(node->text));
        return false;
    }
    if (!in_range(row, value)) {
        out_of_range(d, row, node, size_units, SIZE_UNITS);
        return false;
    }
    *to = value;
    return true;
}

static bool decode_duration(struct decode *d, const struct sg_field *row,
                            const struct sg_yaml_node *node, int64_t *to)
{
    int64_t value;
    uint64_t number;
    struct sg_str unit;
    if (!sg_duration_parse(node->text, &value)) {
        char help[HELP_BYTES];
        bool bare = split_unit(node->text, &number, &unit) && unit.n == 0;
        (void)snprintf(help, sizeof help, "expected a duration such as 250ms, 3s, 5m, 1h%s%.*s%s",
                       bare ? "; write \"" : "", bare ? (int)node->text.n : 0, node->text.p,
                       bare ? "s\"" : "");
        sg_diags_error(d->diags, &node->place, help,
                       bare ? "\"%.*s\" has no unit" : "\"%.*s\" is no duration",
                       SG_STR_ARG(node->text));
        return false;
    }
    if (!in_range(row, (uint64_t)value)) {
        out_of_range(d, row, node, duration_units, DURATION_UNITS);
        return false;
    }
    *to = value;
    return true;
}

char *sg_fields_resolve(struct sg_arena *arena, const char *file, struct sg_str path)
{
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;
    if (path.n == 0 || path.p[0] == '/' || slash == NULL) {
        return sg_arena_text(arena, path);
    }
    struct sg_buf whole;
    sg_buf_init(&whole, 65536);
    sg_buf_add(&whole, file, (size_t)(slash - file) + 1);
    sg_buf_add_str(&whole, path);
    char *text = sg_buf_failed(&whole) ? NULL : sg_arena_text(arena, sg_buf_str(&whole));
    sg_buf_done(&whole);
    return text;
}

static const char *decode_text(struct decode *d, const struct sg_field *row,
                               const struct sg_yaml_node *node)
{
    bool path = row->type == SG_FIELD_PATH || row->type == SG_FIELD_PATHS;
    if (path && node->text.n == 0) {
        sg_diags_error(d->diags, &node->place, "expected a path, or leave the key out",
                       "\"%s\" is empty", join_path(d, row->key));
        return NULL;
    }
    const char *text = path ? sg_fields_resolve(d->arena, node->place.file, node->text)
                            : sg_arena_text(d->arena, node->text);
    if (text == NULL) {
        out_of_memory(d);
    }
    return text;
}

static bool decode_texts(struct decode *d, const struct sg_field *row,
                         const struct sg_yaml_node *node, struct sg_texts *to)
{
    const struct sg_yaml_node *only = node;
    const struct sg_yaml_node *const *from = &only;
    size_t count = 1;
    if (node->kind == SG_YAML_SEQUENCE) {
        from = (const struct sg_yaml_node *const *)node->items;
        count = node->count;
    } else if (node->kind != SG_YAML_SCALAR || !row->one_is_list) {
        wrong_kind(d, row, node,
                   row->one_is_list ? "a text or a list of texts" : "a list of texts");
        return false;
    }
    struct sg_texts texts = {.items = sg_arena_alloc_array(d->arena, count, sizeof(char *)),
                             .nodes = sg_arena_alloc_array(d->arena, count, sizeof(void *))};
    if (texts.items == NULL || texts.nodes == NULL) {
        out_of_memory(d);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (from[i]->broken) {
            continue;
        }
        if (from[i]->kind != SG_YAML_SCALAR || sg_yaml_is_null(from[i])) {
            wrong_kind(d, row, from[i], "a list of texts");
            continue;
        }
        texts.items[texts.count] = decode_text(d, row, from[i]);
        texts.nodes[texts.count] = from[i];
        texts.count += texts.items[texts.count] != NULL ? 1 : 0;
    }
    *to = texts;
    return true;
}

static void decode_objects(struct decode *d, const struct sg_field *row,
                           const struct sg_yaml_node *node, struct sg_objects *to)
{
    if (node->kind != SG_YAML_SEQUENCE) {
        wrong_kind(d, row, node, "a list; begin each entry with \"- \"");
        return;
    }
    char *items = sg_arena_alloc_array(d->arena, node->count, row->object->size);
    if (items == NULL) {
        out_of_memory(d);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s[%zu]", join_path(d, row->key), i);
        const char *kept = sg_arena_text(d->arena, sg_str_from(path));
        sg_fields_decode(row->object, node->items[i], kept != NULL ? kept : row->key, d->arena,
                         d->diags, items + i * row->object->size);
    }
    *to = (struct sg_objects){.count = node->count, .items = items};
}

static bool is_scalar_type(enum sg_field_type type)
{
    return type == SG_FIELD_TEXT || type == SG_FIELD_PATH || type == SG_FIELD_BOOL ||
           type == SG_FIELD_COUNT || type == SG_FIELD_BYTES || type == SG_FIELD_DURATION ||
           type == SG_FIELD_WORD;
}

static const char *expected_of(const struct sg_field *row)
{
    switch (row->type) {
    case SG_FIELD_BOOL:
        return "true or false";
    case SG_FIELD_COUNT:
        return "a whole number";
    case SG_FIELD_BYTES:
        return "a size such as 16KiB";
    case SG_FIELD_DURATION:
        return "a duration such as 3s";
    case SG_FIELD_TEXT:
    case SG_FIELD_PATH:
    case SG_FIELD_WORD:
    case SG_FIELD_TEXTS:
    case SG_FIELD_PATHS:
    case SG_FIELD_OBJECT:
    case SG_FIELD_OBJECTS:
    case SG_FIELD_NODE:
        break;
    }
    return "one text";
}

/* Write a value of the right kind into its member. */
static void decode_value(struct decode *d, const struct sg_field *row,
                         const struct sg_yaml_node *node, void *member)
{
    if (is_scalar_type(row->type) && (node->kind != SG_YAML_SCALAR || sg_yaml_is_null(node))) {
        wrong_kind(d, row, node, expected_of(row));
        return;
    }
    if (node->broken) {
        return; /* its mistake has been said */
    }
    switch (row->type) {
    case SG_FIELD_TEXT:
    case SG_FIELD_PATH: {
        const char *text = decode_text(d, row, node);
        memcpy(member, &text, sizeof text);
        break;
    }
    case SG_FIELD_BOOL: {
        bool value = sg_str_equal(node->text, SG_STR("true"));
        if (node->quoted || (!value && !sg_str_equal(node->text, SG_STR("false")))) {
            sg_diags_error(d->diags, &node->place, "expected true or false",
                           "\"%s\" cannot be \"%.*s\"", join_path(d, row->key),
                           SG_STR_ARG(node->text));
        } else {
            memcpy(member, &value, sizeof value);
        }
        break;
    }
    case SG_FIELD_COUNT:
        (void)decode_count(d, row, node, member);
        break;
    case SG_FIELD_BYTES:
        (void)decode_bytes(d, row, node, member);
        break;
    case SG_FIELD_DURATION:
        (void)decode_duration(d, row, node, member);
        break;
    case SG_FIELD_WORD: {
        int word = 0;
        while (row->words[word] != NULL && !sg_str_equal_text(node->text, row->words[word])) {
            word++;
        }
        if (row->words[word] == NULL) {
            wrong_word(d, row, node);
        } else {
            memcpy(member, &word, sizeof word);
        }
        break;
    }
    case SG_FIELD_TEXTS:
    case SG_FIELD_PATHS:
        (void)decode_texts(d, row, node, member);
        break;
    case SG_FIELD_OBJECT:
        sg_fields_decode(row->object, node, join_path(d, row->key), d->arena, d->diags, member);
        break;
    case SG_FIELD_OBJECTS:
        decode_objects(d, row, node, member);
        break;
    case SG_FIELD_NODE:
        memcpy(member, &node, sizeof(const struct sg_yaml_node *));
        break;
    }
}

/* --- a mapping -------------------------------------------------------------------------------- */

/* The default, through the same code as what an operator writes. */
static void decode_default(struct decode *d, const struct sg_field *row, void *member)
{
    if (row->type == SG_FIELD_OBJECT) {
        sg_fields_decode(row->object, NULL, join_path(d, row->key), d->arena, d->diags, member);
    } else if (row->default_text != NULL && is_scalar_type(row->type)) {
        const struct sg_yaml_node node = {.kind = SG_YAML_SCALAR,
                                          .text = sg_str_from(row->default_text)};
        decode_value(d, row, &node, member);
    }
}

/* Whether a value says what leaving the key out says: null, an empty list, the default. */
static bool is_default(const struct sg_field *row, const struct sg_yaml_node *node, bool same)
{
    if (sg_yaml_is_null(node)) {
        return true;
    }
    if (node->kind != SG_YAML_SCALAR) {
        return node->count == 0;
    }
    return same || (row->default_text != NULL && sg_str_equal_text(node->text, row->default_text));
}

static size_t member_size(const struct sg_field *row)
{
    switch (row->type) {
    case SG_FIELD_BOOL:
        return sizeof(bool);
    case SG_FIELD_COUNT:
    case SG_FIELD_BYTES:
        return sizeof(uint64_t);
    case SG_FIELD_DURATION:
        return sizeof(int64_t);
    case SG_FIELD_WORD:
        return sizeof(int);
    case SG_FIELD_TEXT:
    case SG_FIELD_PATH:
    case SG_FIELD_TEXTS:
    case SG_FIELD_PATHS:
    case SG_FIELD_OBJECT:
    case SG_FIELD_OBJECTS:
    case SG_FIELD_NODE:
        break;
    }
    return 0; /* not compared by value */
}

/* Whether the mapping has a key that is no row's but looks like this one's: it is said there. */
static bool is_misspelt(struct decode *d, const struct sg_field *row,
                        const struct sg_yaml_node *mapping)
{
    for (size_t p = 0; p < mapping->count; p++) {
        struct sg_str key = mapping->pairs[p].key->text;
        bool known = false;
        for (size_t i = 0; i < d->table->count; i++) {
            known = known || sg_str_equal_text(key, d->table->rows[i].key);
        }
        if (!known && sg_str_nearest(key, &row->key, 1) != NULL) {
            return true;
        }
    }
    return false;
}

static void decode_row(struct decode *d, const struct sg_field *row,
                       const struct sg_yaml_node *mapping, char *object)
{
    void *member = object + row->offset;
    const struct sg_yaml_node *node = sg_yaml_get(mapping, row->key);
    decode_default(d, row, member);
    if (node == NULL) {
        if (row->required && mapping != NULL && !is_misspelt(d, row, mapping)) {
            sg_diags_error(d->diags, &mapping->place, row->summary, "\"%s\" is missing",
                           join_path(d, row->key));
        }
        return;
    }
    if (sg_yaml_is_null(node) && row->nullable) {
        return;
    }
    if (row->refused != NULL) {
        if (!is_default(row, node, false)) {
            sg_diags_error(d->diags, &node->place, "leave it out", "%s", row->refused);
        }
        return;
    }
    uint64_t before = 0, after = 0; /* no value compared is larger */
    memcpy(&before, member, member_size(row));
    decode_value(d, row, node, member);
    memcpy(&after, member, member_size(row));
    bool same = member_size(row) > 0 && before == after;
    if (row->pending != NULL && !is_default(row, node, same)) {
        sg_diags_warning(d->diags, &node->place, row->pending,
                         "\"%s\" is read but does nothing yet", join_path(d, row->key));
    }
    if (row->not_empty && node->kind == SG_YAML_SEQUENCE && node->count == 0) {
        sg_diags_error(d->diags, &node->place, row->summary, "\"%s\" is empty",
                       join_path(d, row->key));
    }
}

static void find_unknown_keys(struct decode *d, const struct sg_yaml_node *mapping)
{
    const char *names[KEYS_MAX];
    SG_ASSERT(d->table->count <= KEYS_MAX);
    for (size_t i = 0; i < d->table->count; i++) {
        names[i] = d->table->rows[i].key;
    }
    for (size_t p = 0; p < mapping->count; p++) {
        const struct sg_yaml_node *key = mapping->pairs[p].key;
        size_t row = 0;
        while (row < d->table->count && !sg_str_equal_text(key->text, names[row])) {
            row++;
        }
        if (row < d->table->count) {
            continue;
        }
        struct sg_buf help;
        sg_buf_init(&help, HELP_BYTES);
        const char *nearest = sg_str_nearest(key->text, names, d->table->count);
        if (nearest != NULL) {
            sg_buf_printf(&help, "did you mean \"%s\"?", nearest);
        } else {
            sg_buf_add_text(&help, "known keys: ");
            for (size_t i = 0; i < d->table->count; i++) {
                sg_buf_printf(&help, "%s%s", i == 0 ? "" : ", ", names[i]);
            }
        }
        sg_buf_add_char(&help, '\0');
        sg_diags_error(d->diags, &key->place, sg_buf_failed(&help) ? NULL : help.p,
                       "unknown key \"%.*s\"%s%s", SG_STR_ARG(key->text),
                       d->path[0] != '\0' ? " in " : "", d->path);
        sg_buf_done(&help);
    }
}

void sg_fields_decode(const struct sg_fields *table, const struct sg_yaml_node *node,
                      const char *path, struct sg_arena *arena, struct sg_diags *diags,
                      void *object)
{
    struct decode d = {.table = table, .path = path, .arena = arena, .diags = diags};
    memset(object, 0, table->size);
    if (node != NULL && node->kind != SG_YAML_MAPPING) {
        sg_diags_error(diags, &node->place, "expected a mapping: key: value", "%s%s%s is %s",
                       path[0] != '\0' ? "\"" : "", path[0] != '\0' ? path : "the file",
                       path[0] != '\0' ? "\"" : "", sg_yaml_kind_name(node));
        node = NULL;
    }
    memcpy(object, &node, sizeof(const struct sg_yaml_node *));
    for (size_t i = 0; i < table->count; i++) {
        decode_row(&d, &table->rows[i], node, object);
    }
    if (node != NULL) {
        find_unknown_keys(&d, node);
    }
}

struct sg_place sg_fields_place(const void *object, const char *key)
{
    const struct sg_yaml_node *node;
    memcpy(&node, object, sizeof(const struct sg_yaml_node *));
    return sg_yaml_place(node, key);
}

/* --- reference -------------------------------------------------------------------------------- */

static const char *type_name(const struct sg_field *row)
{
    switch (row->type) {
    case SG_FIELD_TEXT:
        return "text";
    case SG_FIELD_PATH:
        return "path";
    case SG_FIELD_BOOL:
        return "true or false";
    case SG_FIELD_COUNT:
        return "number";
    case SG_FIELD_BYTES:
        return "size";
    case SG_FIELD_DURATION:
        return "duration";
    case SG_FIELD_WORD:
        return "word";
    case SG_FIELD_TEXTS:
        return "list of texts";
    case SG_FIELD_PATHS:
        return "list of paths";
    case SG_FIELD_OBJECT:
        return "mapping";
    case SG_FIELD_OBJECTS:
        return "list of mappings";
    case SG_FIELD_NODE:
        return "any";
    }
    return "any";
}

void sg_fields_print_reference(const struct sg_fields *table, struct sg_buf *out)
{
    enum { TABLES_MAX = 64 };
    const struct sg_fields *todo[TABLES_MAX] = {table};
    for (size_t next = 0, known = 1; next < known; next++) {
        const struct sg_fields *now = todo[next];
        sg_buf_printf(out, "\n%s%s%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
                      now->name[0] != '\0' ? "### `" : "### Top level", now->name,
                      now->name[0] != '\0' ? "`" : "");
        for (size_t i = 0; i < now->count; i++) {
            const struct sg_field *row = &now->rows[i];
            sg_buf_printf(out, "| `%s` | %s | %s | %s |\n", row->key, type_name(row),
                          row->default_text != NULL ? row->default_text
                          : row->required           ? "required"
                                                    : "",
                          row->summary != NULL ? row->summary : "");
            if (row->object != NULL && known < TABLES_MAX) {
                todo[known++] = row->object;
            }
        }
    }
}
