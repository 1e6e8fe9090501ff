/* The files of embedded.h. The policies follow each other as YAML documents. */
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
    .section .note.GNU-stack,"",@progbits
