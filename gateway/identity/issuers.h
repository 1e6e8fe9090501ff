/*
 * "token_issuers:": who may issue callers' tokens, with the bytes of their key files, read and
 * checked. Immutable; each worker makes verifiers of its own from it (tokens.h). [supervisor, or a
 * verb]
 */
#ifndef SG_IDENTITY_ISSUERS_H
#define SG_IDENTITY_ISSUERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/diags.h"
#include "base/str.h"
#include "text/fields.h"

/* One entry of "token_issuers:". */
struct sg_issuer_settings {
    const struct sg_yaml_node *node;
    const char *issuer;
    const char *audience;
    const char *jwks_file;
};

extern const struct sg_fields sg_issuer_fields;

struct sg_issuers;

/* One of them; borrowed. */
struct sg_issuer {
    struct sg_str name;
    struct sg_str audience;
    struct sg_str keys; /* a JSON Web Key Set that was found good */
};

/*
 * Read and check the files. Every mistake goes to diags (an issuer twice, a file that cannot be
 * read, a bad key set, a build without JWT support), keys that are skipped as warnings. settings
 * must outlive the result. NULL: there are errors, or no memory.
 */
struct sg_issuers *sg_issuers_new(const struct sg_issuer_settings *settings, size_t count,
                                  struct sg_diags *diags);

/* NULL is fine. */
void sg_issuers_free(struct sg_issuers *issuers);

size_t sg_issuers_count(const struct sg_issuers *issuers);
struct sg_issuer sg_issuers_get(const struct sg_issuers *issuers, size_t index);

/*
 * Whether a key file is another one than when it was read: by device, inode, size and time, through
 * symbolic links. One that is gone counts as unchanged: whoever replaces it is not done yet.
 */
bool sg_issuers_changed(const struct sg_issuers *issuers);

#endif
