check_PROGRAMS += tests/unit/http/test_problem
tests_unit_http_test_problem_SOURCES = tests/unit/http/test_problem.c
check_PROGRAMS += tests/unit/http/test_target
tests_unit_http_test_target_SOURCES = tests/unit/http/test_target.c
check_PROGRAMS += tests/unit/http/test_strict
tests_unit_http_test_strict_SOURCES = tests/unit/http/test_strict.c
