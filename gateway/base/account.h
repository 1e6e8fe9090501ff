/*
 * Users and groups of this machine by name, as the system's name service knows them. Only while a
 * configuration loads: a look-up may wait for a directory server. [supervisor, or a verb]
 */
#ifndef SG_BASE_ACCOUNT_H
#define SG_BASE_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

/* Find a user's id; a decimal number means itself. False: there is none of that name. */
bool sg_account_user(const char *name, uid_t *ret);

/* The same for a group. */
bool sg_account_group(const char *name, gid_t *ret);

#endif
