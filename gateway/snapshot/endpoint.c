#include "snapshot/endpoint.h"

#include "base/buf.h"
#include "base/ip.h"
#include "http/target.h"

enum { AUTHORITY_BYTES_MAX = 1024, PORT_MAX = 65535 };

static char *fold(struct sg_arena *arena, struct sg_str text)
{
    char *folded = sg_arena_text(arena, text);
    for (char *c = folded; c != NULL && *c != '\0'; c++) {
        *c = sg_ascii_lower(*c);
    }
    return folded;
}

enum sg_status sg_endpoint_parse(struct sg_arena *arena, struct sg_str authority,
                                 uint16_t default_port, struct sg_endpoint *ret)
{
    size_t colon = authority.n;
    for (size_t i = authority.n; i > 0 && authority.p[i - 1] != ']'; i--) {
        colon = authority.p[i - 1] == ':' ? i - 1 : colon;
    }
    const struct sg_str host = sg_str_slice(authority, 0, colon);
    const bool port_given = colon < authority.n;
    const bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    const struct sg_str bare = bracketed ? sg_str_slice(host, 1, host.n - 1) : host;
    struct sg_str name;
    struct sg_ip ip;
    uint64_t port = default_port;
    if (authority.n > AUTHORITY_BYTES_MAX || !sg_host_name(host, &name) || name.n != host.n ||
        (bracketed && !sg_ip_parse(bare, &ip)) ||
        (port_given &&
         !sg_str_to_u64(sg_str_slice(authority, colon + 1, authority.n), PORT_MAX, &port)) ||
        port == 0) {
        return SG_MALFORMED;
    }
    struct sg_buf text;
    sg_buf_init(&text, AUTHORITY_BYTES_MAX + 8);
    sg_buf_add_str(&text, host);
    if (port != default_port) {
        sg_buf_printf(&text, ":%u", (unsigned)port);
    }
    ret->host = fold(arena, bare);
    ret->port = (uint16_t)port;
    ret->authority = sg_str_from(sg_buf_failed(&text) ? NULL : fold(arena, sg_buf_str(&text)));
    sg_buf_done(&text);
    return ret->host != NULL && ret->authority.n > 0 ? SG_OK : SG_NO_MEMORY;
}
