/*
 * Files inside the program, exactly as they are shipped: the catalog and the example policies for
 * `serve --sandbox`, the schemas for `schema`. Made by the assembler (embedded.S). [any]
 */
#ifndef SG_CLI_EMBEDDED_H
#define SG_CLI_EMBEDDED_H

#include "cli/schemas.h"

/* Each text begins at its symbol and ends before its end symbol. */
extern const char sg_embedded_catalog[], sg_embedded_catalog_end[];
extern const char sg_embedded_policies[], sg_embedded_policies_end[];

#define SG_SCHEMA_DECLARE(symbol, name, file, summary) \
    extern const char sg_embedded_schema_##symbol[], sg_embedded_schema_##symbol##_end[];
SG_SCHEMAS(SG_SCHEMA_DECLARE)
#undef SG_SCHEMA_DECLARE

#endif
