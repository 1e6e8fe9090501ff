/*
 * Internet addresses and prefixes as values. An IPv4-mapped IPv6 address is IPv4 everywhere
 * (RFC 4291 section 2.5.5.2). Zones ("%eth0") are refused. [any]
 */
#ifndef SG_BASE_IP_H
#define SG_BASE_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct sockaddr;

struct sg_ip {
    uint8_t family;    /* 4, 6, or 0: no address */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

struct sg_prefix {
    struct sg_ip address; /* bits behind the length are zero */
    uint8_t length;       /* 0..32 or 0..128 */
};

enum { SG_IP_TEXT_BYTES = 46 };

/* Read "10.0.0.1" or "2001:db8::1"; false when s is no address. */
bool sg_ip_parse(struct sg_str s, struct sg_ip *ret);

/* Read an address or "address/length"; bits behind the length are ignored. */
bool sg_prefix_parse(struct sg_str s, struct sg_prefix *ret);

/* Whether address is within prefix. 0.0.0.0/0 holds no IPv6 address. */
bool sg_prefix_contains(const struct sg_prefix *prefix, const struct sg_ip *address);

bool sg_ip_equal(const struct sg_ip *a, const struct sg_ip *b);

/* Take the address of an AF_INET or AF_INET6 socket address; family 0 for any other. */
struct sg_ip sg_ip_from_sockaddr(const struct sockaddr *address);

/* Write the text form with a NUL; "" for family 0. */
void sg_ip_format(const struct sg_ip *address, char ret[SG_IP_TEXT_BYTES]);

#endif
