check_PROGRAMS += tests/unit/snapshot/test_endpoint
tests_unit_snapshot_test_endpoint_SOURCES = tests/unit/snapshot/test_endpoint.c
