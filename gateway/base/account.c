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
typedef int look_up_fn(const char *name, char *buffer, size_t bytes, bool *ret_found, id_t *ret);

static int look_up_user(const char *name, char *buffer, size_t bytes, bool *ret_found, id_t *ret)
{
    struct passwd entry, *found = NULL;
    int error = getpwnam_r(name, &entry, buffer, bytes, &found);
    *ret_found = found != NULL;
    if (found != NULL) {
        *ret = found->pw_uid;
    }
    return error;
}

static int look_up_group(const char *name, char *buffer, size_t bytes, bool *ret_found, id_t *ret)
{
    struct group entry, *found = NULL;
    int error = getgrnam_r(name, &entry, buffer, bytes, &found);
    *ret_found = found != NULL;
    if (found != NULL) {
        *ret = found->gr_gid;
    }
    return error;
}

static bool find(const char *name, look_up_fn *look_up, id_t *ret)
{
    uint64_t number;
    if (sg_str_to_u64(sg_str_from(name), id_max, &number)) {
        *ret = (id_t)number;
        return true;
    }
    bool found = false;
    int error = ERANGE;
    for (size_t bytes = ENTRY_BYTES_FIRST; error == ERANGE && bytes <= ENTRY_BYTES_MAX;
         bytes *= 2) {
        char *buffer = malloc(bytes);
        error = buffer != NULL ? look_up(name, buffer, bytes, &found, ret) : ENOMEM;
        free(buffer);
    }
    return found;
}

/* An id_t holds a uid_t and a gid_t alike (POSIX, sys/types.h). */
bool sg_account_user(const char *name, uid_t *ret)
{
    return find(name, look_up_user, ret);
}

bool sg_account_group(const char *name, gid_t *ret)
{
    return find(name, look_up_group, ret);
}
