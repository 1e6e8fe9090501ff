#include "snapshot/listeners.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/account.h"
#include "crypto/tls_context.h"

static const struct sg_str unix_scheme = SG_STR("unix:");

enum { MODE_DEFAULT = 0660 };

/* --- addresses -------------------------------------------------------------------------------- */

/* Check "host:port" or "[v6]:port". */
static void check_tcp(struct sg_diags *diags, const struct sg_place *place, const char *text)
{
    struct sg_str address = sg_str_from(text);
    size_t colon = address.n;
    while (colon > 0 && address.p[colon - 1] != ':') {
        colon--;
    }
    struct sg_str host = colon > 0 ? sg_str_slice(address, 0, colon - 1) : address;
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        host = sg_str_slice(host, 1, host.n - 1);
    }
    uint64_t port;
    struct sg_ip ip;
    if (colon == 0 || !sg_str_to_u64(sg_str_slice(address, colon, address.n), 65535, &port) ||
        !(sg_ip_parse(host, &ip) || sg_str_equal(host, SG_STR("localhost")))) {
        sg_diags_error(diags, place,
                       "expected an address and a port such as 127.0.0.1:8080 "
                       "or [::1]:8080",
                       "\"%s\" is no address to listen on", text);
    }
}

/* Whether two TCP addresses are the same one; port 0 is always another. */
static bool is_same(const char *a, const char *b)
{
    const char *port = strrchr(a, ':');
    return strcmp(a, b) == 0 && (port == NULL || strcmp(port, ":0") != 0);
}

static void check_admin(const struct sg_settings *settings, struct sg_diags *diags)
{
    const struct sg_admin_settings *admin = &settings->admin;
    struct sg_place place = admin->node != NULL ? sg_fields_place(admin, "address")
                                                : sg_fields_place(settings, "admin");
    if (admin->address == NULL) {
        return;
    }
    if (sg_str_starts_with(sg_str_from(admin->address), unix_scheme)) {
        sg_diags_error(diags, &place, "expected an address and a port such as 127.0.0.1:9090",
                       "the admin listener is no Unix socket");
        return;
    }
    check_tcp(diags, &place, admin->address);
}

static void check_alone(const struct sg_settings *settings, size_t index, struct sg_diags *diags)
{
    const struct sg_listener_settings *listeners = settings->listeners.items;
    const char *address = listeners[index].address;
    struct sg_place place = sg_fields_place(&listeners[index], "address");
    for (size_t i = 0; i < index; i++) {
        if (listeners[i].address != NULL && is_same(address, listeners[i].address)) {
            sg_diags_error(diags, &place, "each listener needs an address of its own",
                           "the address \"%s\" stands twice", address);
        }
    }
    if (settings->admin.address != NULL && is_same(address, settings->admin.address)) {
        sg_diags_error(diags, &place, "the admin listener is never a data port",
                       "the address \"%s\" is the admin listener's", address);
    }
}

/* --- Unix sockets ----------------------------------------------------------------------------- */

static bool read_mode(const char *text, mode_t *ret)
{
    mode_t mode = 0;
    size_t digits = strlen(text);
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '7') {
            return false;
        }
        mode = mode * 8 + (mode_t)(text[i] - '0');
    }
    *ret = mode;
    return digits >= 3 && digits <= 4 && mode <= 0777;
}

static void load_socket(struct sg_listener *listener, struct sg_diags *diags,
                        struct sg_arena *arena)
{
    const struct sg_listener_settings *settings = listener->settings;
    struct sg_place place = sg_fields_place(settings, "address");
    struct sg_str path = sg_str_from(settings->address + unix_scheme.n);
    struct sockaddr_un address;
    if (path.n == 0) {
        sg_diags_error(diags, &place, "expected unix: and a path such as unix:/run/signgate.sock",
                       "\"%s\" names no place in the file system", settings->address);
        return;
    }
    listener->socket_path = sg_fields_resolve(arena, place.file, path);
    if (listener->socket_path == NULL || strlen(listener->socket_path) >= sizeof address.sun_path) {
        sg_diags_error(diags, &place, "a socket's path has at most 107 bytes",
                       "the path of the Unix socket is too long");
        return;
    }
    if (settings->tls.node != NULL) {
        place = sg_fields_place(settings, "tls");
        sg_diags_error(diags, &place, "leave it out: the kernel vouches for who is there",
                       "a Unix socket has no tls");
    }
    if (settings->mode != NULL && !read_mode(settings->mode, &listener->mode)) {
        place = sg_fields_place(settings, "mode");
        sg_diags_error(diags, &place, "expected an octal file mode such as \"0660\"",
                       "\"%s\" is no file mode", settings->mode);
    }
    if (settings->owner != NULL && !sg_account_user(settings->owner, &listener->owner)) {
        place = sg_fields_place(settings, "owner");
        sg_diags_error(diags, &place, "expected the name or number of a user of this machine",
                       "there is no user \"%s\"", settings->owner);
    }
    if (settings->group != NULL && !sg_account_group(settings->group, &listener->group)) {
        place = sg_fields_place(settings, "group");
        sg_diags_error(diags, &place, "expected the name or number of a group of this machine",
                       "there is no group \"%s\"", settings->group);
    }
}

