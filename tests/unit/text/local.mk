check_PROGRAMS += \
	tests/unit/text/test_encode \
	tests/unit/text/test_fields \
	tests/unit/text/test_json_in \
	tests/unit/text/test_wildcard \
	tests/unit/text/test_yaml_tree
tests_unit_text_test_encode_SOURCES = tests/unit/text/test_encode.c
tests_unit_text_test_fields_SOURCES = tests/unit/text/test_fields.c
tests_unit_text_test_json_in_SOURCES = tests/unit/text/test_json_in.c
tests_unit_text_test_wildcard_SOURCES = tests/unit/text/test_wildcard.c
tests_unit_text_test_yaml_tree_SOURCES = tests/unit/text/test_yaml_tree.c
