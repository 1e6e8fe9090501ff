#include "identity/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The form of "callers:" is a set of field tables; what they cannot say is checked here: names,
 * prefixes, matches that could never be told apart.
 *
 * Compiled, the callers are one list of rules, a rule for each prefix, longest prefixes first. So
 * the first rule that holds the address is the winner, and a tie can only be a rule of another
 * caller with the same prefix: that is an error at load, and no caller if it were asked anyway.
 */

enum { NAME_BYTES_MAX = 64, IDENTITY_BYTES = 64 };

/* --- the form --------------------------------------------------------------------------------- */

#define ROWS(table) .rows = (table), .count = sizeof(table) / sizeof *(table)

static const struct sg_field certificate_rows[] = {
    {.key = "san_uri",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct sg_match_certificate, san_uri),
     .not_empty = true,
     .summary = "URI names of the client certificate, exact text"},
    {.key = "san_dns",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct sg_match_certificate, san_dns),
     .not_empty = true,
     .summary = "DNS names of the client certificate, exact text"},
    {.key = "cn",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct sg_match_certificate, cn),
     .not_empty = true,
     .summary = "common names of the client certificate, exact text"},
};
static const struct sg_fields certificate_fields = {.name = "callers[].match.certificate",
                                                    ROWS(certificate_rows),
                                                    .size = sizeof(struct sg_match_certificate)};

static const struct sg_field unix_rows[] = {
    {.key = "users",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct sg_match_unix, users),
     .not_empty = true,
     .summary = "users at the other end of a Unix socket"},
    {.key = "groups",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct sg_match_unix, groups),
     .not_empty = true,
     .summary = "their groups"},
};
static const struct sg_fields unix_fields = {
    .name = "callers[].match.unix", ROWS(unix_rows), .size = sizeof(struct sg_match_unix)};

static const struct sg_field jwt_rows[] = {
    {.key = "issuer",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct sg_match_jwt, issuer),
     .required = true,
     .summary = "one of token_issuers"},
    {.key = "subject",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct sg_match_jwt, subject),
     .summary = "the token's subject, exact text"},
    {.key = "claims",
     .type = SG_FIELD_NODE,
     .offset = offsetof(struct sg_match_jwt, claims),
     .summary = "claims and their values, exact text"},
};
static const struct sg_fields jwt_fields = {
    .name = "callers[].match.jwt", ROWS(jwt_rows), .size = sizeof(struct sg_match_jwt)};

static const struct sg_field match_rows[] = {
    {.key = "source",
     .type = SG_FIELD_TEXTS,
     .offset = offsetof(struct sg_match_settings, source),
     .not_empty = true,
     .summary = "addresses and prefixes the caller comes from"},
    {.key = "certificate",
     .type = SG_FIELD_OBJECT,
     .offset = offsetof(struct sg_match_settings, certificate),
     .object = &certificate_fields,
     .summary = "TLS client certificate"},
    {.key = "unix",
     .type = SG_FIELD_OBJECT,
     .offset = offsetof(struct sg_match_settings, unix_peer),
     .object = &unix_fields,
     .summary = "peer of a Unix socket"},
    {.key = "jwt",
     .type = SG_FIELD_OBJECT,
     .offset = offsetof(struct sg_match_settings, jwt),
     .object = &jwt_fields,
     .summary = "signed token"},
};
static const struct sg_fields match_fields = {
    .name = "callers[].match", ROWS(match_rows), .size = sizeof(struct sg_match_settings)};

enum { ENFORCEMENT_ENFORCE = 0, ENFORCEMENT_REPORT };
static const char *const enforcements[] = {"enforce", "report", NULL};

static const struct sg_field caller_rows[] = {
    {.key = "name",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct sg_caller_settings, name),
     .required = true,
     .summary = "name in policies, records and metrics"},
    {.key = "team",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct sg_caller_settings, team),
     .summary = "team it belongs to"},
    {.key = "match",
     .type = SG_FIELD_OBJECT,
     .offset = offsetof(struct sg_caller_settings, match),
     .required = true,
     .object = &match_fields,
     .summary = "how it is found: all kinds given must hold, of each list one entry"},
    {.key = "enforcement",
     .type = SG_FIELD_WORD,
     .offset = offsetof(struct sg_caller_settings, enforcement),
     .default_text = "enforce",
     .words = enforcements,
     .summary = "enforce, or report: what policy denies passes and is recorded"},
};
const struct sg_fields sg_caller_fields = {
    .name = "callers[]", ROWS(caller_rows), .size = sizeof(struct sg_caller_settings)};

/* --- compiling -------------------------------------------------------------------------------- */

struct rule {
    struct sg_prefix prefix;
    size_t caller; /* index into callers */
    struct sg_str identity;
    const struct sg_yaml_node *node;
};

struct sg_identity {
    const struct sg_principal *callers; /* without identity */
    const struct rule *rules;           /* longest prefixes first */
    size_t rule_count;
};

