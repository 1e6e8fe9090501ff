/* Who calls: the result of identity_find. Texts are borrowed from the snapshot. Values only. */
#ifndef SG_MODEL_PRINCIPAL_H
#define SG_MODEL_PRINCIPAL_H

#include <stddef.h>

#include "base/str.h"

struct sg_principal {
    struct sg_str caller;
    struct sg_str team;
    struct sg_str identity; /* how the caller was found: "source 10.20.0.0/16" */
    size_t index;           /* of the caller in the configuration */
};

#endif
