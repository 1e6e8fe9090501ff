check_PROGRAMS += \
	tests/unit/crypto/test_certificate \
	tests/unit/crypto/test_digest \
	tests/unit/crypto/test_ed25519 \
	tests/unit/crypto/test_mac \
	tests/unit/crypto/test_tls_context \
	tests/unit/crypto/test_tls_server
tests_unit_crypto_test_certificate_SOURCES = tests/unit/crypto/test_certificate.c tests/unit/crypto/pki.h
tests_unit_crypto_test_digest_SOURCES = tests/unit/crypto/test_digest.c
tests_unit_crypto_test_ed25519_SOURCES = tests/unit/crypto/test_ed25519.c tests/unit/crypto/keys.h
tests_unit_crypto_test_mac_SOURCES = tests/unit/crypto/test_mac.c
tests_unit_crypto_test_tls_context_SOURCES = tests/unit/crypto/test_tls_context.c
tests_unit_crypto_test_tls_server_SOURCES = tests/unit/crypto/test_tls_server.c tests/unit/crypto/pki.h
if HAVE_JOSE
check_PROGRAMS += tests/unit/crypto/test_jwt
tests_unit_crypto_test_jwt_SOURCES = tests/unit/crypto/test_jwt.c tests/unit/crypto/tokens.h
endif
