/* audit: look at an audit directory. Each word of it is a row with a file of its own. */
#include "cli/audit.h"

static const struct sg_verb word_collect = {
    .name = "audit collect",
    .summary = "gather the logs of a fleet",
    .usage = "audit collect DIR",
    .not_built = "\"audit collect\" is not built yet",
};

static const struct sg_verb *const words[] = {
    &sg_audit_word_verify, &sg_audit_word_show,      &sg_audit_word_tail, &sg_audit_word_indoubt,
    &sg_audit_word_stats,  &sg_audit_word_reconcile, &word_collect,       NULL,
};

const struct sg_verb sg_verb_audit = {
    .name = "audit",
    .summary = "verify and read an audit log",
    .usage = "audit WORD DIR [options]",
    .words = words,
};
