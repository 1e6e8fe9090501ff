libsgcore_a_SOURCES += \
	gateway/signing/signer.c \
	gateway/signing/signer.h
EXTRA_DIST += gateway/signing/.may_include
