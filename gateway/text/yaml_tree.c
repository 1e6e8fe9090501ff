#include "text/yaml_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "text/encode.h"

/*
 * libyaml's events become a tree of our own, since its documents have no limits and lose what we
 * refuse. There is no recursion: open collections stand on a stack of fixed depth, their children
 * on one growing list; a collection that ends takes its children from the end of the list.
 *
 * JSON is read by the same code, so that its nodes have places too. Two things differ. A file that
 * must be JSON is first judged by jansson, which finds what YAML would let pass. And JSON writes
 * characters beyond U+FFFF as two \u escapes, which libyaml refuses: where it does, the text is
 * parsed again with each such pair written as the one \U escape that YAML has for it. Tabs, the
 * other habit of JSON, libyaml takes anywhere within braces.
 */

enum {
    DEPTH_MAX = 32,
    FILE_BYTES_MAX = 4 * 1024 * 1024,
    NODES_MAX = 200000,
    VALUE_BYTES_MAX = 65536
};

/* An open collection. */
struct level {
    struct sg_yaml_node *node;
    size_t first; /* index of its first child in the list */
};

struct parse {
    struct sg_arena *arena;
    struct sg_diags *diags;
    const char *file;
    unsigned flags;
    size_t errors_before;
    struct level levels[DEPTH_MAX];
    size_t depth;
    struct sg_yaml_node **children; /* of all open collections, and the roots */
    size_t child_count;
    size_t child_room;
    size_t nodes;
    bool stopped; /* over a limit or out of memory: what follows makes no sense */
};

static void stop(struct parse *parse, const struct sg_place *place, const char *what)
{
    sg_diags_error(parse->diags, place, NULL, "%s", what);
    parse->stopped = true;
}

/* --- places ----------------------------------------------------------------------------------- */

static size_t characters(struct sg_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.n; i++) {
        count += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    }
    return count;
}

static struct sg_place place_of(const struct parse *parse, const yaml_event_t *event)
{
    const yaml_mark_t *start = &event->start_mark, *end = &event->end_mark;
    struct sg_place place = {.file = parse->file,
                             .line = (unsigned)start->line + 1,
                             .column = (unsigned)start->column + 1,
                             .width = 1};
    if (event->type == YAML_SCALAR_EVENT && start->line == end->line) {
        place.width = (unsigned)(end->column - start->column);
    }
    return place;
}

/* The place of a byte of the text. */
static struct sg_place place_at(const struct parse *parse, struct sg_str text, size_t offset)
{
    struct sg_place place = {.file = parse->file, .line = 1, .width = 1};
    size_t line_start = 0;
    for (size_t i = 0; i < offset && i < text.n; i++) {
        if (text.p[i] == '\n') {
            place.line++;
            line_start = i + 1;
        }
    }
    place.column = (unsigned)characters(sg_str_slice(text, line_start, offset)) + 1;
    return place;
}

/* --- ${NAME} ---------------------------------------------------------------------------------- */

