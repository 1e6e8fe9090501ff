check_PROGRAMS += \
	tests/unit/crypto/test_digest \
	tests/unit/crypto/test_mac \
	tests/unit/crypto/test_tls_context
tests_unit_crypto_test_digest_SOURCES = tests/unit/crypto/test_digest.c
tests_unit_crypto_test_mac_SOURCES = tests/unit/crypto/test_mac.c
tests_unit_crypto_test_tls_context_SOURCES = tests/unit/crypto/test_tls_context.c
