#include "http/headers.h"

#include <stddef.h>

static bool is_one_of(struct sg_str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sg_str_equal_fold(name, sg_str_from(names[i]))) {
            return true;
        }
    }
    return false;
}

bool sg_header_is_hop_by_hop(struct sg_str name)
{
    static const char *const names[] = {
        "Connection", "Keep-Alive",       "Proxy-Authenticate", "Proxy-Authorization",
        "TE",         "Proxy-Connection", "Transfer-Encoding",  "Upgrade",
    };
    return is_one_of(name, names, sizeof names / sizeof *names);
}

bool sg_header_is_caller_credential(struct sg_str name)
{
    static const char *const names[] = {"Authorization", "X-Auth-Token", "X-Security-Token",
                                        "X-Project-Id"};
    const struct sg_str sdk = SG_STR("X-Sdk-");
    return is_one_of(name, names, sizeof names / sizeof *names) ||
           sg_str_equal_fold(sg_str_slice(name, 0, sdk.n), sdk);
}

bool sg_header_is_dropped_from_answer(struct sg_str name)
{
    static const char *const names[] = {"Content-Length", "Set-Cookie", "Set-Cookie2", "Trailer",
                                        "Trailers"};
    const struct sg_str ours = SG_STR("Signgate-");
    return sg_header_is_hop_by_hop(name) || is_one_of(name, names, sizeof names / sizeof *names) ||
           sg_str_equal_fold(sg_str_slice(name, 0, ours.n), ours);
}
