# Targets of libFuzzer. A new one is its file fuzz_NAME.c, its folder corpus/NAME and one line here.
# --enable-fuzzing gives them libFuzzer's main(); else replay.c's, and `make check` runs the corpora.
fuzz_targets = \
	tests/fuzz/fuzz_answer \
	tests/fuzz/fuzz_audit \
	tests/fuzz/fuzz_catalog \
	tests/fuzz/fuzz_entry \
	tests/fuzz/fuzz_front \
	tests/fuzz/fuzz_jwt \
	tests/fuzz/fuzz_note \
	tests/fuzz/fuzz_policy \
	tests/fuzz/fuzz_strict \
	tests/fuzz/fuzz_target \
	tests/fuzz/fuzz_yaml

if FUZZING
noinst_PROGRAMS += $(fuzz_targets)
fuzz_main = -fsanitize=fuzzer
fuzz_archives = libsggate.a libsgcore.a
else
check_PROGRAMS += $(fuzz_targets)
check_LIBRARIES += libsgreplay.a
libsgreplay_a_SOURCES = tests/fuzz/replay.c
fuzz_main = libsgreplay.a
fuzz_archives = libsggate.a libsgcore.a libsgreplay.a
endif
# Said once for all of them, so that a target needs no line of its own.
$(fuzz_targets): LDADD = $(fuzz_main) $(GATE_LDADD)
$(fuzz_targets): $(fuzz_archives)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/fuzz.h tests/fuzz/run
