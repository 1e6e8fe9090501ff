/*
 * "audit.sinks:" and what stands beside it: where copies of the audit log go, checked and made
 * ready, TLS contexts and tokens included. [supervisor, or a verb]
 */
#ifndef SG_SNAPSHOT_SINKS_H
#define SG_SNAPSHOT_SINKS_H

#include "base/diags.h"
#include "snapshot/snapshot.h"

/* Fill snapshot->sinks from its settings; every mistake goes to diags. */
void sg_audit_sinks_load(struct sg_snapshot *snapshot, struct sg_diags *diags);

/* Give back contexts and wipe tokens; the rest is the arena's. */
void sg_audit_sinks_done(struct sg_snapshot *snapshot);

#endif
