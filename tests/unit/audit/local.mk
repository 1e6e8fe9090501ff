check_PROGRAMS += tests/unit/audit/test_chain tests/unit/audit/test_journal tests/unit/audit/test_note
tests_unit_audit_test_chain_SOURCES = tests/unit/audit/test_chain.c
tests_unit_audit_test_journal_SOURCES = tests/unit/audit/test_journal.c
tests_unit_audit_test_note_SOURCES = tests/unit/audit/test_note.c tests/unit/crypto/keys.h
