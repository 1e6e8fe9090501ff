#include "sandbox/flows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/object.h"

bool sg_sandbox_copy(char *bytes, size_t size, struct sg_str text)
{
    if (text.n >= size || sg_str_find(text, '\0') != text.n) {
        return false;
    }
    if (text.n > 0) {
        memcpy(bytes, text.p, text.n);
    }
    bytes[text.n] = '\0';
    return true;
}

bool sg_sandbox_is_name(struct sg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = sg_ascii_lower(s.p[i]);
        bool letter = c >= 'a' && c <= 'z';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '_'))) {
            return false;
        }
    }
    return s.n > 0 && s.n <= SG_SANDBOX_NAME_BYTES;
}

struct sg_sandbox_flow *sg_sandbox_flow_find(const struct sg_sandbox_flows *flows, struct sg_str id)
{
    for (size_t i = 0; i < flows->count; i++) {
        if (sg_str_equal_text(id, flows->items[i]->id)) {
            return flows->items[i];
        }
    }
    return NULL;
}

enum sg_status sg_sandbox_flow_add(struct sg_sandbox_flows *flows, struct sg_str name,
                                   struct sg_str region, struct sg_sandbox_flow **ret)
{
    if (flows->count == SG_SANDBOX_FLOWS_MAX) {
        return SG_BUSY;
    }
    struct sg_sandbox_flow *flow = calloc(1, sizeof *flow);
    if (flow == NULL) {
        return SG_NO_MEMORY;
    }
    if (!sg_sandbox_copy(flow->name, sizeof flow->name, name) ||
        !sg_sandbox_copy(flow->region, sizeof flow->region, region)) {
        free(flow);
        return SG_MALFORMED;
    }
    flows->last_number++;
    (void)snprintf(flow->id, sizeof flow->id, "f%" PRIu64, flows->last_number);
    flows->items[flows->count++] = flow;
    *ret = flow;
    return SG_OK;
}

void sg_sandbox_flow_remove(struct sg_sandbox_flows *flows, struct sg_sandbox_flow *flow)
{
    size_t i = 0;
    while (i < flows->count && flows->items[i] != flow) {
        i++;
    }
    SG_ASSERT(i < flows->count);
    flows->count--;
    memmove(&flows->items[i], &flows->items[i + 1], (flows->count - i) * sizeof flows->items[0]);
    flows->items[flows->count] = NULL;
    free(flow);
}

struct sg_sandbox_output *sg_sandbox_output_find(struct sg_sandbox_flow *flow, struct sg_str name)
{
    for (size_t i = 0; i < flow->output_count; i++) {
        if (sg_str_equal_text(name, flow->outputs[i].name)) {
            return &flow->outputs[i];
        }
    }
    return NULL;
}

enum sg_status sg_sandbox_output_add(struct sg_sandbox_flow *flow, struct sg_str name,
                                     struct sg_str protocol, struct sg_sandbox_output **ret)
{
    if (flow->output_count == SG_SANDBOX_OUTPUTS_MAX) {
        return SG_BUSY;
    }
    struct sg_sandbox_output *output = &flow->outputs[flow->output_count];
    *output = (struct sg_sandbox_output){.disabled = false};
    if (!sg_sandbox_copy(output->name, sizeof output->name, name) ||
        !sg_sandbox_copy(output->protocol, sizeof output->protocol, protocol)) {
        return SG_MALFORMED;
    }
    flow->output_count++;
    *ret = output;
    return SG_OK;
}

void sg_sandbox_output_remove(struct sg_sandbox_flow *flow, struct sg_sandbox_output *output)
{
    size_t i = (size_t)(output - flow->outputs);
    SG_ASSERT(i < flow->output_count);
    flow->output_count--;
    memmove(output, output + 1, (flow->output_count - i) * sizeof *output);
}

enum sg_status sg_sandbox_flows_init(struct sg_sandbox_flows *flows)
{
    static const char *const names[] = {"playout-a", "playout-b", "playout-c", "playout-d",
                                        "playout-e", "news-a",    "news-b",    "news-c"};
    struct sg_sandbox_flow *flow;
    *flows = (struct sg_sandbox_flows){.count = 0};
    enum sg_status status =
        sg_sandbox_flow_add(flows, SG_STR("evening-show"), SG_STR("cn-north-4"), &flow);
    if (status != SG_OK) {
        return status;
    }
    flow->active = true;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == SG_OK; i++) {
        struct sg_sandbox_output *output;
        status = sg_sandbox_output_add(flow, sg_str_from(names[i]), SG_STR("srt-caller"), &output);
    }
    return status;
}

void sg_sandbox_flows_done(struct sg_sandbox_flows *flows)
{
    for (size_t i = 0; i < flows->count; i++) {
        free(flows->items[i]);
    }
    *flows = (struct sg_sandbox_flows){.count = 0};
}
