check_PROGRAMS += tests/config/test_config
tests_config_test_config_SOURCES = tests/config/test_config.c
EXTRA_DIST += \
	tests/config/policy.yaml \
	tests/config/good/defaults-written-out.yaml \
	tests/config/good/minimal.yaml \
	tests/config/good/sinks.yaml
EXTRA_DIST += \
	tests/config/bad/addresses.expected \
	tests/config/bad/addresses.yaml \
	tests/config/bad/duplicate-key.expected \
	tests/config/bad/duplicate-key.yaml \
	tests/config/bad/empty.expected \
	tests/config/bad/empty.yaml \
	tests/config/bad/environment.expected \
	tests/config/bad/environment.yaml \
	tests/config/bad/five-mistakes.expected \
	tests/config/bad/five-mistakes.yaml \
	tests/config/bad/listeners.expected \
	tests/config/bad/listeners.yaml \
	tests/config/bad/not-built.expected \
	tests/config/bad/not-built.yaml \
	tests/config/bad/sinks.expected \
	tests/config/bad/sinks.yaml \
	tests/config/bad/tab.expected \
	tests/config/bad/tab.yaml \
	tests/config/bad/wrong-types.expected \
	tests/config/bad/wrong-types.yaml
