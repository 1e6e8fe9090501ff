#include "sandbox/cloud.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/secret.h"
#include "sandbox/flows.h"
#include "text/json_in.h"
#include "text/json_out.h"

/*
 * Two layers answer, as in the real cloud, and their errors look different:
 *
 *   the cloud's gateway   signature, unknown operations   APIGW.xxxx, with request_id
 *   the Live service      parameters, flows, outputs      LIVE.xxxxxxxxx, error_code and error_msg
 *
 * The signature is judged before anything else, also for operations that are not simulated, so that
 * a wrong one is always seen. A mismatch is answered with the canonical request in the text, its
 * line ends as "|", as the real one does.
 *
 * Each operation is a function that writes the whole body of its answer and returns the status. It
 * may fail at any point: fail() starts the body anew.
 */

enum { ARENA_BYTES_MAX = 512 * 1024, PROJECT_BYTES = 64, PAGE_DEFAULT = 10, PAGE_MAX = 100 };

struct sg_sandbox_cloud {
    const struct sg_clock *clock;
    struct sg_secret access_key;
    struct sg_secret secret_key;
    char project_id[PROJECT_BYTES + 1];
    struct sg_sandbox_flows flows;
    struct sg_buf body;      /* of the present answer */
    struct sg_buf canonical; /* of the present request */
};

/* One request on its way through an operation. */
struct call {
    struct sg_sandbox_cloud *cloud;
    const struct sg_sandbox_request *request;
    struct sg_arena arena;
    struct sg_json json; /* over the cloud's body */
    const struct sg_sandbox_pair *pairs;
    size_t pair_count;
};

/* --- errors ----------------------------------------------------------------------------------- */

/* An error of the Live service. */
static unsigned fail(struct call *call, unsigned status, const char *code, const char *text)
{
    sg_buf_clear(&call->cloud->body);
    sg_json_init(&call->json, &call->cloud->body);
    sg_json_begin_object(&call->json, NULL);
    sg_json_text(&call->json, "error_code", code);
    sg_json_text(&call->json, "error_msg", text);
    sg_json_end_object(&call->json);
    return status;
}

static unsigned fail_parameter(struct call *call, const char *text)
{
    return fail(call, 400, "LIVE.100011001", text);
}

static unsigned fail_internal(struct call *call)
{
    return fail(call, 500, "LIVE.100011000", "Internal error.");
}

/* An error of the cloud's gateway. */
static unsigned refuse(struct sg_sandbox_cloud *cloud, const struct sg_sandbox_answer *answer,
                       unsigned status, const char *code, struct sg_str text)
{
    struct sg_json json;
    sg_buf_clear(&cloud->body);
    sg_json_init(&json, &cloud->body);
    sg_json_begin_object(&json, NULL);
    sg_json_string(&json, "error_msg", text);
    sg_json_text(&json, "error_code", code);
    sg_json_string(&json, "request_id",
                   (struct sg_str){.p = answer->request_id, .n = sizeof answer->request_id});
    sg_json_end_object(&json);
    return status;
}

/* --- parameters ------------------------------------------------------------------------------- */

/* The value of a query parameter; false when it is missing, empty or there twice. */
static bool find_parameter(const struct call *call, const char *name, struct sg_str *ret)
{
    const struct sg_sandbox_pair *found = NULL;
    for (size_t i = 0; i < call->pair_count; i++) {
        if (sg_str_equal_text(call->pairs[i].name, name)) {
            if (found != NULL) {
                return false;
            }
            found = &call->pairs[i];
        }
    }
    if (found == NULL || found->value.n == 0) {
        return false;
    }
    *ret = found->value;
    return true;
}

/* A number from the query, or fallback when it is not there; false when it is none up to max. */
static bool find_number(const struct call *call, const char *name, uint64_t max, uint64_t fallback,
                        uint64_t *ret)
{
    struct sg_str text;
    if (!find_parameter(call, name, &text)) {
        *ret = fallback;
        return true;
    }
    return sg_str_to_u64(text, max, ret);
}

/* The flow that the query names; NULL after the error is written and its status is set. */
static struct sg_sandbox_flow *find_flow(struct call *call, unsigned *ret_status)
{
    struct sg_str id;
    if (!find_parameter(call, "flow_id", &id)) {
        *ret_status = fail_parameter(call, "Invalid request parameter: flow_id.");
        return NULL;
    }
    struct sg_sandbox_flow *flow = sg_sandbox_flow_find(&call->cloud->flows, id);
    if (flow == NULL) {
        *ret_status =
            fail_parameter(call, "Invalid request parameter: flow_id. The flow does not exist.");
    }
    return flow;
}

