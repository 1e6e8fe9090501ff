check_PROGRAMS += tests/pipeline/test_exchange
tests_pipeline_test_exchange_SOURCES = tests/pipeline/test_exchange.c tests/pipeline/fakes.c \
	tests/pipeline/fakes.h
tests_pipeline_test_exchange_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
