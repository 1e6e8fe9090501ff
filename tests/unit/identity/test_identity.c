#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

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

/* Find a caller by its connection alone. */
static enum sg_status find(struct loaded *loaded, const struct sg_peer *peer,
                           struct sg_principal *ret)
{
    struct sg_error error;
    return sg_identity_find(loaded->identity, peer, NULL, &loaded->arena, ret, &error);
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
        enum sg_status status = find(&loaded, &peer, &found);
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
    assert_int_equal(find(&loaded, &peer, &found), SG_OK);
    assert_true(sg_str_equal_text(found.team, "b"));
    peer = peer_of("1.1.1.1");
    assert_int_equal(find(&loaded, &peer, &found), SG_OK);
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
    assert_int_equal(find(&loaded, &peer, &found), SG_UNAUTHENTICATED);
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
    assert_int_equal(find(&loaded, &peer, &found), SG_UNAUTHENTICATED);
    peer = peer_of("10.1.0.1");
    assert_int_equal(find(&loaded, &peer, &found), SG_OK);
    assert_true(sg_str_equal_text(found.caller, "b"));
    done(&loaded);
}

/* --- kinds beside the source ------------------------------------------------------------------ */

enum { NAMES_MAX = 4, GROUPS_MAX = 4 };

/* A peer as the front makes it; empty members are left out. */
struct someone {
    const char *address;
    const char *uris[NAMES_MAX], *dns[NAMES_MAX], *cns[NAMES_MAX];
    bool has_certificate;
    bool on_unix_socket;
    uid_t user;
    gid_t groups[GROUPS_MAX]; /* until 0 */
    const char *claims;       /* the payload of a token that was verified; NULL: none */
};

static struct sg_peer_names names_from(const char *const *texts, struct sg_str *items)
{
    struct sg_peer_names names = {.items = items};
    for (; names.count < NAMES_MAX && texts[names.count] != NULL; names.count++) {
        items[names.count] = sg_str_from(texts[names.count]);
    }
    return names;
}

/* The token's form is judged, not its signature: identity gets verified ones only. */
static struct sg_jwt *token_with(const char *claims)
{
    static const char header[] = "{\"alg\":\"ES256\"}";
    char token[2048];
    struct sg_jwt *jwt = NULL;
    struct sg_error error = {.status = SG_OK};
    unsigned char part[1024];
    size_t n = 0;
    const char *const parts[] = {header, claims, "0123456789abcdef"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int count = EVP_EncodeBlock(part, (const unsigned char *)parts[i], (int)strlen(parts[i]));
        for (int k = 0; k < count && part[k] != '='; k++) {
            token[n++] = part[k] == '+' ? '-' : part[k] == '/' ? '_' : (char)part[k];
        }
        token[n++] = i < 2 ? '.' : '\0';
    }
    if (sg_jwt_read(sg_str_from(token), &jwt, &error) != SG_OK) {
        fail_msg("%s: %s", claims, error.text);
    }
    return jwt;
}

/* Who someone is; NULL: nobody. */
static void assert_found(struct loaded *loaded, const struct someone *who, const char *caller,
                         const char *identity)
{
    struct sg_str uris[NAMES_MAX], dns[NAMES_MAX], cns[NAMES_MAX];
    const struct sg_peer_certificate certificate = {.san_uri = names_from(who->uris, uris),
                                                    .san_dns = names_from(who->dns, dns),
                                                    .cn = names_from(who->cns, cns)};
    struct sg_peer_process *process =
        calloc(1, sizeof *process + GROUPS_MAX * sizeof process->groups[0]);
    struct sg_jwt *token = who->claims != NULL ? token_with(who->claims) : NULL;
    struct sg_peer peer = peer_of(who->address != NULL ? who->address : "");
    struct sg_principal found = {.index = 99};
    struct sg_error error = {.status = SG_OK};
    assert_non_null(process);
    process->user = who->user;
    while (process->group_count < GROUPS_MAX && who->groups[process->group_count] != 0) {
        process->groups[process->group_count] = who->groups[process->group_count];
        process->group_count++;
    }
    peer.certificate = who->has_certificate ? &certificate : NULL;
    peer.process = who->on_unix_socket ? process : NULL;
    enum sg_status status =
        sg_identity_find(loaded->identity, &peer, token, &loaded->arena, &found, &error);
    if (caller == NULL) {
        assert_int_equal(status, SG_UNAUTHENTICATED);
        assert_int_equal(error.status, SG_UNAUTHENTICATED);
        assert_int_equal(found.index, 99);
    } else {
        if (status != SG_OK || !sg_str_equal_text(found.caller, caller)) {
            fail_msg("expected %s: %s", caller, status == SG_OK ? "another one" : error.text);
        }
        if (!sg_str_equal_text(found.identity, identity)) {
            fail_msg("%s: %.*s", caller, SG_STR_ARG(found.identity));
        }
    }
    sg_jwt_free(token);
    free(process);
}

