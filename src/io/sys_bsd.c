/* SPDX-License-Identifier: MIT */
/* See sys.h: what the BSDs and macOS have in common. */
#include "io/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

/* There is no such call: poll(2) is asked first. */
ssize_t co__sys_readv_now(int fd, const struct iovec *iov, int count)
{
    (void)fd;
    (void)iov;
    (void)count;
    return -EOPNOTSUPP;
}

ssize_t co__sys_writev_now(int fd, const struct iovec *iov, int count)
{
    (void)fd;
    (void)iov;
    (void)count;
    return -EOPNOTSUPP;
}

/* Not the master of a pseudo terminal: opening that makes another pair. */
int co__sys_reopen_tty(int fd)
{
    char path[128];
    int again;

    if (!isatty(fd) || ptsname_r(fd, path, sizeof(path)) == 0 ||
        ttyname_r(fd, path, sizeof(path)) != 0)
        return -ENOTTY;
    again = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    return again < 0 ? -ENOTTY : again;
}

int co__sys_fstat_command(const struct co__here *here, int fd, struct stat *out)
{
    (void)here; /* no backend has commands */
    (void)fd;
    (void)out;
    return -EOPNOTSUPP;
}
