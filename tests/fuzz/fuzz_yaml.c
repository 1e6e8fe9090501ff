/*
 * text/yaml_tree and the settings loader: any bytes as signgate.yaml.
 *
 * Whatever comes, there is a tree within its limits or a diagnostic, and each place, of nodes and
 * of diagnostics, is within the text. Printing them works, and the arena gives everything back (the
 * leak check of the sanitizer sees to that).
 *
 * Input: one byte of enum sg_yaml_flags ("0": none), the text.
 */
#include "base/diags.h"
#include "fuzz.h"
#include "snapshot/settings.h"
#include "text/yaml_tree.h"

enum { ARENA_BYTES = 64 << 20, PRINTED_BYTES = 4 << 20, DEPTH_MAX = 32 };

static const char file[] = "folder/input.yaml";

/*
 * At most as many lines as libyaml can count: YAML 1.1 has three line breaks besides CR and LF,
 * and these are the first bytes of their UTF-8 forms.
 */
static unsigned count_lines(struct sg_str text)
{
    unsigned count = 1;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        count += c == '\r' || c == '\n' || c == 0xc2 || c == 0xe2;
    }
    return count;
}

/* The furthest place in a text. */
struct extent {
    unsigned lines;
    unsigned columns;
};

static void check_place(const struct sg_place *place, const struct extent *extent)
{
    CHECK(place->file != NULL && strcmp(place->file, file) == 0);
    CHECK(place->line <= extent->lines && place->column <= extent->columns);
    CHECK((place->line == 0) == (place->column == 0));
}

static void check_node(const struct sg_yaml_node *node, const struct extent *extent, unsigned depth)
{
    CHECK(depth <= DEPTH_MAX);
    check_place(&node->place, extent);
    switch (node->kind) {
    case SG_YAML_SCALAR:
        CHECK(node->text.p[node->text.n] == '\0' && strlen(node->text.p) == node->text.n);
        CHECK(sg_str_is_utf8(node->text));
        break;
    case SG_YAML_SEQUENCE:
        for (size_t i = 0; i < node->count; i++) {
            check_node(node->items[i], extent, depth + 1);
        }
        break;
    case SG_YAML_MAPPING:
        for (size_t i = 0; i < node->count; i++) {
            CHECK(node->pairs[i].key->kind == SG_YAML_SCALAR);
            check_node(node->pairs[i].key, extent, depth + 1);
            check_node(node->pairs[i].value, extent, depth + 1);
        }
        break;
    }
}

static void check_diags(struct sg_diags *diags, const struct extent *extent)
{
    struct sg_diag diag;
    struct sg_buf out;
    size_t count = 0;
    for (; sg_diags_get(diags, count, &diag); count++) {
        CHECK(diag.text[0] != '\0');
        check_place(&diag.place, extent);
    }
    CHECK(count == sg_diags_errors(diags) + sg_diags_warnings(diags));
    sg_buf_init(&out, PRINTED_BYTES);
    sg_diags_print_text(diags, &out);
    CHECK(!sg_buf_failed(&out) && (out.n > 0) == (count > 0));
    sg_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_str input = {.p = (const char *)data, .n = size};
    unsigned flags = fuzz_take_byte(&input) & 15;
    /* The end may be behind the last line and the last character. */
    const struct extent extent = {.lines = count_lines(input) + 1,
                                  .columns = (unsigned)input.n + 1};
    struct sg_diags *diags = sg_diags_new();
    struct sg_yaml_documents documents = {.count = 0};
    struct sg_arena arena;
    CHECK(diags != NULL);
    CHECK(setenv("SG_FUZZ", "value", 1) == 0); /* for ${SG_FUZZ} */
    sg_arena_init(&arena, ARENA_BYTES);
    enum sg_status status = sg_yaml_parse(&arena, file, input, flags, diags, &documents);
    CHECK(status == SG_OK ? sg_diags_errors(diags) == 0
                          : status == SG_CONFIG && sg_diags_errors(diags) > 0);
    CHECK((flags & SG_YAML_MANY_DOCUMENTS) != 0 || documents.count <= 1);
    for (size_t i = 0; i < documents.count; i++) {
        struct sg_settings settings;
        size_t errors = sg_diags_errors(diags);
        check_node(documents.roots[i], &extent, 1);
        sg_fields_decode(&sg_settings_fields, documents.roots[i], "", &arena, diags, &settings);
        CHECK(sg_diags_errors(diags) > errors || settings.node == documents.roots[i]);
    }
    check_diags(diags, &extent);
    sg_diags_free(diags);
    sg_arena_done(&arena);
    return 0;
}
