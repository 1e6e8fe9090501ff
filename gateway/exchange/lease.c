#include "exchange/lease.h"

#include <stdlib.h>

#include "base/object.h"

struct sg_lease *sg_lease_new(const struct sg_snapshot *snapshot,
                              const struct sg_lease_owner *owner, struct sg_error *reterr)
{
    struct sg_lease *lease = calloc(1, sizeof *lease);
    if (lease == NULL) {
        goto no_memory;
    }
    lease->snapshot = sg_snapshot_ref(snapshot);
    lease->owner = *owner;
    lease->signers = calloc(snapshot->service_count, sizeof(struct sg_signer *));
    lease->pools = calloc(snapshot->service_count, sizeof(struct sg_upstream_pool *));
    if (lease->signers == NULL || lease->pools == NULL) {
        goto no_memory;
    }
    for (size_t i = 0; i < snapshot->service_count; i++) {
        const struct sg_service *service = &snapshot->services[i];
        const struct sg_credential *credential = &snapshot->credentials[service->credential];
        lease->signers[i] =
            sg_signer_new(service->scheme, credential->access_key, &credential->secret_key, reterr);
        if (lease->signers[i] == NULL) {
            sg_lease_free(lease);
            return NULL;
        }
    }
    if (sg_issuers_count(snapshot->issuers) > 0) {
        lease->tokens = sg_tokens_new(snapshot->issuers, reterr);
        if (lease->tokens == NULL) {
            sg_lease_free(lease);
            return NULL;
        }
    }
    return lease;
no_memory:
    (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    sg_lease_free(lease);
    return NULL;
}

void sg_lease_free(struct sg_lease *lease)
{
    if (lease == NULL) {
        return;
    }
    SG_ASSERT(lease->uses == 0);
    for (size_t i = 0; lease->signers != NULL && i < lease->snapshot->service_count; i++) {
        sg_signer_free(lease->signers[i]);
    }
    sg_tokens_free(lease->tokens);
    free(lease->signers);
    free(lease->pools);
    lease->snapshot = sg_snapshot_unref(lease->snapshot);
    free(lease);
}

void sg_lease_set_tokens(struct sg_lease *lease, struct sg_tokens *tokens)
{
    sg_tokens_free(lease->tokens);
    lease->tokens = tokens;
}

struct sg_upstream_pool *sg_lease_pool(struct sg_lease *lease, size_t service)
{
    if (lease->pools[service] == NULL) {
        lease->pools[service] = sg_upstream_pool_new(lease->owner.loop, lease->owner.resolver,
                                                     &lease->snapshot->services[service].upstream,
                                                     lease->owner.handlers);
    }
    return lease->pools[service];
}

/* Nothing of the exchange or of a pool is on the stack here. */
static void give_back(void *object)
{
    struct sg_lease *lease = object;
    for (size_t i = 0; i < lease->snapshot->service_count; i++) {
        if (lease->pools[i] != NULL) {
            sg_upstream_pool_free(lease->pools[i]);
            lease->pools[i] = NULL;
        }
    }
    lease->owner.on_unused(lease->owner.arg, lease);
}

void sg_lease_use(struct sg_lease *lease)
{
    SG_ASSERT(!lease->retired);
    lease->uses++;
}

void sg_lease_unuse(struct sg_lease *lease)
{
    SG_ASSERT(lease->uses > 0);
    lease->uses--;
    if (lease->uses == 0 && lease->retired) {
        sg_loop_defer(lease->owner.loop, &lease->returning, lease, give_back);
    }
}

void sg_lease_retire(struct sg_lease *lease)
{
    SG_ASSERT(!lease->retired);
    lease->retired = true;
    if (lease->uses == 0) {
        sg_loop_defer(lease->owner.loop, &lease->returning, lease, give_back);
    }
}
