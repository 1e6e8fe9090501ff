check_PROGRAMS += tests/unit/signing/test_signer
tests_unit_signing_test_signer_SOURCES = tests/unit/signing/test_signer.c
