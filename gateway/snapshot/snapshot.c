#include "snapshot/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/digest.h"
#include "crypto/tls_context.h"
#include "http/target.h"
#include "snapshot/endpoint.h"
#include "snapshot/listeners.h"
#include "snapshot/sinks.h"

/*
 * Loading goes from the outside in: the file's form (settings), then each service with its
 * endpoint, catalog and trust, the credentials, the callers, and the policies last, since they are
 * checked against all names before them. Every step adds its mistakes to diags and goes on, so one
 * run shows them all; whether the result may be used is asked once, at the end.
 */

enum {
    SNAPSHOT_BYTES_MAX = 512 * 1024 * 1024,
    CONFIGURATION_BYTES_MAX = 4 * 1024 * 1024,
    REVISION_DIGITS = 12,
    PROJECT_BYTES_MAX = 64,
};

struct load {
    struct sg_snapshot *snapshot;
    struct sg_diags *diags;
    const struct sg_clock *clock;
    enum sg_load_purpose purpose;
};

static void out_of_memory(struct load *load)
{
    sg_diags_error(load->diags, NULL, NULL, "out of memory while loading the configuration");
}

static bool is_name(struct sg_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = sg_ascii_lower(name.p[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.')) {
            return false;
        }
    }
    return name.n > 0 && name.n <= 64;
}

/* --- services --------------------------------------------------------------------------------- */

/* The second label of service.region.myhuaweicloud.com and its kin; empty for any other host. */
static struct sg_str region_of(struct sg_str host)
{
    static const char *const suffixes[] = {".myhuaweicloud.com", ".myhuaweicloud.cn",
                                           ".huaweicloud.com", ".myhwclouds.com",
                                           ".myhuaweicloud.eu"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct sg_str suffix = sg_str_from(suffixes[i]);
        if (!sg_str_ends_with(host, suffix)) {
            continue;
        }
        struct sg_str labels = sg_str_slice(host, 0, host.n - suffix.n);
        size_t dot = sg_str_find(labels, '.');
        struct sg_str region = sg_str_slice(labels, dot + 1, labels.n);
        if (region.n > 0 && sg_str_find(region, '.') == region.n &&
            sg_str_find(region, '-') < region.n) {
            return region;
        }
    }
    return (struct sg_str){.p = ""};
}

/* Split "https://host[:port][/]" into the upstream's specification. */
static void load_endpoint(struct load *load, struct sg_service *service)
{
    const struct sg_service_settings *settings = service->settings;
    struct sg_upstream_spec *spec = &service->upstream;
    struct sg_arena *arena = &load->snapshot->arena;
    struct sg_place place = sg_fields_place(settings, "endpoint");
    struct sg_str rest = sg_str_from(settings->endpoint);
    spec->tls = sg_str_starts_with(rest, SG_STR("https://"));
    if (!spec->tls && !sg_str_starts_with(rest, SG_STR("http://"))) {
        sg_diags_error(load->diags, &place, "expected https://host or https://host:port",
                       "\"%s\" is no endpoint", settings->endpoint);
        return;
    }
    if (!spec->tls && !settings->insecure) {
        sg_diags_error(load->diags, &place,
                       "write https://, or insecure: true beside it for tests on one machine",
                       "an http:// endpoint sends signed requests in the clear");
        return;
    }
    rest = sg_str_slice(rest, spec->tls ? 8 : 7, rest.n);
    if (rest.n > 0 && rest.p[rest.n - 1] == '/') {
        rest.n--;
    }
    struct sg_endpoint endpoint;
    enum sg_status status = sg_endpoint_parse(arena, rest, spec->tls ? 443 : 80, &endpoint);
    if (status == SG_MALFORMED) {
        sg_diags_error(load->diags, &place,
                       "expected a scheme, an ASCII host name or address, and perhaps a port; no "
                       "path; write international names in their xn-- form",
                       "\"%s\" is no endpoint", settings->endpoint);
        return;
    }
    struct sg_buf text;
    sg_buf_init(&text, 2048);
    sg_buf_add_text(&text, spec->tls ? "https://" : "http://");
    sg_buf_add_str(&text, status == SG_OK ? endpoint.authority : SG_STR(""));
    service->upstream_text = sg_arena_copy(arena, sg_buf_str(&text));
    sg_buf_done(&text);
    if (status != SG_OK || service->upstream_text.p == NULL) {
        out_of_memory(load);
        return;
    }
    spec->authority = endpoint.authority;
    spec->host = endpoint.host;
    spec->port = endpoint.port;
    if (settings->region == NULL) {
        service->names.region = region_of(sg_str_from(endpoint.host));
    }
    if (spec->tls) {
        struct sg_error error;
        spec->tls_context = sg_tls_context_new_client(settings->ca_file, &error);
        if (spec->tls_context == NULL) {
            struct sg_place file = sg_fields_place(settings, "ca_file");
            sg_diags_error(load->diags, &file, NULL, "%s", error.text);
        }
    }
}

