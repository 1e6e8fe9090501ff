/* sandbox: the simulated Live cloud alone, in the foreground. */
#include <signal.h>

#include "base/error.h"
#include "cli/cli.h"
#include "sandbox/sandbox.h"

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    const struct sg_sandbox_options options = {.address =
                                                   sg_option_value(arguments, "listen", NULL)};
    struct sg_sandbox *sandbox = NULL;
    struct sg_error error;
    sigset_t ends;
    int number;
    /* Blocked before the thread is made, so that it cannot take them away from sigwait. */
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    enum sg_status status = sg_sandbox_start(&options, &sandbox, &error);
    if (status != SG_OK) {
        (void)sg_usage_error(cli, "%s   (--listen ADDR)", error.text);
        return status == SG_CONFIG ? SG_EXIT_USAGE : SG_EXIT_BIND;
    }
    (void)fprintf(cli->out,
                  "simulated Live cloud on http://%s\n"
                  "  HUAWEICLOUD_SDK_AK=%.*s\n"
                  "  HUAWEICLOUD_SDK_SK=%.*s\n"
                  "  HUAWEICLOUD_SDK_PROJECT_ID=%s\n"
                  "It holds flow f1 with outputs playout-a, playout-b, news-a. With these in the "
                  "environment:\n"
                  "  %s sign DELETE "
                  "'http://%s/v1/%s/flows/outputs?flow_id=f1&output_name=playout-a'\n"
                  "Stop with Ctrl-C.\n",
                  sg_sandbox_address(sandbox), SG_STR_ARG(sg_sandbox_access_key(sandbox)),
                  SG_STR_ARG(sg_sandbox_secret_key(sandbox)), sg_sandbox_project_id(sandbox),
                  cli->program, sg_sandbox_address(sandbox), sg_sandbox_project_id(sandbox));
    (void)fflush(cli->out);
    (void)sigwait(&ends, &number);
    sg_sandbox_stop(sandbox);
    return SG_EXIT_GOOD;
}

static const struct sg_option options[] = {
    {.name = "listen", .argument = "ADDR", .summary = "where to listen (127.0.0.1, any free port)"},
    {.name = NULL},
};

const struct sg_verb sg_verb_sandbox = {
    .name = "sandbox",
    .summary = "run the simulated Live cloud alone",
    .usage = "sandbox [--listen ADDR]",
    .options = options,
    .examples = "  signgate sandbox --listen 127.0.0.1:8000\n",
    .run = run,
};
