/*
 * A disk that misbehaves, loaded before the C library (LD_PRELOAD): it stands between a program and
 * the files of one directory. It changes nothing in the program, so that what is tested is what is
 * shipped.
 *
 *   SG_DISK_DIRECTORY  the directory, as realpath(3) says it
 *   SG_DISK_RULES      a file of rules, read at each call; need not be there
 *   SG_DISK_TRACE      a file that gets a line for each rule that was used and for each thing that
 *                      became durable; need not be named
 *
 * The first line of the rules is "generation N"; counting begins anew when N changes. Then one rule
 * a line, the first that fits is used:
 *
 *   CALL[:TEXT] WHICH EFFECT [NUMBER]
 *
 *   CALL    open create opendir mkdir write read fdatasync fsync syncdir allocate truncate rename
 *           unlink, or any: each of them that can change the disk
 *   TEXT    must stand in the file's name
 *   WHICH   * each one, N the N-th alone, N+ from the N-th on
 *   EFFECT  EIO, ENOSPC ...   the call fails so
 *           short N           write: N bytes at most are written
 *           lie N             write: nothing is written, and N bytes are claimed
 *           lose N            the last N bytes of the file become zeros, the call fails with EIO:
 *                             what the kernel's page cache does after a failed write-back
 *           delay MS          then it is done
 *           hang              it is done once the rules are of another generation
 *           kill              the process ends before it is done
 *           half              as kill, but for a write: half of it is done
 *
 * Trace:
 *
 *   rule GENERATION CALL NAME      a rule was used
 *   mkdir                          the directory was made
 *   parent                         the directory's own entry is durable
 *   dir NAME:INODE ...             these entries of the directory are durable, no others
 *   sync INODE SIZE                so many bytes of a file are durable
 *   truncate INODE SIZE            a file was cut, or is new and empty
 *   rename FROM TO INODE
 *
 * A line is written when the call has succeeded and before the program hears of it; sizes and
 * entries are those from before the call: nothing is called durable that may not be.
 */
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What the C library's headers declare only when it checks sizes, and what it offers besides. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags);
ssize_t __read_chk(int fd, void *to, size_t count, size_t size);
ssize_t __pread_chk(int fd, void *to, size_t count, off_t at, size_t size);
ssize_t __pread64_chk(int fd, void *to, size_t count, off64_t at, size_t size);

enum {
    DESCRIPTORS = 4096,
    RULES_BYTES = 8192,
    RULES_MAX = 32,
    NAME_BYTES = 256,
    TRACE_BYTES = 1 << 18,
    LOOK_MS = 5, /* at rules, while a call hangs */
};

enum kind { OTHER = 0, PARENT, DIRECTORY, INSIDE };

/* A descriptor we saw being opened. Its number may be reused unseen: the inode tells. */
struct descriptor {
    enum kind kind;
    dev_t device;
    ino_t inode;
    char name[NAME_BYTES];
};

/* One process, one disk: a preloaded layer has nowhere else to keep its state. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct descriptor descriptors[DESCRIPTORS];
static unsigned long generation;
static unsigned long counts[RULES_MAX];
static char last_rules[RULES_BYTES];
static char trace_line[TRACE_BYTES];

static const char *directory(void)
{
    const char *path = getenv("SG_DISK_DIRECTORY");
    return path != NULL ? path : "";
}

static void trace(const char *format, ...)
{
    const char *path = getenv("SG_DISK_TRACE");
    va_list arguments;
    if (path == NULL) {
        return;
    }
    va_start(arguments, format);
    int count = vsnprintf(trace_line, sizeof trace_line, format, arguments);
    va_end(arguments);
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)syscall(SYS_write, (int)fd, trace_line, (size_t)count);
        (void)syscall(SYS_close, (int)fd);
    }
}

/* --- which files ------------------------------------------------------------------------------ */