static struct sg_sandbox_output *find_output(struct call *call, struct sg_sandbox_flow *flow,
                                             unsigned *ret_status)
{
    struct sg_str name;
    if (!find_parameter(call, "output_name", &name)) {
        *ret_status = fail_parameter(call, "Invalid request parameter: output_name.");
        return NULL;
    }
    struct sg_sandbox_output *output = sg_sandbox_output_find(flow, name);
    if (output == NULL) {
        *ret_status = fail_parameter(
            call, "Invalid request parameter: output_name. The output does not exist.");
    }
    return output;
}

/* The body as JSON; NULL after the error is written and its status is set. Free it. */
static struct sg_json_value *read_body(struct call *call, unsigned *ret_status)
{
    struct sg_json_value *root = NULL;
    enum sg_status status = sg_json_parse(call->request->body, &root, NULL);
    if (status == SG_NO_MEMORY) {
        *ret_status = fail_internal(call);
    } else if (status != SG_OK) {
        *ret_status = fail_parameter(call, "Invalid request body: no valid JSON.");
    }
    return root;
}

/* Copy an optional string member; false when it is there and is no string that fits. */
static bool take_text(const struct sg_json_value *object, const char *name, char *bytes,
                      size_t size)
{
    const struct sg_json_value *value = sg_json_member(object, name);
    struct sg_str text;
    return value == NULL ||
           (sg_json_get_string(value, &text) && sg_sandbox_copy(bytes, size, text));
}

static bool is_protocol(struct sg_str text)
{
    return sg_str_equal(text, SG_STR("srt-caller")) || sg_str_equal(text, SG_STR("srt-listener"));
}

/* --- bodies ----------------------------------------------------------------------------------- */

static void write_output(struct sg_json *json, const struct sg_sandbox_output *output)
{
    sg_json_begin_object(json, NULL);
    sg_json_text(json, "name", output->name);
    sg_json_text(json, "protocol", output->protocol);
    if (output->destination[0] != '\0') {
        sg_json_text(json, "destination", output->destination);
    }
    sg_json_text(json, "description", output->description);
    sg_json_text(json, "output_status", output->disabled ? "DISABLED" : "ENABLED");
    sg_json_text(json, "health_status", output->disabled ? "DISCONNECTED" : "CONNECTED");
    sg_json_end_object(json);
}

static const char *flow_status(const struct sg_sandbox_flow *flow)
{
    return flow->active ? "ACTIVE" : "STANDBY";
}

static void write_outputs(struct sg_json *json, const struct sg_sandbox_flow *flow)
{
    sg_json_begin_list(json, "outputs");
    for (size_t i = 0; i < flow->output_count; i++) {
        write_output(json, &flow->outputs[i]);
    }
    sg_json_end_list(json);
}

static void write_flow(struct sg_json *json, const char *name, const struct sg_sandbox_flow *flow)
{
    sg_json_begin_object(json, name);
    sg_json_text(json, "flow_id", flow->id);
    sg_json_text(json, "name", flow->name);
    sg_json_text(json, "region", flow->region);
    sg_json_text(json, "status", flow_status(flow));
    write_outputs(json, flow);
    sg_json_end_object(json);
}

/* --- operations on flows ---------------------------------------------------------------------- */

static unsigned list_flows(struct call *call)
{
    const struct sg_sandbox_flows *flows = &call->cloud->flows;
    uint64_t limit, offset;
    if (!find_number(call, "limit", PAGE_MAX, PAGE_DEFAULT, &limit) || limit == 0) {
        return fail_parameter(call, "Invalid request parameter: limit.");
    }
    if (!find_number(call, "offset", UINT32_MAX, 0, &offset)) {
        return fail_parameter(call, "Invalid request parameter: offset.");
    }
    sg_json_begin_object(&call->json, NULL);
    sg_json_u64(&call->json, "total", flows->count);
    sg_json_begin_list(&call->json, "flows");
    for (uint64_t i = offset; i < flows->count && i < offset + limit; i++) {
        const struct sg_sandbox_flow *flow = flows->items[i];
        sg_json_begin_object(&call->json, NULL);
        sg_json_text(&call->json, "name", flow->name);
        sg_json_text(&call->json, "region", flow->region);
        sg_json_text(&call->json, "flow_id", flow->id);
        sg_json_text(&call->json, "status", flow_status(flow));
        sg_json_text(&call->json, "protocol", "srt-caller");
        sg_json_end_object(&call->json);
    }
    sg_json_end_list(&call->json);
    sg_json_end_object(&call->json);
    return 200;
}