static void check_service_names(struct load *load, const struct sg_service *service, size_t index)
{
    const struct sg_service_settings *settings = service->settings;
    const struct sg_service *services = load->snapshot->services;
    struct sg_place place = sg_fields_place(settings, "name");
    if (!is_name(sg_str_from(settings->name))) {
        sg_diags_error(load->diags, &place, "expected 1 to 64 letters, digits, \"-\", \"_\", \".\"",
                       "\"%s\" is no name of a service", settings->name);
    }
    for (size_t i = 0; i < index; i++) {
        if (services[i].settings->name != NULL &&
            strcmp(services[i].settings->name, settings->name) == 0) {
            sg_diags_error(load->diags, &place, NULL, "the service \"%s\" stands twice",
                           settings->name);
        }
    }
    for (size_t i = 0; i < settings->projects.count; i++) {
        struct sg_str project = sg_str_from(settings->projects.items[i]);
        if (!is_name(project)) {
            sg_diags_error(load->diags, &settings->projects.nodes[i]->place,
                           "expected a project id such as 0123456789abcdef0123456789abcdef",
                           "\"%.*s\" is no project id", SG_STR_ARG(project));
        }
    }
    if (settings->hosts.count == 0 && load->snapshot->service_count > 1) {
        place = sg_fields_place(settings, "hosts");
        sg_diags_error(load->diags, &place, "list the Host values that mean this service",
                       "the service \"%s\" needs hosts, since there is more than one service",
                       settings->name);
    }
    for (size_t h = 0; h < settings->hosts.count; h++) {
        struct sg_str host = sg_str_from(settings->hosts.items[h]), name;
        if (!sg_host_name(host, &name) || name.n != host.n) {
            sg_diags_error(load->diags, &settings->hosts.nodes[h]->place,
                           "expected a host name or address without port and final dot",
                           "\"%.*s\" is no host", SG_STR_ARG(host));
        }
        for (size_t i = 0; i <= index; i++) {
            const struct sg_texts *others = &services[i].settings->hosts;
            for (size_t k = 0; k < (i == index ? h : others->count); k++) {
                if (sg_str_equal_fold(host, sg_str_from(others->items[k]))) {
                    sg_diags_error(load->diags, &settings->hosts.nodes[h]->place,
                                   "a host can select one service only",
                                   "the host \"%.*s\" stands twice", SG_STR_ARG(host));
                }
            }
        }
    }
}

static void find_credential(struct load *load, struct sg_service *service)
{
    const struct sg_objects *credentials = &load->snapshot->settings.credentials;
    const struct sg_credential_settings *items = credentials->items;
    const char **names =
        sg_arena_alloc_array(&load->snapshot->arena, credentials->count + 1, sizeof *names);
    if (names == NULL) {
        out_of_memory(load);
        return;
    }
    size_t known = 0;
    for (size_t i = 0; i < credentials->count; i++) {
        if (items[i].name == NULL) {
            continue;
        }
        names[known++] = items[i].name;
        if (strcmp(items[i].name, service->settings->credential) == 0) {
            service->credential = i;
            return;
        }
    }
    struct sg_place place = sg_fields_place(service->settings, "credential");
    const char *nearest = sg_str_nearest(sg_str_from(service->settings->credential), names, known);
    char help[160] = "add it to credentials";
    struct sg_buf text;
    sg_buf_init(&text, sizeof help - 1);
    if (nearest != NULL) {
        sg_buf_printf(&text, "did you mean \"%s\"?", nearest);
        if (!sg_buf_failed(&text)) {
            memcpy(help, text.p, text.n);
            help[text.n] = '\0';
        }
    }
    sg_buf_done(&text);
    sg_diags_error(load->diags, &place, help, "there is no credential \"%s\"",
                   service->settings->credential);
}

