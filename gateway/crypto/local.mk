libsgcore_a_SOURCES += \
	gateway/crypto/certificate.c \
	gateway/crypto/certificate.h \
	gateway/crypto/digest.c \
	gateway/crypto/digest.h \
	gateway/crypto/ed25519.c \
	gateway/crypto/ed25519.h \
	gateway/crypto/jwt.c \
	gateway/crypto/jwt.h \
	gateway/crypto/mac.c \
	gateway/crypto/mac.h \
	gateway/crypto/tls_context.c \
	gateway/crypto/tls_context.h
EXTRA_DIST += gateway/crypto/.may_include
