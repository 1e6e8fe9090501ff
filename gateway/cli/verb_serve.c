/* serve: run the gateway in the foreground; with --sandbox everything it needs is made for the run.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "cli/cli.h"
#include "cli/embedded.h"
#include "net/listener.h"
#include "sandbox/sandbox.h"
#include "server/supervisor.h"
#include "snapshot/snapshot.h"

/*
 * The sandbox is an ordinary gateway on an ordinary configuration, written into a folder of its own
 * with the catalog and the policies that are inside the program and a credential that the simulated
 * cloud has just made up. The folder is removed at the end.
 */

enum { TEXT_BYTES_MAX = 1 << 20, PATH_BYTES = 128 };

static const char default_listen[] = "127.0.0.1:8080";
static const char default_admin[] = "127.0.0.1:9090";

struct sandbox_run {
    struct sg_cli *cli;
    char folder[64];
    struct sg_sandbox *cloud;
};

/* A new file of a mode, written whole; false with errno. */
static bool write_file(const char *folder, const char *name, mode_t mode, struct sg_str text)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) {
        return false;
    }
    while (text.n > 0) {
        ssize_t written = write(fd, text.p, text.n);
        if (written <= 0 && errno != EINTR) {
            (void)close(fd);
            return false;
        }
        text = sg_str_slice(text, written > 0 ? (size_t)written : 0, text.n);
    }
    return close(fd) == 0;
}

static struct sg_str embedded(const char *start, const char *end)
{
    return (struct sg_str){.p = start, .n = (size_t)(end - start)};
}

static bool write_configuration(const struct sandbox_run *run, const char *listen,
                                const char *admin)
{
    struct sg_buf text;
    char path[PATH_BYTES];
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_buf_printf(&text,
                  "# Written by signgate serve --sandbox; removed when it ends.\n"
                  "version: 1\n"
                  "workers: 1\n"
                  "listeners: [{address: \"%s\"}]\n"
                  "admin: {address: \"%s\"}\n"
                  "services:\n"
                  "  - name: live\n"
                  "    endpoint: http://%s\n"
                  "    insecure: true\n"
                  "    catalog: catalog.yaml\n"
                  "    credential: sandbox\n"
                  "    region: cn-north-4\n"
                  "    projects: [\"%s\"]\n"
                  "credentials: [{name: sandbox, source: file, path: credential.yaml}]\n"
                  "callers:\n"
                  "  - name: playout-scheduler\n"
                  "    team: playout\n"
                  "    match: {source: [\"127.0.0.0/8\", \"::1\"]}\n"
                  "  - {name: operations-console, team: operations, match: {source: [127.0.0.2]}}\n"
                  "  - {name: dashboard, team: viewers, match: {source: [127.0.0.3]}}\n"
                  "policies: [policies]\n"
                  "audit: {directory: audit}\n"
                  "drain: {timeout: 3s}\n"
                  "log: {level: warn, format: text}\n",
                  listen, admin, sg_sandbox_address(run->cloud), sg_sandbox_project_id(run->cloud));
    bool good =
        !sg_buf_failed(&text) && write_file(run->folder, "signgate.yaml", 0600, sg_buf_str(&text));
    sg_buf_clear(&text);
    sg_buf_printf(&text, "access_key: \"%.*s\"\nsecret_key: \"%.*s\"\n",
                  SG_STR_ARG(sg_sandbox_access_key(run->cloud)),
                  SG_STR_ARG(sg_sandbox_secret_key(run->cloud)));
    good = good && !sg_buf_failed(&text) &&
           write_file(run->folder, "credential.yaml", 0600, sg_buf_str(&text));
    sg_buf_wipe(&text);
    (void)snprintf(path, sizeof path, "%s/policies", run->folder);
    return good &&
           write_file(run->folder, "catalog.yaml", 0600,
                      embedded(sg_embedded_catalog, sg_embedded_catalog_end)) &&
           mkdir(path, 0700) == 0 &&
           write_file(run->folder, "policies/examples.yaml", 0600,
                      embedded(sg_embedded_policies, sg_embedded_policies_end));
}

