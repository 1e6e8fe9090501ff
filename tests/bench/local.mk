# Measured by hand, never asserted: make tests/bench/audit_log
EXTRA_PROGRAMS = tests/bench/audit_log
tests_bench_audit_log_SOURCES = tests/bench/audit_log.c
tests_bench_audit_log_LDADD = $(CORE_LDADD)
EXTRA_DIST += tests/bench/front tests/bench/reading
