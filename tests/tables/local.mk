TABLE_SOURCES = tests/tables/table.c tests/tables/table.h

check_PROGRAMS += tests/tables/test_target
tests_tables_test_target_SOURCES = tests/tables/test_target.c $(TABLE_SOURCES)
EXTRA_DIST += tests/tables/target.table

check_PROGRAMS += tests/tables/test_route
tests_tables_test_route_SOURCES = tests/tables/test_route.c $(TABLE_SOURCES)
EXTRA_DIST += tests/tables/route.table tests/tables/route.yaml tests/tables/live.table

check_PROGRAMS += tests/tables/test_policy
tests_tables_test_policy_SOURCES = tests/tables/test_policy.c $(TABLE_SOURCES)
EXTRA_DIST += tests/tables/policy.table
