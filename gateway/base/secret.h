/*
 * Secrets: keys and tokens. The bytes live in their own allocation, are wiped before it is freed,
 * and no function of ours prints, logs or writes a struct sg_secret as JSON. [any]
 */
#ifndef SG_BASE_SECRET_H
#define SG_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "base/str.h"

struct sg_secret {
    char *bytes; /* NULL when empty */
    size_t count;
};

/* Overwrite count bytes; the compiler may not remove it. */
void sg_wipe(void *bytes, size_t count);

/* Copy the bytes of from into an empty secret. SG_NO_MEMORY leaves it empty. */
SG_MUST_CHECK enum sg_status sg_secret_set(struct sg_secret *secret, struct sg_str from);

/* Wipe and free; done on an empty secret does nothing. */
void sg_secret_done(struct sg_secret *secret);

/* Borrow the bytes, for the signer and the mac alone. Valid until done. */
struct sg_str sg_secret_reveal(const struct sg_secret *secret);

/*
 * What the mode of a file that holds keys lets others do, as the end of a sentence; NULL when it
 * keeps them to the owner and a group that may read (0640 at most).
 */
const char *sg_secret_mode_excess(unsigned mode);

/* Whether two byte strings are equal, in time that depends on their lengths only. */
bool sg_equal_constant_time(struct sg_str a, struct sg_str b);

#endif
