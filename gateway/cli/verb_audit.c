/* audit: look at an audit directory. Each word of it is a row with a file of its own. */
#include "cli/audit.h"

static const struct sg_verb word_show = {
    .name = "audit show",
    .summary = "list what was asked, decided and answered",
    .usage = "audit show DIR",
    .not_built = "\"audit show\" is not built yet",
};

static const struct sg_verb word_tail = {
    .name = "audit tail",
    .summary = "show the latest records, and follow what comes",
    .usage = "audit tail DIR",
    .not_built = "\"audit tail\" is not built yet",
};

static const struct sg_verb word_indoubt = {
    .name = "audit indoubt",
    .summary = "list the calls whose fate is unknown",
    .usage = "audit indoubt DIR",
    .not_built = "\"audit indoubt\" is not built yet",
};

static const struct sg_verb word_stats = {
    .name = "audit stats",
    .summary = "count calls, errors and latencies",
    .usage = "audit stats DIR",
    .not_built = "\"audit stats\" is not built yet",
};

static const struct sg_verb word_reconcile = {
    .name = "audit reconcile",
    .summary = "compare with the cloud's own trail",
    .usage = "audit reconcile DIR",
    .not_built = "\"audit reconcile\" is not built yet",
};

static const struct sg_verb word_collect = {
    .name = "audit collect",
    .summary = "gather the logs of a fleet",
    .usage = "audit collect DIR",
    .not_built = "\"audit collect\" is not built yet",
};

static const struct sg_verb *const words[] = {
    &sg_audit_word_verify, &word_show,      &word_tail,    &word_indoubt,
    &word_stats,           &word_reconcile, &word_collect, NULL,
};

const struct sg_verb sg_verb_audit = {
    .name = "audit",
    .summary = "verify and read an audit log",
    .usage = "audit WORD DIR [options]",
    .words = words,
};
