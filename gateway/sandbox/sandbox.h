/*
 * The embedded simulated Live cloud: plain HTTP on a loopback port, on a thread of its own, so that
 * the gateway can be tried and tested without an account. Nothing it does leaves the machine.
 *
 * start and stop are called by one thread; everything else happens on the sandbox's own.
 */
#ifndef SG_SANDBOX_SANDBOX_H
#define SG_SANDBOX_SANDBOX_H

#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

#define SG_SANDBOX_ADDRESS    "127.0.0.1:0"
#define SG_SANDBOX_PROJECT_ID "0123456789abcdef0123456789abcdef"

struct sg_sandbox;

struct sg_sandbox_options {
    const char *address;          /* NULL: SG_SANDBOX_ADDRESS */
    const char *access_key;       /* NULL: a new one is made, as for the secret key */
    const char *secret_key;       /* NULL: a new one is made */
    const char *project_id;       /* NULL: SG_SANDBOX_PROJECT_ID */
    const struct sg_clock *clock; /* NULL: the system's; must outlive the sandbox */
};

/*
 * Bind, start the thread and return once the address answers. SG_CONFIG for an address or a key
 * that is none, SG_IO when the address cannot be bound.
 */
SG_MUST_CHECK enum sg_status sg_sandbox_start(const struct sg_sandbox_options *options,
                                              struct sg_sandbox **ret, struct sg_error *reterr);

/* As bound: "127.0.0.1:43211", 43211. */
const char *sg_sandbox_address(const struct sg_sandbox *sandbox);
uint16_t sg_sandbox_port(const struct sg_sandbox *sandbox);

/* The credential it accepts, and its project. Borrowed until stop. */
const char *sg_sandbox_project_id(const struct sg_sandbox *sandbox);
struct sg_str sg_sandbox_access_key(const struct sg_sandbox *sandbox);
struct sg_str sg_sandbox_secret_key(const struct sg_sandbox *sandbox);

/* End the thread, close everything, wipe the key; NULL is fine. */
void sg_sandbox_stop(struct sg_sandbox *sandbox);

#endif
