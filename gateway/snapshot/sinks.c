#include "snapshot/sinks.h"

#include <string.h>

#include "crypto/tls_context.h"
#include "snapshot/endpoint.h"
#include "text/encode.h"
#include "text/private_file.h"

/*
 * The form is the tables' (settings.c). Here: what one key says of another. A sink has one way to
 * be written: a key that does nothing for its type or scheme is a mistake, since whoever wrote it
 * believes that it does.
 */

enum {
    SINKS_MAX = 16, /* each is a reader of the log, and six lines of /metrics */
    NAME_BYTES_MAX = 64,
    TARGET_BYTES_MAX = 2048,
    TOKEN_BYTES_MAX = 4096,
    TOKEN_FILE_BYTES_MAX = TOKEN_BYTES_MAX + 2, /* and the end of its line */
    CONNECT_MS = 10000,
    RESPONSE_MS = 30000,
    IDLE_MS = 50000,
    QUEUE_MS = 60000,
    RESPONSE_BYTES = 1 << 20,
};

struct scheme {
    const char *prefix;
    enum sg_sink_type type;
    uint16_t default_port; /* 0: one must be given */
    bool tls;
};

static const struct scheme schemes[] = {
    {"tcp://", SG_SINK_SYSLOG, 0, false},
    {"tls://", SG_SINK_SYSLOG, 0, true},
    {"https://", SG_SINK_HTTP, 443, true},
    {"http://", SG_SINK_HTTP, 80, false},
};

struct load {
    struct sg_snapshot *snapshot;
    struct sg_diags *diags;
};

/* Each key of the sink that has a value must have an effect. */
static void refuse(struct load *load, const struct sg_sink_settings *settings, const char *key,
                   const char *help, const char *text)
{
    const struct sg_place place = sg_fields_place(settings, key);
    sg_diags_error(load->diags, &place, help, "%s", text);
}

/* --- the name --------------------------------------------------------------------------------- */

static bool is_file_name(struct sg_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        const char c = sg_ascii_lower(name.p[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.')) {
            return false;
        }
    }
    return name.n > 0 && name.n <= NAME_BYTES_MAX && name.p[0] != '.';
}

static void check_name(struct load *load, const struct sg_sink_settings *items, size_t index)
{
    const struct sg_place place = sg_fields_place(&items[index], "name");
    const char *name = items[index].name;
    if (!is_file_name(sg_str_from(name))) {
        sg_diags_error(load->diags, &place,
                       "expected 1 to 64 letters, digits, \"-\", \"_\", \".\", none of the first "
                       "a dot: it is part of a file's name",
                       "\"%s\" is no name of a sink", name);
    }
    for (size_t i = 0; i < index; i++) {
        if (items[i].name != NULL && strcmp(items[i].name, name) == 0) {
            sg_diags_error(load->diags, &place, "each sink has a position of its own, by its name",
                           "the sink \"%s\" stands twice", name);
            return;
        }
    }
}

/* --- the address ------------------------------------------------------------------------------ */

/* Path and query as they may stand in a request line (RFC 3986), from the first slash. */
static bool is_target(struct sg_str target)
{
    static const char other[] = "-._~!$&'()*+,;=:@/?";
    for (size_t i = 0; i < target.n; i++) {
        const char c = target.p[i], low = sg_ascii_lower(c);
        if (c == '%' && i + 2 < target.n && sg_hex_value(target.p[i + 1]) >= 0 &&
            sg_hex_value(target.p[i + 2]) >= 0) {
            i += 2;
        } else if (!((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr(other, c) != NULL))) {
            return false;
        }
    }
    return target.n <= TARGET_BYTES_MAX;
}

static void no_address(struct load *load, const struct sg_sink_settings *settings)
{
    const struct sg_place place = sg_fields_place(settings, "url");
    if (strchr(settings->url, '@') != NULL) { /* with a password, perhaps */
        sg_diags_error(load->diags, &place, "leave user and password out; see token_file",
                       "an address of a sink has no \"@\"");
        return;
    }
    sg_diags_error(load->diags, &place,
                   settings->type == SG_SINK_SYSLOG
                       ? "expected tcp://host:port or tls://host:port"
                       : "expected https://host[:port]/path, without user and fragment",
                   "\"%s\" is no address for %s sink", settings->url,
                   settings->type == SG_SINK_SYSLOG ? "a syslog" : "an http");
}

