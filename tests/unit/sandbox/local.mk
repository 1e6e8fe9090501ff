check_PROGRAMS += \
	tests/unit/sandbox/test_cloud \
	tests/unit/sandbox/test_sandbox \
	tests/unit/sandbox/test_verify
tests_unit_sandbox_test_cloud_SOURCES = tests/unit/sandbox/test_cloud.c
tests_unit_sandbox_test_cloud_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_sandbox_test_sandbox_SOURCES = tests/unit/sandbox/test_sandbox.c
tests_unit_sandbox_test_sandbox_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_sandbox_test_verify_SOURCES = tests/unit/sandbox/test_verify.c
tests_unit_sandbox_test_verify_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
