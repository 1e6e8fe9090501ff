check_PROGRAMS += \
	tests/unit/cli/test_audit_rows \
	tests/unit/cli/test_cells \
	tests/unit/cli/test_cli \
	tests/unit/cli/test_verb_schema \
	tests/unit/cli/test_verb_sign
tests_unit_cli_test_audit_rows_SOURCES = tests/unit/cli/test_audit_rows.c
tests_unit_cli_test_audit_rows_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_cli_test_cells_SOURCES = tests/unit/cli/test_cells.c
tests_unit_cli_test_cells_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_cli_test_cli_SOURCES = tests/unit/cli/test_cli.c
tests_unit_cli_test_cli_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_cli_test_verb_schema_SOURCES = tests/unit/cli/test_verb_schema.c
tests_unit_cli_test_verb_schema_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
tests_unit_cli_test_verb_sign_SOURCES = tests/unit/cli/test_verb_sign.c
tests_unit_cli_test_verb_sign_LDADD = $(GATE_LDADD) $(CMOCKA_LIBS)