static unsigned show_flow(struct call *call)
{
    unsigned status = 200;
    struct sg_sandbox_flow *flow = find_flow(call, &status);
    if (flow != NULL) {
        write_flow(&call->json, NULL, flow);
    }
    return status;
}

static unsigned create_flow(struct call *call)
{
    unsigned status = 200;
    struct sg_str name, region;
    struct sg_sandbox_flow *flow;
    struct sg_json_value *body = read_body(call, &status);
    if (body == NULL) {
        return status;
    }
    if (!sg_json_get_string(sg_json_member(body, "name"), &name) || !sg_sandbox_is_name(name)) {
        status = fail_parameter(call, "Invalid request parameter: name.");
    } else if (!sg_json_get_string(sg_json_member(body, "region"), &region) ||
               !sg_sandbox_is_name(region)) {
        status = fail_parameter(call, "Invalid request parameter: region.");
    } else if (!sg_json_is_list(sg_json_member(body, "sources"))) {
        status = fail_parameter(call, "Invalid request parameter: sources.");
    } else {
        switch (sg_sandbox_flow_add(&call->cloud->flows, name, region, &flow)) {
        case SG_OK:
            sg_json_begin_object(&call->json, NULL);
            write_flow(&call->json, "flow", flow);
            sg_json_end_object(&call->json);
            break;
        case SG_BUSY:
            status = fail_parameter(call, "The number of flows has reached the upper limit.");
            break;
        default:
            status = fail_internal(call);
            break;
        }
    }
    sg_json_free(body);
    return status;
}

static unsigned delete_flow(struct call *call)
{
    unsigned status = 200;
    struct sg_sandbox_flow *flow = find_flow(call, &status);
    if (flow == NULL) {
        return status;
    }
    sg_json_begin_object(&call->json, NULL);
    sg_json_text(&call->json, "flow_id", flow->id);
    sg_json_end_object(&call->json);
    sg_sandbox_flow_remove(&call->cloud->flows, flow);
    return status;
}

static unsigned set_active(struct call *call, bool active)
{
    unsigned status = 200;
    struct sg_sandbox_flow *flow = find_flow(call, &status);
    if (flow == NULL) {
        return status;
    }
    flow->active = active;
    sg_json_begin_object(&call->json, NULL);
    sg_json_text(&call->json, "status", flow_status(flow));
    sg_json_text(&call->json, "flow_id", flow->id);
    sg_json_end_object(&call->json);
    return status;
}

static unsigned start_flow(struct call *call)
{
    return set_active(call, true);
}

static unsigned stop_flow(struct call *call)
{
    return set_active(call, false);
}

/* --- operations on outputs -------------------------------------------------------------------- */

static unsigned show_output(struct call *call)
{
    unsigned status = 200;
    struct sg_sandbox_flow *flow = find_flow(call, &status);
    struct sg_sandbox_output *output = flow != NULL ? find_output(call, flow, &status) : NULL;
    if (output != NULL) {
        write_output(&call->json, output);
    }
    return status;
}

static unsigned delete_output(struct call *call)
{
    unsigned status = 200;
    struct sg_sandbox_flow *flow = find_flow(call, &status);
    struct sg_sandbox_output *output = flow != NULL ? find_output(call, flow, &status) : NULL;
    if (output == NULL) {
        return status;
    }
    sg_json_begin_object(&call->json, NULL);
    sg_json_text(&call->json, "flow_id", flow->id);
    sg_json_text(&call->json, "output_name", output->name);
    sg_json_end_object(&call->json);
    sg_sandbox_output_remove(flow, output);
    return status;
}

/* Take what of an output may change; false when a member is of the wrong kind or too long. */
static bool change_output(const struct sg_json_value *object, struct sg_sandbox_output *output)
{
    char protocol[sizeof output->protocol] = "", status[16] = "";
    struct sg_sandbox_output changed = *output;
    if (!take_text(object, "description", changed.description, sizeof changed.description) ||
        !take_text(object, "destination", changed.destination, sizeof changed.destination) ||
        !take_text(object, "protocol", protocol, sizeof protocol) ||
        !take_text(object, "output_status", status, sizeof status)) {
        return false;
    }
    if (protocol[0] != '\0') {
        if (!is_protocol(sg_str_from(protocol))) {
            return false;
        }
        memcpy(changed.protocol, protocol, sizeof changed.protocol);
    }
    if (status[0] != '\0') {
        changed.disabled = strcmp(status, "DISABLED") == 0;
        if (!changed.disabled && strcmp(status, "ENABLED") != 0) {
            return false;
        }
    }
    *output = changed;
    return true;
}

