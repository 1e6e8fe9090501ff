/* What a load has to say, told to people and to the log. [supervisor] */
#ifndef SG_SERVER_TELLING_H
#define SG_SERVER_TELLING_H

#include <stdio.h>

#include "base/diags.h"
#include "base/log.h"

/* As `check` prints it. */
void sg_telling_print(FILE *to, struct sg_diags *diags);

/* Warnings of a load, or the errors of a refused reload, a log line each. */
void sg_telling_log(struct sg_log *log, struct sg_diags *diags, const char *message);

#endif
