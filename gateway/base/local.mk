libsgcore_a_SOURCES += \
	gateway/base/account.c \
	gateway/base/account.h \
	gateway/base/arena.c \
	gateway/base/arena.h \
	gateway/base/buf.c \
	gateway/base/buf.h \
	gateway/base/clock.c \
	gateway/base/clock.h \
	gateway/base/diags.c \
	gateway/base/diags.h \
	gateway/base/error.c \
	gateway/base/error.h \
	gateway/base/ip.c \
	gateway/base/ip.h \
	gateway/base/log.c \
	gateway/base/log.h \
	gateway/base/object.h \
	gateway/base/secret.c \
	gateway/base/secret.h \
	gateway/base/status.c \
	gateway/base/status.h \
	gateway/base/str.c \
	gateway/base/str.h \
	gateway/base/thread.c \
	gateway/base/thread.h
EXTRA_DIST += gateway/base/.may_include
