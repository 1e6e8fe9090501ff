libsgcore_a_SOURCES += \
	gateway/catalog/catalog.c \
	gateway/catalog/catalog.h \
	gateway/catalog/check.c \
	gateway/catalog/format.c \
	gateway/catalog/format.h \
	gateway/catalog/load.c \
	gateway/catalog/pieces.c \
	gateway/catalog/pieces.h \
	gateway/catalog/route.c \
	gateway/catalog/row.h \
	gateway/catalog/tables.c \
	gateway/catalog/tables.h
EXTRA_DIST += gateway/catalog/.may_include