static void a_certificate_is_matched_by_exact_names(void **state)
{
    struct loaded loaded;
    (void)state;
    load(&loaded, "callers:\n"
                  "  - {name: u, match: {certificate: {san_uri: [\"spiffe://c/a\", "
                  "\"spiffe://c/b\"]}}}\n"
                  "  - {name: d, match: {certificate: {san_dns: [a.example], cn: [x]}}}\n"
                  "  - {name: c, match: {certificate: {cn: [y]}}}\n");
    assert_int_equal(sg_diags_errors(loaded.diags), 0);
    assert_found(&loaded, &(struct someone){.has_certificate = true, .uris = {"spiffe://c/b"}}, "u",
                 "certificate URI spiffe://c/b");
    assert_found(
        &loaded,
        &(struct someone){.has_certificate = true, .dns = {"z", "a.example"}, .cns = {"x"}}, "d",
        "certificate DNS a.example, certificate CN x");
    assert_found(&loaded, &(struct someone){.has_certificate = true, .cns = {"y"}}, "c",
                 "certificate CN y");
    /* of each list one entry, exact text */
    assert_found(&loaded, &(struct someone){.has_certificate = true, .dns = {"a.example"}}, NULL,
                 NULL);
    assert_found(&loaded, &(struct someone){.has_certificate = true, .uris = {"spiffe://c/B"}},
                 NULL, NULL);
    assert_found(&loaded, &(struct someone){.has_certificate = true, .uris = {"spiffe://c/ab"}},
                 NULL, NULL);
    assert_found(&loaded, &(struct someone){.has_certificate = true, .dns = {"y"}}, NULL, NULL);
    assert_found(&loaded, &(struct someone){.address = "10.0.0.1"}, NULL, NULL);
    /* the names of two callers: nobody */
    assert_found(&loaded,
                 &(struct someone){.has_certificate = true, .uris = {"spiffe://c/a"}, .cns = {"y"}},
                 NULL, NULL);
    done(&loaded);
}

static void a_process_is_matched_by_user_and_group(void **state)
{
    struct loaded loaded;
    (void)state;
    load(&loaded, "callers:\n"
                  "  - {name: u, match: {unix: {users: [\"1001\", root]}}}\n"
                  "  - {name: g, match: {unix: {groups: [\"70\", \"80\"]}}}\n"
                  "  - {name: b, match: {unix: {users: [\"1002\"], groups: [\"90\"]}}}\n");
    assert_int_equal(sg_diags_errors(loaded.diags), 0);
    assert_found(&loaded, &(struct someone){.on_unix_socket = true, .user = 1001}, "u",
                 "unix user 1001");
    assert_found(&loaded, &(struct someone){.on_unix_socket = true, .user = 0}, "u",
                 "unix user root");
    assert_found(&loaded, &(struct someone){.on_unix_socket = true, .user = 7, .groups = {60, 80}},
                 "g", "unix group 80");
    assert_found(&loaded,
                 &(struct someone){.on_unix_socket = true, .user = 1002, .groups = {5, 90}}, "b",
                 "unix user 1002, unix group 90");
    assert_found(&loaded, &(struct someone){.on_unix_socket = true, .user = 1002, .groups = {5}},
                 NULL, NULL);
    assert_found(&loaded, &(struct someone){.on_unix_socket = true, .user = 1001, .groups = {70}},
                 NULL, NULL); /* a tie of u and g */
    assert_found(&loaded, &(struct someone){.address = "10.0.0.1"}, NULL, NULL);
    done(&loaded);
}

static void a_user_who_is_not_there_fits_nobody(void **state)
{
    struct loaded loaded;
    (void)state;
    load(&loaded, "callers:\n  - {name: u, match: {unix: {users: [no-such-user-here]}}}\n"
                  "  - {name: g, match: {unix: {users: [root], groups: [no-such-group-here]}}}\n");
    assert_int_equal(sg_diags_errors(loaded.diags), 0);
    assert_found(&loaded, &(struct someone){.on_unix_socket = true, .user = 0}, NULL, NULL);
    done(&loaded);
}

