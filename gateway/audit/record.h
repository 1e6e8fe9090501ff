/* The text of a record: its own members in a fixed order, by hand, on the worker's thread. Pure. */
#ifndef SG_AUDIT_RECORD_H
#define SG_AUDIT_RECORD_H

#include "base/buf.h"
#include "model/audit_record.h"

/* Append "time":...,"event":... and every member that applies, without braces. */
void sg_audit_record_format(const struct sg_audit_record *record, struct sg_buf *out);

/* The longest text a record can become. */
size_t sg_audit_record_bound(const struct sg_audit_record *record);

#endif
