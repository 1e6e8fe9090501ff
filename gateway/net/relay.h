/*
 * What of the cloud's answer goes on to the caller: end-to-end fields alone. Framing, the
 * connection and Signgate's own fields are made anew by whoever answers. Pure. [any]
 */
#ifndef SG_NET_RELAY_H
#define SG_NET_RELAY_H

#include "base/buf.h"
#include "http/strict.h"

/*
 * Append the fields of head that are for the caller, "Name: value\r\n" each, in their order and as
 * they were written. Left out: what http/headers drops from answers (hop-by-hop, Content-Length,
 * Transfer-Encoding, Trailer, Set-Cookie, Signgate-*) and what a Connection field names.
 */
void sg_relay_headers(struct sg_buf *out, const struct sg_strict_response *head);

#endif
