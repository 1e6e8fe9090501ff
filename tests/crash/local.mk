EXTRA_DIST += \
	tests/crash/auditlog.py \
	tests/crash/conftest.py \
	tests/crash/load.py \
	tests/crash/powercut.py \
	tests/crash/preload.py \
	tests/crash/rounds.py \
	tests/crash/test_kill.py \
	tests/crash/test_power_cut.py
