#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/account.h"

enum { UNTOUCHED = 4711 };

static void root_is_0(void **state)
{
    (void)state;
    uid_t user = UNTOUCHED;
    gid_t group = UNTOUCHED;
    assert_true(sg_account_user("root", &user));
    assert_int_equal(user, 0);
    assert_true(sg_account_group("root", &group));
    assert_int_equal(group, 0);
}

static void a_number_means_itself(void **state)
{
    (void)state;
    uid_t user = UNTOUCHED;
    gid_t group = UNTOUCHED;
    assert_true(sg_account_user("4294967294", &user));
    assert_int_equal(user, 4294967294u);
    assert_true(sg_account_group("12345", &group));
    assert_int_equal(group, 12345);
}

/* 4294967295 is "none" to the system. */
static void what_is_nobody_is_not_found(void **state)
{
    static const char *const names[] = {"", "no such user", "4294967295", "-1", "0x10", "root "};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uid_t user = UNTOUCHED;
        gid_t group = UNTOUCHED;
        assert_false(sg_account_user(names[i], &user));
        assert_int_equal(user, UNTOUCHED);
        assert_false(sg_account_group(names[i], &group));
        assert_int_equal(group, UNTOUCHED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_is_0),
        cmocka_unit_test(a_number_means_itself),
        cmocka_unit_test(what_is_nobody_is_not_found),
    };
    return cmocka_run_group_tests_name("base/account", tests, NULL, NULL);
}