static enum kind kind_of_path(const char *path, const char **ret_name)
{
    const char *base = directory();
    const size_t length = strlen(base);
    const char *last = strrchr(base, '/');
    if (length > 0 && strncmp(path, base, length) == 0) {
        if (path[length] == '\0') {
            *ret_name = ".";
            return DIRECTORY;
        }
        if (path[length] == '/') {
            *ret_name = path + length + 1;
            return strcmp(*ret_name, "..") == 0  ? PARENT
                   : strcmp(*ret_name, ".") == 0 ? DIRECTORY
                                                 : INSIDE;
        }
    }
    *ret_name = "..";
    bool parent = last != NULL && strlen(path) == (size_t)(last - base) &&
                  strncmp(path, base, (size_t)(last - base)) == 0;
    return parent ? PARENT : OTHER;
}

static void path_of_descriptor(int fd, char ret[PATH_MAX])
{
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t count = readlink(link, ret, PATH_MAX - 1);
    ret[count > 0 ? count : 0] = '\0';
}

static enum kind kind_at(int at, const char *path, char ret_name[NAME_BYTES])
{
    char whole[PATH_MAX + NAME_BYTES + 1];
    const char *name;
    if (path[0] != '/' && at != AT_FDCWD) {
        path_of_descriptor(at, whole);
        (void)snprintf(whole + strlen(whole), NAME_BYTES, "/%s", path);
        path = whole;
    }
    enum kind kind = kind_of_path(path, &name);
    (void)snprintf(ret_name, NAME_BYTES, "%s", name);
    return kind;
}

static void remember(int fd)
{
    char path[PATH_MAX];
    const char *name;
    struct stat about;
    if (fd < 0 || fd >= DESCRIPTORS || fstat(fd, &about) != 0) {
        return;
    }
    path_of_descriptor(fd, path);
    enum kind kind = kind_of_path(path, &name);
    (void)pthread_mutex_lock(&lock);
    struct descriptor *d = &descriptors[fd];
    *d = (struct descriptor){.kind = kind, .device = about.st_dev, .inode = about.st_ino};
    (void)snprintf(d->name, sizeof d->name, "%s", name);
    (void)pthread_mutex_unlock(&lock);
}

/* What a descriptor is; *ret_about as it is now. */
static enum kind look_up(int fd, struct descriptor *ret, struct stat *ret_about)
{
    if (fd < 0 || fd >= DESCRIPTORS || descriptors[fd].kind == OTHER) {
        return OTHER;
    }
    (void)pthread_mutex_lock(&lock);
    struct descriptor *d = &descriptors[fd];
    if (fstat(fd, ret_about) != 0 || ret_about->st_dev != d->device ||
        ret_about->st_ino != d->inode) {
        d->kind = OTHER; /* closed, and the number is someone else's */
    }
    *ret = *d;
    (void)pthread_mutex_unlock(&lock);
    return ret->kind;
}

/* --- rules ------------------------------------------------------------------------------------ */

struct rule {
    char effect[16];
    long number;
    unsigned long generation;
};

/* As they are now; where no descriptor is left to read them with, as they were last. */
static bool read_rules(char ret[RULES_BYTES])
{
    const char *path = getenv("SG_DISK_RULES");
    long fd = path != NULL ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    bool crowded = fd < 0 && (errno == EMFILE || errno == ENFILE);
    (void)pthread_mutex_lock(&lock);
    if (fd >= 0) {
        long count = syscall(SYS_read, (int)fd, last_rules, sizeof last_rules - 1);
        last_rules[count > 0 ? count : 0] = '\0';
        (void)syscall(SYS_close, (int)fd);
    }
    memcpy(ret, last_rules, RULES_BYTES);
    (void)pthread_mutex_unlock(&lock);
    return fd >= 0 || crowded;
}

static unsigned long generation_of(const char *rules)
{
    unsigned long number = 0;
    return sscanf(rules, "generation %lu", &number) == 1 ? number : 0;
}

