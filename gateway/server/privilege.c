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

void sg_privilege_raise_files(uint64_t needed, struct sg_log *log)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < needed) {
        sg_log_event(
            log, SG_LOG_WARN,
            "fewer files may be open than limits.connections and the pools can use; callers "
            "beyond are answered 503; raise LimitNOFILE or lower limits.connections",
            SG_LOG_NUMBER_FIELD("needed", (int64_t)needed),
            SG_LOG_NUMBER_FIELD("limit", (int64_t)limit.rlim_cur));
    }
}
