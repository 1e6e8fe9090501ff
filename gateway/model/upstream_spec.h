/*
 * Where and how to reach a service's endpoint. Immutable, part of the snapshot; texts end with
 * NUL. Values only.
 */
#ifndef SG_MODEL_UPSTREAM_SPEC_H
#define SG_MODEL_UPSTREAM_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct ssl_ctx_st;

struct sg_upstream_spec {
    const char *host; /* name or address, without brackets */
    uint16_t port;
    bool tls;
    struct sg_str authority; /* the Host header's value: host, with port unless it is the default */
    struct ssl_ctx_st *tls_context; /* NULL without tls */
    int64_t connect_ms;
    int64_t response_ms;      /* from the last byte sent to the last byte of the answer */
    int64_t idle_ms;          /* of a pooled connection */
    int64_t queue_ms;         /* waiting for a connection */
    uint64_t max_connections; /* for each worker */
    uint64_t response_bytes;  /* 0: no limit */
};

#endif
