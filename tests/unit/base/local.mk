check_PROGRAMS += tests/unit/base/test_account
tests_unit_base_test_account_SOURCES = tests/unit/base/test_account.c
