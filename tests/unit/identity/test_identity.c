#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "identity/identity.h"

/* --- callers from text ------------------------------------------------------------------------ */

struct callers_settings {
    const struct sg_yaml_node *node;
    struct sg_objects callers;
};

static const struct sg_field rows[] = {
    {.key = "callers",
     .type = SG_FIELD_OBJECTS,
     .offset = offsetof(struct callers_settings, callers),
     .object = &sg_caller_fields,
     .summary = "callers"},
};
static const struct sg_fields fields = {
    .name = "", .rows = rows, .count = 1, .size = sizeof(struct callers_settings)};

struct loaded {
    struct sg_arena arena;
    struct sg_diags *diags;
    const struct sg_identity *identity;
};

static void load(struct loaded *loaded, const char *text)
{
    struct sg_yaml_documents documents = {.count = 0};
    struct callers_settings settings;
    sg_arena_init(&loaded->arena, 64u * 1024 * 1024);
    loaded->diags = sg_diags_new();
    enum sg_status status = sg_yaml_parse(&loaded->arena, "c.yaml", sg_str_from(text),
                                          SG_YAML_PLAIN, loaded->diags, &documents);
    if (status != SG_OK || documents.count != 1) {
        fail_msg("no YAML: %s", text);
    }
    sg_fields_decode(&fields, documents.roots[0], "", &loaded->arena, loaded->diags, &settings);
    loaded->identity = sg_identity_compile(settings.callers.items, settings.callers.count,
                                           &loaded->arena, loaded->diags);
    assert_non_null(loaded->identity);
}

static void done(struct loaded *loaded)
{
    sg_diags_free(loaded->diags);
    sg_arena_done(&loaded->arena);
}

static struct sg_peer peer_of(const char *address)
{
    struct sg_peer peer = {.secure = false};
    if (address[0] != '\0') {
        assert_true(sg_ip_parse(sg_str_from(address), &peer.address));
    }
    return peer;
}

/* --- finding ---------------------------------------------------------------------------------- */

static void the_longest_prefix_wins(void **state)
{
    static const char *const text =
        "callers:\n"
        "  - {name: all, match: {source: [\"0.0.0.0/0\"]}}\n"
        "  - {name: net, team: a, match: {source: [\"192.0.2.0/24\", \"10.20.0.0/16\"]}}\n"
        "  - {name: host, team: b, match: {source: [10.20.0.5]}}\n"
        "  - {name: half, team: c, match: {source: [\"10.20.0.0/17\"]}}\n"
        "  - {name: six, team: d, match: {source: [\"2001:db8::/32\", \"2001:db8:1::/48\"]}}\n"
        "  - {name: mapped, team: e, match: {source: [\"::ffff:172.16.0.0/108\"]}}\n"
        "  - {name: odd, team: f, match: {source: [\"10.30.7.7/16\"]}}\n";
    static const struct {
        const char *address, *caller, *identity;
        size_t index;
    } table[] = {
        {"10.20.0.5", "host", "source 10.20.0.5/32", 2},
        {"::ffff:10.20.0.5", "host", "source 10.20.0.5/32", 2},
        {"10.20.0.6", "half", "source 10.20.0.0/17", 3},
        {"10.20.200.6", "net", "source 10.20.0.0/16", 1},
        {"192.0.2.255", "net", "source 192.0.2.0/24", 1},
        {"192.0.3.0", "all", "source 0.0.0.0/0", 0},
        {"172.16.3.4", "mapped", "source 172.16.0.0/12", 5},
        {"10.30.0.1", "odd", "source 10.30.0.0/16", 6},
        {"2001:db8:1::1", "six", "source 2001:db8:1::/48", 4},
        {"2001:db8:2::1", "six", "source 2001:db8::/32", 4},
        {"2001:db9::1", NULL, NULL, 0},
        {"", NULL, NULL, 0},
    };
    struct loaded loaded;
    (void)state;
    load(&loaded, text);
    assert_int_equal(sg_diags_errors(loaded.diags), 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sg_peer peer = peer_of(table[i].address);
        struct sg_principal found = {.index = 99};
        enum sg_status status = sg_identity_find(loaded.identity, &peer, &found);
        if (table[i].caller == NULL) {
            assert_int_equal(status, SG_UNAUTHENTICATED);
            assert_int_equal(found.index, 99);
            continue;
        }
        assert_int_equal(status, SG_OK);
        if (!sg_str_equal_text(found.caller, table[i].caller) ||
            !sg_str_equal_text(found.identity, table[i].identity) ||
            found.index != table[i].index) {
            fail_msg("%s: %.*s, %.*s", table[i].address, SG_STR_ARG(found.caller),
                     SG_STR_ARG(found.identity));
        }
    }
    struct sg_peer peer = peer_of("10.20.0.5");
    struct sg_principal found;
    assert_int_equal(sg_identity_find(loaded.identity, &peer, &found), SG_OK);
    assert_true(sg_str_equal_text(found.team, "b"));
    peer = peer_of("1.1.1.1");
    assert_int_equal(sg_identity_find(loaded.identity, &peer, &found), SG_OK);
    assert_int_equal(found.team.n, 0);
    done(&loaded);
}

