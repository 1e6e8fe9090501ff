libsgcore_a_SOURCES += \
	gateway/snapshot/endpoint.c \
	gateway/snapshot/endpoint.h \
	gateway/snapshot/listeners.c \
	gateway/snapshot/listeners.h \
	gateway/snapshot/settings.c \
	gateway/snapshot/settings.h \
	gateway/snapshot/sinks.c \
	gateway/snapshot/sinks.h \
	gateway/snapshot/snapshot.c \
	gateway/snapshot/snapshot.h
EXTRA_DIST += gateway/snapshot/.may_include
