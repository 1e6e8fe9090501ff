/*
 * Finding the caller: a compiled, immutable set of rules from "callers:", and a pure lookup.
 * Of several matches the one with the strongest kind wins (jwt, certificate, unix, source), then
 * with the most kinds, the longest prefix, the most claims; equals are an error at load where they
 * can be seen, else no caller.
 */
#ifndef SG_IDENTITY_IDENTITY_H
#define SG_IDENTITY_IDENTITY_H

#include "base/arena.h"
#include "base/diags.h"
#include "crypto/jwt.h"
#include "identity/settings.h"
#include "model/peer.h"
#include "model/principal.h"

struct sg_identity;

/*
 * Compile count entries. Every mistake goes to diags (bad prefixes, names twice, matches that can
 * never be told apart, a match without a kind). Users and groups are looked up on this machine; one
 * that is not there fits nobody, with a warning. NULL only without memory; with errors in diags the
 * result must not be used. Lives in the arena, as does what callers point to.
 */
const struct sg_identity *sg_identity_compile(const struct sg_caller_settings *callers,
                                              size_t count, struct sg_arena *arena,
                                              struct sg_diags *diags);

/*
 * Find the caller of a request: of the connection's peer and of a verified token, NULL when there
 * is none. The principal's identity says how it was found, in the snapshot or in arena.
 * SG_UNAUTHENTICATED: none, or several that tie; *reterr says which.
 */
SG_MUST_CHECK enum sg_status sg_identity_find(const struct sg_identity *identity,
                                              const struct sg_peer *peer,
                                              const struct sg_jwt *token, struct sg_arena *arena,
                                              struct sg_principal *ret, struct sg_error *reterr);

#endif