static void load_service(struct load *load, struct sg_service *service, size_t index)
{
    const struct sg_service_settings *settings = service->settings;
    struct sg_snapshot *snapshot = load->snapshot;
    if (settings->name != NULL) {
        check_service_names(load, service, index);
    }
    service->names = (struct sg_catalog_service){
        .name = sg_str_from(settings->name),
        .region = settings->region != NULL ? sg_str_from(settings->region) : SG_STR(""),
        .account = settings->account != NULL ? sg_str_from(settings->account) : SG_STR(""),
    };
    service->upstream = (struct sg_upstream_spec){
        .connect_ms = settings->timeouts.connect_ms,
        .response_ms = settings->timeouts.response_ms,
        .idle_ms = settings->timeouts.idle_ms,
        .queue_ms = settings->timeouts.queue_ms,
        .max_connections = settings->pool.max_connections,
        .response_bytes = snapshot->settings.limits.response_bytes,
    };
    if (settings->endpoint != NULL) {
        load_endpoint(load, service);
    }
    if (settings->auth == SG_AUTH_TOKEN) {
        struct sg_place place = sg_fields_place(settings, "auth");
        sg_diags_error(load->diags, &place, "write aksk, or leave it out",
                       "auth: token is not built yet");
    }
    struct sg_str algorithm = sg_str_from(settings->algorithm);
    if (sg_scheme_find(algorithm, &service->scheme) != SG_OK) {
        struct sg_place place = sg_fields_place(settings, "algorithm");
        sg_diags_error(load->diags, &place, "expected SDK-HMAC-SHA256",
                       sg_scheme_is_known(algorithm) ? "the algorithm \"%s\" is not built yet"
                                                     : "there is no algorithm \"%s\"",
                       settings->algorithm);
    }
    if (settings->credential != NULL) {
        find_credential(load, service);
    }
    if (settings->catalog.count > 0) {
        struct sg_place place = sg_fields_place(settings, "catalog");
        service->catalog = sg_catalog_load(settings->catalog.items, settings->catalog.count, &place,
                                           &snapshot->arena, load->diags);
    }
}

static void load_services(struct load *load)
{
    struct sg_snapshot *snapshot = load->snapshot;
    size_t count = snapshot->settings.services.count;
    const struct sg_service_settings *settings = snapshot->settings.services.items;
    snapshot->services = sg_arena_alloc_array(&snapshot->arena, count, sizeof *snapshot->services);
    if (snapshot->services == NULL) {
        out_of_memory(load);
        return;
    }
    snapshot->service_count = count;
    for (size_t i = 0; i < count; i++) {
        snapshot->services[i].settings = &settings[i];
    }
    for (size_t i = 0; i < count; i++) {
        load_service(load, &snapshot->services[i], i);
    }
}

/* --- credentials ------------------------------------------------------------------------------ */

/* Whether a credential of the environment is not there; then it has been warned of. */
static bool warns_of_environment(struct load *load, const struct sg_credential_settings *settings)
{
    const struct sg_yaml_node *written = sg_yaml_get(settings->node, "source");
    if (written == NULL || !sg_str_equal_text(written->text, "environment") ||
        (getenv("HUAWEICLOUD_SDK_AK") != NULL && getenv("HUAWEICLOUD_SDK_SK") != NULL)) {
        return false;
    }
    struct sg_place place = sg_fields_place(settings, "source");
    sg_diags_warning(load->diags, &place,
                     "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK where signgate serves",
                     "the credential \"%s\" is not in this environment", settings->name);
    return true;
}