static const struct scheme *scheme_of(struct sg_str url, int type)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if ((int)schemes[i].type == type &&
            sg_str_starts_with(url, sg_str_from(schemes[i].prefix))) {
            return &schemes[i];
        }
    }
    return NULL;
}

/* Split the URL into the sink; NULL: it has been said why not. */
static const struct scheme *load_url(struct load *load, struct sg_audit_sink *sink)
{
    const struct sg_sink_settings *settings = sink->settings;
    struct sg_arena *arena = &load->snapshot->arena;
    const struct sg_str url = sg_str_from(settings->url);
    const struct scheme *scheme = scheme_of(url, settings->type);
    if (scheme == NULL) {
        no_address(load, settings);
        return NULL;
    }
    const struct sg_str rest = sg_str_slice(url, strlen(scheme->prefix), url.n);
    size_t end = 0;
    while (end < rest.n && strchr("/?#", rest.p[end]) == NULL) {
        end++;
    }
    const struct sg_str target = sg_str_slice(rest, end, rest.n);
    const bool http = settings->type == SG_SINK_HTTP;
    struct sg_endpoint endpoint = {.port = 0};
    enum sg_status status =
        sg_endpoint_parse(arena, sg_str_slice(rest, 0, end), scheme->default_port, &endpoint);
    if (status == SG_OK &&
        (http ? !is_target(target) || (target.n > 0 && target.p[0] != '/') : target.n > 0)) {
        status = SG_MALFORMED;
    }
    if (status == SG_MALFORMED) {
        no_address(load, settings);
        return NULL;
    }
    sink->upstream = (struct sg_upstream_spec){
        .host = endpoint.host,
        .port = endpoint.port,
        .tls = scheme->tls,
        .authority = endpoint.authority,
        .connect_ms = CONNECT_MS,
        .response_ms = RESPONSE_MS,
        .idle_ms = IDLE_MS,
        .queue_ms = QUEUE_MS,
        .max_connections = 1,
        .response_bytes = RESPONSE_BYTES,
    };
    sink->target = target.n > 0 ? sg_arena_copy(arena, target) : SG_STR("/");
    sink->text = sg_arena_copy(arena, sg_str_slice(url, 0, sg_str_find(url, '?')));
    if (status != SG_OK || sink->target.p == NULL || sink->text.p == NULL) {
        sg_diags_error(load->diags, NULL, NULL, "out of memory");
        return NULL;
    }
    return scheme;
}

/* --- what goes with it ------------------------------------------------------------------------ */

static void load_trust(struct load *load, struct sg_audit_sink *sink)
{
    const struct sg_sink_settings *settings = sink->settings;
    struct sg_error error;
    if (sink->upstream.tls) {
        sink->upstream.tls_context = sg_tls_context_new_client(settings->ca_file, &error);
        if (sink->upstream.tls_context == NULL) {
            refuse(load, settings, "ca_file", NULL, error.text);
        }
    } else if (settings->ca_file != NULL) {
        refuse(load, settings, "ca_file",
               settings->type == SG_SINK_SYSLOG ? "write tls://, or leave it out"
                                                : "write https://, or leave it out",
               "without TLS there is no certificate to verify");
    }
}

/* What a bearer token may be (RFC 6750 section 2.1), and no more: it goes into a head. */
static bool is_token(struct sg_str token)
{
    static const char other[] = "-._~+/=";
    for (size_t i = 0; i < token.n; i++) {
        const char c = token.p[i], low = sg_ascii_lower(c);
        if (!((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr(other, c) != NULL))) {
            return false;
        }
    }
    return token.n > 0 && token.n <= TOKEN_BYTES_MAX;
}

