check_PROGRAMS += tests/unit/exchange/test_reply tests/unit/exchange/test_request_id
tests_unit_exchange_test_reply_SOURCES = tests/unit/exchange/test_reply.c
tests_unit_exchange_test_reply_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_exchange_test_request_id_SOURCES = tests/unit/exchange/test_request_id.c
tests_unit_exchange_test_request_id_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
