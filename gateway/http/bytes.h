/*
 * Which byte may stand where in HTTP: one table for requests and answers. RFC 9110 section 5.6.2
 * (token) and 5.5 (field values), RFC 3986 (targets and hosts). [any]
 */
#ifndef SG_HTTP_BYTES_H
#define SG_HTTP_BYTES_H

#include <stdbool.h>

enum {
    SG_HTTP_TOKEN = 1,
    SG_HTTP_VALUE = 2, /* visible ASCII, space and tab */
    SG_HTTP_TARGET = 4,
    SG_HTTP_DIGIT = 8,
    SG_HTTP_HOST = 16, /* of a name or an IPv4 address */
    SG_HTTP_HEX = 32,
};

extern const unsigned char sg_http_classes[256];

/* Whether a byte is of any of the classes. */
static inline bool sg_http_is(char c, unsigned classes)
{
    return (sg_http_classes[(unsigned char)c] & classes) != 0;
}

/* Field values may hold bytes above 0x7f: nobody interprets those fields. */
static inline bool sg_http_is_value(char c)
{
    return (unsigned char)c >= 0x80 || sg_http_is(c, SG_HTTP_VALUE);
}

#endif