static void load_credentials(struct load *load)
{
    struct sg_snapshot *snapshot = load->snapshot;
    size_t count = snapshot->settings.credentials.count;
    const struct sg_credential_settings *settings = snapshot->settings.credentials.items;
    snapshot->credentials =
        sg_arena_alloc_array(&snapshot->arena, count, sizeof *snapshot->credentials);
    if (snapshot->credentials == NULL) {
        out_of_memory(load);
        return;
    }
    snapshot->credential_count = count;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; settings[i].name != NULL && j < i; j++) {
            if (settings[j].name != NULL && strcmp(settings[i].name, settings[j].name) == 0) {
                struct sg_place place = sg_fields_place(&settings[i], "name");
                sg_diags_error(load->diags, &place, NULL, "the credential \"%s\" stands twice",
                               settings[i].name);
            }
        }
        if (settings[i].name == NULL ||
            (load->purpose == SG_LOAD_TO_CHECK && warns_of_environment(load, &settings[i]))) {
            continue;
        }
        /* The diagnostics tell the operator; what could not be loaded stays empty. */
        if (sg_credential_load(&settings[i], sg_clock_realtime_us(load->clock), &snapshot->arena,
                               load->diags, &snapshot->credentials[i]) != SG_OK) {
            continue;
        }
    }
}

/* --- callers ---------------------------------------------------------------------------------- */

static void check_issuer(struct load *load, const struct sg_match_jwt *match)
{
    const struct sg_objects *issuers = &load->snapshot->settings.token_issuers;
    const struct sg_issuer_settings *items = issuers->items;
    for (size_t i = 0; i < issuers->count; i++) {
        if (items[i].issuer != NULL && strcmp(items[i].issuer, match->issuer) == 0) {
            return;
        }
    }
    struct sg_place place = sg_fields_place(match, "issuer");
    sg_diags_error(load->diags, &place, "add it to token_issuers with its audience and jwks_file",
                   "there is no token issuer \"%s\"", match->issuer);
}

static void load_callers(struct load *load)
{
    struct sg_snapshot *snapshot = load->snapshot;
    const struct sg_objects *callers = &snapshot->settings.callers;
    const struct sg_objects *issuers = &snapshot->settings.token_issuers;
    const struct sg_caller_settings *items = callers->items;
    snapshot->issuers = sg_issuers_new(issuers->items, issuers->count, load->diags);
    for (size_t i = 0; i < callers->count; i++) {
        if (items[i].match.jwt.issuer != NULL) {
            check_issuer(load, &items[i].match.jwt);
        }
    }
    snapshot->identity = sg_identity_compile(items, callers->count, &snapshot->arena, load->diags);
}

/* --- policies: checked against everything named before ---------------------------------------- */

static bool has_action(const void *arg, struct sg_str pattern)
{
    const struct sg_snapshot *snapshot = arg;
    for (size_t i = 0; i < snapshot->service_count; i++) {
        const struct sg_catalog *catalog = snapshot->services[i].catalog;
        if (catalog == NULL || sg_catalog_has_action(catalog, pattern)) {
            return true; /* a broken catalog has its own errors: no warnings on top */
        }
    }
    return false;
}

static const char *nearest_action(const void *arg, struct sg_str text)
{
    const struct sg_snapshot *snapshot = arg;
    for (size_t i = 0; i < snapshot->service_count; i++) {
        const struct sg_catalog *catalog = snapshot->services[i].catalog;
        const char *nearest = catalog != NULL ? sg_catalog_nearest_action(catalog, text) : NULL;
        if (nearest != NULL) {
            return nearest;
        }
    }
    return NULL;
}

static bool has_param(const void *arg, enum sg_param_place place, struct sg_str name,
                      bool *ret_multi)
{
    const struct sg_snapshot *snapshot = arg;
    bool found = false;
    *ret_multi = false;
    for (size_t i = 0; i < snapshot->service_count; i++) {
        const struct sg_catalog *catalog = snapshot->services[i].catalog;
        bool multi = false;
        if (catalog == NULL) {
            found = true;
        } else if (sg_catalog_has_param(catalog, place, name, &multi)) {
            found = true;
            *ret_multi = *ret_multi || multi;
        }
    }
    return found;
}

static bool has_caller_text(const struct sg_snapshot *snapshot, struct sg_str name, bool team)
{
    const struct sg_caller_settings *callers = snapshot->settings.callers.items;
    for (size_t i = 0; i < snapshot->settings.callers.count; i++) {
        const char *text = team ? callers[i].team : callers[i].name;
        if (text != NULL && sg_str_equal_text(name, text)) {
            return true;
        }
    }
    return false;
}

