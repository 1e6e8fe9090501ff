#include "server/privilege.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void ignore(int number)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    (void)sigaction(number, &action, NULL); /* fails for unknown signals only */
}

void sg_privilege_drop(struct sg_log *log)
{
    const struct rlimit none = {0, 0};
    ignore(SIGPIPE);
    ignore(SIGXFSZ);
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        sg_log_event(log, SG_LOG_WARN, "core dumps could not be switched off",
                     SG_LOG_TEXT_FIELD("error", sg_str_from(strerror(errno))));
    }
    if (geteuid() == 0) {
        sg_log_event(log, SG_LOG_WARN, "running as root; use a user of its own",
                     SG_LOG_NUMBER_FIELD("uid", 0));
    }
}
