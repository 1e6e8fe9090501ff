libsgcore_a_SOURCES += \
	gateway/audit/chain.c \
	gateway/audit/chain.h \
	gateway/audit/journal.c \
	gateway/audit/journal.h \
	gateway/audit/note.c \
	gateway/audit/note.h \
	gateway/audit/reader.c \
	gateway/audit/reader.h \
	gateway/audit/record.c \
	gateway/audit/record.h \
	gateway/audit/segment.c \
	gateway/audit/segment.h
EXTRA_DIST += gateway/audit/.may_include
