/*
 * The supervisor: `serve` on the main thread. Loads the configuration, binds, opens the journal,
 * starts the workers, then answers signals: SIGHUP reloads, SIGTERM and SIGINT drain (a second one
 * ends at once), SIGUSR1 is taken for later. [main thread]
 */
#ifndef SG_SERVER_SUPERVISOR_H
#define SG_SERVER_SUPERVISOR_H

#include <stdio.h>

struct sg_supervisor_options {
    const char *configuration; /* path */
    FILE *err;                 /* start-up errors, for people */
    /* All is bound and being served; addresses as bound. May be NULL. */
    void (*on_ready)(void *arg, const char *gateway_address, const char *admin_address);
    void *arg;
};

/* Serve until told to stop. Returns the exit status: 0, 69, 74 or 78. */
int sg_supervisor_run(const struct sg_supervisor_options *options);

#endif
