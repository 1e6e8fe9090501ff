check_PROGRAMS += tests/unit/catalog/test_catalog
tests_unit_catalog_test_catalog_SOURCES = tests/unit/catalog/test_catalog.c
check_PROGRAMS += tests/unit/catalog/test_format
tests_unit_catalog_test_format_SOURCES = tests/unit/catalog/test_format.c