static void load_token(struct load *load, struct sg_audit_sink *sink)
{
    const struct sg_sink_settings *settings = sink->settings;
    const struct sg_private_file file = {
        .path = settings->token_file,
        .place = sg_fields_place(settings, "token_file"),
        .help = "expected a file that the user who runs signgate can read, with the token alone",
        .max_bytes = TOKEN_FILE_BYTES_MAX,
    };
    struct sg_arena scratch;
    struct sg_str token = {.p = ""};
    sg_arena_init(&scratch, 1 << 16);
    if (sg_private_file_read(&file, &scratch, load->diags, &token)) {
        if (token.n > 0 && token.p[token.n - 1] == '\n') {
            token.n--;
        }
        if (token.n > 0 && token.p[token.n - 1] == '\r') {
            token.n--;
        }
        if (!is_token(token)) {
            sg_diags_error(load->diags, &file.place,
                           "expected one line of letters, digits and -._~+/=",
                           "%s holds no bearer token", settings->token_file);
        } else if (sg_secret_set(&sink->token, token) != SG_OK) {
            sg_diags_error(load->diags, NULL, NULL, "out of memory");
        }
    }
    sg_arena_wipe(&scratch);
}

/* Whether the key "type" holds what the settings say: else its mistake has been said. */
static bool has_type(const struct sg_sink_settings *settings)
{
    const struct sg_yaml_node *node = sg_yaml_get(settings->node, "type");
    return node != NULL && node->kind == SG_YAML_SCALAR &&
           sg_str_equal_text(node->text, settings->type == SG_SINK_SYSLOG ? "syslog" : "http");
}

static void load_sink(struct load *load, struct sg_audit_sink *sink)
{
    const struct sg_sink_settings *settings = sink->settings;
    if (settings->url == NULL || !has_type(settings)) {
        return;
    }
    const struct scheme *scheme = load_url(load, sink);
    if (scheme == NULL) {
        return;
    }
    if (settings->type == SG_SINK_HTTP && !scheme->tls && !settings->insecure) {
        refuse(load, settings, "url",
               "write https://, or insecure: true beside it for tests on one machine",
               "an http:// sink sends the audit log in the clear");
    }
    if (settings->insecure && (settings->type == SG_SINK_SYSLOG || scheme->tls)) {
        refuse(load, settings, "insecure", "leave it out", "\"insecure\" is for http:// alone");
    }
    load_trust(load, sink);
    if (settings->token_file != NULL && settings->type == SG_SINK_HTTP) {
        load_token(load, sink);
    } else if (settings->token_file != NULL) {
        refuse(load, settings, "token_file", "leave it out",
               "syslog has no place for a bearer token");
    }
}

/* --- the anchor ------------------------------------------------------------------------------- */

static void check_anchor(struct load *load)
{
    const struct sg_audit_settings *audit = &load->snapshot->settings.audit;
    const struct sg_place place = sg_fields_place(audit, "anchor");
    if (audit->anchor == NULL) {
        return;
    }
    if (strcmp(audit->anchor, audit->directory) == 0) {
        sg_diags_error(load->diags, &place, "name a folder that the gateway's host cannot lose",
                       "an anchor in the audit directory itself proves nothing");
    }
    if (audit->checkpoint_key == NULL) {
        sg_diags_warning(load->diags, &place, "set audit.checkpoint_key, or leave it out",
                         "there is nothing to anchor without checkpoints");
    }
}

void sg_audit_sinks_load(struct sg_snapshot *snapshot, struct sg_diags *diags)
{
    struct load load = {.snapshot = snapshot, .diags = diags};
    const struct sg_objects *sinks = &snapshot->settings.audit.sinks;
    const struct sg_sink_settings *items = sinks->items;
    check_anchor(&load);
    if (sinks->count > SINKS_MAX) {
        const struct sg_place place = sg_fields_place(&snapshot->settings.audit, "sinks");
        sg_diags_error(diags, &place, NULL, "there are %zu sinks; at most %d are served",
                       sinks->count, SINKS_MAX);
        return;
    }
    snapshot->sinks = sg_arena_alloc_array(&snapshot->arena, sinks->count, sizeof *snapshot->sinks);
    if (snapshot->sinks == NULL) {
        sg_diags_error(diags, NULL, NULL, "out of memory");
        return;
    }
    snapshot->sink_count = sinks->count;
    for (size_t i = 0; i < sinks->count; i++) {
        snapshot->sinks[i].settings = &items[i];
        if (items[i].name != NULL) {
            check_name(&load, items, i);
        }
        load_sink(&load, &snapshot->sinks[i]);
    }
}

void sg_audit_sinks_done(struct sg_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->sink_count; i++) {
        sg_tls_context_free(snapshot->sinks[i].upstream.tls_context);
        sg_secret_done(&snapshot->sinks[i].token);
    }
}
