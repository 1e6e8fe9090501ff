#include "audit/sink_retry.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

enum { DOUBLINGS_MAX = 7 };

int64_t sg_sink_retry_ms(uint64_t failures, uint32_t random)
{
    const uint64_t doublings = failures > DOUBLINGS_MAX ? DOUBLINGS_MAX : failures - (failures > 0);
    int64_t most = (int64_t)SG_SINK_RETRY_FIRST_MS << doublings;
    if (most > SG_SINK_RETRY_MAX_MS) {
        most = SG_SINK_RETRY_MAX_MS;
    }
    return most / 2 + (int64_t)(random % (uint32_t)(most / 2 + 1));
}

static bool take_number(struct sg_str date, size_t from, size_t digits, int max, int *ret)
{
    uint64_t value;
    if (!sg_str_to_u64(sg_str_slice(date, from, from + digits), (uint64_t)max, &value)) {
        return false;
    }
    *ret = (int)value;
    return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" in seconds since 1970. */
static bool parse_date(struct sg_str date, int64_t *ret_s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char form[] = "xxx, xx xxx xxxx xx:xx:xx GMT";
    struct tm parts = {.tm_isdst = 0};
    if (date.n != sizeof form - 1) {
        return false;
    }
    for (size_t i = 0; i < date.n; i++) {
        if (form[i] != 'x' && date.p[i] != form[i]) {
            return false;
        }
    }
    int month = 0;
    while (month < 12 && memcmp(months + month * 3, date.p + 8, 3) != 0) {
        month++;
    }
    int year;
    if (month == 12 || !take_number(date, 5, 2, 31, &parts.tm_mday) ||
        !take_number(date, 12, 4, 9999, &year) || !take_number(date, 17, 2, 23, &parts.tm_hour) ||
        !take_number(date, 20, 2, 59, &parts.tm_min) ||
        !take_number(date, 23, 2, 60, &parts.tm_sec)) {
        return false;
    }
    parts.tm_mon = month;
    parts.tm_year = year - 1900;
    *ret_s = (int64_t)timegm(&parts);
    return true;
}

bool sg_sink_retry_after(struct sg_str value, int64_t now_s, int64_t *ret_ms)
{
    const int64_t most = SG_SINK_RETRY_AFTER_MAX_MS / 1000;
    uint64_t number;
    int64_t seconds;
    if (sg_str_to_u64(value, UINT64_MAX, &number)) {
        seconds = number > (uint64_t)most ? most : (int64_t)number;
    } else if (parse_date(value, &seconds)) {
        seconds -= now_s;
    } else {
        return false;
    }
    seconds = seconds < 0 ? 0 : seconds > most ? most : seconds;
    *ret_ms = seconds * 1000;
    return true;
}
