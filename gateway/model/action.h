/*
 * What a request is: the catalog's answer. Texts are borrowed from the snapshot, from the request's
 * arena, or from the target they were parsed from. Values only.
 */
#ifndef SG_MODEL_ACTION_H
#define SG_MODEL_ACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum sg_param_place { SG_PARAM_PATH = 0, SG_PARAM_QUERY };

struct sg_param {
    enum sg_param_place place;
    struct sg_str name;  /* as the catalog writes it */
    struct sg_str value; /* decoded */
};

struct sg_action {
    struct sg_str service;      /* name of the service in the configuration */
    struct sg_str operation;    /* DeleteFlowOutput */
    struct sg_str method;       /* DELETE */
    struct sg_str name;         /* live:ott:deleteFlowOutput; empty: not mapped */
    struct sg_str access_level; /* Write, Read, List...; empty: not known */
    struct sg_str region;
    struct sg_str account;
    struct sg_str project_id; /* empty: the row has none */
    struct sg_str resource;   /* the URN, values percent-encoded */
    const struct sg_param *params;
    size_t param_count; /* a multi-valued one stands once for each value */
};

#endif
