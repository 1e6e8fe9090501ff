/*
 * The catalog: which method and path is which operation, which parameters it takes, which IAM
 * action it is. Loaded from YAML data, compiled, immutable; matching is pure and allocates from the
 * request's arena only.
 *
 * Literal segments beat parameters, with backtracking. The route key is method and path.
 */
#ifndef SG_CATALOG_CATALOG_H
#define SG_CATALOG_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diags.h"
#include "http/target.h"
#include "model/action.h"
#include "model/refusal.h"

enum sg_body_rule { SG_BODY_NONE = 0, SG_BODY_OPTIONAL, SG_BODY_REQUIRED };

struct sg_query_rule {
    struct sg_str name;
    bool required;
    bool multi;
    int format;        /* index into the catalog's named formats; 0: any */
    size_t max_length; /* bytes of the decoded value; 0: no limit */
};

struct sg_operation {
    struct sg_str operation;
    struct sg_str method;
    struct sg_str path; /* "/v1/{project_id}/flows/outputs" */
    const struct sg_query_rule *query;
    size_t query_count;
    enum sg_body_rule body;
    struct sg_str action;       /* empty: not mapped */
    struct sg_str access_level; /* empty: not known */
    struct sg_str resource;     /* template: "flowOutput:{flow_id}/{output_name}" */
    struct sg_str summary;
    struct sg_place place; /* of the row */
};

struct sg_catalog;

/*
 * Load a catalog from files: the first is the base; more than one is refused until overlays are
 * built. from is the place that names the files. NULL when there are errors in diags.
 */
const struct sg_catalog *sg_catalog_load(const char *const *paths, size_t count,
                                         const struct sg_place *from, struct sg_arena *arena,
                                         struct sg_diags *diags);

/* The same from text, for the copy inside the program. */
const struct sg_catalog *sg_catalog_load_text(const char *name, struct sg_str text,
                                              struct sg_arena *arena, struct sg_diags *diags);

size_t sg_catalog_count(const struct sg_catalog *catalog);
const struct sg_operation *sg_catalog_at(const struct sg_catalog *catalog, size_t index);

enum { SG_ROUTE_PARAMS_MAX = 16 };

/* A route found: the row and its decoded path parameters. */
struct sg_route {
    const struct sg_operation *operation;
    struct sg_param params[SG_ROUTE_PARAMS_MAX];
    size_t param_count;
    struct sg_str project_id; /* the parameter of that name; empty when the row has none */
};

/*
 * Find the row of a method and a target. SG_REFUSAL_UNKNOWN_OPERATION when there is none (a method
 * that the path has no row for included), SG_REFUSAL_BAD_REQUEST when the path ends in a slash that
 * no row has, SG_REFUSAL_UNMAPPED_OPERATION when its action is not known; *ret is filled then too.
 */
enum sg_refusal sg_catalog_route(const struct sg_catalog *catalog, struct sg_str method,
                                 const struct sg_target *target, struct sg_route *ret);

/* What the configuration says of the service, for resource names and conditions. */
struct sg_catalog_service {
    struct sg_str name;
    struct sg_str region;
    struct sg_str account;
};

/*
 * Check the parameters and whether there is a body (has_body: the head announced one of more than
 * zero bytes, or chunked), then fill *ret: typed parameters and the resource. SG_MALFORMED:
 * *reterr says which parameter and why. SG_NO_MEMORY.
 */
SG_MUST_CHECK enum sg_status sg_catalog_check(const struct sg_route *route,
                                              const struct sg_target *target, bool has_body,
                                              const struct sg_catalog_service *service,
                                              struct sg_arena *arena, struct sg_action *ret,
                                              struct sg_error *reterr);

/* Whether any row has an action that the IAM pattern (* and ?, case-insensitive) fits. */
bool sg_catalog_has_action(const struct sg_catalog *catalog, struct sg_str pattern);

/* Whether any row has that path or query parameter; *ret_multi: whether any row marks it multi. */
bool sg_catalog_has_param(const struct sg_catalog *catalog, enum sg_param_place place,
                          struct sg_str name, bool *ret_multi);

/* The action nearest to text, for "did you mean"; NULL when none is near. */
const char *sg_catalog_nearest_action(const struct sg_catalog *catalog, struct sg_str text);

#endif
