libsggate_a_SOURCES += \
	gateway/server/admin.c \
	gateway/server/admin.h \
	gateway/server/privilege.c \
	gateway/server/privilege.h \
	gateway/server/stats.c \
	gateway/server/stats.h \
	gateway/server/supervisor.c \
	gateway/server/supervisor.h \
	gateway/server/watch.c \
	gateway/server/watch.h \
	gateway/server/worker.c \
	gateway/server/worker.h
EXTRA_DIST += gateway/server/.may_include
