/* The named formats of parameters. Each is a small function, not a pattern; pure. [any] */
#ifndef SG_CATALOG_FORMAT_H
#define SG_CATALOG_FORMAT_H

#include <stdbool.h>

#include "base/str.h"

/* Their names, ended by NULL; index 0 is "any", which every value has. */
extern const char *const sg_format_names[];

/* Whether value has the format of that index. */
bool sg_format_fits(int format, struct sg_str value);

/* What the format wants, to stand behind "must be". */
const char *sg_format_wants(int format);

#endif
