libsgcore_a_SOURCES += \
	gateway/model/action.h \
	gateway/model/audit_record.c \
	gateway/model/audit_record.h \
	gateway/model/decision.c \
	gateway/model/decision.h \
	gateway/model/peer.h \
	gateway/model/principal.h \
	gateway/model/refusal.c \
	gateway/model/refusal.h \
	gateway/model/upstream_spec.h
EXTRA_DIST += gateway/model/.may_include
