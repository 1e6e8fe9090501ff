# Each target is a fuzzer in a build with --enable-fuzzing, and replays its corpus in all others.
if FUZZING
noinst_PROGRAMS = \
	tests/fuzz/fuzz_strict \
	tests/fuzz/fuzz_target \
	tests/fuzz/fuzz_catalog \
	tests/fuzz/fuzz_answer \
	tests/fuzz/fuzz_yaml \
	tests/fuzz/fuzz_policy \
	tests/fuzz/fuzz_audit \
	tests/fuzz/fuzz_jwt \
	tests/fuzz/fuzz_front
tests_fuzz_fuzz_strict_SOURCES = tests/fuzz/fuzz_strict.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_strict_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_strict_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_target_SOURCES = tests/fuzz/fuzz_target.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_target_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_target_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_catalog_SOURCES = tests/fuzz/fuzz_catalog.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_catalog_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_catalog_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_answer_SOURCES = tests/fuzz/fuzz_answer.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_answer_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_answer_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_yaml_SOURCES = tests/fuzz/fuzz_yaml.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_yaml_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_yaml_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_policy_SOURCES = tests/fuzz/fuzz_policy.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_policy_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_policy_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_audit_SOURCES = tests/fuzz/fuzz_audit.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_audit_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_audit_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_jwt_SOURCES = tests/fuzz/fuzz_jwt.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_jwt_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_jwt_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_front_SOURCES = tests/fuzz/fuzz_front.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_front_LDADD = $(GATE_LDADD)
tests_fuzz_fuzz_front_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += \
	tests/fuzz/replay_strict \
	tests/fuzz/replay_target \
	tests/fuzz/replay_catalog \
	tests/fuzz/replay_answer \
	tests/fuzz/replay_yaml \
	tests/fuzz/replay_policy \
	tests/fuzz/replay_audit \
	tests/fuzz/replay_jwt \
	tests/fuzz/replay_front
tests_fuzz_replay_strict_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_strict.c tests/fuzz/fuzz.h
tests_fuzz_replay_strict_LDADD = $(GATE_LDADD)
tests_fuzz_replay_target_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_target.c tests/fuzz/fuzz.h
tests_fuzz_replay_target_LDADD = $(GATE_LDADD)
tests_fuzz_replay_catalog_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_catalog.c tests/fuzz/fuzz.h
tests_fuzz_replay_catalog_LDADD = $(GATE_LDADD)
tests_fuzz_replay_answer_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_answer.c tests/fuzz/fuzz.h
tests_fuzz_replay_answer_LDADD = $(GATE_LDADD)
tests_fuzz_replay_yaml_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_yaml.c tests/fuzz/fuzz.h
tests_fuzz_replay_yaml_LDADD = $(GATE_LDADD)
tests_fuzz_replay_policy_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_policy.c tests/fuzz/fuzz.h
tests_fuzz_replay_policy_LDADD = $(GATE_LDADD)
tests_fuzz_replay_audit_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_audit.c tests/fuzz/fuzz.h
tests_fuzz_replay_audit_LDADD = $(GATE_LDADD)
tests_fuzz_replay_jwt_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_jwt.c tests/fuzz/fuzz.h
tests_fuzz_replay_jwt_LDADD = $(GATE_LDADD)
tests_fuzz_replay_front_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_front.c tests/fuzz/fuzz.h
tests_fuzz_replay_front_LDADD = $(GATE_LDADD)
endif
EXTRA_DIST += tests/fuzz/run tests/fuzz/corpus
