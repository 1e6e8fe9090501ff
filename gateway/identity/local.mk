libsgcore_a_SOURCES += \
	gateway/identity/identity.c \
	gateway/identity/identity.h \
	gateway/identity/issuers.c \
	gateway/identity/issuers.h \
	gateway/identity/settings.c \
	gateway/identity/settings.h \
	gateway/identity/tokens.c \
	gateway/identity/tokens.h
EXTRA_DIST += gateway/identity/.may_include
