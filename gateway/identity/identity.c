#include "identity/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/account.h"
#include "base/buf.h"

/*
 * Compiled, the callers are one list of rules: a rule for each prefix of a caller, or one for a
 * caller without prefixes. Rules stand in the order in which they win, so the first that holds is
 * the winner, unless another caller's rule of the same rank holds too: then nobody is.
 *
 * That two callers tie is told at load where every peer of the one would be a peer of the other,
 * so that it could never be found. Others may tie for some peers only (a certificate with the names
 * of both); these are turned away when they come.
 */

/* Stronger kinds are larger numbers. */
enum { KIND_SOURCE = 1, KIND_UNIX = 2, KIND_CERTIFICATE = 4, KIND_JWT = 8 };

enum { SOURCE_BYTES = 64, NAME_BYTES = 64, IDENTITY_BYTES = 768 };

struct claim {
    struct sg_str name, value;
};

struct ids {
    size_t count;
    const unsigned *items; /* uid_t or gid_t */
    const char **names;    /* as the configuration has them */
};

/* All kinds but the source, of one caller. */
struct match {
    const struct sg_match_settings *settings;
    struct ids users, groups;
    const struct claim *claims;
    size_t claim_count;
};

struct rule {
    size_t caller; /* index into callers */
    unsigned kinds;
    struct sg_prefix prefix; /* with KIND_SOURCE */
    const struct match *match;
    struct sg_str identity;          /* of a rule by source alone */
    const struct sg_yaml_node *node; /* for diagnostics */
};

struct sg_identity {
    const struct sg_principal *callers; /* without identity */
    const struct rule *rules;           /* in the order in which they win */
    size_t rule_count;
};

struct compile {
    const struct sg_caller_settings *callers;
    struct sg_arena *arena;
    struct sg_diags *diags;
    struct rule *rules;
    size_t rule_count;
};

/* --- rank ------------------------------------------------------------------------------------- */

static unsigned strongest(const struct rule *rule)
{
    unsigned kind = KIND_JWT;
    while ((rule->kinds & kind) == 0) {
        kind >>= 1;
    }
    return kind;
}

static unsigned kind_count(const struct rule *rule)
{
    unsigned count = 0;
    for (unsigned kind = KIND_SOURCE; kind <= KIND_JWT; kind <<= 1) {
        count += (rule->kinds & kind) != 0;
    }
    return count;
}

/* Below 0: x wins over y. */
static int compare_rank(const struct rule *x, const struct rule *y)
{
    const size_t of_x[] = {strongest(x), kind_count(x), x->prefix.length, x->match->claim_count};
    const size_t of_y[] = {strongest(y), kind_count(y), y->prefix.length, y->match->claim_count};
    for (size_t i = 0; i < sizeof of_x / sizeof *of_x; i++) {
        if (of_x[i] != of_y[i]) {
            return of_x[i] > of_y[i] ? -1 : 1;
        }
    }
    return 0;
}

static bool same_prefix(const struct rule *x, const struct rule *y)
{
    return x->prefix.length == y->prefix.length &&
           sg_ip_equal(&x->prefix.address, &y->prefix.address);
}

/* Equal prefixes side by side, in the order of the configuration. */
static int by_precedence(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;
    int order = compare_rank(x, y);
    if (order == 0) {
        order = (int)x->prefix.address.family - (int)y->prefix.address.family;
    }
    if (order == 0) {
        order = memcmp(x->prefix.address.bytes, y->prefix.address.bytes,
                       sizeof x->prefix.address.bytes);
    }
    return order != 0 ? order : x->caller < y->caller ? -1 : x->caller > y->caller;
}

/* --- compiling -------------------------------------------------------------------------------- */

static void no_memory(struct sg_diags *diags)
{
    sg_diags_error(diags, NULL, NULL, "out of memory while loading the callers");
}

static bool find_user(const char *name, unsigned *ret)
{
    uid_t id;
    bool found = sg_account_user(name, &id);
    *ret = found ? id : 0;
    return found;
}

static bool find_group(const char *name, unsigned *ret)
{
    gid_t id;
    bool found = sg_account_group(name, &id);
    *ret = found ? id : 0;
    return found;
}

