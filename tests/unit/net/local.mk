check_PROGRAMS += tests/unit/net/test_gate
tests_unit_net_test_gate_SOURCES = tests/unit/net/test_gate.c
tests_unit_net_test_gate_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
