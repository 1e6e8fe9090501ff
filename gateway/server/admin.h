/*
 * The admin listener: /healthz, /readyz, /metrics and /version over evhttp used the ordinary way,
 * on the supervisor's loop. Liveness looks at nothing; readiness looks at disk and keys, never at
 * the cloud. POST and everything else is refused. [supervisor]
 */
#ifndef SG_SERVER_ADMIN_H
#define SG_SERVER_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct sg_admin;
struct sg_loop;

struct sg_readiness {
    bool audit;       /* the journal takes records */
    bool credentials; /* none has expired */
    bool draining;
    struct sg_str audit_state; /* "ok", "full"... */
    struct sg_str configuration_revision;
    struct sg_str reload_error; /* of the last reload that was refused; empty: none */
};

struct sg_admin_options {
    struct sg_loop *loop;
    int listen_fd; /* bound, listening, non-blocking; taken over */
    void (*look)(void *arg, struct sg_readiness *ret); /* texts are borrowed until the next call */
    /* Append the metrics in Prometheus' text format. */
    void (*print_metrics)(void *arg, bool ready, struct sg_buf *out);
    void *arg;
};

/* NULL: *reterr says why. */
struct sg_admin *sg_admin_new(const struct sg_admin_options *options, struct sg_error *reterr);
void sg_admin_free(struct sg_admin *admin);

/* The body of /version, also what `signgate version --output json` prints; and its text form. */
void sg_version_json(struct sg_buf *out);
void sg_version_text(struct sg_buf *out);

#endif
