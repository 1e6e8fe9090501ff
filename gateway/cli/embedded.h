/*
 * Files inside the program, for `serve --sandbox`: the catalog and the example policies, exactly as
 * they are shipped. Made by the assembler (embedded.S). [any]
 */
#ifndef SG_CLI_EMBEDDED_H
#define SG_CLI_EMBEDDED_H

/* Each text begins at its symbol and ends before its end symbol. */
extern const char sg_embedded_catalog[], sg_embedded_catalog_end[];
extern const char sg_embedded_policies[], sg_embedded_policies_end[];

#endif
