check_PROGRAMS += \
	tests/unit/net/test_answer \
	tests/unit/net/test_gate \
	tests/unit/net/test_listener \
	tests/unit/net/test_loop \
	tests/unit/net/test_mailbox \
	tests/unit/net/test_memory \
	tests/unit/net/test_relay \
	tests/unit/net/test_resolver \
	tests/unit/net/test_sources \
	tests/unit/net/test_stream \
	tests/unit/net/test_upstream
tests_unit_net_test_answer_SOURCES = tests/unit/net/test_answer.c
tests_unit_net_test_answer_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_gate_SOURCES = tests/unit/net/test_gate.c
tests_unit_net_test_gate_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_listener_SOURCES = tests/unit/net/test_listener.c
tests_unit_net_test_listener_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_loop_SOURCES = tests/unit/net/test_loop.c
tests_unit_net_test_loop_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_mailbox_SOURCES = tests/unit/net/test_mailbox.c
tests_unit_net_test_mailbox_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_memory_SOURCES = tests/unit/net/test_memory.c
tests_unit_net_test_memory_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
tests_unit_net_test_relay_SOURCES = tests/unit/net/test_relay.c
tests_unit_net_test_relay_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_resolver_SOURCES = tests/unit/net/test_resolver.c
tests_unit_net_test_resolver_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_sources_SOURCES = tests/unit/net/test_sources.c
tests_unit_net_test_sources_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_stream_SOURCES = tests/unit/net/test_stream.c
tests_unit_net_test_stream_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_upstream_SOURCES = tests/unit/net/test_upstream.c tests/unit/net/cloud.h
tests_unit_net_test_upstream_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
