libsgcore_a_SOURCES += \
	gateway/policy/condition.c \
	gateway/policy/condition.h \
	gateway/policy/decide.c \
	gateway/policy/document.c \
	gateway/policy/document.h \
	gateway/policy/keys.c \
	gateway/policy/keys.h \
	gateway/policy/load.c \
	gateway/policy/operator.c \
	gateway/policy/operator.h \
	gateway/policy/policy.h \
	gateway/policy/set.h \
	gateway/policy/would_allow.c \
	gateway/policy/wrapper.c \
	gateway/policy/wrapper.h
EXTRA_DIST += gateway/policy/.may_include
