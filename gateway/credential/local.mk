libsgcore_a_SOURCES += \
	gateway/credential/credential.c \
	gateway/credential/credential.h
EXTRA_DIST += gateway/credential/.may_include
