#include "catalog/format.h"

#include <stddef.h>
#include <stdint.h>

#include "base/object.h"
#include "text/encode.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool fits_any(struct sg_str value)
{
    (void)value;
    return true;
}

static bool fits_hex32(struct sg_str value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (sg_hex_value(value.p[i]) < 0) {
            return false;
        }
    }
    return value.n == 32;
}

static bool fits_uuid(struct sg_str value)
{
    for (size_t i = 0; i < value.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? value.p[i] != '-' : sg_hex_value(value.p[i]) < 0) {
            return false;
        }
    }
    return value.n == 36;
}

static bool fits_name(struct sg_str value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = sg_ascii_lower(value.p[i]);
        if (!(c >= 'a' && c <= 'z') && !is_digit(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return value.n > 0;
}

static bool fits_integer(struct sg_str value)
{
    uint64_t number;
    bool negative = value.n > 0 && value.p[0] == '-';
    return sg_str_to_u64(sg_str_slice(value, negative ? 1 : 0, value.n), INT64_MAX, &number);
}

/* Read the number of exactly count digits at *at, between low and high, and go behind it. */
static bool take_number(struct sg_str value, size_t *at, size_t count, uint64_t low, uint64_t high,
                        uint64_t *ret)
{
    struct sg_str digits = sg_str_slice(value, *at, *at + count);
    *at += count;
    return digits.n == count && sg_str_to_u64(digits, high, ret) && *ret >= low;
}

static bool take_char(struct sg_str value, size_t *at, char c)
{
    return *at < value.n && value.p[(*at)++] == c;
}

static uint64_t days_of_month(uint64_t year, uint64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (uint64_t)(month == 2 && leap);
}

/* RFC 3339 with "T", at most nine digits of fraction, "Z" or an offset; no leap second. */
static bool fits_timestamp(struct sg_str value)
{
    uint64_t year, month, day, number;
    size_t at = 0;
    if (!take_number(value, &at, 4, 0, 9999, &year) || !take_char(value, &at, '-') ||
        !take_number(value, &at, 2, 1, 12, &month) || !take_char(value, &at, '-') ||
        !take_number(value, &at, 2, 1, days_of_month(year, month), &day) ||
        !take_char(value, &at, 'T') || !take_number(value, &at, 2, 0, 23, &number) ||
        !take_char(value, &at, ':') || !take_number(value, &at, 2, 0, 59, &number) ||
        !take_char(value, &at, ':') || !take_number(value, &at, 2, 0, 59, &number)) {
        return false;
    }
    if (at < value.n && value.p[at] == '.') {
        size_t digits = 0;
        for (at++; at < value.n && is_digit(value.p[at]); at++) {
            digits++;
        }
        if (digits == 0 || digits > 9) {
            return false;
        }
    }
    if (at < value.n && (value.p[at] == '+' || value.p[at] == '-')) {
        at++;
        return take_number(value, &at, 2, 0, 23, &number) && take_char(value, &at, ':') &&
               take_number(value, &at, 2, 0, 59, &number) && at == value.n;
    }
    return take_char(value, &at, 'Z') && at == value.n;
}

struct format {
    bool (*fits)(struct sg_str value);
    const char *wants;
};

const char *const sg_format_names[] = {"any",     "hex32",     "uuid", "name",
                                       "integer", "timestamp", NULL};

/* In the order of sg_format_names. */
static const struct format formats[] = {
    {fits_any, "any text"},
    {fits_hex32, "32 hex digits"},
    {fits_uuid, "a UUID, like 018f6d3e-9c1a-7b42-8d55-0a1b2c3d4e5f"},
    {fits_name, "letters, digits, \"-\", \"_\" and \".\" only"},
    {fits_integer, "a whole number, like 10"},
    {fits_timestamp, "a time with its zone, like 2026-11-24T10:00:00Z"},
};

static const struct format *format_at(int format)
{
    SG_ASSERT(format >= 0 && (size_t)format < sizeof formats / sizeof *formats);
    return &formats[format];
}

bool sg_format_fits(int format, struct sg_str value)
{
    return format_at(format)->fits(value);
}

const char *sg_format_wants(int format)
{
    return format_at(format)->wants;
}
