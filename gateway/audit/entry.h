/*
 * An entry: one thing that was asked of the gateway, or that happened to it, as a person reads the
 * log. A call's intent and outcome are one entry; a refusal, or an event of the gateway, is one by
 * itself. Pure. [any, one thread at a time]
 */
#ifndef SG_AUDIT_ENTRY_H
#define SG_AUDIT_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* The members of records that readers know, in the order in which they are written out. */
#define SG_ENTRY_MEMBERS(X)                                             \
    X(stream)                                                           \
    X(epoch)                                                            \
    X(seq)                                                              \
    X(outcome_seq) /* of the outcome's line, when an intent gave seq */ \
    X(time)                                                             \
    X(outcome_time)                                                     \
    X(event)                                                            \
    X(request_id)                                                       \
    X(caller)                                                           \
    X(team)                                                             \
    X(identity)                                                         \
    X(source_ip)                                                        \
    X(method)                                                           \
    X(path)                                                             \
    X(query)                                                            \
    X(action)                                                           \
    X(access_level)                                                     \
    X(resource)                                                         \
    X(project_id)                                                       \
    X(decision)                                                         \
    X(reason)                                                           \
    X(detail)                                                           \
    X(policy)                                                           \
    X(statement)                                                        \
    X(policy_revision)                                                  \
    X(would)                                                            \
    X(credential)                                                       \
    X(credential_fingerprint)                                           \
    X(upstream)                                                         \
    X(upstream_request_id)                                              \
    X(upstream_error_code)                                              \
    X(trace_id)                                                         \
    X(client_request_id)                                                \
    X(version)                                                          \
    X(configuration_revision)                                           \
    X(status)                                                           \
    X(outcome)                                                          \
    X(sent)                                                             \
    X(request_bytes)                                                    \
    X(response_bytes)                                                   \
    X(duration_us)                                                      \
    X(upstream_us)                                                      \
    X(offset_us)                                                        \
    X(count)                                                            \
    X(first)                                                            \
    X(last)                                                             \
    X(reasons)

enum sg_entry_member {
#define SG_ENTRY_ENUM(name) SG_ENTRY_##name,
    SG_ENTRY_MEMBERS(SG_ENTRY_ENUM)
#undef SG_ENTRY_ENUM
        SG_ENTRY_MEMBER_COUNT
};

enum sg_entry_kind {
    SG_ENTRY_CALL = 0, /* an intent, its outcome, or both */
    SG_ENTRY_REFUSAL,  /* denied, rejected, dry_run: answered by the gateway itself */
    SG_ENTRY_EVENT,    /* start, stop, segment...: nobody asked for it */
};

struct sg_entry_value {
    struct sg_str text; /* of a string its inside, still escaped; else raw JSON. p NULL: absent */
    bool is_string;
};

struct sg_entry {
    enum sg_entry_kind kind;
    bool has_intent, has_outcome;
    struct sg_entry_value values[SG_ENTRY_MEMBER_COUNT]; /* slices of the lines */
    struct sg_str lines[2];                              /* what it was read from; empty: none */
};

/* "caller"; never NULL. */
const char *sg_entry_member_name(enum sg_entry_member member);

/*
 * Read an entry from one line, or from an intent's and its outcome's (intent empty: none). Where
 * both say something the outcome is right, but time and seq are the intent's. *ret borrows both.
 */
void sg_entry_read(struct sg_str intent, struct sg_str line, struct sg_entry *ret);

/* A member as it stands (escaped), or empty. */
struct sg_str sg_entry_text(const struct sg_entry *entry, enum sg_entry_member member);

/* A member that is a whole number; false: it is not there. */
bool sg_entry_number(const struct sg_entry *entry, enum sg_entry_member member, uint64_t *ret);

/* How many requests it stands for: the count of summed refusals, 1, or 0 for an event. */
uint64_t sg_entry_count(const struct sg_entry *entry);

/*
 * Whether nobody knows what became of it: an intent without an outcome, or an outcome that says
 * unknown.
 */
bool sg_entry_is_in_doubt(const struct sg_entry *entry);

/*
 * Append all members to a JSON object that was begun (behind its first member): known ones in their
 * order, then those that this program does not know. What comes out is valid JSON without a control
 * byte, whatever the line held.
 */
void sg_entry_add_json(const struct sg_entry *entry, struct sg_buf *out);

#endif
