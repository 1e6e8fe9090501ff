check_PROGRAMS += tests/unit/identity/test_identity
tests_unit_identity_test_identity_SOURCES = tests/unit/identity/test_identity.c