static bool fits(const char *wanted, const char *call, const char *name)
{
    static const char *const changing[] = {"create", "mkdir",   "write",    "fdatasync",
                                           "fsync",  "syncdir", "allocate", "truncate",
                                           "rename", "unlink"};
    const char *text = strchr(wanted, ':');
    size_t length = text != NULL ? (size_t)(text - wanted) : strlen(wanted);
    if (text != NULL && strstr(name, text + 1) == NULL) {
        return false;
    }
    if (length == 3 && strncmp(wanted, "any", 3) == 0) {
        for (size_t i = 0; i < sizeof changing / sizeof *changing; i++) {
            if (strcmp(call, changing[i]) == 0) {
                return true;
            }
        }
        return false;
    }
    return strlen(call) == length && strncmp(wanted, call, length) == 0;
}

static bool is_due(const char *which, unsigned long count)
{
    char *end;
    if (strcmp(which, "*") == 0) {
        return true;
    }
    unsigned long number = strtoul(which, &end, 10);
    return *end == '+' ? count >= number : count == number;
}

/* The first rule that fits; each that names the call counts it. False: none. */
static bool find_rule(const char *call, const char *name, struct rule *ret)
{
    char rules[RULES_BYTES];
    bool found = false;
    if (!read_rules(rules)) {
        return false;
    }
    (void)pthread_mutex_lock(&lock);
    unsigned long now = generation_of(rules);
    if (now != generation) {
        memset(counts, 0, sizeof counts);
        generation = now;
    }
    char *state, *line = strtok_r(rules, "\n", &state);
    for (size_t i = 0; (line = strtok_r(NULL, "\n", &state)) != NULL && i < RULES_MAX; i++) {
        char wanted[64], which[16];
        struct rule rule = {.number = 0, .generation = now};
        if (sscanf(line, "%63s %15s %15s %ld", wanted, which, rule.effect, &rule.number) < 3 ||
            !fits(wanted, call, name)) {
            continue;
        }
        counts[i]++;
        if (!found && is_due(which, counts[i])) {
            *ret = rule;
            found = true;
        }
    }
    if (found) {
        trace("rule %lu %s %s\n", now, call, name);
    }
    (void)pthread_mutex_unlock(&lock);
    return found;
}

static int error_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EFBIG", EFBIG},
                  {"EROFS", EROFS},   {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"ENOMEM", ENOMEM},
                  {"EACCES", EACCES}, {"EINTR", EINTR},   {"EPERM", EPERM},   {"ENOENT", ENOENT}};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (strcmp(errors[i].name, name) == 0) {
            return errors[i].number;
        }
    }
    return 0;
}

static void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
        continue;
    }
}

static void hang(unsigned long since)
{
    char rules[RULES_BYTES];
    while (read_rules(rules) && generation_of(rules) == since) {
        sleep_ms(LOOK_MS);
    }
}

static _Noreturn void die(void)
{
    for (;;) {
        (void)kill(getpid(), SIGKILL);
        sleep_ms(LOOK_MS);
    }
}

