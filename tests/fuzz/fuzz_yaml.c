/*
 * YAML and JSON into trees, and trees into settings (text/yaml_tree, text/fields): no mistake is
 * without a place in the text, no tree is deeper than it may be, and settings are never half filled
 * without an error. The first byte chooses the flags.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "base/diags.h"
#include "snapshot/settings.h"
#include "text/yaml_tree.h"

enum { DEPTH_MAX = 33, ARENA_BYTES = 64 << 20 };

/* sound: the text has no mistake. */
static void check_node(const struct sg_yaml_node *node, unsigned lines, bool sound, int depth)
{
    HOLDS(node != NULL && depth <= DEPTH_MAX);
    HOLDS(node->place.line >= 1 && node->place.line <= lines);
    switch (node->kind) {
    case SG_YAML_SCALAR:
        HOLDS(node->text.p != NULL && node->text.p[node->text.n] == '\0');
        HOLDS(sg_str_is_utf8(node->text));
        break;
    case SG_YAML_SEQUENCE:
        for (size_t i = 0; i < node->count; i++) {
            check_node(node->items[i], lines, sound, depth + 1);
        }
        break;
    case SG_YAML_MAPPING:
        for (size_t i = 0; i < node->count; i++) {
            HOLDS(node->pairs[i].key->kind == SG_YAML_SCALAR);
            check_node(node->pairs[i].value, lines, sound, depth + 1);
            for (size_t k = 0; sound && k < i; k++) {
                HOLDS(!sg_str_equal(node->pairs[k].key->text, node->pairs[i].key->text));
            }
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const unsigned flags[] = {SG_YAML_PLAIN, SG_YAML_EXPAND_ENVIRONMENT,
                                     SG_YAML_MANY_DOCUMENTS, SG_YAML_JSON, SG_YAML_SECRET};
    if (count == 0) {
        return 0;
    }
    const struct sg_str text = {.p = (const char *)bytes + 1, .n = count - 1};
    struct sg_arena arena;
    struct sg_diags *diags = sg_diags_new();
    struct sg_yaml_documents documents = {.count = 0};
    struct sg_diag diag;
    struct sg_buf printed;
    unsigned lines = 2;
    for (size_t i = 0; i < text.n; i++) {
        lines += text.p[i] == '\n' || text.p[i] == '\r' || (unsigned char)text.p[i] >= 0x80;
    }
    sg_arena_init(&arena, ARENA_BYTES);
    enum sg_status status =
        sg_yaml_parse(&arena, "f.yaml", text, flags[bytes[0] % (sizeof flags / sizeof *flags)],
                      diags, &documents);
    HOLDS((status == SG_OK) == (sg_diags_errors(diags) == 0));
    for (size_t i = 0; i < documents.count; i++) {
        check_node(documents.roots[i], lines, status == SG_OK, 0);
    }
    if (documents.count > 0) {
        struct sg_settings settings;
        sg_fields_decode(&sg_settings_fields, documents.roots[0], "", &arena, diags, &settings);
        HOLDS(sg_diags_errors(diags) > 0 || settings.version == 1);
        HOLDS(sg_diags_errors(diags) > 0 || settings.listeners.count > 0);
    }
    for (size_t i = 0; sg_diags_get(diags, i, &diag); i++) {
        HOLDS(diag.text[0] != '\0' && diag.place.line <= lines);
    }
    sg_buf_init(&printed, 16 << 20);
    sg_diags_print_text(diags, &printed);
    sg_buf_done(&printed);
    sg_diags_free(diags);
    sg_arena_done(&arena);
    return 0;
}