/* Look names up; those that are not there are left out, with a warning. False without memory. */
static bool compile_ids(struct compile *c, const struct sg_texts *texts, const char *what,
                        bool (*find)(const char *name, unsigned *ret), struct ids *ret)
{
    unsigned *items = sg_arena_alloc_array(c->arena, texts->count, sizeof *items);
    const char **names = sg_arena_alloc_array(c->arena, texts->count, sizeof *names);
    if (texts->count > 0 && (items == NULL || names == NULL)) {
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < texts->count; i++) {
        if (find(texts->items[i], &items[count])) {
            names[count++] = texts->items[i];
        } else {
            sg_diags_warning(
                c->diags, &texts->nodes[i]->place, "it is looked up again at the next reload",
                "there is no %s \"%s\" on this machine: it fits nobody", what, texts->items[i]);
        }
    }
    *ret = (struct ids){.count = count, .items = items, .names = names};
    return true;
}

static bool compile_claims(struct compile *c, const struct sg_yaml_node *node, struct match *match)
{
    size_t count = node != NULL && node->kind == SG_YAML_MAPPING ? node->count : 0;
    struct claim *claims = sg_arena_alloc_array(c->arena, count, sizeof *claims);
    if (count > 0 && claims == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        claims[i] =
            (struct claim){.name = node->pairs[i].key->text, .value = node->pairs[i].value->text};
    }
    match->claims = claims;
    match->claim_count = count;
    return true;
}

/* NULL without memory. */
static const struct match *compile_match(struct compile *c,
                                         const struct sg_match_settings *settings)
{
    struct match *match = sg_arena_alloc(c->arena, sizeof *match);
    if (match == NULL) {
        return NULL;
    }
    *match = (struct match){.settings = settings};
    bool good = compile_ids(c, &settings->unix_peer.users, "user", find_user, &match->users) &&
                compile_ids(c, &settings->unix_peer.groups, "group", find_group, &match->groups) &&
                compile_claims(c, settings->jwt.claims, match);
    return good ? match : NULL;
}

/* "source 10.20.0.0/16" in the arena. */
static struct sg_str source_text(struct sg_arena *arena, const struct sg_prefix *prefix)
{
    char address[SG_IP_TEXT_BYTES], bytes[SOURCE_BYTES];
    struct sg_buf text;
    sg_ip_format(&prefix->address, address);
    sg_buf_init_fixed(&text, bytes, sizeof bytes);
    sg_buf_printf(&text, "source %s/%u", address, (unsigned)prefix->length);
    return sg_arena_copy(arena, sg_buf_str(&text));
}

static unsigned kinds_of(const struct sg_match_settings *match)
{
    bool source = match->node != NULL && sg_yaml_get(match->node, "source") != NULL;
    return (source ? KIND_SOURCE : 0u) | (match->unix_peer.node != NULL ? KIND_UNIX : 0u) |
           (match->certificate.node != NULL ? KIND_CERTIFICATE : 0u) |
           (match->jwt.node != NULL ? KIND_JWT : 0u);
}

/* Append the rules of one caller. False without memory. */
static bool add_rules(struct compile *c, size_t caller)
{
    const struct sg_match_settings *settings = &c->callers[caller].match;
    struct rule rule = {.caller = caller,
                        .kinds = kinds_of(settings),
                        .match = compile_match(c, settings),
                        .node = settings->node};
    if (rule.match == NULL) {
        return false;
    }
    if ((rule.kinds & KIND_SOURCE) == 0 && rule.kinds != 0) {
        c->rules[c->rule_count++] = rule;
    }
    for (size_t i = 0; i < settings->source.count; i++) {
        rule.node = settings->source.nodes[i];
        if (!sg_prefix_parse(sg_str_from(settings->source.items[i]), &rule.prefix)) {
            sg_diags_error(c->diags, &rule.node->place,
                           "expected an address or a prefix such as 10.20.0.0/16 or fd00::/8",
                           "\"%s\" is no source", settings->source.items[i]);
            continue;
        }
        rule.identity = source_text(c->arena, &rule.prefix);
        if (rule.identity.p == NULL) {
            return false;
        }
        c->rules[c->rule_count++] = rule;
    }
    return true;
}

/* --- ties ------------------------------------------------------------------------------------- */

/* What two rules ask for, compared list by list. */
struct overlap {
    bool apart;  /* some list has nothing in common: no peer is certain to fit both */
    bool x_more; /* x asks for something that y does not */
    bool y_more;
};

