/* Preloaded into a broker: writes down what the broker asks of the files below one directory, so
 * that a test can work out what a loss of power would leave of them. On demand the disk fails, is
 * full, or lies.
 *
 *   COLUMBA_SHIM_DIR         the directory, absolute and without links; without it nothing happens
 *   COLUMBA_SHIM_JOURNAL     the file to which everything is appended; see `struct record`
 *   COLUMBA_SHIM_FAIL_AFTER  after so many syncs of files one fails with EIO; those behind it
 *                            succeed again, as they do in Linux
 *   COLUMBA_SHIM_FULL        as long as this file is there, the disk is full
 *   COLUMBA_SHIM_LIE         syncs of files succeed and do nothing
 *
 * Order is what matters. A change is written down before it is made, a sync when it has been done
 * and before the caller hears of it. One lock is held for both the note and the change, so notes
 * and changes have one order. A sync covers what was noted before it began. SIGKILL may leave a note
 * that is cut off, of a change that was not made.
 *
 * System calls are made directly: nothing here depends on the order in which libraries are loaded.
 * What is not modelled (a second descriptor of a file, writev) ends the process. fallocate is not
 * noted: the broker calls it without libc. The length that it gives is found when the file is
 * synced.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#else
#error "not known how this architecture returns from a system call"
#endif

enum kind { START = 1, OPEN, CLOSE, WRITE, LENGTH, SYNC, SYNC_FAILED, RENAME, UNLINK };

/* A note; `bytes` bytes of data follow it. */
struct record {
    uint32_t kind;
    uint32_t fd;
    uint64_t number; /* counted from 1 in each process */
    uint64_t value;  /* OPEN: flags; WRITE: offset; LENGTH: length; SYNC: the last note it covers */
    uint64_t extra;  /* SYNC: length of the file */
    uint64_t bytes;  /* OPEN, UNLINK: the name below the directory; RENAME: two, with a 0 between */
};

#define OPEN_CREATES 1
#define OPEN_TRUNCATES 2
#define FDS_MAX 65536
/* Tells our own fallocate from the broker's, in an argument that it does not have. */
#define OURS 0x636f6c75

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char directory[PATH_MAX];
static size_t directory_length;
static const char *control;
static int journal = -1;
static int lies;
static uint64_t notes;
static long syncs_left = -1;
/* Descriptors of files below the directory. Read without the lock: whoever uses a descriptor has
 * got it from open and so sees what open set. */
static volatile unsigned char is_ours[FDS_MAX];

static void die(const char *why)
{
    syscall(SYS_write, 2, "power loss shim: ", 17);
    syscall(SYS_write, 2, why, strlen(why));
    syscall(SYS_write, 2, "\n", 1);
    abort();
}

static int known(int fd) { return fd >= 0 && fd < FDS_MAX && is_ours[fd]; }

/* Appends a note. The lock is held. */
static void note(struct record record, const void *data)
{
    record.number = ++notes;
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)data, record.bytes}};
    size_t at = 0;
    while (at < 2) {
        long done = syscall(SYS_writev, journal, parts + at, 2 - at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            die("the journal cannot be written");
        for (; at < 2 && (size_t)done >= parts[at].iov_len; at++)
            done -= parts[at].iov_len;
        if (at < 2) {
            parts[at].iov_base = (char *)parts[at].iov_base + done;
            parts[at].iov_len -= done;
        }
    }
}

/* What a path is called below the directory, or NULL; the directory itself is "". */
static const char *below(const char *path)
{
    if (directory_length == 0 || strncmp(path, directory, directory_length) != 0)
        return NULL;
    path += directory_length;
    return *path == '/' ? path + 1 : *path == 0 ? path : NULL;
}

/* The absolute path of a name that may not exist, its last part aside. Whether there is one. */
static int resolve(int dirfd, const char *path, char *out)
{
    char joined[PATH_MAX * 2];
    joined[0] = 0;
    if (path[0] != '/' && dirfd != AT_FDCWD) {
        char link[64] = "/proc/self/fd/";
        char digits[16];
        int count = 0;
        for (unsigned rest = dirfd; count == 0 || rest > 0; rest /= 10)
            digits[count++] = '0' + rest % 10;
        size_t end = strlen(link);
        while (count > 0)
            link[end++] = digits[--count];
        link[end] = 0;
        long length = readlink(link, joined, PATH_MAX - 1);
        if (length < 0)
            return 0;
        joined[length] = '/';
        joined[length + 1] = 0;
    }
    if (strlen(path) >= PATH_MAX)
        return 0;
    strcat(joined, path);
    char *last = strrchr(joined, '/');
    const char *name = last ? last + 1 : joined;
    char saved[PATH_MAX];
    strcpy(saved, name);
    if (last)
        last[1] = 0;
    if (!realpath(last ? joined : ".", out) || strlen(out) + strlen(saved) + 2 > PATH_MAX)
        return 0;
    if (saved[0] != 0 && strcmp(saved, ".") != 0) {
        if (strcmp(out, "/") != 0)
            strcat(out, "/");
        strcat(out, saved);
    }
    return 1;
}

