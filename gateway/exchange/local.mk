libsggate_a_SOURCES += \
	gateway/exchange/exchange.c \
	gateway/exchange/exchange.h \
	gateway/exchange/flight.c \
	gateway/exchange/flight.h \
	gateway/exchange/lease.c \
	gateway/exchange/lease.h \
	gateway/exchange/reply.c \
	gateway/exchange/reply.h \
	gateway/exchange/request_id.c \
	gateway/exchange/request_id.h
EXTRA_DIST += gateway/exchange/.may_include
