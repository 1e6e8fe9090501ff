libsggate_a_SOURCES += \
	gateway/cli/against.c \
	gateway/cli/against.h \
	gateway/cli/audit.h \
	gateway/cli/audit_indoubt.c \
	gateway/cli/audit_read.c \
	gateway/cli/audit_read.h \
	gateway/cli/audit_reconcile.c \
	gateway/cli/audit_rows.c \
	gateway/cli/audit_rows.h \
	gateway/cli/audit_show.c \
	gateway/cli/audit_stats.c \
	gateway/cli/audit_verify.c \
	gateway/cli/cells.c \
	gateway/cli/cells.h \
	gateway/cli/cli.c \
	gateway/cli/cli.h \
	gateway/cli/embedded.S \
	gateway/cli/embedded.h \
	gateway/cli/schemas.h \
	gateway/cli/verb_audit.c \
	gateway/cli/verb_check.c \
	gateway/cli/verb_sandbox.c \
	gateway/cli/verb_schema.c \
	gateway/cli/verb_serve.c \
	gateway/cli/verb_sign.c
EXTRA_DIST += gateway/cli/.may_include
# What embedded.S takes in is no source of it that make could know.
SCHEMAS = $(wildcard $(top_srcdir)/config/schema/*.json)
EXAMPLE_POLICIES = policies/operations.yaml policies/playout-outputs.yaml policies/viewers.yaml
gateway/cli/libsggate_a-embedded.$(OBJEXT) gateway/cli/embedded.$(OBJEXT): \
	$(top_srcdir)/config/catalog/live.yaml $(EXAMPLE_POLICIES) $(SCHEMAS)
