#include "identity/settings.h"

#include <string.h>

/*
 * The form of "callers:" is a set of field tables; what they cannot say of one caller is checked
 * here. What can only be said of all of them (ties) is identity.c's.
 */

enum { NAME_BYTES_MAX = 64 };

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

/* --- what the form cannot say --- */

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

/* Whether a kind stands in match, be its value right or not. */
static bool has_kind(const struct sg_match_settings *match, const char *kind)
{
    return sg_yaml_get(match->node, kind) != NULL;
}

static bool is_mapping_of_scalars(const struct sg_yaml_node *node)
{
    bool good = node->kind == SG_YAML_MAPPING && node->count > 0;
    for (size_t i = 0; good && i < node->count; i++) {
        good = node->pairs[i].value->kind == SG_YAML_SCALAR;
    }
    return good;
}

/* Whether a jwt match asks for more than an issuer. */
static bool has_claim_of(const struct sg_yaml_node *jwt)
{
    return sg_yaml_get(jwt, "subject") != NULL || sg_yaml_get(jwt, "claims") != NULL;
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
        if (node != NULL && sg_yaml_get(node, "san_uri") == NULL &&
            sg_yaml_get(node, "san_dns") == NULL && sg_yaml_get(node, "cn") == NULL) {
            sg_diags_error(diags, &node->place, "expected san_uri, san_dns or cn",
                           "match: certificate names nothing of a certificate");
        }
    }
    if (has_kind(match, "unix")) {
        const struct sg_yaml_node *node = match->unix_peer.node;
        if (node != NULL && sg_yaml_get(node, "users") == NULL &&
            sg_yaml_get(node, "groups") == NULL) {
            sg_diags_error(diags, &node->place, "expected users or groups",
                           "match: unix names neither users nor groups");
        }
    }
    if (has_kind(match, "jwt")) {
        const struct sg_yaml_node *claims = match->jwt.claims;
        if (claims != NULL && !is_mapping_of_scalars(claims)) {
            sg_diags_error(diags, &claims->place, "expected names and values of claims",
                           "match: jwt has claims that are no mapping of texts");
        }
        if (match->jwt.node != NULL && !has_claim_of(match->jwt.node)) {
            sg_diags_warning(diags, &match->jwt.node->place, "add subject or claims",
                             "match: jwt fits every token of the issuer");
        }
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

void sg_callers_check(const struct sg_caller_settings *callers, size_t count,
                      struct sg_diags *diags)
{
    for (size_t i = 0; i < count; i++) {
        check_names(diags, callers, i);
        if (callers[i].match.node != NULL) {
            check_kinds(diags, &callers[i].match);
        }
        if (callers[i].enforcement == SG_ENFORCEMENT_REPORT) {
            struct sg_place place = sg_fields_place(&callers[i], "enforcement");
            sg_diags_error(diags, &place, "write enforce, or leave it out",
                           "enforcement: report is not built yet");
        }
    }
}