/* The last bytes of a file become zeros, as after a failed write-back. */
static void lose(int fd, long count)
{
    char link[64];
    struct stat about;
    static const char zeros[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long other = syscall(SYS_openat, AT_FDCWD, link, O_WRONLY | O_CLOEXEC);
    if (other < 0 || fstat(fd, &about) != 0) {
        return;
    }
    off_t at = about.st_size > count ? about.st_size - count : 0;
    while (at < about.st_size) {
        off_t left = about.st_size - at;
        size_t now = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;
        if (syscall(SYS_pwrite64, (int)other, zeros, now, at) <= 0) {
            break;
        }
        at += (off_t)now;
    }
    (void)syscall(SYS_close, (int)other);
}

/*
 * Before a call: true when the rules decide it, *ret is its result then. What only a write knows
 * (short, lie, half) stays in *rule.
 */
static bool decide(const char *call, const char *name, int fd, struct rule *rule, long *ret)
{
    rule->effect[0] = '\0';
    if (!find_rule(call, name, rule)) {
        return false;
    }
    int error = error_number(rule->effect);
    if (error != 0) {
        errno = error;
        *ret = -1;
        return true;
    }
    if (strcmp(rule->effect, "lose") == 0 && fd >= 0) {
        lose(fd, rule->number);
        errno = EIO;
        *ret = -1;
        return true;
    }
    bool is_write = strcmp(call, "write") == 0;
    if (strcmp(rule->effect, "kill") == 0 || (strcmp(rule->effect, "half") == 0 && !is_write)) {
        die();
    }
    if (strcmp(rule->effect, "delay") == 0) {
        sleep_ms(rule->number);
    }
    if (strcmp(rule->effect, "hang") == 0) {
        hang(rule->generation);
    }
    return false;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int do_open(int at, const char *path, int flags, mode_t mode)
{
    char name[NAME_BYTES];
    struct rule rule;
    long result;
    enum kind kind = kind_at(at, path, name);
    const char *call = (flags & O_CREAT) != 0 ? "create" : kind == INSIDE ? "open" : "opendir";
    if ((kind == INSIDE || kind == DIRECTORY) && decide(call, name, -1, &rule, &result)) {
        return (int)result;
    }
    result = syscall(SYS_openat, at, path, flags, mode);
    int error = errno;
    if (kind != OTHER) {
        remember((int)result);
        struct stat about;
        if ((flags & (O_TRUNC | O_EXCL)) != 0 && result >= 0 && fstat((int)result, &about) == 0) {
            (void)pthread_mutex_lock(&lock);
            trace("truncate %lu 0\n", (unsigned long)about.st_ino);
            (void)pthread_mutex_unlock(&lock);
        }
    }
    errno = error;
    return (int)result;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define DEFINE_OPEN(name)                            \
    int name(const char *path, int flags, ...)       \
    {                                                \
        va_list arguments;                           \
        va_start(arguments, flags);                  \
        mode_t mode = mode_of(flags, arguments);     \
        va_end(arguments);                           \
        return do_open(AT_FDCWD, path, flags, mode); \
    }
#define DEFINE_OPENAT(name)                            \
    int name(int at, const char *path, int flags, ...) \
    {                                                  \
        va_list arguments;                             \
        va_start(arguments, flags);                    \
        mode_t mode = mode_of(flags, arguments);       \
        va_end(arguments);                             \
        return do_open(at, path, flags, mode);         \
    }

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

int __open_2(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}

int __openat_2(int at, const char *path, int flags)
{
    return do_open(at, path, flags, 0);
}

int __openat64_2(int at, const char *path, int flags)
{
    return do_open(at, path, flags, 0);
}

static int do_mkdir(int at, const char *path, mode_t mode)
{
    char name[NAME_BYTES];
    struct rule rule;
    long result;
    enum kind kind = kind_at(at, path, name);
    if ((kind == INSIDE || kind == DIRECTORY) && decide("mkdir", name, -1, &rule, &result)) {
        return (int)result;
    }
    result = syscall(SYS_mkdirat, at, path, mode);
    if (kind == DIRECTORY && result == 0) {
        (void)pthread_mutex_lock(&lock);
        trace("mkdir\n");
        (void)pthread_mutex_unlock(&lock);
    }
    return (int)result;
}

int mkdir(const char *path, mode_t mode)
{
    return do_mkdir(AT_FDCWD, path, mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    return do_mkdir(at, path, mode);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* How much of a write is to be done, and whether the process ends behind it. */
struct plan {
    size_t count;
    bool ends;
};

/* Before a write of any form: true when the rules decide it, *ret is its result then. */
static bool before_write(int fd, size_t count, struct plan *ret_plan, long *ret)
{
    struct descriptor d;
    struct stat about;
    struct rule rule;
    *ret_plan = (struct plan){.count = count};
    if (look_up(fd, &d, &about) != INSIDE) {
        return false;
    }
    if (decide("write", d.name, fd, &rule, ret)) {
        return true;
    }
    if (strcmp(rule.effect, "lie") == 0) {
        *ret = (size_t)rule.number < count ? rule.number : (long)count;
        return true;
    }
    if (strcmp(rule.effect, "short") == 0 && (size_t)rule.number < count) {
        ret_plan->count = (size_t)rule.number;
    } else if (strcmp(rule.effect, "half") == 0) {
        *ret_plan = (struct plan){.count = count / 2, .ends = true};
    }
    return false;
}

static long after_write(const struct plan *plan, long result)
{
    if (plan->ends) {
        die();
    }
    return result;
}

ssize_t write(int fd, const void *from, size_t count)
{
    struct plan plan;
    long result;
    return before_write(fd, count, &plan, &result)
               ? result
               : after_write(&plan, syscall(SYS_write, fd, from, plan.count));
}

ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at)
{
    struct plan plan;
    long result;
    return before_write(fd, count, &plan, &result)
               ? result
               : after_write(&plan, syscall(SYS_pwrite64, fd, from, plan.count, at));
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t at)
{
    return pwrite64(fd, from, count, at);
}

ssize_t writev(int fd, const struct iovec *parts, int part_count)
{
    struct plan plan;
    long result;
    size_t count = 0;
    for (int i = 0; i < part_count; i++) {
        count += parts[i].iov_len;
    }
    if (before_write(fd, count, &plan, &result)) {
        return result;
    }
    if (plan.count == count) {
        return syscall(SYS_writev, fd, parts, part_count);
    }
    size_t first = plan.count < parts[0].iov_len ? plan.count : parts[0].iov_len;
    return after_write(&plan, syscall(SYS_write, fd, parts[0].iov_base, first));
}

static bool before_read(int fd, long *ret)
{
    struct descriptor d;
    struct stat about;
    struct rule rule;
    return look_up(fd, &d, &about) == INSIDE && decide("read", d.name, -1, &rule, ret);
}

ssize_t read(int fd, void *to, size_t count)
{
    long result;
    return before_read(fd, &result) ? result : syscall(SYS_read, fd, to, count);
}

ssize_t __read_chk(int fd, void *to, size_t count, size_t size)
{
    (void)size;
    return read(fd, to, count);
}

ssize_t pread(int fd, void *to, size_t count, off_t at)
{
    long result;
    return before_read(fd, &result) ? result : syscall(SYS_pread64, fd, to, count, at);
}

ssize_t pread64(int fd, void *to, size_t count, off64_t at)
{
    return pread(fd, to, count, at);
}

ssize_t __pread_chk(int fd, void *to, size_t count, off_t at, size_t size)
{
    (void)size;
    return pread(fd, to, count, at);
}

ssize_t __pread64_chk(int fd, void *to, size_t count, off64_t at, size_t size)
{
    (void)size;
    return pread(fd, to, count, at);
}

/* --- becoming durable ------------------------------------------------------------------------- */

/* The names of the directory as "dir NAME:INODE ..."; to be freed. */
static char *list_entries(void)
{
    size_t room = TRACE_BYTES - 64, used = 0;
    char *text = malloc(room);
    DIR *stream = opendir(directory());
    if (text == NULL || stream == NULL) {
        abort();
    }
    text[0] = '\0';
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        if (entry->d_name[0] != '.' && used < room) {
            used += (size_t)snprintf(text + used, room - used, " %s:%lu", entry->d_name,
                                     (unsigned long)entry->d_ino);
        }
    }
    (void)closedir(stream);
    if (used >= room) {
        abort();
    }
    return text;
}

static int do_sync(int fd, long number, const char *call)
{
    struct descriptor d;
    struct stat about;
    struct rule rule;
    long result;
    char *entries = NULL;
    enum kind kind = look_up(fd, &d, &about);
    if (kind == OTHER) {
        return (int)syscall(number, fd);
    }
    if (kind == DIRECTORY) {
        call = "syncdir";
    }
    if (kind != PARENT && decide(call, d.name, fd, &rule, &result)) {
        return (int)result;
    }
    if (kind == DIRECTORY && getenv("SG_DISK_TRACE") != NULL) {
        entries = list_entries();
    }
    result = syscall(number, fd);
    int error = errno;
    (void)pthread_mutex_lock(&lock);
    if (result == 0 && kind == INSIDE) {
        trace("sync %lu %ld\n", (unsigned long)about.st_ino, (long)about.st_size);
    } else if (result == 0 && kind == PARENT) {
        trace("parent\n");
    } else if (result == 0 && entries != NULL) {
        trace("dir%s\n", entries);
    }
    (void)pthread_mutex_unlock(&lock);
    free(entries);
    errno = error;
    return (int)result;
}

int fsync(int fd)
{
    return do_sync(fd, SYS_fsync, "fsync");
}

int fdatasync(int fd)
{
    return do_sync(fd, SYS_fdatasync, "fdatasync");
}

/* --- size and names --------------------------------------------------------------------------- */

static int do_allocate(int fd, int mode, off64_t at, off64_t length)
{
    struct descriptor d;
    struct stat about;
    struct rule rule;
    long result;
    if (look_up(fd, &d, &about) == INSIDE && decide("allocate", d.name, -1, &rule, &result)) {
        return (int)result;
    }
    return (int)syscall(SYS_fallocate, fd, mode, at, length);
}

int fallocate(int fd, int mode, off_t at, off_t length)
{
    return do_allocate(fd, mode, at, length);
}

int fallocate64(int fd, int mode, off64_t at, off64_t length)
{
    return do_allocate(fd, mode, at, length);
}

static int do_truncate(int fd, off64_t length)
{
    struct descriptor d;
    struct stat about;
    struct rule rule;
    long result;
    enum kind kind = look_up(fd, &d, &about);
    if (kind == INSIDE && decide("truncate", d.name, -1, &rule, &result)) {
        return (int)result;
    }
    result = syscall(SYS_ftruncate, fd, length);
    if (kind == INSIDE && result == 0) {
        (void)pthread_mutex_lock(&lock);
        trace("truncate %lu %ld\n", (unsigned long)about.st_ino, (long)length);
        (void)pthread_mutex_unlock(&lock);
    }
    return (int)result;
}

int ftruncate(int fd, off_t length)
{
    return do_truncate(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
    return do_truncate(fd, length);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    char from_name[NAME_BYTES], to_name[NAME_BYTES];
    struct rule rule;
    struct stat about = {.st_ino = 0};
    long result;
    enum kind kind = kind_at(to_at, to, to_name);
    (void)kind_at(from_at, from, from_name);
    if (kind == INSIDE && decide("rename", to_name, -1, &rule, &result)) {
        return (int)result;
    }
    (void)fstatat(from_at, from, &about, AT_SYMLINK_NOFOLLOW);
    result = syscall(SYS_renameat2, from_at, from, to_at, to, 0);
    if (kind == INSIDE && result == 0) {
        (void)pthread_mutex_lock(&lock);
        trace("rename %s %s %lu\n", from_name, to_name, (unsigned long)about.st_ino);
        (void)pthread_mutex_unlock(&lock);
    }
    return (int)result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int at, const char *path, int flags)
{
    char name[NAME_BYTES];
    struct rule rule;
    long result;
    if (kind_at(at, path, name) == INSIDE && decide("unlink", name, -1, &rule, &result)) {
        return (int)result;
    }
    return (int)syscall(SYS_unlinkat, at, path, flags);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}