static void a_token_is_matched_by_issuer_subject_and_claims(void **state)
{
    struct loaded loaded;
    (void)state;
    load(&loaded, "callers:\n"
                  "  - {name: s, match: {jwt: {issuer: \"https://i\", subject: one}}}\n"
                  "  - {name: c, match: {jwt: {issuer: \"https://i\", claims: {env: prod, n: 7, "
                  "on: true}}}}\n"
                  "  - {name: m, match: {jwt: {issuer: \"https://i\", subject: one, claims: {env: "
                  "test}}}}\n");
    assert_int_equal(sg_diags_errors(loaded.diags), 0);
    assert_found(&loaded, &(struct someone){.claims = "{\"iss\":\"https://i\",\"sub\":\"one\"}"},
                 "s", "jwt https://i one");
    assert_found(&loaded,
                 &(struct someone){
                     .claims = "{\"iss\":\"https://i\",\"sub\":\"one\",\"env\":[\"x\",\"test\"]}"},
                 "m", "jwt https://i one"); /* more claims win */
    assert_found(
        &loaded,
        &(struct someone){
            .claims =
                "{\"iss\":\"https://i\",\"sub\":\"two\",\"env\":\"prod\",\"n\":7,\"on\":true}"},
        "c", "jwt https://i two");
    assert_found(&loaded,
                 &(struct someone){
                     .claims = "{\"iss\":\"https://i\",\"sub\":\"two\",\"env\":\"prod\",\"n\":7}"},
                 NULL, NULL);
    assert_found(&loaded, &(struct someone){.claims = "{\"iss\":\"https://j\",\"sub\":\"one\"}"},
                 NULL, NULL);
    assert_found(&loaded, &(struct someone){.claims = "{\"iss\":\"https://i\"}"}, NULL, NULL);
    assert_found(&loaded, &(struct someone){.address = "10.0.0.1"}, NULL, NULL);
    done(&loaded);
}

/* jwt, certificate, unix, source; then the most kinds, the longest prefix, the most claims. */
static void the_strongest_kind_wins(void **state)
{
    struct loaded loaded;
    (void)state;
    load(
        &loaded,
        "callers:\n"
        "  - {name: source, match: {source: [10.0.0.1]}}\n"
        "  - {name: certificate, match: {certificate: {cn: [x]}}}\n"
        "  - {name: both, match: {certificate: {cn: [x]}, source: [\"10.0.0.0/8\"]}}\n"
        "  - {name: longer, match: {certificate: {cn: [x]}, source: [\"10.0.0.0/16\"]}}\n"
        "  - {name: jwt, match: {jwt: {issuer: i, subject: s}}}\n"
        "  - {name: jwt-near, match: {jwt: {issuer: i, subject: s}, source: [\"10.9.0.0/16\"]}}\n");
    assert_int_equal(sg_diags_errors(loaded.diags), 0);
    const char *const token = "{\"iss\":\"i\",\"sub\":\"s\"}";
    assert_found(&loaded, &(struct someone){.address = "10.0.0.1"}, "source", "source 10.0.0.1/32");
    assert_found(&loaded,
                 &(struct someone){.address = "1.1.1.1", .has_certificate = true, .cns = {"x"}},
                 "certificate", "certificate CN x");
    assert_found(&loaded,
                 &(struct someone){.address = "10.1.0.1", .has_certificate = true, .cns = {"x"}},
                 "both", "certificate CN x, source 10.0.0.0/8");
    assert_found(&loaded,
                 &(struct someone){.address = "10.0.0.1", .has_certificate = true, .cns = {"x"}},
                 "longer", "certificate CN x, source 10.0.0.0/16");
    assert_found(&loaded,
                 &(struct someone){
                     .address = "10.0.0.1", .has_certificate = true, .cns = {"x"}, .claims = token},
                 "jwt", "jwt i s");
    assert_found(&loaded, &(struct someone){.address = "10.9.0.1", .claims = token}, "jwt-near",
                 "jwt i s, source 10.9.0.0/16");
    done(&loaded);
}