static void without_callers_nobody_is_known(void **state)
{
    struct loaded loaded;
    struct sg_peer peer = peer_of("127.0.0.1");
    struct sg_principal found;
    (void)state;
    load(&loaded, "callers: []\n");
    assert_int_equal(sg_identity_find(loaded.identity, &peer, &found), SG_UNAUTHENTICATED);
    done(&loaded);
}

static void equals_are_an_error_and_nobody(void **state)
{
    struct loaded loaded;
    struct sg_principal found;
    (void)state;
    load(&loaded, "callers:\n"
                  "  - {name: a, match: {source: [\"10.0.0.0/8\", \"10.0.0.0/8\"]}}\n"
                  "  - {name: b, match: {source: [\"10.9.9.9/8\", \"10.1.0.0/16\"]}}\n");
    assert_int_equal(sg_diags_errors(loaded.diags), 1);
    struct sg_peer peer = peer_of("10.2.0.1");
    assert_int_equal(sg_identity_find(loaded.identity, &peer, &found), SG_UNAUTHENTICATED);
    peer = peer_of("10.1.0.1");
    assert_int_equal(sg_identity_find(loaded.identity, &peer, &found), SG_OK);
    assert_true(sg_str_equal_text(found.caller, "b"));
    done(&loaded);
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void assert_messages(const char *callers, const char *expected)
{
    struct loaded loaded;
    struct sg_diag diag;
    char text[2000], messages[4000] = "";
    size_t n = 0;
    (void)snprintf(text, sizeof text, "callers:\n  - %s\n", callers);
    load(&loaded, text);
    for (size_t i = 0; sg_diags_get(loaded.diags, i, &diag); i++) {
        n += (size_t)snprintf(messages + n, sizeof messages - n, "%u:%u: %s\n", diag.place.line,
                              diag.place.column, diag.text);
    }
    if (strcmp(messages, expected) != 0) {
        print_error("--- text\n%s\n--- expected\n%s--- got\n%s", text, expected, messages);
        fail();
    }
    done(&loaded);
}

static void says_what_is_wrong_with_a_caller(void **state)
{
    static const struct {
        const char *caller, *message;
    } table[] = {
        {"{name: a b, match: {source: [10.0.0.1]}}", "2:12: \"a b\" is no name of a caller\n"},
        {"{name: \"*\", match: {source: [10.0.0.1]}}", "2:12: \"*\" is no name of a caller\n"},
        {"{name: \"\", match: {source: [10.0.0.1]}}", "2:12: \"\" is no name of a caller\n"},
        {"{name: a, team: \"b/c\", match: {source: [10.0.0.1]}}",
         "2:21: \"b/c\" is no name of a team\n"},
        {"{name: a, match: {source: [10.0.0.1]}}\n  - {name: a, match: {source: [10.0.0.2]}}",
         "3:12: the caller \"a\" stands twice\n"},
        {"{name: a, match: {}}", "2:22: a match without a kind would fit nobody\n"},
        {"{name: a, match: {source: [10.0.0.1, 10.0.0.300, \"10.0.0.0/33\", \"fe80::1%eth0\", "
         "host]}}",
         "2:42: \"10.0.0.300\" is no source\n2:54: \"10.0.0.0/33\" is no source\n"
         "2:69: \"fe80::1%eth0\" is no source\n2:85: \"host\" is no source\n"},
        {"{name: a, match: {certificate: {cn: [x]}}}",
         "2:36: match: certificate is not built yet\n"},
        {"{name: a, match: {source: [10.0.0.1], unix: {users: [x], groups: [y]}}}",
         "2:49: match: unix is not built yet\n"},
        {"{name: a, match: {jwt: {issuer: i, subject: s}}}", "2:28: match: jwt is not built yet\n"},
        {"{name: a, match: {jwt: {issuer: i}}}",
         "2:28: match: jwt is not built yet\n"
         "2:28: match: jwt would fit every token of the issuer\n"},
        {"{name: a, match: {jwt: {issuer: i, claims: {}}}}",
         "2:28: match: jwt is not built yet\n"
         "2:48: match: jwt has claims that are no mapping of texts\n"},
        {"{name: a, match: {certificate: {}}}",
         "2:36: match: certificate is not built yet\n"
         "2:36: match: certificate names nothing of a certificate\n"},
        {"{name: a, match: {unix: {}}}", "2:29: match: unix is not built yet\n"
                                         "2:29: match: unix names neither users nor groups\n"},
        {"{name: a, match: {source: [10.0.0.1]}, enforcement: report}",
         "2:57: enforcement: report is not built yet\n"},
        {"{name: a, match: {source: [10.0.0.1]}, enforcement: enforce}", ""},
        {"{name: a, match: {source: [\"10.0.0.0/8\"]}}\n"
         "  - {name: b, match: {source: [\"::ffff:10.0.0.0/104\"]}}",
         "3:32: ::ffff:10.0.0.0/104 is the source of \"a\" too: the two callers cannot be told "
         "apart\n"},
        /* Kinds that are not built make no tie with one that is. */
        {"{name: a, match: {source: [\"10.0.0.0/8\"]}}\n"
         "  - {name: b, match: {source: [\"10.0.0.0/8\"], unix: {users: [x]}}}",
         "3:53: match: unix is not built yet\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_messages(table[i].caller, table[i].message);
    }
}

/* Mistakes that the field tables report: that they are errors, not how they are worded. */
static void refuses_wrong_forms(void **state)
{
    static const char *const callers[] = {
        "{match: {source: [10.0.0.1]}}",
        "{name: a}",
        "{name: a, match: }",
        "{name: a, match: [source]}",
        "{name: a, match: {source: 10.0.0.1}}",
        "{name: a, match: {source: []}}",
        "{name: a, match: {source: }}",
        "{name: a, match: {sources: [10.0.0.1]}}",
        "{name: a, match: {certificate: {san: [x]}}}",
        "{name: a, match: {certificate: {cn: []}}}",
        "{name: a, match: {unix: {users: x}}}",
        "{name: a, match: {jwt: {subject: s}}}",
        "{name: a, match: {source: [10.0.0.1]}, enforcement: on}",
        "{name: a, match: {source: [10.0.0.1]}, owner: me}",
        "{name: [a], match: {source: [10.0.0.1]}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++) {
        struct loaded loaded;
        char text[400];
        (void)snprintf(text, sizeof text, "callers:\n  - %s\n", callers[i]);
        load(&loaded, text);
        if (sg_diags_errors(loaded.diags) == 0) {
            fail_msg("%s", callers[i]);
        }
        done(&loaded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(without_callers_nobody_is_known),
        cmocka_unit_test(equals_are_an_error_and_nobody),
        cmocka_unit_test(says_what_is_wrong_with_a_caller),
        cmocka_unit_test(refuses_wrong_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
