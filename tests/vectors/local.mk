check_PROGRAMS += tests/vectors/test_signing
tests_vectors_test_signing_SOURCES = tests/vectors/test_signing.c
EXTRA_DIST += tests/vectors/signing.json tests/vectors/README.md
