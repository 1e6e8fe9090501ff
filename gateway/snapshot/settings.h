/*
 * signgate.yaml as structs: every key of the configuration with its type, default and one line of
 * documentation, as tables of text/fields.h. Decoding checks form only; what needs more than one
 * key (names that must exist, addresses, endpoints) is checked where the snapshot is built.
 * Immutable once decoded; lives in the snapshot's arena. [supervisor writes, any reads]
 */
#ifndef SG_SNAPSHOT_SETTINGS_H
#define SG_SNAPSHOT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "credential/credential.h"
#include "identity/identity.h"
#include "identity/issuers.h"
#include "text/fields.h"

struct sg_listener_tls_settings {
    const struct sg_yaml_node *node;
    const char *certificate;
    const char *key;
    const char *client_ca;
    const char *crl;
};

struct sg_listener_settings {
    const struct sg_yaml_node *node;
    const char *address;
    struct sg_listener_tls_settings tls;
    const char *mode;
    const char *owner;
    const char *group;
};

struct sg_admin_settings {
    const struct sg_yaml_node *node;
    const char *address;
    const char *token_file;
};

struct sg_service_timeouts {
    const struct sg_yaml_node *node;
    int64_t connect_ms;
    int64_t response_ms;
    int64_t idle_ms;
    int64_t queue_ms;
};

struct sg_service_pool {
    const struct sg_yaml_node *node;
    uint64_t max_connections;
};

enum sg_auth { SG_AUTH_AKSK = 0, SG_AUTH_TOKEN };

struct sg_service_settings {
    const struct sg_yaml_node *node;
    const char *name;
    const char *endpoint;
    bool insecure;
    struct sg_texts catalog;
    const char *credential;
    struct sg_texts projects;
    const struct sg_yaml_node *credential_rules;
    const char *region;
    const char *account;
    const char *algorithm;
    const struct sg_yaml_node *quota;
    struct sg_texts hosts;
    int auth; /* enum sg_auth */
    const char *ca_file;
    struct sg_service_timeouts timeouts;
    struct sg_service_pool pool;
};

enum sg_caller_credentials { SG_CALLER_CREDENTIALS_STRIP = 0, SG_CALLER_CREDENTIALS_REFUSE };
enum sg_deny_detail { SG_DENY_DETAIL_FULL = 0, SG_DENY_DETAIL_CODE };
enum sg_durability { SG_DURABILITY_FSYNC = 0, SG_DURABILITY_BUFFERED };
enum sg_on_damage { SG_ON_DAMAGE_CONTINUE = 0, SG_ON_DAMAGE_REFUSE };

struct sg_durability_settings {
    const struct sg_yaml_node *node;
    int write; /* enum sg_durability */
    int read;
};

struct sg_rotate_settings {
    const struct sg_yaml_node *node;
    uint64_t bytes;
    int64_t age_ms;
};

enum sg_sink_type { SG_SINK_SYSLOG = 0, SG_SINK_HTTP };

struct sg_sink_settings {
    const struct sg_yaml_node *node;
    const char *name;
    int type; /* enum sg_sink_type */
    const char *url;
    bool insecure;
    const char *ca_file;
    const char *token_file;
};

struct sg_audit_settings {
    const struct sg_yaml_node *node;
    const char *directory;
    struct sg_durability_settings durability;
    struct sg_rotate_settings rotate;
    const char *checkpoint_key;
    const char *anchor;
    int on_damage;           /* enum sg_on_damage */
    int64_t retain_ms;       /* 0: for ever */
    struct sg_objects sinks; /* struct sg_sink_settings */
};

struct sg_limits_settings {
    const struct sg_yaml_node *node;
    uint64_t header_bytes;
    uint64_t target_bytes;
    uint64_t headers;
    uint64_t body_bytes;
    uint64_t response_bytes;
    uint64_t body_memory;
    uint64_t connections;
    uint64_t connections_per_source;
    int64_t header_timeout_ms;
    int64_t body_timeout_ms;
    int64_t write_timeout_ms;
    int64_t idle_timeout_ms;
};

struct sg_breaker_settings {
    const struct sg_yaml_node *node;
    uint64_t failures;
    int64_t open_ms;
};

struct sg_resilience_settings {
    const struct sg_yaml_node *node;
    struct sg_breaker_settings breaker;
};

struct sg_drain_settings {
    const struct sg_yaml_node *node;
    int64_t delay_ms;
    int64_t timeout_ms;
};

struct sg_log_settings {
    const struct sg_yaml_node *node;
    int level;  /* enum sg_log_level */
    int format; /* enum sg_log_format */
};

struct sg_settings {
    const struct sg_yaml_node *node;
    uint64_t version;
    uint64_t workers;            /* 0: as many as processors */
    struct sg_objects listeners; /* struct sg_listener_settings */
    struct sg_admin_settings admin;
    struct sg_objects services;      /* struct sg_service_settings */
    struct sg_objects credentials;   /* struct sg_credential_settings */
    struct sg_objects callers;       /* struct sg_caller_settings */
    struct sg_objects token_issuers; /* struct sg_issuer_settings */
    struct sg_texts policies;
    int caller_credentials; /* enum sg_caller_credentials */
    int deny_detail;        /* enum sg_deny_detail */
    struct sg_audit_settings audit;
    struct sg_limits_settings limits;
    struct sg_resilience_settings resilience;
    struct sg_drain_settings drain;
    struct sg_log_settings log;
    const struct sg_yaml_node *fleet;
};

extern const struct sg_fields sg_settings_fields;

#endif
