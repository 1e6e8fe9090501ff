/*
 * The entries of an audit directory, in the order in which they ended: a followed directory whose
 * intents wait for their outcomes. [any, one thread at a time]
 */
#ifndef SG_AUDIT_ENTRIES_H
#define SG_AUDIT_ENTRIES_H

#include "audit/entry.h"
#include "audit/follow.h"

struct sg_entries;

/* As sg_follow_open. */
struct sg_entries *sg_entries_open(const char *directory, const struct sg_follow_position *from,
                                   struct sg_error *reterr);
void sg_entries_close(struct sg_entries *entries); /* NULL is fine */

/*
 * The next entry that has ended, valid until the next call. SG_NOT_FOUND: none more at present;
 * what is open then can be looked at. Others as sg_follow_next.
 */
SG_MUST_CHECK enum sg_status sg_entries_next(struct sg_entries *entries, struct sg_entry *ret,
                                             struct sg_error *reterr);

/*
 * The entries that have not ended, oldest first: *cursor is NULL at first. False: no more. Valid
 * until the next sg_entries_next.
 */
bool sg_entries_next_open(struct sg_entries *entries, const void **cursor, struct sg_entry *ret);

/* The directory that is read. */
struct sg_follow *sg_entries_follow(struct sg_entries *entries);

/* The time of the line last read, as it stands there; empty: none was read. */
struct sg_str sg_entries_last_time(const struct sg_entries *entries);

#endif
