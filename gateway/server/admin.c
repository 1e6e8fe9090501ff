#include "server/admin.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/object.h"
#include "net/gate.h"
#include "net/loop.h"
#include "text/json_out.h"

enum {
    ADMIN_MAGIC = 0x53474144,
    HEADER_BYTES_MAX = 8192,
    BODY_BYTES_MAX = 65536,
    TIMEOUT_SECONDS = 10,
    ANSWER_BYTES_MAX = 65536,
};

struct sg_admin {
    uint32_t magic;
    struct sg_admin_options options;
    struct evhttp *http;
};

static const char json_type[] = "application/json";

static void answer(struct evhttp_request *request, int status, const char *reason, const char *type,
                   const struct sg_buf *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *content = evbuffer_new();
    if (content == NULL || sg_buf_failed(body) || evbuffer_add(content, body->p, body->n) != 0 ||
        evhttp_add_header(headers, "Content-Type", type) != 0 ||
        evhttp_add_header(headers, "Cache-Control", "no-store") != 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        evhttp_send_reply(request, status, reason, content);
    }
    if (content != NULL) {
        evbuffer_free(content);
    }
}

static void healthz(struct sg_admin *admin, struct evhttp_request *request, struct sg_buf *body)
{
    (void)admin;
    sg_buf_add_text(body, "{\"status\":\"alive\"}\n");
    answer(request, HTTP_OK, "OK", json_type, body);
}

static bool is_ready(const struct sg_readiness *now)
{
    return now->audit && now->credentials && !now->draining;
}

static void readyz(struct sg_admin *admin, struct evhttp_request *request, struct sg_buf *body)
{
    struct sg_readiness now = {.draining = false};
    struct sg_json json;
    admin->options.look(admin->options.arg, &now);
    bool ready = is_ready(&now);
    sg_json_init(&json, body);
    sg_json_begin_object(&json, NULL);
    sg_json_bool(&json, "ready", ready);
    sg_json_begin_list(&json, "reasons");
    if (!now.audit) {
        sg_json_text(&json, NULL, "audit");
    }
    if (!now.credentials) {
        sg_json_text(&json, NULL, "credentials");
    }
    if (now.draining) {
        sg_json_text(&json, NULL, "draining");
    }
    sg_json_end_list(&json);
    sg_json_string(&json, "configuration", now.configuration_revision);
    sg_json_string(&json, "audit", now.audit_state);
    sg_json_bool(&json, "credentials", now.credentials);
    sg_json_bool(&json, "draining", now.draining);
    if (now.reload_error.n > 0) {
        sg_json_string(&json, "reload_error", now.reload_error);
    }
    sg_json_end_object(&json);
    sg_buf_add_char(body, '\n');
    answer(request, ready ? HTTP_OK : HTTP_SERVUNAVAIL, ready ? "OK" : "Service Unavailable",
           json_type, body);
}

static void metrics(struct sg_admin *admin, struct evhttp_request *request, struct sg_buf *body)
{
    struct sg_readiness now = {.draining = false};
    admin->options.look(admin->options.arg, &now);
    admin->options.print_metrics(admin->options.arg, is_ready(&now), body);
    answer(request, HTTP_OK, "OK", "text/plain; version=0.0.4; charset=utf-8", body);
}

void sg_version_json(struct sg_buf *out)
{
    struct sg_json json;
    sg_json_init(&json, out);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.version.1");
    sg_json_text(&json, "version", PACKAGE_VERSION);
    sg_json_text(&json, "libevent", event_get_version());
    sg_json_bool(&json, "libevent_fixed", sg_gate_libevent_is_fixed());
    sg_json_text(&json, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
    sg_json_end_object(&json);
}

void sg_version_text(struct sg_buf *out)
{
    sg_buf_printf(out, "signgate %s\nlibevent %s%s\nOpenSSL %s\n", PACKAGE_VERSION,
                  event_get_version(),
                  sg_gate_libevent_is_fixed() ? "" : " (without its vendor's evhttp fixes)",
                  OpenSSL_version(OPENSSL_VERSION_STRING));
}

static void version(struct sg_admin *admin, struct evhttp_request *request, struct sg_buf *body)
{
    (void)admin;
    sg_version_json(body);
    sg_buf_add_char(body, '\n');
    answer(request, HTTP_OK, "OK", json_type, body);
}

static const struct {
    const char *path;
    void (*handle)(struct sg_admin *admin, struct evhttp_request *request, struct sg_buf *body);
} routes[] = {
    {"/healthz", healthz},
    {"/readyz", readyz},
    {"/metrics", metrics},
    {"/version", version},
};

static void on_request(struct evhttp_request *request, void *arg)
{
    struct sg_admin *admin = SG_CAST(struct sg_admin, ADMIN_MAGIC, arg);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    struct sg_buf body;
    sg_buf_init(&body, ANSWER_BYTES_MAX);
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        sg_buf_add_text(&body, "{\"error\":\"only GET is built yet on the admin listener\"}\n");
        answer(request, HTTP_BADMETHOD, "Method Not Allowed", json_type, &body);
        sg_buf_done(&body);
        return;
    }
    for (size_t i = 0; path != NULL && i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(path, routes[i].path) == 0) {
            routes[i].handle(admin, request, &body);
            sg_buf_done(&body);
            return;
        }
    }
    sg_buf_add_text(
        &body, "{\"error\":\"not found; there are /healthz, /readyz, /metrics and /version\"}\n");
    answer(request, HTTP_NOTFOUND, "Not Found", json_type, &body);
    sg_buf_done(&body);
}

struct sg_admin *sg_admin_new(const struct sg_admin_options *options, struct sg_error *reterr)
{
    struct sg_admin *admin = calloc(1, sizeof *admin);
    struct evhttp *http = admin != NULL ? evhttp_new(sg_loop_base(options->loop)) : NULL;
    if (http == NULL) {
        free(admin);
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    *admin = (struct sg_admin){.magic = ADMIN_MAGIC, .options = *options, .http = http};
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
    evhttp_set_max_headers_size(http, HEADER_BYTES_MAX);
    evhttp_set_max_body_size(http, BODY_BYTES_MAX);
    evhttp_set_timeout(http, TIMEOUT_SECONDS);
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_gencb(http, on_request, admin);
    if (evhttp_accept_socket_with_handle(http, options->listen_fd) == NULL) {
        (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
        evhttp_free(http);
        free(admin);
        return NULL;
    }
    return admin;
}

void sg_admin_free(struct sg_admin *admin)
{
    if (admin != NULL) {
        evhttp_free(admin->http);
        free(admin);
    }
}
