#include "base/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"

/* An entry with thousands of members is longer than any fixed buffer. */
enum { ENTRY_BYTES_FIRST = 1024, ENTRY_BYTES_MAX = 1 << 20 };

/* (uid_t)-1 and (gid_t)-1 mean "none" to the system. */
static const uint64_t id_max = UINT32_MAX - 1;

/* One try with a buffer of this size: ERANGE when it is too small. */
static int look_up_user(const char *name, char *buffer, size_t bytes, bool *ret_found, uid_t *ret)
{
    struct passwd entry, *found = NULL;
    int error = getpwnam_r(name, &entry, buffer, bytes, &found);
    *ret_found = found != NULL;
    if (found != NULL) {
        *ret = found->pw_uid;
    }
    return error;
}

static int look_up_group(const char *name, char *buffer, size_t bytes, bool *ret_found, gid_t *ret)
{
    struct group entry, *found = NULL;
    int error = getgrnam_r(name, &entry, buffer, bytes, &found);
    *ret_found = found != NULL;
    if (found != NULL) {
        *ret = found->gr_gid;
    }
    return error;
}

bool sg_account_user(const char *name, uid_t *ret)
{
    uint64_t number;
    if (sg_str_to_u64(sg_str_from(name), id_max, &number)) {
        *ret = (uid_t)number;
        return true;
    }
    bool found = false;
    int error = ERANGE;
    for (size_t bytes = ENTRY_BYTES_FIRST; error == ERANGE && bytes <= ENTRY_BYTES_MAX;
         bytes *= 2) {
        char *buffer = malloc(bytes);
        error = buffer != NULL ? look_up_user(name, buffer, bytes, &found, ret) : ENOMEM;
        free(buffer);
    }
    return found;
}

bool sg_account_group(const char *name, gid_t *ret)
{
    uint64_t number;
    if (sg_str_to_u64(sg_str_from(name), id_max, &number)) {
        *ret = (gid_t)number;
        return true;
    }
    bool found = false;
    int error = ERANGE;
    for (size_t bytes = ENTRY_BYTES_FIRST; error == ERANGE && bytes <= ENTRY_BYTES_MAX;
         bytes *= 2) {
        char *buffer = malloc(bytes);
        error = buffer != NULL ? look_up_group(name, buffer, bytes, &found, ret) : ENOMEM;
        free(buffer);
    }
    return found;
}
