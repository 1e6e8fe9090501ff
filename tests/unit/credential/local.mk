check_PROGRAMS += tests/unit/credential/test_credential
tests_unit_credential_test_credential_SOURCES = tests/unit/credential/test_credential.c
