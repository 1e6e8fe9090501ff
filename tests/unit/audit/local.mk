check_PROGRAMS += tests/unit/audit/test_chain \
	tests/unit/audit/test_checkpoint \
	tests/unit/audit/test_flood \
	tests/unit/audit/test_follow \
	tests/unit/audit/test_journal \
	tests/unit/audit/test_lines \
	tests/unit/audit/test_members \
	tests/unit/audit/test_note \
	tests/unit/audit/test_note_file \
	tests/unit/audit/test_open_intents \
	tests/unit/audit/test_suspect \
	tests/unit/audit/test_verify
tests_unit_audit_test_chain_SOURCES = tests/unit/audit/test_chain.c
tests_unit_audit_test_checkpoint_SOURCES = tests/unit/audit/test_checkpoint.c tests/unit/crypto/keys.h
tests_unit_audit_test_flood_SOURCES = tests/unit/audit/test_flood.c
tests_unit_audit_test_follow_SOURCES = tests/unit/audit/test_follow.c
tests_unit_audit_test_journal_SOURCES = tests/unit/audit/test_journal.c
tests_unit_audit_test_lines_SOURCES = tests/unit/audit/test_lines.c
tests_unit_audit_test_members_SOURCES = tests/unit/audit/test_members.c
tests_unit_audit_test_note_SOURCES = tests/unit/audit/test_note.c tests/unit/crypto/keys.h
tests_unit_audit_test_note_file_SOURCES = tests/unit/audit/test_note_file.c \
	tests/unit/audit/log.h tests/unit/crypto/keys.h
tests_unit_audit_test_open_intents_SOURCES = tests/unit/audit/test_open_intents.c
tests_unit_audit_test_suspect_SOURCES = tests/unit/audit/test_suspect.c
tests_unit_audit_test_verify_SOURCES = tests/unit/audit/test_verify.c tests/unit/audit/log.h \
	tests/unit/crypto/keys.h
check_PROGRAMS += \
	tests/unit/audit/test_note_walk \
	tests/unit/audit/test_retain \
	tests/unit/audit/test_sink_cursor \
	tests/unit/audit/test_sink_frame \
	tests/unit/audit/test_sink_retry \
	tests/unit/audit/test_sink_window
tests_unit_audit_test_note_walk_SOURCES = tests/unit/audit/test_note_walk.c
tests_unit_audit_test_retain_SOURCES = tests/unit/audit/test_retain.c
tests_unit_audit_test_sink_cursor_SOURCES = tests/unit/audit/test_sink_cursor.c
tests_unit_audit_test_sink_frame_SOURCES = tests/unit/audit/test_sink_frame.c
tests_unit_audit_test_sink_retry_SOURCES = tests/unit/audit/test_sink_retry.c
tests_unit_audit_test_sink_window_SOURCES = tests/unit/audit/test_sink_window.c
check_PROGRAMS += \
	tests/unit/audit/test_entries \
	tests/unit/audit/test_entry \
	tests/unit/audit/test_filter \
	tests/unit/audit/test_reconcile \
	tests/unit/audit/test_tally \
	tests/unit/audit/test_trail
tests_unit_audit_test_entries_SOURCES = tests/unit/audit/test_entries.c
tests_unit_audit_test_entry_SOURCES = tests/unit/audit/test_entry.c
tests_unit_audit_test_filter_SOURCES = tests/unit/audit/test_filter.c
tests_unit_audit_test_reconcile_SOURCES = tests/unit/audit/test_reconcile.c
tests_unit_audit_test_tally_SOURCES = tests/unit/audit/test_tally.c
tests_unit_audit_test_trail_SOURCES = tests/unit/audit/test_trail.c
