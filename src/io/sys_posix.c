/* SPDX-License-Identifier: MIT */
/*
 * See sys.h: what POSIX.1-2024 has, and with it Linux and the BSDs, but not
 * macOS. The SIGPIPE of a write is sent to the thread that has written.
 */
#include "io/sys.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

int co__sys_socket(int domain, int type, int protocol)
{
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

    return fd < 0 ? -errno : fd;
}

int co__sys_accept(int fd, struct sockaddr *addr, socklen_t *addr_len)
{
    int conn = accept4(fd, addr, addr_len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return conn < 0 ? -errno : conn;
}

int co__sys_pipe(int fds[2])
{
    return pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0;
}

int co__sys_protocol(int fd)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &len) < 0 ? -1
                                                                     : value;
}

void co__sys_quieten(int fd)
{
    (void)fd; /* nothing is changed: SIGPIPE is blocked, or taken back */
}

ssize_t co__sys_writev_quiet(
    int fd, const struct iovec *iov, int count, int blocked,
    ssize_t (*write_fn)(int fd, const struct iovec *iov, int count))
{
    sigset_t pipe_only, pending, mask;
    ssize_t n;

    if (blocked)
        return write_fn(fd, iov, count);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &mask);
    n = write_fn(fd, iov, count);
    /* It is here already. */
    if (n == -EPIPE && !sigismember(&pending, SIGPIPE))
        co__sys_discard_sigpipe();
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return n;
}

int co__sys_fsync(int fd, int data_only)
{
    return (data_only ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}
