check_PROGRAMS += \
	tests/unit/policy/test_condition \
	tests/unit/policy/test_decide \
	tests/unit/policy/test_document \
	tests/unit/policy/test_load \
	tests/unit/policy/test_would_allow
tests_unit_policy_test_condition_SOURCES = \
	tests/unit/policy/support.h tests/unit/policy/test_condition.c
tests_unit_policy_test_decide_SOURCES = \
	tests/unit/policy/support.h tests/unit/policy/test_decide.c
tests_unit_policy_test_document_SOURCES = \
	tests/unit/policy/support.h tests/unit/policy/test_document.c
tests_unit_policy_test_load_SOURCES = \
	tests/unit/policy/support.h tests/unit/policy/test_load.c
tests_unit_policy_test_would_allow_SOURCES = \
	tests/unit/policy/support.h tests/unit/policy/test_would_allow.c
