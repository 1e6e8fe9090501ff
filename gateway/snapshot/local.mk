libsgcore_a_SOURCES += \
	gateway/snapshot/settings.c \
	gateway/snapshot/settings.h \
	gateway/snapshot/snapshot.c \
	gateway/snapshot/snapshot.h
EXTRA_DIST += gateway/snapshot/.may_include
