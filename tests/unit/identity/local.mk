check_PROGRAMS += tests/unit/identity/test_identity
tests_unit_identity_test_identity_SOURCES = tests/unit/identity/test_identity.c
if HAVE_JOSE
check_PROGRAMS += tests/unit/identity/test_tokens
tests_unit_identity_test_tokens_SOURCES = tests/unit/identity/test_tokens.c tests/unit/crypto/tokens.h
endif
