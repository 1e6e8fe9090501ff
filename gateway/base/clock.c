#include "base/clock.h"

#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now); /* cannot fail for the two clocks below */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_monotonic_us(void *arg)
{
    (void)arg;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_realtime_us(void *arg)
{
    (void)arg;
    return read_clock(CLOCK_REALTIME);
}

const struct sg_clock sg_clock_system = {
    .monotonic_us = system_monotonic_us,
    .realtime_us = system_realtime_us,
};

int64_t sg_clock_monotonic_us(const struct sg_clock *clock)
{
    return clock->monotonic_us(clock->arg);
}

int64_t sg_clock_realtime_us(const struct sg_clock *clock)
{
    return clock->realtime_us(clock->arg);
}

static void put_digits(char *to, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

static struct tm utc(int64_t realtime_us)
{
    time_t seconds = (time_t)(realtime_us / 1000000);
    struct tm parts = {.tm_year = 70, .tm_mday = 1};
    (void)gmtime_r(&seconds, &parts);
    return parts;
}

void sg_clock_format_sdk_date(int64_t realtime_us, char ret[SG_CLOCK_SDK_DATE_BYTES])
{
    struct tm parts = utc(realtime_us);
    put_digits(ret, parts.tm_year + 1900, 4);
    put_digits(ret + 4, parts.tm_mon + 1, 2);
    put_digits(ret + 6, parts.tm_mday, 2);
    ret[8] = 'T';
    put_digits(ret + 9, parts.tm_hour, 2);
    put_digits(ret + 11, parts.tm_min, 2);
    put_digits(ret + 13, parts.tm_sec, 2);
    ret[15] = 'Z';
}

void sg_clock_format_rfc3339(int64_t realtime_us, char ret[SG_CLOCK_RFC3339_BYTES])
{
    struct tm parts = utc(realtime_us);
    put_digits(ret, parts.tm_year + 1900, 4);
    ret[4] = '-';
    put_digits(ret + 5, parts.tm_mon + 1, 2);
    ret[7] = '-';
    put_digits(ret + 8, parts.tm_mday, 2);
    ret[10] = 'T';
    put_digits(ret + 11, parts.tm_hour, 2);
    ret[13] = ':';
    put_digits(ret + 14, parts.tm_min, 2);
    ret[16] = ':';
    put_digits(ret + 17, parts.tm_sec, 2);
    ret[19] = '.';
    put_digits(ret + 20, (int)(realtime_us % 1000000), 6);
    ret[26] = 'Z';
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Take count digits off the front of *rest. */
static bool take_digits(struct sg_str *rest, size_t count, uint64_t max, int *ret)
{
    uint64_t value;
    if (rest->n < count || !sg_str_to_u64(sg_str_slice(*rest, 0, count), max, &value)) {
        return false;
    }
    *ret = (int)value;
    *rest = sg_str_slice(*rest, count, rest->n);
    return true;
}

static bool take_one_of(struct sg_str *rest, const char *set, char *ret)
{
    if (rest->n == 0 || rest->p[0] == '\0' || strchr(set, rest->p[0]) == NULL) {
        return false;
    }
    *ret = rest->p[0];
    *rest = sg_str_slice(*rest, 1, rest->n);
    return true;
}

/* Read what stands behind the point of a second; digits beyond microseconds are cut off. */
static bool take_fraction(struct sg_str *rest, int64_t *ret_us)
{
    int64_t unit = 100000;
    char c;
    if (!take_one_of(rest, "0123456789", &c)) {
        return false;
    }
    do {
        *ret_us += (c - '0') * unit;
        unit /= 10;
    } while (take_one_of(rest, "0123456789", &c));
    return true;
}

bool sg_clock_parse_rfc3339(struct sg_str text, int64_t *ret_us)
{
    struct tm parts = {.tm_year = 0}, again;
    int hours = 0, minutes = 0;
    int64_t fraction_us = 0;
    char c;
    if (!take_digits(&text, 4, 9999, &parts.tm_year) || !take_one_of(&text, "-", &c) ||
        !take_digits(&text, 2, 12, &parts.tm_mon) || !take_one_of(&text, "-", &c) ||
        !take_digits(&text, 2, 31, &parts.tm_mday) || !take_one_of(&text, "Tt ", &c) ||
        !take_digits(&text, 2, 23, &parts.tm_hour) || !take_one_of(&text, ":", &c) ||
        !take_digits(&text, 2, 59, &parts.tm_min) || !take_one_of(&text, ":", &c) ||
        !take_digits(&text, 2, 59, &parts.tm_sec)) {
        return false;
    }
    if (take_one_of(&text, ".", &c) && !take_fraction(&text, &fraction_us)) {
        return false;
    }
    if (!take_one_of(&text, "Zz+-", &c)) {
        return false;
    }
    bool offset = c == '+' || c == '-';
    int sign = c == '-' ? -1 : 1;
    if (offset && (!take_digits(&text, 2, 23, &hours) || !take_one_of(&text, ":", &c) ||
                   !take_digits(&text, 2, 59, &minutes))) {
        return false;
    }
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    const struct tm wanted = parts;
    time_t seconds = timegm(&parts);
    /* A day that its month does not have comes back as another one. */
    if (text.n > 0 || wanted.tm_year < 70 || gmtime_r(&seconds, &again) == NULL ||
        again.tm_mon != wanted.tm_mon || again.tm_mday != wanted.tm_mday) {
        return false;
    }
    *ret_us = ((int64_t)seconds - sign * (hours * 3600 + minutes * 60)) * 1000000 + fraction_us;
    return true;
}
