/* SPDX-License-Identifier: MIT */
/* See wake.h: a pipe, for systems that have no eventfd. */
#include "poll/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* pipe2 is not everywhere. A child that another thread forks in between has
 * these two open until it calls exec: it can do no harm with them. */
static int configure(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

int co__wake_open(struct co__wake *wake)
{
    int ends[2];
    int r;

    if (pipe(ends) < 0)
        return -errno;
    r = configure(ends[0]);
    if (r == 0)
        r = configure(ends[1]);
    if (r < 0)
        goto close_ends;
    wake->fd = ends[0];
    wake->into = ends[1];
    return 0;

close_ends:
    close(ends[0]);
    close(ends[1]);
    return r;
}

void co__wake_close(struct co__wake *wake)
{
    close(wake->fd);
    close(wake->into);
}

void co__wake_send(const struct co__wake *wake)
{
    int saved = errno;

    /* Full (EAGAIN) is as good as written. */
    while (write(wake->into, "", 1) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

void co__wake_take(const struct co__wake *wake)
{
    char bytes[256];
    ssize_t n;

    /* Less than asked for: it is empty. */
    do
        n = read(wake->fd, bytes, sizeof(bytes));
    while (n == (ssize_t)sizeof(bytes) || (n < 0 && errno == EINTR));
}
