libsgcore_a_SOURCES += \
	gateway/audit/chain.c \
	gateway/audit/chain.h \
	gateway/audit/checkpoint.c \
	gateway/audit/checkpoint.h \
	gateway/audit/crash.c \
	gateway/audit/crash.h \
	gateway/audit/ending.c \
	gateway/audit/ending.h \
	gateway/audit/flood.c \
	gateway/audit/flood.h \
	gateway/audit/folder.c \
	gateway/audit/folder.h \
	gateway/audit/follow.c \
	gateway/audit/follow.h \
	gateway/audit/journal.c \
	gateway/audit/journal.h \
	gateway/audit/journal_private.h \
	gateway/audit/members.c \
	gateway/audit/members.h \
	gateway/audit/note.c \
	gateway/audit/note.h \
	gateway/audit/open_intents.c \
	gateway/audit/open_intents.h \
	gateway/audit/port.c \
	gateway/audit/reader.c \
	gateway/audit/reader.h \
	gateway/audit/record.c \
	gateway/audit/record.h \
	gateway/audit/recovery.c \
	gateway/audit/segment.c \
	gateway/audit/segment.h \
	gateway/audit/writer.c \
	gateway/audit/writer.h
EXTRA_DIST += gateway/audit/.may_include
