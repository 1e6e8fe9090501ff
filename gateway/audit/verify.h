/*
 * One pass over an audit directory; audit/reader is the way in. [any, one thread at a time]
 */
#ifndef SG_AUDIT_VERIFY_H
#define SG_AUDIT_VERIFY_H

#include <stdbool.h>

#include "audit/reader.h"

/*
 * Verify what is there now. is_written: a gateway has the directory, so its last line may be half
 * there. Statuses as of sg_audit_verify_with.
 */
SG_MUST_CHECK enum sg_status sg_verify_pass(int directory_fd,
                                            const struct sg_audit_options *options, bool is_written,
                                            struct sg_audit_report *ret, struct sg_error *reterr);

#endif
