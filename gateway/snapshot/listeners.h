/*
 * "listeners:" and the admin listener's address: what they say is checked and made ready, TLS
 * contexts included. [supervisor, or a verb]
 */
#ifndef SG_SNAPSHOT_LISTENERS_H
#define SG_SNAPSHOT_LISTENERS_H

#include "base/diags.h"
#include "snapshot/snapshot.h"

/* Fill snapshot->listeners from its settings; every mistake goes to diags. */
void sg_listeners_load(struct sg_snapshot *snapshot, struct sg_diags *diags);

#endif
