/*
 * "callers:" as structs, and what can be said of each of them alone. [supervisor, or a verb]
 */
#ifndef SG_IDENTITY_SETTINGS_H
#define SG_IDENTITY_SETTINGS_H

#include "base/diags.h"
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

enum sg_enforcement { SG_ENFORCEMENT_ENFORCE = 0, SG_ENFORCEMENT_REPORT };

/* One entry of "callers:". */
struct sg_caller_settings {
    const struct sg_yaml_node *node;
    const char *name;
    const char *team;
    struct sg_match_settings match;
    int enforcement; /* enum sg_enforcement */
};

extern const struct sg_fields sg_caller_fields;

/* Names, kinds of match, values: every mistake goes to diags. */
void sg_callers_check(const struct sg_caller_settings *callers, size_t count,
                      struct sg_diags *diags);

#endif
