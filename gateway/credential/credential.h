/*
 * Access keys: loaded from a source while a configuration loads, then immutable and counted with
 * the snapshot. AK, SK and token are always one consistent set.
 */
#ifndef SG_CREDENTIAL_CREDENTIAL_H
#define SG_CREDENTIAL_CREDENTIAL_H

#include <stdint.h>

#include "base/diags.h"
#include "base/secret.h"
#include "base/str.h"
#include "text/fields.h"

enum sg_credential_source {
    SG_CREDENTIAL_ENVIRONMENT = 0,
    SG_CREDENTIAL_FILE,
    SG_CREDENTIAL_PROFILE,
    SG_CREDENTIAL_METADATA,
};

/* One entry of "credentials:". */
struct sg_credential_settings {
    const struct sg_yaml_node *node;
    const char *name;
    int source; /* enum sg_credential_source */
    const char *path;
};

extern const struct sg_fields sg_credential_fields;

enum { SG_CREDENTIAL_FINGERPRINT_BYTES = 16 };

struct sg_credential {
    struct sg_str name;
    struct sg_str access_key; /* in the arena */
    struct sg_secret secret_key;
    struct sg_secret security_token; /* empty: none */
    int64_t expires_at_us;           /* real time; 0: never */
    /* First 16 hex digits of SHA-256 of the access key: names the key in records, not a secret. */
    char fingerprint[SG_CREDENTIAL_FINGERPRINT_BYTES + 1];
};

/*
 * Load one credential from its source. Mistakes go to diags (files that others may read, unknown
 * keys, missing ones, expired). SG_CONFIG then, and *ret is empty.
 */
SG_MUST_CHECK enum sg_status sg_credential_load(const struct sg_credential_settings *settings,
                                                int64_t now_us, struct sg_arena *arena,
                                                struct sg_diags *diags, struct sg_credential *ret);

/* Wipe and free the secrets; the rest is the arena's. */
void sg_credential_done(struct sg_credential *credential);

#endif