static bool has_team(const void *arg, struct sg_str name)
{
    return has_caller_text(arg, name, true);
}

static bool has_caller(const void *arg, struct sg_str name)
{
    return has_caller_text(arg, name, false);
}

static void load_policies(struct load *load)
{
    struct sg_snapshot *snapshot = load->snapshot;
    const struct sg_texts *paths = &snapshot->settings.policies;
    const struct sg_vocabulary vocabulary = {
        .arg = snapshot,
        .has_action = has_action,
        .nearest_action = nearest_action,
        .has_param = has_param,
        .has_team = has_team,
        .has_caller = has_caller,
    };
    struct sg_place *places = sg_arena_alloc_array(&snapshot->arena, paths->count, sizeof *places);
    if (places == NULL) {
        out_of_memory(load);
        return;
    }
    for (size_t i = 0; i < paths->count; i++) {
        places[i] = paths->nodes[i]->place;
    }
    snapshot->policies = sg_policy_load(paths->items, places, paths->count, &vocabulary,
                                        &snapshot->arena, load->diags);
}

/* --- audit ------------------------------------------------------------------------------------ */

static void load_audit(struct load *load)
{
    const struct sg_audit_settings *audit = &load->snapshot->settings.audit;
    struct sg_error error;
    if (audit->checkpoint_key == NULL) {
        return;
    }
    load->snapshot->checkpoint_key = sg_ed25519_private_read(audit->checkpoint_key, &error);
    if (load->snapshot->checkpoint_key == NULL) {
        struct sg_place place = sg_fields_place(audit, "checkpoint_key");
        sg_diags_error(load->diags, &place, NULL, "%s", error.text);
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static void load_settings(struct load *load, const char *path)
{
    struct sg_snapshot *snapshot = load->snapshot;
    struct sg_error error;
    struct sg_str text;
    if (sg_text_read_file(&snapshot->arena, path, CONFIGURATION_BYTES_MAX, &text, &error) !=
        SG_OK) {
        sg_diags_error(load->diags, NULL, "name another file with -c FILE",
                       "cannot read the configuration %s: %s", path, error.text);
        return;
    }
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    char hex[SG_DIGEST_HEX_BYTES] = {0};
    if (digest == NULL || sg_digest_run_hex(digest, text, hex) != SG_OK) {
        sg_diags_error(load->diags, NULL, NULL, "%s", error.text);
    }
    sg_digest_free(digest);
    snapshot->revision =
        sg_arena_copy(&snapshot->arena, (struct sg_str){.p = hex, .n = REVISION_DIGITS});
    snapshot->path = sg_arena_copy(&snapshot->arena, sg_str_from(path));
    struct sg_yaml_documents documents = {.count = 0};
    enum sg_status status = sg_yaml_parse(&snapshot->arena, path, text, SG_YAML_EXPAND_ENVIRONMENT,
                                          load->diags, &documents);
    if (documents.count == 0) {
        if (status == SG_OK) {
            struct sg_place place = {.file = path, .line = 1, .column = 1};
            sg_diags_error(load->diags, &place, "start from the shipped signgate.yaml",
                           "the configuration is empty");
        }
        return;
    }
    sg_fields_decode(&sg_settings_fields, documents.roots[0], "", &snapshot->arena, load->diags,
                     &snapshot->settings);
    sg_listeners_load(snapshot, load->diags);
    sg_audit_sinks_load(snapshot, load->diags);
    load_services(load);
    load_credentials(load);
    load_callers(load);
    load_policies(load);
    load_audit(load);
}

static void snapshot_free(struct sg_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->credential_count; i++) {
        sg_credential_done(&snapshot->credentials[i]);
    }
    for (size_t i = 0; i < snapshot->service_count; i++) {
        sg_tls_context_free(snapshot->services[i].upstream.tls_context);
    }
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        sg_tls_context_free(snapshot->listeners[i].tls);
    }
    sg_audit_sinks_done(snapshot);
    sg_issuers_free(snapshot->issuers);
    sg_ed25519_private_free(snapshot->checkpoint_key);
    sg_arena_wipe(&snapshot->arena);
    free(snapshot);
}