static void a_long_name_is_cut_between_characters(void **state)
{
    struct loaded loaded;
    char text[400], name[128] = "", expected[160];
    (void)state;
    for (int i = 0; i < 40; i++) {
        (void)strncat(name, "\xc3\xbc", sizeof name - strlen(name) - 1);
    }
    (void)snprintf(text, sizeof text,
                   "callers:\n  - {name: c, match: {certificate: {cn: [\"a%s\"]}}}\n", name);
    load(&loaded, text);
    (void)snprintf(text, sizeof text, "a%s", name);
    (void)snprintf(expected, sizeof expected, "certificate CN a%.62s", name); /* 31 of 40 */
    assert_found(&loaded, &(struct someone){.has_certificate = true, .cns = {text}}, "c", expected);
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

#define TIE                                                                        \
    "whoever fits this match fits that of \"a\" as well, or the reverse: the two " \
    "callers cannot be told apart\n"

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
        {"{name: a, match: {certificate: {cn: [x]}}}", ""},
        {"{name: a, match: {source: [10.0.0.1], unix: {users: [root], groups: [root]}}}", ""},
        {"{name: a, match: {unix: {users: [no-such-user-here]}}}",
         "2:38: there is no user \"no-such-user-here\" on this machine: it fits nobody\n"},
        {"{name: a, match: {unix: {groups: [no-such-group-here]}}}",
         "2:39: there is no group \"no-such-group-here\" on this machine: it fits nobody\n"},
        {"{name: a, match: {jwt: {issuer: i, subject: s}}}", ""},
        {"{name: a, match: {jwt: {issuer: i}}}",
         "2:28: match: jwt fits every token of the issuer\n"},
        {"{name: a, match: {jwt: {issuer: i, claims: {}}}}",
         "2:48: match: jwt has claims that are no mapping of texts\n"},
        {"{name: a, match: {jwt: {issuer: i, claims: {a: [b]}}}}",
         "2:48: match: jwt has claims that are no mapping of texts\n"},
        {"{name: a, match: {certificate: {}}}",
         "2:36: match: certificate names nothing of a certificate\n"},
        {"{name: a, match: {unix: {}}}", "2:29: match: unix names neither users nor groups\n"},
        {"{name: a, match: {source: [10.0.0.1]}, enforcement: report}",
         "2:57: enforcement: report is not built yet\n"},
        {"{name: a, match: {source: [10.0.0.1]}, enforcement: enforce}", ""},
        {"{name: a, match: {source: [\"10.0.0.0/8\"]}}\n"
         "  - {name: b, match: {source: [\"::ffff:10.0.0.0/104\"]}}",
         "3:32: ::ffff:10.0.0.0/104 is the source of \"a\" too: the two callers cannot be told "
         "apart\n"},
        /* More kinds win: no tie. */
        {"{name: a, match: {source: [\"10.0.0.0/8\"]}}\n"
         "  - {name: b, match: {source: [\"10.0.0.0/8\"], unix: {users: [root]}}}",
         ""},
        {"{name: a, match: {certificate: {cn: [x, y]}}}\n"
         "  - {name: b, match: {certificate: {cn: [y, z]}}}",
         "3:22: " TIE},
        /* Whoever has both names of b has the one of a: b could never be found. */
        {"{name: a, match: {certificate: {cn: [x]}}}\n"
         "  - {name: b, match: {certificate: {cn: [x], san_dns: [d]}}}",
         "3:22: " TIE},
        /* Not every peer of the one is one of the other: judged when they come. */
        {"{name: a, match: {certificate: {cn: [x]}}}\n"
         "  - {name: b, match: {certificate: {san_dns: [d]}}}",
         ""},
        {"{name: a, match: {certificate: {cn: [x], san_uri: [u]}}}\n"
         "  - {name: b, match: {certificate: {cn: [x], san_dns: [d]}}}",
         ""},
        {"{name: a, match: {certificate: {cn: [x]}, source: [\"10.0.0.0/8\"]}}\n"
         "  - {name: b, match: {certificate: {cn: [x]}, source: [\"10.0.0.0/9\"]}}",
         ""},
        {"{name: a, match: {certificate: {cn: [x]}, source: [\"10.0.0.0/8\"]}}\n"
         "  - {name: b, match: {certificate: {cn: [x]}, source: [\"10.0.0.0/8\"]}}",
         "3:56: " TIE},
        {"{name: a, match: {unix: {users: [root]}}}\n"
         "  - {name: b, match: {unix: {users: [root], groups: [root]}}}",
         "3:22: " TIE},
        {"{name: a, match: {jwt: {issuer: i, subject: s}}}\n"
         "  - {name: b, match: {jwt: {issuer: i, subject: s}}}",
         "3:22: " TIE},
        {"{name: a, match: {jwt: {issuer: i, subject: s}}}\n"
         "  - {name: b, match: {jwt: {issuer: j, subject: s}}}",
         ""},
        {"{name: a, match: {jwt: {issuer: i, claims: {x: \"1\"}}}}\n"
         "  - {name: b, match: {jwt: {issuer: i, subject: s, claims: {x: \"1\"}}}}",
         "3:22: " TIE},
        {"{name: a, match: {jwt: {issuer: i, claims: {x: \"1\"}}}}\n"
         "  - {name: b, match: {jwt: {issuer: i, claims: {x: \"2\"}}}}",
         ""},
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
        cmocka_unit_test(a_certificate_is_matched_by_exact_names),
        cmocka_unit_test(a_process_is_matched_by_user_and_group),
        cmocka_unit_test(a_user_who_is_not_there_fits_nobody),
        cmocka_unit_test(a_token_is_matched_by_issuer_subject_and_claims),
        cmocka_unit_test(the_strongest_kind_wins),
        cmocka_unit_test(a_long_name_is_cut_between_characters),
        cmocka_unit_test(says_what_is_wrong_with_a_caller),
        cmocka_unit_test(refuses_wrong_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