static unsigned update_output(struct call *call)
{
    unsigned status = 200;
    struct sg_sandbox_flow *flow = find_flow(call, &status);
    struct sg_sandbox_output *output = flow != NULL ? find_output(call, flow, &status) : NULL;
    struct sg_json_value *body = output != NULL ? read_body(call, &status) : NULL;
    if (body == NULL) {
        return status;
    }
    if (sg_json_is_object(body) && change_output(body, output)) {
        write_output(&call->json, output);
    } else {
        status = fail_parameter(call, "Invalid request body.");
    }
    sg_json_free(body);
    return status;
}

/* Add one output; false after the error is written and its status is set. */
static bool create_output(struct call *call, struct sg_sandbox_flow *flow,
                          const struct sg_json_value *item, unsigned *ret_status)
{
    struct sg_str name, protocol;
    struct sg_sandbox_output *output;
    if (!sg_json_get_string(sg_json_member(item, "name"), &name) || !sg_sandbox_is_name(name)) {
        *ret_status = fail_parameter(call, "Invalid request parameter: name.");
        return false;
    }
    if (!sg_json_get_string(sg_json_member(item, "protocol"), &protocol) ||
        !is_protocol(protocol)) {
        *ret_status = fail_parameter(call, "Invalid request parameter: protocol.");
        return false;
    }
    if (sg_sandbox_output_find(flow, name) != NULL) {
        *ret_status = fail(call, 400, "LIVE.103011018", "The output already exists.");
        return false;
    }
    if (sg_sandbox_output_add(flow, name, protocol, &output) != SG_OK) {
        *ret_status = fail_parameter(call, "The number of outputs has reached the upper limit.");
        return false;
    }
    if (!change_output(item, output)) {
        *ret_status = fail_parameter(call, "Invalid request body.");
        return false;
    }
    return true;
}

/* All of the list or nothing. */
static unsigned create_outputs(struct call *call)
{
    unsigned status = 200;
    struct sg_sandbox_flow *flow = find_flow(call, &status);
    struct sg_json_value *body = flow != NULL ? read_body(call, &status) : NULL;
    if (body == NULL) {
        return status;
    }
    size_t count = sg_json_count(body), before = flow->output_count;
    if (count == 0) {
        status = fail_parameter(call, "Invalid request body: a list of outputs is needed.");
    }
    for (size_t i = 0; i < count; i++) {
        if (!create_output(call, flow, sg_json_item(body, i), &status)) {
            flow->output_count = before;
            break;
        }
    }
    if (status == 200) {
        sg_json_begin_object(&call->json, NULL);
        sg_json_text(&call->json, "flow_id", flow->id);
        write_outputs(&call->json, flow);
        sg_json_end_object(&call->json);
    }
    sg_json_free(body);
    return status;
}

/* --- finding the operation -------------------------------------------------------------------- */

static const struct {
    const char *method;
    const char *path; /* behind /v1/{project_id} */
    unsigned (*run)(struct call *call);
} operations[] = {
    {"GET", "/flows", list_flows},
    {"POST", "/flows", create_flow},
    {"DELETE", "/flows", delete_flow},
    {"GET", "/flows/detail", show_flow},
    {"PUT", "/flows/start", start_flow},
    {"PUT", "/flows/stop", stop_flow},
    {"GET", "/flows/outputs", show_output},
    {"POST", "/flows/outputs", create_outputs},
    {"PUT", "/flows/outputs", update_output},
    {"DELETE", "/flows/outputs", delete_output},
};

/* Split "/v1/{project_id}/rest?query" into project and "/rest". */
static bool split_path(struct sg_str target, struct sg_str *ret_project, struct sg_str *ret_rest)
{
    static const struct sg_str version = SG_STR("/v1/");
    struct sg_str path = sg_str_slice(target, 0, sg_str_find(target, '?'));
    if (!sg_str_starts_with(path, version)) {
        return false;
    }
    path = sg_str_slice(path, version.n, path.n);
    *ret_project = sg_str_slice(path, 0, sg_str_find(path, '/'));
    *ret_rest = sg_str_slice(path, ret_project->n, path.n);
    return ret_project->n > 0;
}

