#include "exchange/request_id.h"

#include <string.h>
#include <sys/random.h>

#include "base/object.h"

enum { RANDOM_BYTES_PER_ID = 10 };

void sg_request_id_make(struct sg_request_ids *ids, int64_t realtime_us,
                        char ret[SG_REQUEST_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    if (ids->left < RANDOM_BYTES_PER_ID) {
        /* Up to 256 bytes come whole once the kernel's pool is ready; it is, long before us. */
        for (size_t at = 0; at < sizeof ids->random; at += 256) {
            SG_ASSERT(getrandom(ids->random + at, 256, 0) == 256);
        }
        ids->left = sizeof ids->random;
    }
    unsigned char id[16];
    uint64_t milliseconds = (uint64_t)(realtime_us / 1000);
    for (size_t i = 0; i < 6; i++) {
        id[i] = (unsigned char)(milliseconds >> (40 - 8 * i));
    }
    memcpy(id + 6, ids->random + sizeof ids->random - ids->left, RANDOM_BYTES_PER_ID);
    ids->left -= RANDOM_BYTES_PER_ID;
    id[6] = (unsigned char)(0x70 | (id[6] & 0x0f)); /* version 7 */
    id[8] = (unsigned char)(0x80 | (id[8] & 0x3f)); /* variant 10 */
    char *to = ret;
    for (size_t i = 0; i < sizeof id; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *to++ = '-';
        }
        *to++ = digits[id[i] >> 4];
        *to++ = digits[id[i] & 15];
    }
}