static int is_full(void)
{
    int before = errno;
    int found = control && syscall(SYS_faccessat, AT_FDCWD, control, F_OK) == 0;
    errno = before;
    return found;
}

/* fallocate of a broker that calls it without libc. */
static void on_fallocate(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ucontext_t *broker = context;
    int before = errno;
#if defined(__x86_64__)
    long fd = broker->uc_mcontext.gregs[REG_RDI], mode = broker->uc_mcontext.gregs[REG_RSI];
    long offset = broker->uc_mcontext.gregs[REG_RDX], length = broker->uc_mcontext.gregs[REG_R10];
#else
    long fd = broker->uc_mcontext.regs[0], mode = broker->uc_mcontext.regs[1];
    long offset = broker->uc_mcontext.regs[2], length = broker->uc_mcontext.regs[3];
#endif
    if (known(fd) && is_full()) {
        RESULT(broker) = -ENOSPC;
    } else {
        long done = syscall(SYS_fallocate, fd, mode, offset, length, 0, OURS);
        RESULT(broker) = done < 0 ? -errno : done;
    }
    errno = before;
}

/* Has every fallocate but ours end in `on_fallocate`. Threads to come inherit it. */
static void catch_fallocate(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fallocate;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OURS, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {sizeof lines / sizeof *lines, lines};
    if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        die("no seccomp");
}

__attribute__((constructor)) static void start(void)
{
    const char *wanted = getenv("COLUMBA_SHIM_DIR");
    const char *path = getenv("COLUMBA_SHIM_JOURNAL");
    if (!wanted || !path || strlen(wanted) >= PATH_MAX)
        return;
    journal = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0)
        die("the journal cannot be opened");
    const char *after = getenv("COLUMBA_SHIM_FAIL_AFTER");
    if (after)
        syncs_left = atol(after);
    lies = getenv("COLUMBA_SHIM_LIE") != NULL;
    control = getenv("COLUMBA_SHIM_FULL");
    if (control)
        catch_fallocate();
    strcpy(directory, wanted);
    directory_length = strlen(directory);
    note((struct record){.kind = START}, NULL);
}

static int open_file(int dirfd, const char *path, int flags, mode_t mode)
{
    int creates = (flags & O_CREAT) != 0;
    char absolute[PATH_MAX];
    const char *name =
        directory_length > 0 && resolve(dirfd, path, absolute) ? below(absolute) : NULL;
    if (!name)
        return syscall(SYS_openat, dirfd, path, flags, mode);
    pthread_mutex_lock(&mutex);
    int fd = syscall(SYS_openat, dirfd, path, flags, mode);
    if (fd >= FDS_MAX)
        die("too many descriptors");
    if (fd >= 0) {
        int truncates = (flags & O_TRUNC) != 0;
        struct record record = {.kind = OPEN, .fd = fd, .bytes = strlen(name)};
        record.value = (creates ? OPEN_CREATES : 0) | (truncates ? OPEN_TRUNCATES : 0);
        note(record, name);
        is_ours[fd] = 1;
    }
    pthread_mutex_unlock(&mutex);
    return fd;
}

#define TAKE_MODE(flags)                                                                           \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, int);                                                                  \
        va_end(rest);                                                                              \
    }

