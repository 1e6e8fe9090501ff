#include "base/clock.h"

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