/* The text for a signature that was not accepted, behind "Incorrect IAM authentication...". */
static void describe(struct sg_sandbox_cloud *cloud, const struct sg_sandbox_request *request,
                     enum sg_sandbox_verdict verdict, int64_t now_us, struct sg_buf *out)
{
    char now[SG_CLOCK_SDK_DATE_BYTES];
    struct sg_str value;
    struct sg_sandbox_authorization authorization;
    sg_buf_add_text(out, "Incorrect IAM authentication information: ");
    switch (verdict) {
    case SG_SANDBOX_NO_AUTHORIZATION:
        sg_buf_add_text(out, "x-auth-token not found");
        break;
    case SG_SANDBOX_BAD_AUTHORIZATION:
        sg_buf_add_text(out, "authorization header format error");
        break;
    case SG_SANDBOX_NO_DATE:
        sg_buf_add_text(out, "x-sdk-date not found or not valid");
        break;
    case SG_SANDBOX_EXPIRED:
        sg_clock_format_sdk_date(now_us, now);
        sg_buf_add_text(out, "signature expired, signature time:");
        if (sg_sandbox_find_header(request, SG_STR("X-Sdk-Date"), &value)) {
            sg_buf_add_str(out, value);
        }
        sg_buf_add_text(out, ",server time:");
        sg_buf_add(out, now, sizeof now);
        break;
    case SG_SANDBOX_UNKNOWN_KEY:
        sg_buf_add_text(out, "Get secretKey failed,ak:");
        if (sg_sandbox_find_header(request, SG_STR("Authorization"), &value) &&
            sg_sandbox_parse_authorization(value, &authorization)) {
            sg_buf_add_str(out, authorization.access_key);
        }
        sg_buf_add_text(out, ",err:ak not exist");
        break;
    case SG_SANDBOX_HEADER_MISSING:
        sg_buf_add_text(out, "verify aksk signature fail, a signed header is not in the request");
        break;
    case SG_SANDBOX_SIGNATURE_MISMATCH:
        sg_buf_add_text(out, "verify aksk signature fail, canonicalRequest:");
        for (size_t i = 0; i < cloud->canonical.n; i++) {
            char c = cloud->canonical.p[i];
            sg_buf_add_char(out, c == '\n' ? '|' : c);
        }
        break;
    case SG_SANDBOX_BAD_TARGET:
    case SG_SANDBOX_TOO_LARGE:
    case SG_SANDBOX_ACCEPTED:
        break; /* answered elsewhere */
    }
}

static unsigned refuse_signature(struct sg_sandbox_cloud *cloud,
                                 const struct sg_sandbox_request *request,
                                 enum sg_sandbox_verdict verdict, int64_t now_us,
                                 const struct sg_sandbox_answer *answer)
{
    struct sg_buf text;
    if (verdict == SG_SANDBOX_BAD_TARGET) {
        return refuse(cloud, answer, 400, "APIGW.0201", SG_STR("Bad request: invalid URI"));
    }
    if (verdict == SG_SANDBOX_TOO_LARGE) {
        return refuse(cloud, answer, 413, "APIGW.0201", SG_STR("Request entity too large"));
    }
    sg_buf_init(&text, SG_SANDBOX_CANONICAL_BYTES_MAX + 1024);
    describe(cloud, request, verdict, now_us, &text);
    unsigned status = refuse(cloud, answer, 401, "APIGW.0301", sg_buf_str(&text));
    sg_buf_done(&text);
    return status;
}

