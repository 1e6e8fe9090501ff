libsggate_a_SOURCES += \
	gateway/net/answer.c \
	gateway/net/answer.h \
	gateway/net/dial.c \
	gateway/net/dial.h \
	gateway/net/front.c \
	gateway/net/gate.c \
	gateway/net/gate.h \
	gateway/net/gate_answer.c \
	gateway/net/gate_evhttp.c \
	gateway/net/gate_private.h \
	gateway/net/listener.c \
	gateway/net/listener.h \
	gateway/net/loop.c \
	gateway/net/loop.h \
	gateway/net/mailbox.c \
	gateway/net/mailbox.h \
	gateway/net/memory.c \
	gateway/net/memory.h \
	gateway/net/relay.c \
	gateway/net/relay.h \
	gateway/net/resolver.c \
	gateway/net/resolver.h \
	gateway/net/self_test.c \
	gateway/net/sources.c \
	gateway/net/sources.h \
	gateway/net/stream.c \
	gateway/net/stream.h \
	gateway/net/upstream.c \
	gateway/net/upstream.h
EXTRA_DIST += gateway/net/.may_include