enum sg_status sg_snapshot_load(const char *path, enum sg_load_purpose purpose,
                                const struct sg_clock *clock, struct sg_diags *diags,
                                struct sg_snapshot **ret)
{
    struct sg_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        return SG_NO_MEMORY;
    }
    atomic_init(&snapshot->references, 1);
    sg_arena_init(&snapshot->arena, SNAPSHOT_BYTES_MAX);
    struct load load = {.snapshot = snapshot, .diags = diags, .clock = clock, .purpose = purpose};
    load_settings(&load, path);
    bool whole =
        snapshot->identity != NULL && snapshot->issuers != NULL && snapshot->policies != NULL;
    if (sg_diags_errors(diags) == 0 && !whole) {
        out_of_memory(&load);
    }
    if (sg_diags_errors(diags) > 0) {
        snapshot_free(snapshot);
        return SG_CONFIG;
    }
    *ret = snapshot;
    return SG_OK;
}

const struct sg_snapshot *sg_snapshot_ref(const struct sg_snapshot *snapshot)
{
    /* The count is the one member that changes after publication. */
    struct sg_snapshot *counted = (struct sg_snapshot *)(uintptr_t)snapshot;
    atomic_fetch_add_explicit(&counted->references, 1, memory_order_relaxed);
    return snapshot;
}

const struct sg_snapshot *sg_snapshot_unref(const struct sg_snapshot *snapshot)
{
    if (snapshot != NULL) {
        struct sg_snapshot *counted = (struct sg_snapshot *)(uintptr_t)snapshot;
        if (atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) == 1) {
            snapshot_free(counted);
        }
    }
    return NULL;
}

/* --- reload ----------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void needs_restart(struct sg_diags *diags, const void *object, const char *key)
{
    struct sg_place place = sg_fields_place(object, key);
    sg_diags_error(diags, &place, "set it back, or restart signgate",
                   "\"%s\" cannot change while signgate runs", key);
}

void sg_snapshot_check_reload(const struct sg_snapshot *running, const struct sg_snapshot *next,
                              struct sg_diags *diags)
{
    const struct sg_settings *old = &running->settings, *new = &next->settings;
    const struct sg_listener_settings *old_listeners = old->listeners.items;
    const struct sg_listener_settings *new_listeners = new->listeners.items;
    bool same_listeners = old->listeners.count == new->listeners.count;
    for (size_t i = 0; same_listeners && i < old->listeners.count; i++) {
        same_listeners = same_text(old_listeners[i].address, new_listeners[i].address) &&
                         same_text(old_listeners[i].mode, new_listeners[i].mode) &&
                         same_text(old_listeners[i].owner, new_listeners[i].owner) &&
                         same_text(old_listeners[i].group, new_listeners[i].group);
    }
    if (!same_listeners) {
        needs_restart(diags, new, "listeners");
    }
    if (old->workers != new->workers) {
        needs_restart(diags, new, "workers");
    }
    if (!same_text(old->admin.address, new->admin.address)) {
        needs_restart(diags, new->admin.node != NULL ? (const void *)&new->admin : new,
                      new->admin.node != NULL ? "address" : "admin");
    }
    if (!same_text(old->audit.directory, new->audit.directory)) {
        needs_restart(diags, new->audit.node != NULL ? (const void *)&new->audit : new,
                      new->audit.node != NULL ? "directory" : "audit");
    }
    if (old->log.format != new->log.format) {
        needs_restart(diags, &new->log, "format");
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

const struct sg_service *sg_snapshot_service(const struct sg_snapshot *snapshot, struct sg_str host)
{
    struct sg_str name = {.p = ""};
    if (host.n > 0 && !sg_host_name(host, &name)) {
        return NULL;
    }
    for (size_t i = 0; i < snapshot->service_count; i++) {
        const struct sg_texts *hosts = &snapshot->services[i].settings->hosts;
        if (hosts->count == 0) {
            return &snapshot->services[i];
        }
        for (size_t k = 0; k < hosts->count; k++) {
            if (sg_str_equal_fold(name, sg_str_from(hosts->items[k]))) {
                return &snapshot->services[i];
            }
        }
    }
    return NULL;
}

const char *sg_snapshot_default_path(void)
{
    return access("signgate.yaml", F_OK) == 0 ? "signgate.yaml"
                                              : SG_SYSCONFDIR "/signgate/signgate.yaml";
}