static void no_memory(struct sg_diags *diags)
{
    sg_diags_error(diags, NULL, NULL, "out of memory while loading the callers");
}

static void check_name(struct sg_diags *diags, const struct sg_caller_settings *caller,
                       const char *key, const char *text)
{
    struct sg_str name = sg_str_from(text);
    bool good = name.n > 0 && name.n <= NAME_BYTES_MAX;
    for (size_t i = 0; i < name.n; i++) {
        char c = sg_ascii_lower(name.p[i]);
        good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                        c == '-');
    }
    if (!good) {
        struct sg_place place = sg_fields_place(caller, key);
        sg_diags_error(diags, &place, "expected 1 to 64 letters, digits, \"-\", \"_\", \".\"",
                       "\"%s\" is no name of a %s", text,
                       strcmp(key, "name") == 0 ? "caller" : "team");
    }
}

static void check_names(struct sg_diags *diags, const struct sg_caller_settings *callers,
                        size_t index)
{
    const struct sg_caller_settings *caller = &callers[index];
    if (caller->team != NULL) {
        check_name(diags, caller, "team", caller->team);
    }
    if (caller->name == NULL) {
        return;
    }
    check_name(diags, caller, "name", caller->name);
    for (size_t i = 0; i < index; i++) {
        if (callers[i].name != NULL && strcmp(callers[i].name, caller->name) == 0) {
            struct sg_place place = sg_fields_place(caller, "name");
            sg_diags_error(diags, &place, "give each caller a name of its own",
                           "the caller \"%s\" stands twice", caller->name);
            return;
        }
    }
}

static void refuse_kind(struct sg_diags *diags, const struct sg_match_settings *match,
                        const char *kind)
{
    struct sg_place place = sg_fields_place(match, kind);
    sg_diags_error(diags, &place, "match the caller by source for now",
                   "match: %s is not built yet", kind);
}

/* Whether a kind stands in match, be its value right or not. */
static bool has_kind(const struct sg_match_settings *match, const char *kind)
{
    return sg_yaml_get(match->node, kind) != NULL;
}

/* What a kind needs at least; wrong types have their errors already. */
static void check_kinds(struct sg_diags *diags, const struct sg_match_settings *match)
{
    if (!has_kind(match, "source") && !has_kind(match, "certificate") && !has_kind(match, "unix") &&
        !has_kind(match, "jwt")) {
        sg_diags_error(diags, &match->node->place,
                       "expected source: [\"10.20.0.0/16\"], certificate, unix or jwt",
                       "a match without a kind would fit nobody");
    }
    if (has_kind(match, "certificate")) {
        const struct sg_yaml_node *node = match->certificate.node;
        refuse_kind(diags, match, "certificate");
        if (node != NULL && sg_yaml_get(node, "san_uri") == NULL &&
            sg_yaml_get(node, "san_dns") == NULL && sg_yaml_get(node, "cn") == NULL) {
            sg_diags_error(diags, &node->place, "expected san_uri, san_dns or cn",
                           "match: certificate names nothing of a certificate");
        }
    }
    if (has_kind(match, "unix")) {
        const struct sg_yaml_node *node = match->unix_peer.node;
        refuse_kind(diags, match, "unix");
        if (node != NULL && sg_yaml_get(node, "users") == NULL &&
            sg_yaml_get(node, "groups") == NULL) {
            sg_diags_error(diags, &node->place, "expected users or groups",
                           "match: unix names neither users nor groups");
        }
    }
    if (has_kind(match, "jwt")) {
        const struct sg_yaml_node *claims = match->jwt.claims;
        refuse_kind(diags, match, "jwt");
        if (claims != NULL && (claims->kind != SG_YAML_MAPPING || claims->count == 0)) {
            sg_diags_error(diags, &claims->place, "expected names and values of claims",
                           "match: jwt has claims that are no mapping of texts");
        }
        if (match->jwt.node != NULL && match->jwt.subject == NULL && claims == NULL) {
            sg_diags_error(diags, &match->jwt.node->place, "expected subject or claims",
                           "match: jwt would fit every token of the issuer");
        }
    }
}

/* "source 10.20.0.0/16" in the arena. */
static struct sg_str identity_text(struct sg_arena *arena, const struct sg_prefix *prefix)
{
    char address[SG_IP_TEXT_BYTES], text[IDENTITY_BYTES];
    sg_ip_format(&prefix->address, address);
    (void)snprintf(text, sizeof text, "source %s/%u", address, (unsigned)prefix->length);
    return sg_arena_copy(arena, sg_str_from(text));
}

/*
 * Append the rules of one caller. False without memory. Beside a kind that is not built the
 * prefixes are checked but make no rule: alone they are not what the caller's match says.
 */
