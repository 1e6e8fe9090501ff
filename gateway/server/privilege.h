/* What the process gives up and ignores before it holds a key. [main thread, before any other] */
#ifndef SG_SERVER_PRIVILEGE_H
#define SG_SERVER_PRIVILEGE_H

#include <stdint.h>

#include "base/log.h"

/*
 * Ignore SIGPIPE and SIGXFSZ, forbid core dumps (a core would hold keys) and reading by debuggers,
 * warn when run as root. Cannot fail in a way that matters; what did not work is logged.
 */
void sg_privilege_drop(struct sg_log *log);

/*
 * Raise the limit on open files as far as it may be raised. needed: descriptors that the
 * configuration can use at once; where there are fewer a warning says what happens then.
 */
void sg_privilege_raise_files(uint64_t needed, struct sg_log *log);

#endif
