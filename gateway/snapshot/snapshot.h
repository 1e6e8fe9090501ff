/*
 * A snapshot: everything a configuration says, loaded, checked and compiled as one immutable,
 * counted whole. A reload builds a new one; a failed load leaves nothing behind.
 */
#ifndef SG_SNAPSHOT_SNAPSHOT_H
#define SG_SNAPSHOT_SNAPSHOT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/diags.h"
#include "catalog/catalog.h"
#include "credential/credential.h"
#include "crypto/ed25519.h"
#include "identity/identity.h"
#include "identity/issuers.h"
#include "model/upstream_spec.h"
#include "policy/policy.h"
#include "signing/signer.h"
#include "snapshot/settings.h"

/* Where callers connect; one for each entry of "listeners:", in its order. */
struct sg_listener {
    const struct sg_listener_settings *settings;
    struct ssl_ctx_st *tls;  /* NULL: plain */
    const char *socket_path; /* of a Unix socket; NULL: TCP */
    mode_t mode;             /* of a Unix socket */
    uid_t owner;             /* (uid_t)-1: who runs the program */
    gid_t group;             /* (gid_t)-1: its group */
};

struct sg_service {
    const struct sg_service_settings *settings;
    struct sg_catalog_service names; /* name, region, account */
    struct sg_upstream_spec upstream;
    struct sg_str upstream_text; /* "https://host:port", for records */
    const struct sg_catalog *catalog;
    size_t credential; /* index into credentials */
    enum sg_scheme scheme;
};

/* Where copies of the audit log go; one for each entry of "audit.sinks:", in its order. */
struct sg_audit_sink {
    const struct sg_sink_settings *settings;
    struct sg_upstream_spec upstream; /* of syslog: host, port, tls and tls_context alone */
    struct sg_str target;             /* http: path and query */
    struct sg_str text;               /* the address without query, for the log */
    struct sg_secret token;           /* http: empty: none */
};

struct sg_snapshot {
    atomic_size_t references;
    struct sg_arena arena;
    struct sg_settings settings;
    struct sg_listener *listeners;
    size_t listener_count;
    struct sg_service *services;
    size_t service_count;
    struct sg_credential *credentials;
    size_t credential_count;
    struct sg_audit_sink *sinks;
    size_t sink_count;
    const struct sg_identity *identity;
    struct sg_issuers *issuers; /* with their keys as they were when the configuration was loaded */
    const struct sg_policy_set *policies;
    struct sg_ed25519_private *checkpoint_key; /* whoever serves takes it and leaves NULL */
    struct sg_str revision; /* first 12 hex digits of the SHA-256 of the configuration file */
    struct sg_str path;     /* of that file */
};

/*
 * What a load is for. A check runs on machines that have no access key: a key that is missing from
 * the environment is a warning there, an error for serving.
 */
enum sg_load_purpose { SG_LOAD_TO_SERVE = 0, SG_LOAD_TO_CHECK };

/*
 * Load the configuration at path and all it names. Mistakes and warnings go to diags; SG_CONFIG
 * when there is an error among them, and *ret is untouched. The caller owns one reference.
 * [supervisor, or a verb]
 */
SG_MUST_CHECK enum sg_status sg_snapshot_load(const char *path, enum sg_load_purpose purpose,
                                              const struct sg_clock *clock, struct sg_diags *diags,
                                              struct sg_snapshot **ret);

/* Count one more user. [any thread that holds a reference] */
const struct sg_snapshot *sg_snapshot_ref(const struct sg_snapshot *snapshot);

/* Count one user less; the last one wipes the keys and frees everything. Returns NULL. [any] */
const struct sg_snapshot *sg_snapshot_unref(const struct sg_snapshot *snapshot);

/*
 * Add an error for each setting that differs from the running configuration's and needs a restart.
 */
void sg_snapshot_check_reload(const struct sg_snapshot *running, const struct sg_snapshot *next,
                              struct sg_diags *diags);

/*
 * The service a Host value selects (without port, one final dot dropped, any case); an empty host
 * (HTTP/1.0) selects a service without hosts only. NULL: none.
 */
const struct sg_service *sg_snapshot_service(const struct sg_snapshot *snapshot,
                                             struct sg_str host);

/* The file to load: path, or the first of ./signgate.yaml and SYSCONFDIR/signgate/signgate.yaml. */
const char *sg_snapshot_default_path(void);

#endif
