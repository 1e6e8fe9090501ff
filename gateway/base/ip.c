#include "base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static struct sg_ip from_v6(const uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sg_ip ip = {.family = 6};
    if (memcmp(bytes, mapped, sizeof mapped) == 0) {
        ip.family = 4;
        memcpy(ip.bytes, bytes + sizeof mapped, 4);
    } else {
        memcpy(ip.bytes, bytes, 16);
    }
    return ip;
}

/* Read the text as written: the family tells which form, before any IPv4-mapped folding. */
static int parse(struct sg_str s, uint8_t bytes[16])
{
    char text[SG_IP_TEXT_BYTES];
    if (s.n == 0 || s.n >= sizeof text || memchr(s.p, '\0', s.n) != NULL) {
        return 0;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET, text, bytes) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, text, bytes) == 1 ? 6 : 0;
}

bool sg_ip_parse(struct sg_str s, struct sg_ip *ret)
{
    uint8_t bytes[16] = {0};
    int family = parse(s, bytes);
    if (family == 0) {
        return false;
    }
    if (family == 6) {
        *ret = from_v6(bytes);
    } else {
        *ret = (struct sg_ip){.family = 4};
        memcpy(ret->bytes, bytes, 4);
    }
    return true;
}

bool sg_prefix_parse(struct sg_str s, struct sg_prefix *ret)
{
    size_t slash = sg_str_find(s, '/');
    uint8_t bytes[16] = {0};
    int family = parse(sg_str_slice(s, 0, slash), bytes);
    uint64_t most = family == 4 ? 32 : 128, length = most;
    struct sg_str digits = sg_str_slice(s, slash + 1, s.n);
    if (family == 0 || (slash < s.n && (digits.n > 3 || !sg_str_to_u64(digits, most, &length)))) {
        return false;
    }
    struct sg_prefix prefix = {.length = (uint8_t)length};
    if (family == 6) {
        prefix.address = from_v6(bytes);
        if (prefix.address.family == 4 && length >= 96) {
            prefix.length = (uint8_t)(length - 96);
        } else if (prefix.address.family == 4) { /* ::ffff:0:0/90 and shorter: an IPv6 prefix */
            prefix.address.family = 6;
            memcpy(prefix.address.bytes, bytes, 16);
        }
    } else {
        prefix.address.family = 4;
        memcpy(prefix.address.bytes, bytes, 4);
    }
    for (unsigned bit = prefix.length; bit < 128; bit++) {
        prefix.address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    }
    *ret = prefix;
    return true;
}

bool sg_prefix_contains(const struct sg_prefix *prefix, const struct sg_ip *address)
{
    if (address->family == 0 || prefix->address.family != address->family) {
        return false;
    }
    unsigned whole = prefix->length / 8, rest = prefix->length % 8;
    if (memcmp(prefix->address.bytes, address->bytes, whole) != 0) {
        return false;
    }
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return rest == 0 || ((prefix->address.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

bool sg_ip_equal(const struct sg_ip *a, const struct sg_ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

struct sg_ip sg_ip_from_sockaddr(const struct sockaddr *address)
{
    struct sg_ip ip = {.family = 0};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        ip.family = 4;
        memcpy(ip.bytes, &v4.sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        ip = from_v6(v6.sin6_addr.s6_addr);
    }
    return ip;
}

void sg_ip_format(const struct sg_ip *address, char ret[SG_IP_TEXT_BYTES])
{
    ret[0] = '\0';
    if (address->family != 0) {
        (void)inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, ret,
                        SG_IP_TEXT_BYTES);
    }
}
