/* Header names that get special treatment, as const tables. Names compare case-insensitively. */
#ifndef SG_HTTP_HEADERS_H
#define SG_HTTP_HEADERS_H

#include <stdbool.h>

#include "base/str.h"
#include "http/strict.h"

/* Fields of one hop (RFC 9110 section 7.6.1, RFC 9112): never relayed. */
bool sg_header_is_hop_by_hop(struct sg_str name);

/* Credentials of the cloud that a caller may send out of habit: stripped or refused. */
bool sg_header_is_caller_credential(struct sg_str name);

/*
 * Find the token of "Authorization: Bearer TOKEN" (RFC 6750 section 2.1) in a head. p is NULL:
 * there is none. False: there is one, and Authorization stands more than once.
 */
bool sg_header_find_bearer(const struct sg_strict_request *head, struct sg_str *ret);

/* Fields of an answer that stay here: hop-by-hop, framing, Set-Cookie, Trailer, Signgate-*. */
bool sg_header_is_dropped_from_answer(struct sg_str name);

#endif
