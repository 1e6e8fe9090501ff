/*
 * Statuses: what a caller of a function does next. Few on purpose; each means an action.
 * What an HTTP caller is told is another enum, model/refusal.h.
 */
#ifndef SG_BASE_STATUS_H
#define SG_BASE_STATUS_H

#define SG_MUST_CHECK          __attribute__((warn_unused_result))
#define SG_PRINTF(text, first) __attribute__((format(printf, text, first)))

enum sg_status {
    SG_OK = 0,
    SG_NOT_FOUND,       /* look elsewhere, or tell the asker */
    SG_DENIED,          /* a rule said no */
    SG_UNAUTHENTICATED, /* nobody knows who asks */
    SG_MALFORMED,       /* the input breaks its grammar: refuse it */
    SG_TOO_LARGE,       /* over a limit: refuse it */
    SG_BUSY,            /* no room now: shed this one, later ones may pass */
    SG_TIMEOUT,         /* too late */
    SG_UPSTREAM,        /* the other side failed */
    SG_CONFIG,          /* the operator must change something */
    SG_IO,              /* the system refused; errno was put into the text */
    SG_NO_MEMORY,       /* shed while serving, exit at start */
    SG_INTERNAL,        /* our own bug */
};

/* Return the lower-case name of a status for logs, never NULL. [any] */
const char *sg_status_name(enum sg_status status);

#endif