/* What to paste: an allowed, a denied and a malformed call, and where the records are. */
static void print_banner(void *arg, const char *gateway, const char *admin)
{
    const struct sandbox_run *run = arg;
    const char *project = sg_sandbox_project_id(run->cloud);
    FILE *out = run->cli->out;
    (void)fprintf(
        out,
        "signgate %s sandbox: simulated Live cloud, throw-away credential, nothing leaves "
        "this machine\n"
        "  gateway http://%s   admin http://%s   audit %s/audit (removed on exit)\n"
        "Try, in another terminal:\n",
        PACKAGE_VERSION, gateway, admin, run->folder);
    (void)fprintf(out,
                  "  # allowed: deletes an output that the simulated cloud holds\n"
                  "  curl -i -X DELETE "
                  "'http://%s/v1/%s/flows/outputs?flow_id=f1&output_name=playout-a'\n"
                  "  # denied: the rule covers playout-* only\n"
                  "  curl -i -X DELETE "
                  "'http://%s/v1/%s/flows/outputs?flow_id=f1&output_name=news-a'\n"
                  "  # malformed: a parameter stands twice\n"
                  "  curl -i -X DELETE "
                  "'http://%s/v1/%s/flows/outputs?flow_id=f1&flow_id=f2&output_name=playout-b'\n",
                  gateway, project, gateway, project, gateway, project);
    (void)fprintf(out,
                  "  # what was recorded\n"
                  "  %s audit show %s/audit --last 4\n"
                  "  %s audit verify %s/audit\n"
                  "Stop with Ctrl-C. Your own configuration: %s check -c FILE\n",
                  run->cli->program, run->folder, run->cli->program, run->folder,
                  run->cli->program);
    (void)fflush(out);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

/*
 * Try an address before anything is made, so that what is wrong with it is said of the option and
 * not of a file that nobody wrote.
 */
static int try_address(struct sg_cli *cli, const char *option, const char *address)
{
    char bound[SG_LISTENER_TEXT_BYTES];
    struct sg_error error;
    int fd;
    enum sg_status status = sg_listener_bind(address, 1, &fd, bound, &error);
    if (status == SG_OK) {
        (void)close(fd);
        return SG_EXIT_GOOD;
    }
    (void)sg_usage_error(cli, "--%s: %s", option, error.text);
    return status == SG_CONFIG ? SG_EXIT_USAGE : SG_EXIT_BIND;
}

static int serve_sandbox(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    const char *listen = sg_option_value(arguments, "listen", default_listen);
    const char *admin = sg_option_value(arguments, "admin", default_admin);
    struct sandbox_run run = {.cli = cli, .folder = "/tmp/signgate-sandbox-XXXXXX"};
    const struct sg_sandbox_options cloud = {.address = NULL};
    struct sg_error error;
    char path[PATH_BYTES];
    sigset_t all, before;
    int status = try_address(cli, "listen", listen);
    if (status == SG_EXIT_GOOD) {
        status = try_address(cli, "admin", admin);
    }
    if (status != SG_EXIT_GOOD) {
        return status;
    }
    status = SG_EXIT_CONFIGURATION;
    if (mkdtemp(run.folder) == NULL) {
        (void)fprintf(cli->err, "signgate: cannot make a folder in /tmp: %s\n", strerror(errno));
        return status;
    }
    /* The cloud's thread must leave signals to the supervisor. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    enum sg_status started = sg_sandbox_start(&cloud, &run.cloud, &error);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started != SG_OK) {
        (void)fprintf(cli->err, "signgate: cannot start: %s\n", error.text);
    } else if (!write_configuration(&run, listen, admin)) {
        (void)fprintf(cli->err, "signgate: cannot write to %s: %s\n", run.folder, strerror(errno));
    } else {
        (void)snprintf(path, sizeof path, "%s/signgate.yaml", run.folder);
        const struct sg_supervisor_options options = {
            .configuration = path, .err = cli->err, .on_ready = print_banner, .arg = &run};
        status = sg_supervisor_run(&options);
    }
    sg_sandbox_stop(run.cloud);
    (void)nftw(run.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return status;
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    if (sg_option_count(arguments, "sandbox") > 0) {
        return sg_option_count(arguments, "config") > 0
                   ? sg_usage_error(cli, "--sandbox needs no configuration; leave out --config")
                   : serve_sandbox(cli, arguments);
    }
    if (sg_option_count(arguments, "listen") + sg_option_count(arguments, "admin") > 0) {
        return sg_usage_error(cli, "--listen and --admin go with --sandbox; otherwise the "
                                   "configuration says where to listen");
    }
    const struct sg_supervisor_options options = {
        .configuration = sg_option_value(arguments, "config", sg_snapshot_default_path()),
        .err = cli->err,
    };
    return sg_supervisor_run(&options);
}

static const struct sg_option options[] = {
    {.name = "config", .letter = 'c', .argument = "FILE", .summary = "the configuration"},
    {.name = "sandbox", .summary = "with a simulated cloud behind it; needs no file"},
    {.name = "listen", .argument = "ADDR", .summary = "with --sandbox (127.0.0.1:8080)"},
    {.name = "admin", .argument = "ADDR", .summary = "with --sandbox (127.0.0.1:9090)"},
    {.name = NULL},
};

const struct sg_verb sg_verb_serve = {
    .name = "serve",
    .summary = "run the gateway in the foreground",
    .usage = "serve [-c FILE] | serve --sandbox [--listen ADDR] [--admin ADDR]",
    .options = options,
    .examples = "  signgate serve --sandbox\n  signgate serve -c /etc/signgate/signgate.yaml\n",
    .run = run,
};