/* Keys that mean something for a Unix socket only. */
static void refuse_socket_keys(const struct sg_listener_settings *settings, struct sg_diags *diags)
{
    const struct {
        const char *key, *value;
    } keys[] = {{"mode", settings->mode}, {"owner", settings->owner}, {"group", settings->group}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].value != NULL) {
            struct sg_place place = sg_fields_place(settings, keys[i].key);
            sg_diags_error(diags, &place, "leave it out, or listen on unix:PATH",
                           "\"%s\" is for Unix sockets", keys[i].key);
        }
    }
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void warn_of_readable_key(const struct sg_listener_tls_settings *tls, struct sg_diags *diags)
{
    struct stat found;
    if (stat(tls->key, &found) == 0 && (found.st_mode & 07) != 0) {
        struct sg_place place = sg_fields_place(tls, "key");
        sg_diags_warning(diags, &place, "take the mode of others away: chmod o= FILE",
                         "others may read or change the private key");
    }
}

static void load_tls(struct sg_listener *listener, struct sg_diags *diags)
{
    static const char *const keys[SG_TLS_FILES] = {"certificate", "key", "client_ca", "crl"};
    const struct sg_listener_tls_settings *tls = &listener->settings->tls;
    const char *const files[SG_TLS_FILES] = {tls->certificate, tls->key, tls->client_ca, tls->crl};
    if (tls->certificate == NULL || tls->key == NULL) {
        return; /* the form's error stands already */
    }
    if (tls->crl != NULL && tls->client_ca == NULL) {
        struct sg_place place = sg_fields_place(tls, "crl");
        sg_diags_error(diags, &place, "add client_ca, or leave crl out",
                       "crl without client_ca: no client certificate is asked for");
    }
    enum sg_tls_file wrong;
    struct sg_error error;
    listener->tls = sg_tls_context_new_server(files, &wrong, &error);
    if (listener->tls == NULL) {
        struct sg_place place = sg_fields_place(tls, keys[wrong]);
        sg_diags_error(diags, &place, NULL, "%s", error.text);
        return;
    }
    warn_of_readable_key(tls, diags);
}

/* --- the whole -------------------------------------------------------------------------------- */

void sg_listeners_load(struct sg_snapshot *snapshot, struct sg_diags *diags)
{
    const struct sg_settings *settings = &snapshot->settings;
    const struct sg_listener_settings *items = settings->listeners.items;
    const size_t count = settings->listeners.count;
    snapshot->listeners =
        sg_arena_alloc_array(&snapshot->arena, count, sizeof *snapshot->listeners);
    if (snapshot->listeners == NULL) {
        sg_diags_error(diags, NULL, NULL, "out of memory while loading the listeners");
        return;
    }
    snapshot->listener_count = count;
    for (size_t i = 0; i < count; i++) {
        struct sg_listener *listener = &snapshot->listeners[i];
        *listener = (struct sg_listener){
            .settings = &items[i], .mode = MODE_DEFAULT, .owner = (uid_t)-1, .group = (gid_t)-1};
        if (items[i].address == NULL) {
            continue;
        }
        check_alone(settings, i, diags);
        if (sg_str_starts_with(sg_str_from(items[i].address), unix_scheme)) {
            load_socket(listener, diags, &snapshot->arena);
            continue;
        }
        struct sg_place place = sg_fields_place(&items[i], "address");
        check_tcp(diags, &place, items[i].address);
        refuse_socket_keys(&items[i], diags);
        if (items[i].tls.node != NULL) {
            load_tls(listener, diags);
        }
    }
    check_admin(settings, diags);
}
