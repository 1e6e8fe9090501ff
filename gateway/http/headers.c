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

/* What stands behind "Bearer", in any case, and at least one space; NULL: another scheme. */
static struct sg_str bearer_of(struct sg_str value)
{
    const struct sg_str scheme = SG_STR("Bearer");
    struct sg_str rest = sg_str_slice(value, scheme.n, value.n);
    if (!sg_str_equal_fold(sg_str_slice(value, 0, scheme.n), scheme) ||
        (rest.n > 0 && rest.p[0] != ' ')) {
        return (struct sg_str){.p = NULL};
    }
    struct sg_str token = sg_str_trim(rest);
    return token.p != NULL ? token : SG_STR("");
}

bool sg_header_find_bearer(const struct sg_strict_request *head, struct sg_str *ret)
{
    struct sg_str found = {.p = NULL};
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!sg_str_equal_fold(head->headers[i].name, SG_STR("Authorization"))) {
            continue;
        }
        struct sg_str token = bearer_of(head->headers[i].value);
        found = token.p != NULL ? token : found;
        count++;
    }
    if (found.p != NULL && count > 1) {
        return false;
    }
    *ret = found;
    return true;
}

bool sg_header_is_dropped_from_answer(struct sg_str name)
{
    static const char *const names[] = {"Content-Length", "Set-Cookie", "Set-Cookie2", "Trailer",
                                        "Trailers"};
    const struct sg_str ours = SG_STR("Signgate-");
    return sg_header_is_hop_by_hop(name) || is_one_of(name, names, sizeof names / sizeof *names) ||
           sg_str_equal_fold(sg_str_slice(name, 0, ours.n), ours);
}
