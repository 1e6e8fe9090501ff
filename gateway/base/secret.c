#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void sg_wipe(void *bytes, size_t count)
{
    if (count > 0) {
        explicit_bzero(bytes, count);
    }
}

enum sg_status sg_secret_set(struct sg_secret *secret, struct sg_str from)
{
    char *bytes = malloc(from.n > 0 ? from.n : 1);
    if (bytes == NULL) {
        return SG_NO_MEMORY;
    }
    if (from.n > 0) {
        memcpy(bytes, from.p, from.n);
    }
    sg_secret_done(secret);
    *secret = (struct sg_secret){.bytes = bytes, .count = from.n};
    return SG_OK;
}

void sg_secret_done(struct sg_secret *secret)
{
    if (secret->bytes != NULL) {
        sg_wipe(secret->bytes, secret->count);
    }
    free(secret->bytes);
    *secret = (struct sg_secret){.bytes = NULL};
}

struct sg_str sg_secret_reveal(const struct sg_secret *secret)
{
    return (struct sg_str){.p = secret->bytes, .n = secret->count};
}

const char *sg_secret_mode_excess(unsigned mode)
{
    const unsigned most = S_IRUSR | S_IWUSR | S_IRGRP;
    if ((mode & S_IRWXO) != 0) {
        return "others can get at the secret in it";
    }
    if ((mode & S_IWGRP) != 0) {
        return "its group can change it";
    }
    return (mode & ~most) != 0 ? "it is no file to run" : NULL;
}

bool sg_equal_constant_time(struct sg_str a, struct sg_str b)
{
    unsigned char difference = a.n != b.n;
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        difference |= (unsigned char)(a.p[i] ^ b.p[i]);
    }
    return difference == 0;
}
