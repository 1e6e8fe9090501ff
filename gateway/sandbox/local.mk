libsggate_a_SOURCES += \
	gateway/sandbox/cloud.c \
	gateway/sandbox/cloud.h \
	gateway/sandbox/flows.c \
	gateway/sandbox/flows.h \
	gateway/sandbox/sandbox.c \
	gateway/sandbox/sandbox.h \
	gateway/sandbox/verify.c \
	gateway/sandbox/verify.h
EXTRA_DIST += gateway/sandbox/.may_include
