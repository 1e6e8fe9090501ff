/* The files of embedded.h. The policies follow each other as YAML documents. */
#include "cli/schemas.h"
    .section .rodata
    .global sg_embedded_catalog
    .global sg_embedded_catalog_end
    .global sg_embedded_policies
    .global sg_embedded_policies_end
sg_embedded_catalog:
    .incbin "config/catalog/live.yaml"
sg_embedded_catalog_end:
    .byte 0
sg_embedded_policies:
    .incbin "policies/operations.yaml"
    .ascii "\n---\n"
    .incbin "policies/playout-outputs.yaml"
    .ascii "\n---\n"
    .incbin "policies/viewers.yaml"
sg_embedded_policies_end:
    .byte 0
#define SCHEMA(symbol, name, file, summary)      \
    .global sg_embedded_schema_##symbol;         \
    .global sg_embedded_schema_##symbol##_end;   \
    sg_embedded_schema_##symbol: .incbin file;   \
    sg_embedded_schema_##symbol##_end: .byte 0;
    SG_SCHEMAS(SCHEMA)
    .section .note.GNU-stack,"",@progbits