static void compare_texts(struct overlap *overlap, const struct sg_texts *x,
                          const struct sg_texts *y)
{
    bool common = false;
    if (x->count == 0 || y->count == 0) {
        overlap->x_more = overlap->x_more || x->count > 0;
        overlap->y_more = overlap->y_more || y->count > 0;
        return;
    }
    for (size_t i = 0; i < x->count && !common; i++) {
        for (size_t k = 0; k < y->count && !common; k++) {
            common = strcmp(x->items[i], y->items[k]) == 0;
        }
    }
    overlap->apart = overlap->apart || !common;
}

static void compare_subjects(struct overlap *overlap, const char *x, const char *y)
{
    overlap->x_more = overlap->x_more || (x != NULL && y == NULL);
    overlap->y_more = overlap->y_more || (x == NULL && y != NULL);
    overlap->apart = overlap->apart || (x != NULL && y != NULL && strcmp(x, y) != 0);
}

static const struct claim *find_claim(const struct match *match, struct sg_str name)
{
    for (size_t i = 0; i < match->claim_count; i++) {
        if (sg_str_equal(match->claims[i].name, name)) {
            return &match->claims[i];
        }
    }
    return NULL;
}

/* The two have the same number of claims. */
static void compare_claims(struct overlap *overlap, const struct match *x, const struct match *y)
{
    for (size_t i = 0; i < x->claim_count; i++) {
        const struct claim *other = find_claim(y, x->claims[i].name);
        overlap->apart =
            overlap->apart || other == NULL || !sg_str_equal(other->value, x->claims[i].value);
    }
}

