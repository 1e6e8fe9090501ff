check_PROGRAMS += tests/unit/text/test_yaml_tree
tests_unit_text_test_yaml_tree_SOURCES = tests/unit/text/test_yaml_tree.c
