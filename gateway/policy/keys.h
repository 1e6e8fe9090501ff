/*
 * The keys of conditions: one const table says which there are, of which type, and how each is read
 * from a request. Pure. [any]
 */
#ifndef SG_POLICY_KEYS_H
#define SG_POLICY_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "policy/policy.h"

enum sg_value_type {
    SG_VALUE_TEXT = 0,
    SG_VALUE_NUMBER,
    SG_VALUE_DATE,
    SG_VALUE_BOOL,
    SG_VALUE_IP,
    SG_VALUE_ANY, /* of a key: text that every operator may read; of an operator: no value is read
                   */
};

/* A key's value in one request: the member that type names. */
struct sg_value {
    enum sg_value_type type;
    struct sg_str text;
    struct sg_ip address;
    int64_t time_us;
    bool truth;
};

enum sg_presence {
    SG_PRESENCE_ABSENT = 0,
    SG_PRESENCE_ONE,
    SG_PRESENCE_MANY, /* several values: no operator of ours reads them */
};

struct sg_key;

typedef enum sg_presence (*sg_key_read_fn)(const struct sg_key *key,
                                           const struct sg_policy_request *request,
                                           struct sg_value *ret);

struct sg_key_row {
    const char *name; /* ends with "/" when a NAME of the policy's choice follows */
    enum sg_value_type type;
    sg_key_read_fn read;       /* NULL: an IAM key that a gateway cannot know, always absent */
    bool multi;                /* holds several values */
    bool exact_name;           /* the NAME is case-sensitive */
    bool is_param;             /* NAME is a parameter of the catalog, at place */
    enum sg_param_place place; /* when is_param */
    const char *refused;       /* not built yet: the error's text */
};

/* A key as a policy names it. */
struct sg_key {
    const struct sg_key_row *row;
    struct sg_str name; /* the NAME behind the "/", as written; empty when the row takes none */
};

/* Find a key by its text; names are case-insensitive but for the NAME. False: no such key. */
bool sg_key_find(struct sg_str text, struct sg_key *ret);

/* Whether two texts name the same key; texts that name none are compared without case. */
bool sg_key_same(struct sg_str a, struct sg_str b);

/* The name in the table nearest to text, or NULL. */
const char *sg_key_nearest(struct sg_str text);

/* Read the key's value; *ret is filled for SG_PRESENCE_ONE alone. */
enum sg_presence sg_key_read(const struct sg_key *key, const struct sg_policy_request *request,
                             struct sg_value *ret);

#endif