static unsigned dispatch(struct sg_sandbox_cloud *cloud, const struct sg_sandbox_request *request,
                         const struct sg_sandbox_answer *answer)
{
    struct sg_str project, rest, header;
    unsigned (*run)(struct call * call) = NULL;
    if (split_path(request->target, &project, &rest)) {
        for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
            if (sg_str_equal_text(request->method, operations[i].method) &&
                sg_str_equal_text(rest, operations[i].path)) {
                run = operations[i].run;
            }
        }
    }
    if (run == NULL) {
        return refuse(cloud, answer, 404, "APIGW.0101",
                      SG_STR("The API does not exist or has not been published in the "
                             "environment"));
    }
    struct call call = {.cloud = cloud, .request = request};
    sg_json_init(&call.json, &cloud->body);
    if (!sg_sandbox_find_header(request, SG_STR("X-Project-Id"), &header) ||
        !sg_str_equal(header, project)) {
        return fail(&call, 401, "LIVE.100011015",
                    "The project ID of the header is not that of the path.");
    }
    if (!sg_str_equal_text(project, cloud->project_id)) {
        return refuse(cloud, answer, 403, "APIGW.0310", SG_STR("Project unavailable"));
    }
    sg_arena_init(&call.arena, ARENA_BYTES_MAX);
    struct sg_sandbox_pair *pairs =
        sg_arena_alloc_array(&call.arena, SG_SANDBOX_PAIRS_MAX, sizeof *pairs);
    call.pairs = pairs;
    unsigned status;
    if (pairs == NULL) {
        status = fail_internal(&call);
    } else if (!sg_sandbox_parse_query(&call.arena, request->target, pairs, &call.pair_count)) {
        status = fail_parameter(&call, "Invalid request parameter.");
    } else {
        status = run(&call);
    }
    if (sg_buf_failed(&cloud->body)) {
        status = fail_internal(&call);
    }
    sg_arena_done(&call.arena);
    return status;
}

/* --- the cloud -------------------------------------------------------------------------------- */

struct sg_sandbox_cloud *sg_sandbox_cloud_new(struct sg_str access_key, struct sg_str secret_key,
                                              const char *project_id, const struct sg_clock *clock,
                                              struct sg_error *reterr)
{
    struct sg_sandbox_cloud *cloud = calloc(1, sizeof *cloud);
    if (cloud == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    cloud->clock = clock;
    sg_buf_init(&cloud->body, SG_SANDBOX_ANSWER_BYTES_MAX);
    sg_buf_init(&cloud->canonical, SG_SANDBOX_CANONICAL_BYTES_MAX);
    enum sg_status status = sg_sandbox_flows_init(&cloud->flows);
    if (status == SG_OK) {
        status = sg_secret_set(&cloud->access_key, access_key);
    }
    if (status == SG_OK) {
        status = sg_secret_set(&cloud->secret_key, secret_key);
    }
    if (status != SG_OK) {
        (void)sg_error_set(reterr, status, NULL, "out of memory");
    } else if (!sg_sandbox_copy(cloud->project_id, sizeof cloud->project_id,
                                sg_str_from(project_id)) ||
               cloud->project_id[0] == '\0') {
        status =
            sg_error_set(reterr, SG_CONFIG, NULL,
                         "the sandbox's project id must have 1 to %d characters", PROJECT_BYTES);
    }
    if (status != SG_OK) {
        sg_sandbox_cloud_free(cloud);
        return NULL;
    }
    return cloud;
}

void sg_sandbox_cloud_free(struct sg_sandbox_cloud *cloud)
{
    if (cloud == NULL) {
        return;
    }
    sg_sandbox_flows_done(&cloud->flows);
    sg_secret_done(&cloud->access_key);
    sg_secret_done(&cloud->secret_key);
    sg_buf_done(&cloud->body);
    sg_buf_done(&cloud->canonical);
    free(cloud);
}

/* A random id; a failing system leaves zeros, which harm nobody. */
static void make_request_id(char ret[SG_SANDBOX_REQUEST_ID_BYTES])
{
    unsigned char bytes[SG_SANDBOX_REQUEST_ID_BYTES / 2] = {0};
    struct sg_buf out;
    (void)!getrandom(bytes, sizeof bytes, 0);
    sg_buf_init_fixed(&out, ret, SG_SANDBOX_REQUEST_ID_BYTES);
    sg_buf_add_hex(&out, bytes, sizeof bytes);
}

void sg_sandbox_cloud_answer(struct sg_sandbox_cloud *cloud,
                             const struct sg_sandbox_request *request,
                             struct sg_sandbox_answer *ret)
{
    int64_t now_us = sg_clock_realtime_us(cloud->clock);
    sg_buf_clear(&cloud->body);
    sg_buf_clear(&cloud->canonical);
    make_request_id(ret->request_id);
    enum sg_sandbox_verdict verdict = sg_sandbox_verify(
        request, sg_secret_reveal(&cloud->access_key), sg_secret_reveal(&cloud->secret_key),
        now_us / 1000000, &cloud->canonical);
    ret->status = verdict == SG_SANDBOX_ACCEPTED
                      ? dispatch(cloud, request, ret)
                      : refuse_signature(cloud, request, verdict, now_us, ret);
    ret->body = sg_buf_str(&cloud->body);
}
