libsgcore_a_SOURCES += \
	gateway/http/bytes.c \
	gateway/http/bytes.h \
	gateway/http/headers.c \
	gateway/http/headers.h \
	gateway/http/strict.c \
	gateway/http/strict.h \
	gateway/http/problem.c \
	gateway/http/problem.h \
	gateway/http/target.c \
	gateway/http/target.h
EXTRA_DIST += gateway/http/.may_include
