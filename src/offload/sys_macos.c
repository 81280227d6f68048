/* SPDX-License-Identifier: MIT */
/* See sys.h: macOS. */
#include "offload/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned co__sys_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count > 0 ? (unsigned)count : 1;
}

void co__sys_thread_name(const char *name)
{
    pthread_setname_np(name);
}

/* Close-on-exec is set afterwards: a program that another thread starts in
 * between has both ends open, and keeps a worker alive as long as it runs. A
 * write into the void raises SIGPIPE in some thread, hence SO_NOSIGPIPE. */
static int configure(int fd)
{
    static const int yes = 1;

    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof(yes)) < 0)
        return -errno;
    return 0;
}

int co__sys_socketpair(int fds[2])
{
    int r;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -errno;
    r = configure(fds[0]);
    if (r == 0)
        r = configure(fds[1]);
    if (r == 0)
        return 0;
    close(fds[0]);
    close(fds[1]);
    return r;
}

void co__sys_close_from(int first)
{
    co__close_listed(first);
}

void co__sys_purge(FILE *stream)
{
    fpurge(stream);
}