int open(const char *path, int flags, ...)
{
    TAKE_MODE(flags)
    return open_file(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    TAKE_MODE(flags)
    return open_file(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    TAKE_MODE(flags)
    return open_file(dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
    TAKE_MODE(flags)
    return open_file(dirfd, path, flags, mode);
}

int close(int fd)
{
    if (!known(fd))
        return syscall(SYS_close, fd);
    pthread_mutex_lock(&mutex);
    note((struct record){.kind = CLOSE, .fd = fd}, NULL);
    is_ours[fd] = 0;
    int done = syscall(SYS_close, fd);
    pthread_mutex_unlock(&mutex);
    return done;
}

/* Writes at `offset`, which is where the file stands if `is_at_position`. */
static ssize_t write_file(int fd, const void *data, size_t bytes, off_t offset, int is_at_position)
{
    pthread_mutex_lock(&mutex);
    if (is_at_position) {
        int is_appending = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND;
        offset = is_appending ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    }
    struct stat status;
    ssize_t done = -1;
    if (is_full() && fstat(fd, &status) == 0 && offset + (off_t)bytes > status.st_size) {
        errno = ENOSPC;
    } else {
        note((struct record){.kind = WRITE, .fd = fd, .value = offset, .bytes = bytes}, data);
        done = is_at_position ? syscall(SYS_write, fd, data, bytes)
                              : syscall(SYS_pwrite64, fd, data, bytes, offset);
        /* What was noted and not written would be taken for written. */
        if (done != (ssize_t)bytes)
            die("the disk is full or broken in earnest");
    }
    pthread_mutex_unlock(&mutex);
    return done;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    return known(fd) ? write_file(fd, data, bytes, 0, 1) : syscall(SYS_write, fd, data, bytes);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset)
{
    return known(fd) ? write_file(fd, data, bytes, offset, 0)
                     : syscall(SYS_pwrite64, fd, data, bytes, offset);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    return pwrite64(fd, data, bytes, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (known(fd))
        die("writev is not modelled");
    return syscall(SYS_writev, fd, parts, count);
}

int ftruncate64(int fd, off_t length)
{
    if (!known(fd))
        return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&mutex);
    note((struct record){.kind = LENGTH, .fd = fd, .value = length}, NULL);
    int done = syscall(SYS_ftruncate, fd, length);
    if (done != 0)
        die("the disk is broken in earnest");
    pthread_mutex_unlock(&mutex);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_file(int fd, long number)
{
    if (!known(fd))
        return syscall(number, fd);
    struct stat status;
    pthread_mutex_lock(&mutex);
    struct record record = {.kind = SYNC, .fd = fd, .value = notes};
    if (fstat(fd, &status) != 0)
        die("no status of a file");
    record.extra = status.st_size;
    int is_file = S_ISREG(status.st_mode);
    int fails = is_file && syncs_left == 0;
    if (is_file && syncs_left >= 0)
        syncs_left--;
    pthread_mutex_unlock(&mutex);
    if (lies && is_file)
        return 0;
    if (syscall(number, fd) != 0)
        die("the disk is broken in earnest");
    if (fails)
        record.kind = SYNC_FAILED;
    pthread_mutex_lock(&mutex);
    note(record, NULL);
    pthread_mutex_unlock(&mutex);
    if (!fails)
        return 0;
    errno = EIO;
    return -1;
}

int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

int fsync(int fd) { return sync_file(fd, SYS_fsync); }

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    char paths[2][PATH_MAX];
    const char *from_name = NULL, *to_name = NULL;
    if (directory_length > 0 && resolve(from_dir, from, paths[0]) && resolve(to_dir, to, paths[1])) {
        from_name = below(paths[0]);
        to_name = below(paths[1]);
    }
    if (!from_name && !to_name)
        return syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
    if (!from_name || !to_name)
        die("a file changed sides");
    char both[PATH_MAX * 2];
    size_t length = strlen(from_name);
    strcpy(both, from_name);
    strcpy(both + length + 1, to_name);
    pthread_mutex_lock(&mutex);
    note((struct record){.kind = RENAME, .bytes = length + 1 + strlen(to_name)}, both);
    int done = syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
    pthread_mutex_unlock(&mutex);
    return done;
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int dirfd, const char *path, int flags)
{
    char absolute[PATH_MAX];
    const char *name =
        directory_length > 0 && resolve(dirfd, path, absolute) ? below(absolute) : NULL;
    if (!name)
        return syscall(SYS_unlinkat, dirfd, path, flags);
    pthread_mutex_lock(&mutex);
    note((struct record){.kind = UNLINK, .bytes = strlen(name)}, name);
    int done = syscall(SYS_unlinkat, dirfd, path, flags);
    pthread_mutex_unlock(&mutex);
    return done;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

static void refuse_copies(int fd)
{
    if (known(fd))
        die("a second descriptor of a file is not modelled");
}

int dup(int fd)
{
    refuse_copies(fd);
    return syscall(SYS_dup, fd);
}

int fcntl(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    long argument = va_arg(rest, long);
    va_end(rest);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        refuse_copies(fd);
    return syscall(SYS_fcntl, fd, command, argument);
}

int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));
