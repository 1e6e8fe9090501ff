check_PROGRAMS += \
	tests/unit/net/test_answer \
	tests/unit/net/test_gate \
	tests/unit/net/test_relay \
	tests/unit/net/test_resolver \
	tests/unit/net/test_upstream
tests_unit_net_test_answer_SOURCES = tests/unit/net/test_answer.c
tests_unit_net_test_answer_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_gate_SOURCES = tests/unit/net/test_gate.c
tests_unit_net_test_gate_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_relay_SOURCES = tests/unit/net/test_relay.c
tests_unit_net_test_relay_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_resolver_SOURCES = tests/unit/net/test_resolver.c
tests_unit_net_test_resolver_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_net_test_upstream_SOURCES = tests/unit/net/test_upstream.c tests/unit/net/cloud.h
tests_unit_net_test_upstream_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
