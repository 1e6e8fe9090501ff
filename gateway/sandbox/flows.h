/*
 * What the simulated cloud holds: flows and their outputs, in memory, bounded. All texts are copied
 * and checked by the functions that take them. [the sandbox's thread]
 */
#ifndef SG_SANDBOX_FLOWS_H
#define SG_SANDBOX_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

enum {
    SG_SANDBOX_FLOWS_MAX = 32,
    SG_SANDBOX_OUTPUTS_MAX = 128, /* of one flow */
    SG_SANDBOX_NAME_BYTES = 64,
    SG_SANDBOX_TEXT_BYTES = 256,
};

struct sg_sandbox_output {
    char name[SG_SANDBOX_NAME_BYTES + 1];
    char protocol[SG_SANDBOX_NAME_BYTES + 1];
    char destination[SG_SANDBOX_NAME_BYTES + 1];
    char description[SG_SANDBOX_TEXT_BYTES + 1];
    bool disabled;
};

struct sg_sandbox_flow {
    char id[SG_SANDBOX_NAME_BYTES + 1];
    char name[SG_SANDBOX_NAME_BYTES + 1];
    char region[SG_SANDBOX_NAME_BYTES + 1];
    bool active;
    size_t output_count;
    struct sg_sandbox_output outputs[SG_SANDBOX_OUTPUTS_MAX];
};

struct sg_sandbox_flows {
    size_t count;
    uint64_t last_number; /* flows are named f1, f2, ...; a number is never used again */
    struct sg_sandbox_flow *items[SG_SANDBOX_FLOWS_MAX]; /* in the order they were made */
};

/* Begin with flow f1 and its outputs playout-a to playout-e and news-a to news-c. */
SG_MUST_CHECK enum sg_status sg_sandbox_flows_init(struct sg_sandbox_flows *flows);
void sg_sandbox_flows_done(struct sg_sandbox_flows *flows);

/* Whether s may name a flow or an output: a letter, then letters, digits, "-" and "_". */
bool sg_sandbox_is_name(struct sg_str s);

struct sg_sandbox_flow *sg_sandbox_flow_find(const struct sg_sandbox_flows *flows,
                                             struct sg_str id);

/* Make a flow. SG_BUSY when there are as many as may be, SG_NO_MEMORY. */
SG_MUST_CHECK enum sg_status sg_sandbox_flow_add(struct sg_sandbox_flows *flows, struct sg_str name,
                                                 struct sg_str region,
                                                 struct sg_sandbox_flow **ret);

void sg_sandbox_flow_remove(struct sg_sandbox_flows *flows, struct sg_sandbox_flow *flow);

struct sg_sandbox_output *sg_sandbox_output_find(struct sg_sandbox_flow *flow, struct sg_str name);

/* Make an output (enabled, no destination). SG_BUSY when there are as many as may be. */
SG_MUST_CHECK enum sg_status sg_sandbox_output_add(struct sg_sandbox_flow *flow, struct sg_str name,
                                                   struct sg_str protocol,
                                                   struct sg_sandbox_output **ret);

void sg_sandbox_output_remove(struct sg_sandbox_flow *flow, struct sg_sandbox_output *output);

/* Copy a text that fits into bytes[size]; false when it does not, or holds a NUL. */
bool sg_sandbox_copy(char *bytes, size_t size, struct sg_str text);

#endif
