/*
 * Finding the caller: a compiled, immutable set of rules from "callers:", and a pure lookup.
 * Precedence and ties as product.md section 5 settles them: kind, number of kinds, longest prefix,
 * number of claims; equals are an error at load where they can be seen, else no caller.
 */
#ifndef SG_IDENTITY_IDENTITY_H
#define SG_IDENTITY_IDENTITY_H

#include "base/arena.h"
#include "base/diags.h"
#include "model/peer.h"
#include "model/principal.h"
#include "text/fields.h"

struct sg_match_certificate {
    const struct sg_yaml_node *node;
    struct sg_texts san_uri, san_dns, cn;
};

struct sg_match_unix {
    const struct sg_yaml_node *node;
    struct sg_texts users, groups;
};

struct sg_match_jwt {
    const struct sg_yaml_node *node;
    const char *issuer;
    const char *subject;
    const struct sg_yaml_node *claims;
};

struct sg_match_settings {
    const struct sg_yaml_node *node;
    struct sg_texts source;
    struct sg_match_certificate certificate;
    struct sg_match_unix unix_peer;
    struct sg_match_jwt jwt;
};

/* One entry of "callers:". */
struct sg_caller_settings {
    const struct sg_yaml_node *node;
    const char *name;
    const char *team;
    struct sg_match_settings match;
    int enforcement; /* 0 enforce, 1 report */
};

extern const struct sg_fields sg_caller_fields;

struct sg_identity;

/*
 * Compile count entries. Every mistake goes to diags (bad prefixes, names twice, matches that can
 * never be told apart, a match without a kind). NULL only without memory; with errors in diags the
 * result must not be used. Lives in the arena.
 */
const struct sg_identity *sg_identity_compile(const struct sg_caller_settings *callers,
                                              size_t count, struct sg_arena *arena,
                                              struct sg_diags *diags);

/* Find the caller of a connection. SG_UNAUTHENTICATED: none, or several that tie. */
SG_MUST_CHECK enum sg_status sg_identity_find(const struct sg_identity *identity,
                                              const struct sg_peer *peer, struct sg_principal *ret);

#endif
