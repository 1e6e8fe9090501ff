/*
 * Message digests with the algorithm fetched once and the context kept (OpenSSL's implicit fetch
 * costs more than the hash). One struct sg_digest belongs to one thread.
 */
#ifndef SG_CRYPTO_DIGEST_H
#define SG_CRYPTO_DIGEST_H

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

enum sg_digest_algorithm { SG_DIGEST_SHA256 = 0, SG_DIGEST_SM3 };

enum { SG_DIGEST_BYTES = 32, SG_DIGEST_HEX_BYTES = 64 }; /* the same for both */

struct sg_digest;

/* Make a hasher for one thread. NULL: the algorithm is not there, or no memory (*reterr says). */
struct sg_digest *sg_digest_new(enum sg_digest_algorithm algorithm, struct sg_error *reterr);
void sg_digest_free(struct sg_digest *digest);

/* Hash one text. SG_INTERNAL only if OpenSSL fails. */
SG_MUST_CHECK enum sg_status sg_digest_run(struct sg_digest *digest, struct sg_str text,
                                           unsigned char ret[SG_DIGEST_BYTES]);

/* The same as lower-case hex without a NUL. */
SG_MUST_CHECK enum sg_status sg_digest_run_hex(struct sg_digest *digest, struct sg_str text,
                                               char ret[SG_DIGEST_HEX_BYTES]);

/* The same in pieces: begin, any number of adds, end. In between no run. */
SG_MUST_CHECK enum sg_status sg_digest_begin(struct sg_digest *digest);
SG_MUST_CHECK enum sg_status sg_digest_add(struct sg_digest *digest, struct sg_str piece);
SG_MUST_CHECK enum sg_status sg_digest_end_hex(struct sg_digest *digest,
                                               char ret[SG_DIGEST_HEX_BYTES]);

#endif