static bool same_text(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Whether one of two rules of the same rank can never win, since the other always holds too. */
static bool tie(const struct rule *x, const struct rule *y)
{
    const struct sg_match_settings *of_x = x->match->settings, *of_y = y->match->settings;
    struct overlap overlap = {.apart = x->kinds != y->kinds || !same_prefix(x, y)};
    compare_texts(&overlap, &of_x->certificate.san_uri, &of_y->certificate.san_uri);
    compare_texts(&overlap, &of_x->certificate.san_dns, &of_y->certificate.san_dns);
    compare_texts(&overlap, &of_x->certificate.cn, &of_y->certificate.cn);
    compare_texts(&overlap, &of_x->unix_peer.users, &of_y->unix_peer.users);
    compare_texts(&overlap, &of_x->unix_peer.groups, &of_y->unix_peer.groups);
    compare_subjects(&overlap, of_x->jwt.subject, of_y->jwt.subject);
    compare_claims(&overlap, x->match, y->match);
    if ((x->kinds & KIND_JWT) != 0 && !same_text(of_x->jwt.issuer, of_y->jwt.issuer)) {
        overlap.apart = true;
    }
    return !overlap.apart && !(overlap.x_more && overlap.y_more);
}

static void tell_tie(struct compile *c, const struct rule *before, const struct rule *rule)
{
    const char *name = c->callers[before->caller].name;
    const char *other = name != NULL ? name : "a caller before";
    if (rule->kinds == KIND_SOURCE) {
        sg_diags_error(c->diags, &rule->node->place,
                       "give each caller a prefix of its own; the longest one wins",
                       "%.*s is the source of \"%s\" too: the two callers cannot be told apart",
                       SG_STR_ARG(rule->node->text), other);
    } else {
        sg_diags_error(c->diags, &rule->node->place,
                       "ask for something that the other does not, or make one caller of them",
                       "whoever fits this match fits that of \"%s\" as well, or the reverse: the "
                       "two callers cannot be told apart",
                       other);
    }
}

/* Rules of one rank stand side by side; those with prefixes, prefix by prefix. */
static void check_ties(struct compile *c)
{
    for (size_t i = 1; i < c->rule_count; i++) {
        const struct rule *rule = &c->rules[i];
        for (size_t k = i; k > 0; k--) {
            const struct rule *before = &c->rules[k - 1];
            if (compare_rank(before, rule) != 0 || !same_prefix(before, rule)) {
                break;
            }
            if (before->caller != rule->caller && tie(before, rule)) {
                tell_tie(c, before, rule);
                break;
            }
        }
    }
}

const struct sg_identity *sg_identity_compile(const struct sg_caller_settings *callers,
                                              size_t count, struct sg_arena *arena,
                                              struct sg_diags *diags)
{
    struct compile c = {.callers = callers, .arena = arena, .diags = diags};
    size_t most = count;
    for (size_t i = 0; i < count; i++) {
        most += callers[i].match.source.count;
    }
    struct sg_identity *identity = sg_arena_alloc(arena, sizeof *identity);
    struct sg_principal *principals = sg_arena_alloc_array(arena, count, sizeof *principals);
    c.rules = sg_arena_alloc_array(arena, most, sizeof *c.rules);
    if (identity == NULL || principals == NULL || c.rules == NULL) {
        no_memory(diags);
        return NULL;
    }
    sg_callers_check(callers, count, diags);
    for (size_t i = 0; i < count; i++) {
        principals[i] = (struct sg_principal){
            .caller = callers[i].name != NULL ? sg_str_from(callers[i].name) : SG_STR(""),
            .team = callers[i].team != NULL ? sg_str_from(callers[i].team) : SG_STR(""),
            .index = i,
        };
        if (!add_rules(&c, i)) {
            no_memory(diags);
            return NULL;
        }
    }
    if (c.rule_count > 0) {
        qsort(c.rules, c.rule_count, sizeof *c.rules, by_precedence);
    }
    check_ties(&c);
    *identity =
        (struct sg_identity){.callers = principals, .rules = c.rules, .rule_count = c.rule_count};
    return identity;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* The entry of a list that is among the names; NULL: none, or nothing was asked for. */
static const char *find_name(const struct sg_texts *texts, const struct sg_peer_names *names)
{
    for (size_t i = 0; i < texts->count; i++) {
        for (size_t k = 0; k < names->count; k++) {
            if (sg_str_equal_text(names->items[k], texts->items[i])) {
                return texts->items[i];
            }
        }
    }
    return NULL;
}

static bool certificate_holds(const struct sg_match_certificate *match,
                              const struct sg_peer_certificate *certificate)
{
    const struct {
        const struct sg_texts *texts;
        const struct sg_peer_names *names;
    } lists[] = {{&match->san_uri, &certificate->san_uri},
                 {&match->san_dns, &certificate->san_dns},
                 {&match->cn, &certificate->cn}};
    bool holds = true, asks = false;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        asks = asks || lists[i].texts->count > 0;
        holds = holds &&
                (lists[i].texts->count == 0 || find_name(lists[i].texts, lists[i].names) != NULL);
    }
    return asks && holds;
}

/* The name in the configuration of the first id that the process has; NULL: none. */
static const char *find_user_name(const struct ids *users, const struct sg_peer_process *process)
{
    for (size_t i = 0; i < users->count; i++) {
        if (users->items[i] == process->user) {
            return users->names[i];
        }
    }
    return NULL;
}

static const char *find_group_name(const struct ids *groups, const struct sg_peer_process *process)
{
    for (size_t i = 0; i < groups->count; i++) {
        for (size_t k = 0; k < process->group_count; k++) {
            if (groups->items[i] == process->groups[k]) {
                return groups->names[i];
            }
        }
    }
    return NULL;
}

static bool unix_holds(const struct match *match, const struct sg_peer_process *process)
{
    const struct sg_match_unix *settings = &match->settings->unix_peer;
    return settings->users.count + settings->groups.count > 0 &&
           (settings->users.count == 0 || find_user_name(&match->users, process) != NULL) &&
           (settings->groups.count == 0 || find_group_name(&match->groups, process) != NULL);
}

static bool jwt_holds(const struct match *match, const struct sg_jwt *token)
{
    const struct sg_match_jwt *settings = &match->settings->jwt;
    bool holds =
        sg_str_equal_text(sg_jwt_issuer(token), settings->issuer) &&
        (settings->subject == NULL || sg_str_equal_text(sg_jwt_subject(token), settings->subject));
    for (size_t i = 0; holds && i < match->claim_count; i++) {
        holds = sg_jwt_claim_is(token, match->claims[i].name, match->claims[i].value);
    }
    return holds;
}

static bool rule_holds(const struct rule *rule, const struct sg_peer *peer,
                       const struct sg_jwt *token)
{
    const struct match *match = rule->match;
    if ((rule->kinds & KIND_SOURCE) != 0 && !sg_prefix_contains(&rule->prefix, &peer->address)) {
        return false;
    }
    if ((rule->kinds & KIND_UNIX) != 0 &&
        (peer->process == NULL || !unix_holds(match, peer->process))) {
        return false;
    }
    if ((rule->kinds & KIND_CERTIFICATE) != 0 &&
        (peer->certificate == NULL ||
         !certificate_holds(&match->settings->certificate, peer->certificate))) {
        return false;
    }
    return (rule->kinds & KIND_JWT) == 0 || (token != NULL && jwt_holds(match, token));
}

/* The first bytes of a text, without a character that is cut. */
static struct sg_str clip(struct sg_str text)
{
    size_t end = text.n < NAME_BYTES ? text.n : NAME_BYTES;
    while (end < text.n && end > 0 && ((unsigned char)text.p[end] & 0xc0) == 0x80) {
        end--;
    }
    return sg_str_slice(text, 0, end);
}

static void add_text(struct sg_buf *text, const char *kind, const char *what)
{
    if (what != NULL) {
        sg_buf_add_text(text, text->n > 0 ? ", " : "");
        sg_buf_add_text(text, kind);
        sg_buf_add_str(text, clip(sg_str_from(what)));
    }
}

/* How a rule of more than a source was met, strongest kind first. */
static struct sg_str describe(const struct rule *rule, const struct sg_peer *peer,
                              const struct sg_jwt *token, struct sg_arena *arena)
{
    char bytes[IDENTITY_BYTES];
    struct sg_buf text;
    sg_buf_init_fixed(&text, bytes, sizeof bytes);
    if ((rule->kinds & KIND_JWT) != 0) {
        add_text(&text, "jwt ", rule->match->settings->jwt.issuer);
        sg_buf_add_char(&text, ' ');
        sg_buf_add_str(&text, clip(sg_jwt_subject(token)));
    }
    if ((rule->kinds & KIND_CERTIFICATE) != 0) {
        const struct sg_match_certificate *match = &rule->match->settings->certificate;
        add_text(&text, "certificate URI ",
                 find_name(&match->san_uri, &peer->certificate->san_uri));
        add_text(&text, "certificate DNS ",
                 find_name(&match->san_dns, &peer->certificate->san_dns));
        add_text(&text, "certificate CN ", find_name(&match->cn, &peer->certificate->cn));
    }
    if ((rule->kinds & KIND_UNIX) != 0) {
        add_text(&text, "unix user ", find_user_name(&rule->match->users, peer->process));
        add_text(&text, "unix group ", find_group_name(&rule->match->groups, peer->process));
    }
    if ((rule->kinds & KIND_SOURCE) != 0) {
        sg_buf_add_text(&text, ", ");
        sg_buf_add_str(&text, rule->identity);
    }
    return sg_arena_copy(arena, sg_buf_str(&text));
}

/* A later rule of the same rank that holds as well, of another caller. NULL: none. */
static const struct rule *find_rival(const struct sg_identity *identity, size_t winner,
                                     const struct sg_peer *peer, const struct sg_jwt *token)
{
    const struct rule *best = &identity->rules[winner];
    for (size_t i = winner + 1; i < identity->rule_count; i++) {
        const struct rule *rule = &identity->rules[i];
        if (compare_rank(rule, best) != 0 ||
            (rule->kinds == KIND_SOURCE && !same_prefix(rule, best))) {
            return NULL; /* of two prefixes of one length only one holds an address */
        }
        if (rule->caller != best->caller && rule_holds(rule, peer, token)) {
            return rule;
        }
    }
    return NULL;
}

enum sg_status sg_identity_find(const struct sg_identity *identity, const struct sg_peer *peer,
                                const struct sg_jwt *token, struct sg_arena *arena,
                                struct sg_principal *ret, struct sg_error *reterr)
{
    size_t winner = 0;
    while (winner < identity->rule_count && !rule_holds(&identity->rules[winner], peer, token)) {
        winner++;
    }
    if (winner == identity->rule_count) {
        return sg_error_set(reterr, SG_UNAUTHENTICATED, NULL,
                            "no caller of the configuration matches");
    }
    const struct rule *best = &identity->rules[winner];
    const struct rule *rival = find_rival(identity, winner, peer, token);
    if (rival != NULL) {
        return sg_error_set(reterr, SG_UNAUTHENTICATED, NULL,
                            "\"%.*s\" and \"%.*s\" match alike: no one is the caller",
                            SG_STR_ARG(identity->callers[best->caller].caller),
                            SG_STR_ARG(identity->callers[rival->caller].caller));
    }
    *ret = identity->callers[best->caller];
    ret->identity =
        best->kinds == KIND_SOURCE ? best->identity : describe(best, peer, token, arena);
    return SG_OK;
}
