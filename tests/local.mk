if HAVE_CMOCKA
include tests/unit/base/local.mk
include tests/unit/text/local.mk
include tests/unit/crypto/local.mk
include tests/unit/http/local.mk
include tests/unit/catalog/local.mk
include tests/unit/identity/local.mk
include tests/unit/policy/local.mk
include tests/unit/signing/local.mk
include tests/unit/credential/local.mk
include tests/unit/audit/local.mk
include tests/unit/snapshot/local.mk
include tests/unit/net/local.mk
include tests/unit/exchange/local.mk
include tests/unit/sandbox/local.mk
include tests/unit/cli/local.mk
include tests/config/local.mk
include tests/pipeline/local.mk
include tests/vectors/local.mk
include tests/tables/local.mk
endif
include tests/bench/local.mk
include tests/raw/local.mk
include tests/sdk/local.mk
include tests/system/local.mk
include tests/crash/local.mk
include tests/fault/local.mk

TESTS += tests/lint/audit-fields tests/lint/layers
EXTRA_DIST += tests/lint/audit-fields tests/lint/layers
