/* Linux calls that Swift's Glibc module does not show (those under _GNU_SOURCE, epoll, eventfd,
   signalfd, openat2, cachestat) or whose errno must be read before anything else can run.

   Unless said otherwise each takes what its manual page says, retries EINTR, and returns the
   call's result or -errno. Descriptors that are made here are close-on-exec, and nonblocking
   where they are not files. No system header shows through, so that nothing here depends on how
   Swift imports it. */
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>

/* Time and chance */
uint64_t cl_boot_clock(void);                     /* CLOCK_BOOTTIME, nanoseconds */
int64_t cl_real_clock(void);                      /* CLOCK_REALTIME, nanoseconds since 1970 */
long cl_random(void *bytes, size_t count);        /* getrandom(2); the whole buffer */

/* Readiness */
typedef struct {
    uint32_t readiness, slot, generation;
} cl_event;

long cl_close(int fd);
long cl_epoll_create(void);
long cl_epoll_add(int epoll, int fd, uint32_t interest, uint64_t bits);
long cl_epoll_modify(int epoll, int fd, uint32_t interest, uint64_t bits);
long cl_epoll_remove(int epoll, int fd);
/* `timeout` in nanoseconds, negative: for ever. A signal ends the wait with 0. */
long cl_epoll_wait(int epoll, cl_event *events, size_t capacity, int64_t timeout);
long cl_event_create(void);
void cl_event_signal(int fd);
void cl_event_drain(int fd);
long cl_signal_create(const int32_t *signals, size_t count);
long cl_signal_read(int fd);                      /* the signal's number */

/* Sockets; an address is a `struct sockaddr` of `length` bytes */
enum { cl_address_capacity = 128 };

long cl_socket(int family);
long cl_bind(int fd, const void *address, uint32_t length);
long cl_listen(int fd, int backlog);
long cl_accept(int fd, void *address, uint32_t *length);
/* Not retried: a connect that a signal interrupted goes on, so EINTR becomes -EINPROGRESS. */
long cl_connect(int fd, const void *address, uint32_t length);
long cl_local_address(int fd, void *address, uint32_t *length);
long cl_socket_error(int fd);                     /* SO_ERROR: 0 or -errno */

typedef enum {
    cl_reuse_address, cl_v6_only, cl_no_delay, cl_not_sent_low_water, cl_user_timeout,
    cl_send_buffer, cl_receive_buffer
} cl_option;

long cl_set_option(int fd, cl_option option, int value);
long cl_receive(int fd, void *bytes, size_t count);
/* `vectors` are `struct iovec`; those past IOV_MAX wait for the next call. */
long cl_send(int fd, const void *vectors, size_t count, _Bool more);
long cl_send_file(int fd, int file, int64_t offset, size_t count);
long cl_shutdown_writes(int fd);
long cl_make_nonblocking(int fd);                 /* fcntl(2): O_NONBLOCK and FD_CLOEXEC */

/* Files */
typedef struct {
    uint32_t mode;
    int64_t size, modified;
    uint64_t device, inode;
} cl_status_result;

/* The bits of Kernel's OpenFlags, turned into those of open(2). */
enum {
    cl_open_write = 1, cl_open_read_write = 2, cl_open_create = 4, cl_open_exclusive = 8,
    cl_open_truncate = 16, cl_open_directory = 32, cl_open_no_follow = 64,
    cl_open_nonblocking = 128
};

long cl_open(const char *path, uint32_t flags, uint32_t mode);
/* openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS. */
long cl_open_beneath(int directory, const char *path, uint32_t flags, uint32_t mode);
long cl_status(int fd, cl_status_result *result);
long cl_status_of(int directory, const char *name, cl_status_result *result);
long cl_read_at(int fd, void *bytes, size_t count, int64_t offset);
long cl_write_at(int fd, const void *vectors, size_t count, int64_t offset);
long cl_read(int fd, void *bytes, size_t count);
long cl_write(int fd, const void *bytes, size_t count);
long cl_truncate(int fd, int64_t size);
long cl_allocate(int fd, int64_t size);
long cl_sync_data(int fd);
long cl_sync(int fd);
long cl_lock(int fd, _Bool exclusively);            /* flock; alone, it does not wait */
long cl_start_writeback(int fd, int64_t offset, int64_t count);
/* cachestat(2), Linux 6.5: pages of the range that are in the page cache. */
long cl_cached_pages(int fd, uint64_t offset, uint64_t count);
long cl_make_directory(int directory, const char *name, uint32_t mode);
long cl_remove(int directory, const char *name, _Bool is_directory);
long cl_rename(int directory, const char *name, int new_directory, const char *new_name,
               _Bool replacing);
long cl_read_directory(int fd, void *bytes, size_t count); /* getdents64(2) */
long cl_get_attribute(int fd, const char *name, void *bytes, size_t count);
long cl_set_attribute(int fd, const char *name, const void *bytes, size_t count);

/* The process */
/* An arena for each thread would hold memory that no budget knows of; memory of buffers is
 * mapped and unmapped, because left to itself malloc learns to keep it in a heap that stays. */
void cl_bound_malloc(int arenas, int threshold);
/* Makes the calling thread nicer, so that others get the processor first. */
void cl_lower_thread_priority(void);
long cl_ignore_broken_pipes(void);                /* SIGPIPE: EPIPE says the same */
/* Raises the soft limit of open descriptors to the hard one and returns it. */
long cl_raise_descriptor_limit(void);
long cl_terminal_columns(int fd);                 /* TIOCGWINSZ */
_Bool cl_is_terminal(int fd);
/* Starts a detached thread in which every signal is blocked. */
long cl_start_thread(size_t stack_size, void *(*body)(void *), void *argument);

#endif
