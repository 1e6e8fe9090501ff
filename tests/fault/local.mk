# A layer between a program and its disk, for tests/fault and tests/crash. Never instrumented: it is
# loaded into instrumented programs.
tests/fault/disk.so: tests/fault/disk.c
	$(AM_V_CC)$(MKDIR_P) tests/fault && $(CC) -std=c11 $(WARN_CFLAGS) -O1 -g -fPIC -shared \
	    -pthread -o $@ $(top_srcdir)/tests/fault/disk.c

check_DATA += tests/fault/disk.so
CLEANFILES += tests/fault/disk.so
EXTRA_DIST += \
	tests/fault/conftest.py \
	tests/fault/disk.c \
	tests/fault/outage.py \
	tests/fault/small_disk.py \
	tests/fault/test_chaos.py \
	tests/fault/test_errors.py \
	tests/fault/test_foreign_hands.py \
	tests/fault/test_full.py \
	tests/fault/test_hang.py \
	tests/fault/test_rotation.py \
	tests/fault/test_start.py