static bool is_variable_name(struct sg_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = sg_ascii_lower(name.p[i]);
        if (!(c == '_' || (c >= 'a' && c <= 'z') || (i > 0 && c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return name.n > 0;
}

/* Append one variable's value; the text begins behind "${". Returns how much of it was used. */
static size_t expand_variable(struct parse *parse, const struct sg_yaml_node *node,
                              struct sg_str rest, struct sg_buf *out)
{
    char name[128];
    size_t end = sg_str_find(rest, '}');
    struct sg_str wanted = sg_str_slice(rest, 0, end);
    if (end == rest.n || !is_variable_name(wanted) || wanted.n >= sizeof name) {
        sg_diags_error(parse->diags, &node->place,
                       "write ${NAME}, in quotes within [ ] and { }; or $$ for a dollar",
                       "a \"$\" that names no environment variable");
        return rest.n;
    }
    memcpy(name, wanted.p, wanted.n);
    name[wanted.n] = '\0';
    const char *value = getenv(name);
    if (value == NULL || value[0] == '\0') {
        sg_diags_error(parse->diags, &node->place, "set it before signgate starts",
                       value == NULL ? "the environment variable %s is not set"
                                     : "the environment variable %s is empty",
                       name);
        return end + 1;
    }
    if (!sg_str_is_utf8(sg_str_from(value))) {
        sg_diags_error(parse->diags, &node->place, NULL,
                       "the environment variable %s is not valid UTF-8", name);
        return end + 1;
    }
    sg_buf_add_text(out, value);
    return end + 1;
}

static void expand(struct parse *parse, struct sg_yaml_node *node)
{
    size_t errors = sg_diags_errors(parse->diags);
    if (sg_str_find(node->text, '$') == node->text.n) {
        return;
    }
    struct sg_buf out;
    sg_buf_init(&out, VALUE_BYTES_MAX);
    for (size_t i = 0; i < node->text.n; i++) {
        char next = i + 1 < node->text.n ? node->text.p[i + 1] : '\0';
        if (node->text.p[i] != '$') {
            sg_buf_add_char(&out, node->text.p[i]);
        } else if (next == '$') {
            sg_buf_add_char(&out, '$');
            i++;
        } else {
            size_t from = i + (next == '{' ? 2 : 1);
            struct sg_str rest =
                next == '{' ? sg_str_slice(node->text, from, node->text.n) : SG_STR("");
            i = from + expand_variable(parse, node, rest, &out) - 1;
        }
    }
    struct sg_str text = sg_arena_copy(parse->arena, sg_buf_str(&out));
    if (sg_buf_failed(&out) || text.p == NULL) {
        sg_diags_error(parse->diags, &node->place, NULL, "the expanded text is too long");
    } else {
        node->text = text;
    }
    node->broken = sg_diags_errors(parse->diags) > errors;
    sg_buf_wipe(&out);
}

/* --- building --------------------------------------------------------------------------------- */

static struct sg_yaml_node *new_node(struct parse *parse, enum sg_yaml_kind kind,
                                     const yaml_event_t *event)
{
    struct sg_place place = place_of(parse, event);
    if (++parse->nodes > NODES_MAX) {
        stop(parse, &place, "the file has too many entries");
        return NULL;
    }
    if (parse->child_count == parse->child_room) {
        size_t room = parse->child_room > 0 ? parse->child_room * 2 : 64;
        struct sg_yaml_node **grown =
            realloc(parse->children, room * sizeof(struct sg_yaml_node *));
        if (grown == NULL) {
            stop(parse, NULL, "out of memory");
            return NULL;
        }
        parse->children = grown;
        parse->child_room = room;
    }
    struct sg_yaml_node *node = sg_arena_alloc(parse->arena, sizeof *node);
    if (node == NULL) {
        stop(parse, NULL, "out of memory");
        return NULL;
    }
    node->kind = kind;
    node->place = place;
    parse->children[parse->child_count++] = node;
    return node;
}

/* Whether the next child of the innermost mapping is a key. */
static bool at_key(const struct parse *parse)
{
    if (parse->depth == 0 || parse->levels[parse->depth - 1].node->kind != SG_YAML_MAPPING) {
        return false;
    }
    return (parse->child_count - parse->levels[parse->depth - 1].first) % 2 == 0;
}

/* A name for an error text; one that may be a secret written without quotes is left out. */
static const char *shown(const struct parse *parse, const yaml_char_t *name)
{
    return (parse->flags & SG_YAML_SECRET) != 0 ? "..." : (const char *)name;
}

/* What YAML has and a configuration must not. */
static void refuse_extras(struct parse *parse, const yaml_event_t *event, const yaml_char_t *anchor,
                          const yaml_char_t *tag)
{
    struct sg_place place = place_of(parse, event);
    if (anchor != NULL) {
        sg_diags_error(parse->diags, &place, "write the value out where it is used",
                       "anchors (\"&%s\") are not supported", shown(parse, anchor));
    }
    if (tag != NULL) {
        sg_diags_error(parse->diags, &place, "leave it out", "tags (\"%s\") are not supported",
                       shown(parse, tag));
    }
}

static void add_scalar(struct parse *parse, const yaml_event_t *event)
{
    bool key = at_key(parse);
    refuse_extras(parse, event, event->data.scalar.anchor, event->data.scalar.tag);
    struct sg_yaml_node *node = new_node(parse, SG_YAML_SCALAR, event);
    if (node == NULL) {
        return;
    }
    struct sg_str value = {.p = (const char *)event->data.scalar.value,
                           .n = event->data.scalar.length};
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        event->start_mark.line != event->end_mark.line && sg_str_find(value, '\n') == value.n) {
        node->place.width = (unsigned)characters(value);
    }
    if (sg_str_find(value, '\0') < value.n) {
        sg_diags_error(parse->diags, &node->place, NULL, "a text cannot hold a NUL character");
        value.n = sg_str_find(value, '\0');
    }
    node->text = sg_arena_copy(parse->arena, value);
    if (node->text.p == NULL) {
        stop(parse, NULL, "out of memory");
        return;
    }
    if (key && !node->quoted && sg_str_equal(node->text, SG_STR("<<"))) {
        sg_diags_error(parse->diags, &node->place, "write the keys out",
                       "merge keys (\"<<\") are not supported");
    }
    if (!key && (parse->flags & SG_YAML_EXPAND_ENVIRONMENT) != 0) {
        expand(parse, node);
    }
}

static void begin_collection(struct parse *parse, enum sg_yaml_kind kind, const yaml_event_t *event)
{
    struct sg_place place = place_of(parse, event);
    if (parse->depth == DEPTH_MAX) {
        stop(parse, &place, "lists and mappings are nested too deeply (32 levels at most)");
        return;
    }
    if (at_key(parse)) {
        stop(parse, &place, "a key must be a text");
        return;
    }
    struct sg_yaml_node *node = new_node(parse, kind, event);
    if (node != NULL) {
        parse->levels[parse->depth++] = (struct level){.node = node, .first = parse->child_count};
    }
}

static int by_key(const void *a, const void *b)
{
    const struct sg_yaml_node *x = *(struct sg_yaml_node *const *)a;
    const struct sg_yaml_node *y = *(struct sg_yaml_node *const *)b;
    int order = sg_str_compare(x->text, y->text);
    if (order != 0) {
        return order;
    }
    if (x->place.line != y->place.line) {
        return x->place.line < y->place.line ? -1 : 1;
    }
    return x->place.column < y->place.column ? -1 : x->place.column > y->place.column;
}

static void find_doubled_keys(struct parse *parse, const struct sg_yaml_node *mapping)
{
    struct sg_yaml_node **keys = calloc(mapping->count + 1, sizeof(struct sg_yaml_node *));
    if (keys == NULL) {
        stop(parse, NULL, "out of memory");
        return;
    }
    for (size_t i = 0; i < mapping->count; i++) {
        keys[i] = mapping->pairs[i].key;
    }
    qsort(keys, mapping->count, sizeof(struct sg_yaml_node *), by_key);
    for (size_t i = 1; i < mapping->count; i++) {
        if (sg_str_equal(keys[i - 1]->text, keys[i]->text)) {
            sg_diags_error(parse->diags, &keys[i]->place, "keep one of them",
                           "the key \"%.*s\" stands twice, first in line %u",
                           SG_STR_ARG(keys[i]->text), keys[i - 1]->place.line);
        }
    }
    free(keys);
}

static void end_collection(struct parse *parse)
{
    const struct level *level = &parse->levels[--parse->depth];
    struct sg_yaml_node *node = level->node;
    struct sg_yaml_node **from = parse->children + level->first;
    size_t count = parse->child_count - level->first;
    parse->child_count = level->first;
    if (count == 0) {
        return;
    }
    if (node->kind == SG_YAML_SEQUENCE) {
        node->items = sg_arena_alloc_array(parse->arena, count, sizeof(struct sg_yaml_node *));
        if (node->items == NULL) {
            stop(parse, NULL, "out of memory");
            return;
        }
        memcpy(node->items, from, count * sizeof(struct sg_yaml_node *));
        node->count = count;
        return;
    }
    node->pairs = sg_arena_alloc_array(parse->arena, count / 2, sizeof *node->pairs);
    if (node->pairs == NULL) {
        stop(parse, NULL, "out of memory");
        return;
    }
    node->count = count / 2;
    for (size_t i = 0; i < node->count; i++) {
        node->pairs[i] = (struct sg_yaml_pair){.key = from[2 * i], .value = from[2 * i + 1]};
    }
    find_doubled_keys(parse, node);
}

static void take_event(struct parse *parse, const yaml_event_t *event)
{
    struct sg_place place = place_of(parse, event);
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (parse->child_count > 0 && (parse->flags & SG_YAML_MANY_DOCUMENTS) == 0) {
            stop(parse, &place, "a second document begins here; this file holds one only");
        }
        break;
    case YAML_ALIAS_EVENT:
        sg_diags_error(parse->diags, &place, "write the value out",
                       "aliases (\"*%s\") are not supported",
                       shown(parse, event->data.alias.anchor));
        (void)new_node(parse, SG_YAML_SCALAR, event);
        if (!parse->stopped) {
            parse->children[parse->child_count - 1]->text = SG_STR("");
        }
        break;
    case YAML_SCALAR_EVENT:
        add_scalar(parse, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_extras(parse, event, event->data.sequence_start.anchor,
                      event->data.sequence_start.tag);
        begin_collection(parse, SG_YAML_SEQUENCE, event);
        break;
    case YAML_MAPPING_START_EVENT:
        refuse_extras(parse, event, event->data.mapping_start.anchor,
                      event->data.mapping_start.tag);
        begin_collection(parse, SG_YAML_MAPPING, event);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        end_collection(parse);
        break;
    }
}

/* --- syntax errors ---------------------------------------------------------------------------- */

static bool is_escape_error(const yaml_parser_t *parser)
{
    return parser->error == YAML_SCANNER_ERROR && parser->problem != NULL &&
           strcmp(parser->problem, "found invalid Unicode character escape code") == 0;
}

/* Whether the character of that index (libyaml counts characters) is a tab. */
static bool is_tab_at(struct sg_str text, size_t index)
{
    size_t at = 0;
    for (size_t count = 0; at < text.n; at++) {
        if (((unsigned char)text.p[at] & 0xc0) != 0x80 && count++ == index) {
            break;
        }
    }
    return at < text.n && text.p[at] == '\t';
}

static void syntax_error(struct parse *parse, const yaml_parser_t *parser, struct sg_str text)
{
    const char *problem = parser->problem != NULL ? parser->problem : "out of memory";
    if (parser->error == YAML_READER_ERROR) {
        struct sg_place place = place_at(parse, text, parser->problem_offset);
        sg_diags_error(parse->diags, &place, NULL, "%s", problem);
        return;
    }
    const struct sg_place place = {.file = parse->file,
                                   .line = (unsigned)parser->problem_mark.line + 1,
                                   .column = (unsigned)parser->problem_mark.column + 1,
                                   .width = 1};
    if (text.n > 0 && is_tab_at(text, parser->problem_mark.index)) {
        sg_diags_error(parse->diags, &place, "indent with spaces", "a tab cannot indent YAML");
        return;
    }
    if (parser->context != NULL) {
        sg_diags_error(parse->diags, &place, NULL, "%s, %s that began in line %zu", problem,
                       parser->context, parser->context_mark.line + 1);
    } else {
        sg_diags_error(parse->diags, &place, NULL, "%s", problem);
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* The code unit of "\uXXXX" at the start of text, or -1. */
static long code_unit(struct sg_str text)
{
    long unit = 0;
    if (text.n < 6 || text.p[0] != '\\' || text.p[1] != 'u') {
        return -1;
    }
    for (size_t i = 2; i < 6; i++) {
        int digit = sg_hex_value(text.p[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Write each pair of surrogate escapes as one \U escape. */
static void join_surrogates(struct sg_str text, struct sg_buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        struct sg_str rest = sg_str_slice(text, i, text.n);
        long high = code_unit(rest), low = code_unit(sg_str_slice(rest, 6, rest.n));
        if (high >= 0xd800 && high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff) {
            sg_buf_printf(out, "\\U%08lX", 0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00));
            i += 11;
        } else if (text.p[i] == '\\' && i + 1 < text.n) {
            sg_buf_add(out, text.p + i, 2); /* an escaped backslash escapes nothing */
            i++;
        } else {
            sg_buf_add_char(out, text.p[i]);
        }
    }
}

static bool check_json(struct parse *parse, struct sg_str text)
{
    json_error_t error;
    json_t *value = json_loadb(text.p != NULL ? text.p : "", text.n,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value != NULL) {
        json_decref(value);
        return true;
    }
    const struct sg_place place = {.file = parse->file,
                                   .line = error.line > 0 ? (unsigned)error.line : 1,
                                   .column = error.column > 0 ? (unsigned)error.column : 1,
                                   .width = 1};
    sg_diags_error(parse->diags, &place, "a file whose name ends in .json must be JSON", "%s",
                   error.text);
    return false;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Report the first byte that is no UTF-8. */
static bool check_utf8(struct parse *parse, struct sg_str text)
{
    if (sg_str_is_utf8(text)) {
        return true;
    }
    size_t at = 0;
    for (size_t length = 1; length <= 4 && at < text.n;) {
        if (sg_str_is_utf8(sg_str_slice(text, at, at + length))) {
            at += length;
            length = 1;
        } else {
            length++;
        }
    }
    struct sg_place place = place_at(parse, text, at);
    sg_diags_error(parse->diags, &place, "save the file as UTF-8", "this is not valid UTF-8");
    return false;
}

/* Run libyaml over text. False when it was an escape of JSON that it does not know. */
static bool run(struct parse *parse, struct sg_str text, bool last_try)
{
    yaml_parser_t parser;
    yaml_event_t event;
    bool done = false, understood = true;
    if (yaml_parser_initialize(&parser) == 0) {
        stop(parse, NULL, "out of memory");
        return true;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.p != NULL ? text.p : ""),
                                 text.n);
    while (!done && !parse->stopped) {
        if (yaml_parser_parse(&parser, &event) == 0) {
            understood = last_try || !is_escape_error(&parser);
            if (understood) {
                syntax_error(parse, &parser, text);
            }
            parse->stopped = true;
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        take_event(parse, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return understood;
}

/* Hand the roots over, without documents that hold nothing. */
static void finish(struct parse *parse, struct sg_yaml_documents *ret)
{
    size_t count = 0;
    ret->count = 0;
    ret->roots = NULL;
    for (size_t i = 0; !parse->stopped && i < parse->child_count; i++) {
        if (!(sg_yaml_is_null(parse->children[i]) && parse->children[i]->text.n == 0)) {
            parse->children[count++] = parse->children[i];
        }
    }
    if (count == 0) {
        return;
    }
    ret->roots = sg_arena_alloc_array(parse->arena, count, sizeof(struct sg_yaml_node *));
    if (ret->roots == NULL) {
        stop(parse, NULL, "out of memory");
        return;
    }
    memcpy(ret->roots, parse->children, count * sizeof(struct sg_yaml_node *));
    ret->count = count;
}

enum sg_status sg_yaml_parse(struct sg_arena *arena, const char *file, struct sg_str text,
                             unsigned flags, struct sg_diags *diags, struct sg_yaml_documents *ret)
{
    struct parse parse = {.arena = arena,
                          .diags = diags,
                          .flags = flags,
                          .file = sg_arena_text(arena, sg_str_from(file)),
                          .errors_before = sg_diags_errors(diags)};
    *ret = (struct sg_yaml_documents){.count = 0};
    if (parse.file == NULL) {
        sg_diags_error(diags, NULL, NULL, "out of memory");
        return SG_CONFIG;
    }
    if ((flags & SG_YAML_SECRET) == 0) {
        sg_diags_add_source(diags, file, text);
    }
    if (text.n > FILE_BYTES_MAX) {
        const struct sg_place place = {.file = file};
        sg_diags_error(diags, &place, NULL, "the file is larger than 4 MiB");
        return SG_CONFIG;
    }
    if (!check_utf8(&parse, text) || ((flags & SG_YAML_JSON) != 0 && !check_json(&parse, text))) {
        return SG_CONFIG;
    }
    if (!run(&parse, text, false)) {
        struct sg_buf joined;
        sg_buf_init(&joined, text.n + 1);
        join_surrogates(text, &joined);
        parse.child_count = 0;
        parse.depth = 0;
        parse.nodes = 0;
        parse.stopped = false;
        (void)run(&parse, sg_buf_str(&joined), true);
        sg_buf_wipe(&joined);
    }
    finish(&parse, ret);
    free(parse.children);
    return sg_diags_errors(diags) > parse.errors_before ? SG_CONFIG : SG_OK;
}

enum sg_status sg_yaml_read(struct sg_arena *arena, const char *path, unsigned flags,
                            const struct sg_place *from, struct sg_diags *diags,
                            struct sg_yaml_documents *ret)
{
    struct sg_str text;
    struct sg_error error;
    *ret = (struct sg_yaml_documents){.count = 0};
    if (sg_text_read_file(arena, path, FILE_BYTES_MAX, &text, &error) != SG_OK) {
        sg_diags_error(diags, from, NULL, "cannot read %s: %s", path, error.text);
        return SG_CONFIG;
    }
    return sg_yaml_parse(arena, path, text, flags, diags, ret);
}

/* --- asking ----------------------------------------------------------------------------------- */

const struct sg_yaml_node *sg_yaml_get(const struct sg_yaml_node *node, const char *key)
{
    for (size_t i = 0; node != NULL && node->kind == SG_YAML_MAPPING && i < node->count; i++) {
        if (sg_str_equal_text(node->pairs[i].key->text, key)) {
            return node->pairs[i].value;
        }
    }
    return NULL;
}

struct sg_place sg_yaml_place(const struct sg_yaml_node *node, const char *key)
{
    const struct sg_yaml_node *value = sg_yaml_get(node, key);
    if (value != NULL) {
        return value->place;
    }
    return node != NULL ? node->place : (struct sg_place){.file = NULL};
}

bool sg_yaml_is_null(const struct sg_yaml_node *node)
{
    return node->kind == SG_YAML_SCALAR && !node->quoted &&
           (node->text.n == 0 || sg_str_equal(node->text, SG_STR("~")) ||
            sg_str_equal(node->text, SG_STR("null")));
}

const char *sg_yaml_kind_name(const struct sg_yaml_node *node)
{
    switch (node->kind) {
    case SG_YAML_SCALAR:
        return sg_yaml_is_null(node) ? "empty" : "a text";
    case SG_YAML_SEQUENCE:
        return "a list";
    case SG_YAML_MAPPING:
        return "a mapping";
    }
    return "unknown";
}

/* --- files ------------------------------------------------------------------------------------ */

enum sg_status sg_text_read_open_file(struct sg_arena *arena, int fd, size_t max_bytes,
                                      struct sg_str *ret, struct sg_error *reterr)
{
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return sg_error_set(reterr, SG_IO, NULL, "%s", strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return sg_error_set(reterr, SG_IO, NULL, "it is not a regular file");
    }
    if (about.st_size < 0 || (uint64_t)about.st_size > max_bytes) {
        return sg_error_set(reterr, SG_TOO_LARGE, NULL, "it is larger than %zu bytes", max_bytes);
    }
    size_t size = (size_t)about.st_size, count = 0;
    char *text = sg_arena_alloc(arena, size + 1);
    if (text == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    while (count < size) {
        ssize_t got = read(fd, text + count, size - count);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return sg_error_set(reterr, SG_IO, NULL, "%s", strerror(errno));
        }
        if (got == 0) {
            break; /* it shrank while it was read */
        }
        count += (size_t)got;
    }
    *ret = (struct sg_str){.p = text, .n = count};
    return SG_OK;
}

enum sg_status sg_text_read_file(struct sg_arena *arena, const char *path, size_t max_bytes,
                                 struct sg_str *ret, struct sg_error *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return sg_error_set(reterr, SG_IO, NULL, "%s", strerror(errno));
    }
    enum sg_status status = sg_text_read_open_file(arena, fd, max_bytes, ret, reterr);
    (void)close(fd);
    return status;
}
