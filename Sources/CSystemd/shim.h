#ifndef CSYSTEMD_SHIM_H
#define CSYSTEMD_SHIM_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Without it every entry names this header, by its path where the daemon was built. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

/* What Swift cannot name without the C library's own module: macros and struct iovec. */

typedef struct ampd_vector {
    const void *base;
    size_t count;
} ampd_vector;

/* sd_journal_sendv(3): one "FIELD=value" a vector. */
static inline int ampd_journal_send(const ampd_vector *vectors, int count) {
    return sd_journal_sendv((const struct iovec *)vectors, count);
}

/* Whether the descriptor is a stream socket that listens; makes it nonblocking if it is. */
static inline int ampd_prepare_listener(int descriptor) {
    if (sd_is_socket(descriptor, AF_UNSPEC, SOCK_STREAM, 1) <= 0) return 0;
    int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) >= 0;
}

static inline int ampd_first_listener(void) { return SD_LISTEN_FDS_START; }

/* Frees what sd_listen_fds_with_names(3) made. */
static inline void ampd_free_names(char **names) {
    for (char **name = names; name && *name; name++) free(*name);
    free(names);
}

#endif
