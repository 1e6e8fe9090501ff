/* The words of the verb audit, each from its own file. [main thread] */
#ifndef SG_CLI_AUDIT_H
#define SG_CLI_AUDIT_H

#include "cli/cli.h"

extern const struct sg_verb sg_audit_word_verify, sg_audit_word_show, sg_audit_word_tail,
    sg_audit_word_indoubt, sg_audit_word_stats, sg_audit_word_reconcile;

#endif
