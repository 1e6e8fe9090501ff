libsgcore_a_SOURCES += \
	gateway/text/encode.c \
	gateway/text/encode.h \
	gateway/text/fields.c \
	gateway/text/fields.h \
	gateway/text/json_in.c \
	gateway/text/json_in.h \
	gateway/text/json_out.c \
	gateway/text/json_out.h \
	gateway/text/private_file.c \
	gateway/text/private_file.h \
	gateway/text/wildcard.c \
	gateway/text/wildcard.h \
	gateway/text/yaml_tree.c \
	gateway/text/yaml_tree.h
EXTRA_DIST += gateway/text/.may_include
