/*
 * The JSON Schemas that are shipped, as files of config/schema and inside the program. A new one is
 * its file and a line here: the end of its symbol, its name, its file, what it describes. Read by
 * embedded.S too, so it holds no declaration. [any]
 */
#ifndef SG_CLI_SCHEMAS_H
#define SG_CLI_SCHEMAS_H

#define SG_SCHEMAS(ROW) \
    ROW(audit_record, "audit-record", "config/schema/audit-record.json", "a line of the audit log")

#endif
