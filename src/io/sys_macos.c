/* SPDX-License-Identifier: MIT */
/*
 * See sys.h: macOS.
 *
 * A descriptor becomes close-on-exec after it was made: a program that another
 * thread starts in between inherits it. There is no way around that.
 *
 * The SIGPIPE of a write is sent to the process, so that a thread which blocks
 * it is of no help. It is the descriptor that must not raise it: F_SETNOSIGPIPE
 * is a flag of what is open, sockets (SO_NOSIGPIPE) included. Our own keep it;
 * of others it is set for the one call, as O_NONBLOCK is in socket.c.
 */
#include "io/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Non-blocking, close-on-exec, without SIGPIPE, or closed. */
static int configure(int fd)
{
    static const int yes = 1;
    int r;

    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || ioctl(fd, FIONBIO, &yes) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    /* It fails if the peer is gone; a listener's flag was inherited. */
    co__sys_quieten(fd);
    return fd;
}

int co__sys_socket(int domain, int type, int protocol)
{
    int fd = socket(domain, type, protocol);

    return fd < 0 ? -errno : configure(fd);
}

int co__sys_accept(int fd, struct sockaddr *addr, socklen_t *addr_len)
{
    int conn = accept(fd, addr, addr_len);

    return conn < 0 ? -errno : configure(conn);
}

int co__sys_pipe(int fds[2])
{
    int r;

    if (pipe(fds) < 0)
        return -errno;
    if (fcntl(fds[0], F_SETFD, FD_CLOEXEC) == 0 &&
        fcntl(fds[1], F_SETFD, FD_CLOEXEC) == 0)
        return 0;
    r = -errno;
    close(fds[0]);
    close(fds[1]);
    return r;
}

/* There is no other stream protocol in these families; multipath TCP is one of
 * its own. */
int co__sys_protocol(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);

    if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
        return -1;
    return name.ss_family == AF_INET || name.ss_family == AF_INET6 ? IPPROTO_TCP
                                                                   : -1;
}

void co__sys_quieten(int fd)
{
    (void)fcntl(fd, F_SETNOSIGPIPE, 1);
}

ssize_t co__sys_writev_quiet(
    int fd, const struct iovec *iov, int count, int blocked,
    ssize_t (*write_fn)(int fd, const struct iovec *iov, int count))
{
    int quiet = fcntl(fd, F_GETNOSIGPIPE);
    ssize_t n;

    (void)blocked;
    if (quiet == 0)
        co__sys_quieten(fd);
    n = write_fn(fd, iov, count);
    if (quiet == 0)
        (void)fcntl(fd, F_SETNOSIGPIPE, 0);
    return n;
}

/* fsync leaves it in the disk's own cache; not every file system has better. */
int co__sys_fsync(int fd, int data_only)
{
    (void)data_only;
    if (fcntl(fd, F_FULLFSYNC) == 0)
        return 0;
    if (errno == EINTR)
        return -EINTR;
    return fsync(fd) < 0 ? -errno : 0;
}
