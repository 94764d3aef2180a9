#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The result of `call` or -errno. */
#define RESULT(call) ({ long result_ = (call); result_ == -1 ? -(long)errno : result_; })

/* The same, tried again as long as signals interrupt it. */
#define RETRY(call) ({ \
    long retried_; \
    do retried_ = (call); while (retried_ == -1 && errno == EINTR); \
    retried_ == -1 ? -(long)errno : retried_; })

/* Time and chance */

static struct timespec clock_of(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time;
}

uint64_t cl_boot_clock(void) {
    struct timespec time = clock_of(CLOCK_BOOTTIME);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int64_t cl_real_clock(void) {
    struct timespec time = clock_of(CLOCK_REALTIME);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

long cl_random(void *bytes, size_t count) {
    for (size_t filled = 0; filled < count;) {
        long got = RETRY(getrandom((char *)bytes + filled, count - filled, 0));
        if (got < 0) return got;
        filled += (size_t)got;
    }
    return 0;
}

/* Readiness */

/* On Linux the descriptor is gone even after EINTR: never tried again. */
long cl_close(int fd) { return RESULT(close(fd)); }

long cl_epoll_create(void) { return RESULT(epoll_create1(EPOLL_CLOEXEC)); }

static long epoll_control(int epoll, int operation, int fd, uint32_t interest, uint64_t bits) {
    struct epoll_event event = {.events = interest, .data.u64 = bits};
    return RESULT(epoll_ctl(epoll, operation, fd, &event));
}

long cl_epoll_add(int epoll, int fd, uint32_t interest, uint64_t bits) {
    return epoll_control(epoll, EPOLL_CTL_ADD, fd, interest, bits);
}

long cl_epoll_modify(int epoll, int fd, uint32_t interest, uint64_t bits) {
    return epoll_control(epoll, EPOLL_CTL_MOD, fd, interest, bits);
}

long cl_epoll_remove(int epoll, int fd) {
    return epoll_control(epoll, EPOLL_CTL_DEL, fd, 0, 0);
}

/* epoll_pwait2(2) is of Linux 5.11; before it, milliseconds rounded up. */
static long wait_for_events(int epoll, struct epoll_event *events, int count, int64_t timeout) {
    struct timespec time = {.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
    long ready = RESULT(epoll_pwait2(epoll, events, count, timeout < 0 ? NULL : &time, NULL));
    if (ready != -ENOSYS) return ready;
    int64_t milliseconds = timeout < 0 ? -1 : timeout / 1000000 + (timeout % 1000000 != 0);
    int bounded = milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
    return RESULT(epoll_wait(epoll, events, count, bounded));
}

long cl_epoll_wait(int epoll, cl_event *events, size_t capacity, int64_t timeout) {
    enum { most = 256 };
    struct epoll_event raw[most];
    int count = capacity > most ? most : (int)capacity;
    long ready = wait_for_events(epoll, raw, count, timeout);
    if (ready == -EINTR) return 0;
    for (long index = 0; index < ready; index++) {
        uint64_t bits = raw[index].data.u64;
        events[index] = (cl_event){raw[index].events, (uint32_t)bits, (uint32_t)(bits >> 32)};
    }
    return ready;
}

long cl_event_create(void) { return RESULT(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

/* EAGAIN means that the counter is full, so the event is readable already. */
void cl_event_signal(int fd) {
    uint64_t one = 1;
    (void)RETRY(write(fd, &one, sizeof one));
}

void cl_event_drain(int fd) {
    uint64_t count;
    (void)RETRY(read(fd, &count, sizeof count));
}

long cl_signal_create(const int32_t *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t index = 0; index < count; index++) {
        if (sigaddset(&set, signals[index]) == -1) return -errno;
    }
    int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failure != 0) return -failure;
    return RESULT(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

long cl_signal_read(int fd) {
    struct signalfd_siginfo information;
    long count = RETRY(read(fd, &information, sizeof information));
    return count < 0 ? count : (long)information.ssi_signo;
}

/* Sockets */

long cl_socket(int family) {
    return RESULT(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

long cl_bind(int fd, const void *address, uint32_t length) {
    return RETRY(bind(fd, address, length));
}

long cl_listen(int fd, int backlog) { return RESULT(listen(fd, backlog)); }

long cl_accept(int fd, void *address, uint32_t *length) {
    return RETRY(accept4(fd, address, length, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

long cl_connect(int fd, const void *address, uint32_t length) {
    long result = RESULT(connect(fd, address, length));
    return result == -EINTR ? -EINPROGRESS : result;
}

long cl_local_address(int fd, void *address, uint32_t *length) {
    return RESULT(getsockname(fd, address, length));
}

long cl_socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    long result = RESULT(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
    return result < 0 ? result : -(long)error;
}

long cl_set_option(int fd, cl_option option, int value) {
    static const struct { int level, name; } options[] = {
        [cl_reuse_address] = {SOL_SOCKET, SO_REUSEADDR},
        [cl_v6_only] = {IPPROTO_IPV6, IPV6_V6ONLY},
        [cl_no_delay] = {IPPROTO_TCP, TCP_NODELAY},
        [cl_not_sent_low_water] = {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
        [cl_user_timeout] = {IPPROTO_TCP, TCP_USER_TIMEOUT},
        [cl_send_buffer] = {SOL_SOCKET, SO_SNDBUF},
        [cl_receive_buffer] = {SOL_SOCKET, SO_RCVBUF},
    };
    return RESULT(
        setsockopt(fd, options[option].level, options[option].name, &value, sizeof value));
}

long cl_receive(int fd, void *bytes, size_t count) { return RETRY(recv(fd, bytes, count, 0)); }

long cl_send(int fd, const void *vectors, size_t count, _Bool more) {
    struct msghdr message = {
        .msg_iov = (struct iovec *)vectors,
        .msg_iovlen = count > IOV_MAX ? IOV_MAX : count,
    };
    int flags = MSG_NOSIGNAL | (more || count > IOV_MAX ? MSG_MORE : 0);
    return RETRY(sendmsg(fd, &message, flags));
}

long cl_send_file(int fd, int file, int64_t offset, size_t count) {
    off_t position = offset;
    return RETRY(sendfile(fd, file, &position, count));
}

long cl_shutdown_writes(int fd) { return RESULT(shutdown(fd, SHUT_WR)); }

long cl_make_nonblocking(int fd) {
    long status = RESULT(fcntl(fd, F_GETFL));
    if (status < 0) return status;
    long result = RESULT(fcntl(fd, F_SETFL, (int)status | O_NONBLOCK));
    return result < 0 ? result : RESULT(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

/* Files */

static int open_flags(uint32_t flags) {
    int result = O_CLOEXEC | O_NOCTTY;
    if (flags & cl_open_read_write) result |= O_RDWR;
    else if (flags & cl_open_write) result |= O_WRONLY;
    if (flags & cl_open_create) result |= O_CREAT;
    if (flags & cl_open_exclusive) result |= O_EXCL;
    if (flags & cl_open_truncate) result |= O_TRUNC;
    if (flags & cl_open_directory) result |= O_DIRECTORY;
    if (flags & cl_open_no_follow) result |= O_NOFOLLOW;
    if (flags & cl_open_nonblocking) result |= O_NONBLOCK;
    return result;
}

long cl_open(const char *path, uint32_t flags, uint32_t mode) {
    return RETRY(open(path, open_flags(flags), (mode_t)mode));
}

long cl_open_beneath(int directory, const char *path, uint32_t flags, uint32_t mode) {
    struct open_how how = {
        .flags = (uint64_t)open_flags(flags),
        .mode = flags & cl_open_create ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long result;
    /* EAGAIN: something was renamed elsewhere while ".." was resolved; openat2(2) says retry. */
    for (int attempt = 0; attempt < 8; attempt++) {
        result = RETRY(syscall(SYS_openat2, directory, path, &how, sizeof how));
        if (result != -EAGAIN) break;
    }
    return result;
}

static long fill_status(long result, const struct stat *status, cl_status_result *filled) {
    if (result < 0) return result;
    *filled = (cl_status_result){
        .mode = status->st_mode,
        .size = status->st_size,
        .modified = (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec,
        .device = status->st_dev,
        .inode = status->st_ino,
    };
    return 0;
}

long cl_status(int fd, cl_status_result *result) {
    struct stat status;
    return fill_status(RETRY(fstat(fd, &status)), &status, result);
}

long cl_status_of(int directory, const char *name, cl_status_result *result) {
    struct stat status;
    long failure = RETRY(fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW));
    return fill_status(failure, &status, result);
}

long cl_read_at(int fd, void *bytes, size_t count, int64_t offset) {
    return RETRY(pread(fd, bytes, count, offset));
}

long cl_write_at(int fd, const void *vectors, size_t count, int64_t offset) {
    return RETRY(pwritev(fd, vectors, count > IOV_MAX ? IOV_MAX : (int)count, offset));
}

long cl_read(int fd, void *bytes, size_t count) { return RETRY(read(fd, bytes, count)); }

long cl_write(int fd, const void *bytes, size_t count) { return RETRY(write(fd, bytes, count)); }

long cl_truncate(int fd, int64_t size) { return RETRY(ftruncate(fd, size)); }

long cl_allocate(int fd, int64_t size) {
    return RETRY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size));
}

long cl_sync_data(int fd) { return RETRY(fdatasync(fd)); }

long cl_sync(int fd) { return RETRY(fsync(fd)); }

long cl_lock(int fd, _Bool exclusively) {
    return RETRY(flock(fd, exclusively ? LOCK_EX | LOCK_NB : LOCK_SH));
}

long cl_start_writeback(int fd, int64_t offset, int64_t count) {
    return RETRY(sync_file_range(fd, offset, count, SYNC_FILE_RANGE_WRITE));
}

long cl_cached_pages(int fd, uint64_t offset, uint64_t count) {
    enum { cachestat_number = 451 }; /* of every architecture; Debian 12's headers lack it */
    struct { uint64_t offset, count; } range = {offset, count};
    struct { uint64_t cached, dirty, writeback, evicted, recently_evicted; } pages;
    long result = RETRY(syscall(cachestat_number, fd, &range, &pages, 0));
    return result < 0 ? result : (long)pages.cached;
}

long cl_make_directory(int directory, const char *name, uint32_t mode) {
    return RETRY(mkdirat(directory, name, (mode_t)mode));
}

long cl_remove(int directory, const char *name, _Bool is_directory) {
    return RETRY(unlinkat(directory, name, is_directory ? AT_REMOVEDIR : 0));
}

long cl_rename(int directory, const char *name, int new_directory, const char *new_name,
               _Bool replacing) {
    unsigned flags = replacing ? 0 : RENAME_NOREPLACE;
    return RETRY(renameat2(directory, name, new_directory, new_name, flags));
}

long cl_read_directory(int fd, void *bytes, size_t count) {
    return RETRY(syscall(SYS_getdents64, fd, bytes, count));
}

long cl_get_attribute(int fd, const char *name, void *bytes, size_t count) {
    return RETRY(syscall(SYS_fgetxattr, fd, name, bytes, count));
}

long cl_set_attribute(int fd, const char *name, const void *bytes, size_t count) {
    return RETRY(syscall(SYS_fsetxattr, fd, name, bytes, count, 0));
}

/* The process */

void cl_bound_malloc(int arenas, int threshold) {
    mallopt(M_ARENA_MAX, arenas);
    mallopt(M_MMAP_THRESHOLD, threshold);
}

void cl_lower_thread_priority(void) {
    /* For Linux, 0 is the calling thread, whatever POSIX says of processes. */
    (void)setpriority(PRIO_PROCESS, 0, 15);
}

long cl_ignore_broken_pipes(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    return RESULT(sigaction(SIGPIPE, &action, NULL));
}

long cl_raise_descriptor_limit(void) {
    struct rlimit limit;
    long result = RESULT(getrlimit(RLIMIT_NOFILE, &limit));
    if (result < 0) return result;
    limit.rlim_cur = limit.rlim_max;
    result = RESULT(setrlimit(RLIMIT_NOFILE, &limit));
    return result < 0 ? result : (long)(limit.rlim_cur > LONG_MAX ? LONG_MAX : limit.rlim_cur);
}

long cl_terminal_columns(int fd) {
    struct winsize size;
    long result = RESULT(ioctl(fd, TIOCGWINSZ, &size));
    return result < 0 ? result : size.ws_col;
}

_Bool cl_is_terminal(int fd) { return isatty(fd) == 1; }

long cl_start_thread(size_t stack_size, void *(*body)(void *), void *argument) {
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    sigfillset(&all);
    int failure = pthread_attr_init(&attributes);
    if (failure != 0) return -failure;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack_size);
    /* A thread inherits the mask of its maker. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&thread, &attributes, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -failure;
}