static bool add_rules(struct sg_arena *arena, struct sg_diags *diags,
                      const struct sg_match_settings *match, size_t caller, struct rule *rules,
                      size_t *count)
{
    bool alone =
        !has_kind(match, "certificate") && !has_kind(match, "unix") && !has_kind(match, "jwt");
    for (size_t i = 0; i < match->source.count; i++) {
        struct rule rule = {.caller = caller, .node = match->source.nodes[i]};
        if (!sg_prefix_parse(sg_str_from(match->source.items[i]), &rule.prefix)) {
            sg_diags_error(diags, &rule.node->place,
                           "expected an address or a prefix such as 10.20.0.0/16 or fd00::/8",
                           "\"%s\" is no source", match->source.items[i]);
            continue;
        }
        rule.identity = identity_text(arena, &rule.prefix);
        if (rule.identity.p == NULL) {
            return false;
        }
        if (alone) {
            rules[(*count)++] = rule;
        }
    }
    return true;
}

static bool same_prefix(const struct sg_prefix *a, const struct sg_prefix *b)
{
    return a->length == b->length && sg_ip_equal(&a->address, &b->address);
}

/* Longest first; equal prefixes side by side, in the order of the configuration. */
static int by_precedence(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;
    if (x->prefix.length != y->prefix.length) {
        return x->prefix.length > y->prefix.length ? -1 : 1;
    }
    if (x->prefix.address.family != y->prefix.address.family) {
        return x->prefix.address.family < y->prefix.address.family ? -1 : 1;
    }
    int order =
        memcmp(x->prefix.address.bytes, y->prefix.address.bytes, sizeof x->prefix.address.bytes);
    if (order != 0) {
        return order;
    }
    return x->caller < y->caller ? -1 : x->caller > y->caller;
}

static void check_ties(struct sg_diags *diags, const struct sg_caller_settings *callers,
                       const struct rule *rules, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const struct rule *before = &rules[i - 1], *rule = &rules[i];
        if (rule->caller == before->caller || !same_prefix(&rule->prefix, &before->prefix)) {
            continue;
        }
        const char *other = callers[before->caller].name;
        sg_diags_error(diags, &rule->node->place,
                       "give each caller a prefix of its own; the longest one wins",
                       "%.*s is the source of \"%s\" too: the two callers cannot be told apart",
                       SG_STR_ARG(rule->node->text), other != NULL ? other : "a caller before");
    }
}

const struct sg_identity *sg_identity_compile(const struct sg_caller_settings *callers,
                                              size_t count, struct sg_arena *arena,
                                              struct sg_diags *diags)
{
    size_t most = 0, rule_count = 0;
    for (size_t i = 0; i < count; i++) {
        most += callers[i].match.source.count;
    }
    struct sg_identity *identity = sg_arena_alloc(arena, sizeof *identity);
    struct sg_principal *principals = sg_arena_alloc_array(arena, count, sizeof *principals);
    struct rule *rules = sg_arena_alloc_array(arena, most, sizeof *rules);
    if (identity == NULL || principals == NULL || rules == NULL) {
        no_memory(diags);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const struct sg_caller_settings *caller = &callers[i];
        principals[i] = (struct sg_principal){
            .caller = caller->name != NULL ? sg_str_from(caller->name) : SG_STR(""),
            .team = caller->team != NULL ? sg_str_from(caller->team) : SG_STR(""),
            .index = i,
        };
        check_names(diags, callers, i);
        if (caller->match.node != NULL) {
            check_kinds(diags, &caller->match);
        }
        if (caller->enforcement == ENFORCEMENT_REPORT) {
            struct sg_place place = sg_fields_place(caller, "enforcement");
            sg_diags_error(diags, &place, "write enforce, or leave it out",
                           "enforcement: report is not built yet");
        }
        if (!add_rules(arena, diags, &caller->match, i, rules, &rule_count)) {
            no_memory(diags);
            return NULL;
        }
    }
    if (rule_count > 0) {
        qsort(rules, rule_count, sizeof *rules, by_precedence);
    }
    check_ties(diags, callers, rules, rule_count);
    identity->callers = principals;
    identity->rules = rules;
    identity->rule_count = rule_count;
    return identity;
}

/* --- asking ----------------------------------------------------------------------------------- */

enum sg_status sg_identity_find(const struct sg_identity *identity, const struct sg_peer *peer,
                                struct sg_principal *ret)
{
    const struct rule *best = NULL;
    for (size_t i = 0; i < identity->rule_count; i++) {
        const struct rule *rule = &identity->rules[i];
        if (best != NULL && !same_prefix(&rule->prefix, &best->prefix)) {
            break;
        }
        if (best != NULL && rule->caller != best->caller) {
            return SG_UNAUTHENTICATED;
        }
        if (best == NULL && sg_prefix_contains(&rule->prefix, &peer->address)) {
            best = rule;
        }
    }
    if (best == NULL) {
        return SG_UNAUTHENTICATED;
    }
    *ret = identity->callers[best->caller];
    ret->identity = best->identity;
    return SG_OK;
}
