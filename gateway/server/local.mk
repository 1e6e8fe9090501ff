libsggate_a_SOURCES += \
	gateway/server/admin.c \
	gateway/server/admin.h \
	gateway/server/anchor.c \
	gateway/server/anchor.h \
	gateway/server/privilege.c \
	gateway/server/privilege.h \
	gateway/server/shipper.c \
	gateway/server/shipper.h \
	gateway/server/sink.c \
	gateway/server/sink.h \
	gateway/server/sink_http.c \
	gateway/server/sink_private.h \
	gateway/server/sink_syslog.c \
	gateway/server/stats.c \
	gateway/server/stats.h \
	gateway/server/supervisor.c \
	gateway/server/supervisor.h \
	gateway/server/telling.c \
	gateway/server/telling.h \
	gateway/server/watch.c \
	gateway/server/watch.h \
	gateway/server/worker.c \
	gateway/server/worker.h
EXTRA_DIST += gateway/server/.may_include
