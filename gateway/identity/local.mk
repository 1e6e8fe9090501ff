libsgcore_a_SOURCES += \
	gateway/identity/identity.c \
	gateway/identity/identity.h
EXTRA_DIST += gateway/identity/.may_include
