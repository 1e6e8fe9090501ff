#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exchange/request_id.h"

enum { COUNT = 5000 }; /* several fillings of the random bytes */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* RFC 9562 section 5.7: 48 bits of milliseconds, version 7, variant 10. */
static void an_id_has_the_form_of_uuid_version_7(void **state)
{
    (void)state;
    struct sg_request_ids *ids = calloc(1, sizeof *ids);
    assert_non_null(ids);
    for (int i = 0; i < COUNT; i++) {
        char id[SG_REQUEST_ID_BYTES];
        /* the example of RFC 9562 appendix A.6: 0x017F22E279B0 ms */
        sg_request_id_make(ids, INT64_C(0x017F22E279B0) * 1000 + 999, id);
        assert_memory_equal(id, "017f22e2-79b0-7", 15);
        assert_true(id[19] == '8' || id[19] == '9' || id[19] == 'a' || id[19] == 'b');
        for (size_t at = 0; at < sizeof id; at++) {
            bool dash = at == 8 || at == 13 || at == 18 || at == 23;
            assert_true(dash ? id[at] == '-' : is_hex(id[at]));
        }
    }
    free(ids);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, SG_REQUEST_ID_BYTES);
}

static void no_two_ids_of_one_millisecond_are_equal(void **state)
{
    (void)state;
    static char made[COUNT][SG_REQUEST_ID_BYTES];
    struct sg_request_ids *ids = calloc(1, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < COUNT; i++) {
        sg_request_id_make(ids, 0, made[i]);
    }
    qsort(made, COUNT, sizeof *made, compare);
    for (size_t i = 1; i < COUNT; i++) {
        assert_true(compare(made[i - 1], made[i]) < 0);
    }
    free(ids);
}

static void later_ids_sort_behind_earlier_ones(void **state)
{
    (void)state;
    struct sg_request_ids *ids = calloc(1, sizeof *ids);
    char earlier[SG_REQUEST_ID_BYTES], later[SG_REQUEST_ID_BYTES];
    assert_non_null(ids);
    sg_request_id_make(ids, 1000, earlier);
    for (int64_t ms = 2; ms < INT64_C(1) << 47; ms *= 3) {
        sg_request_id_make(ids, ms * 1000, later);
        assert_true(compare(earlier, later) < 0);
        memcpy(earlier, later, sizeof earlier);
    }
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_the_form_of_uuid_version_7),
        cmocka_unit_test(no_two_ids_of_one_millisecond_are_equal),
        cmocka_unit_test(later_ids_sort_behind_earlier_ones),
    };
    return cmocka_run_group_tests_name("exchange/request_id", tests, NULL, NULL);
}
