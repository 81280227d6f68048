/* SPDX-License-Identifier: MIT */
/* See sys.h: Linux. */
#include "io/sys.h"

#include "core/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

/* Kernels and file systems say "no RWF_NOWAIT" in several ways; a call that is
 * wrong by itself fails again when it is made without. ESPIPE: not with an
 * offset, not even -1 (before Linux 5.6 or so, on streams). */
static ssize_t result_now(ssize_t n)
{
    if (n >= 0)
        return n;
    if (errno == ENOSYS || errno == EINVAL || errno == ESPIPE)
        return -EOPNOTSUPP;
    return -errno;
}

ssize_t co__sys_readv_now(int fd, const struct iovec *iov, int count)
{
    return result_now(preadv2(fd, iov, count, -1, RWF_NOWAIT));
}

ssize_t co__sys_writev_now(int fd, const struct iovec *iov, int count)
{
    return result_now(pwritev2(fd, iov, count, -1, RWF_NOWAIT));
}

/* Not the master of a pseudo terminal: opening that makes another pair. */
int co__sys_reopen_tty(int fd)
{
    char path[32];
    unsigned number;
    int again;

    if (!isatty(fd) || ioctl(fd, TIOCGPTN, &number) == 0)
        return -ENOTTY;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    return again < 0 ? -ENOTTY : again;
}

int co__sys_fstat_command(const struct co__here *here, int fd, struct stat *out)
{
    struct statx x;
    struct co__command command = {
        .code = CO__DO_STATX,
        .fd = fd,
        .data = "",
        .len = STATX_BASIC_STATS,
        .offset = (uintptr_t)&x,
        .options = AT_EMPTY_PATH,
    };
    int r = co__command_run(here, &command, CO__WAIT_FILE);

    if (r < 0)
        return r;
    memset(out, 0, sizeof(*out));
    out->st_dev = makedev(x.stx_dev_major, x.stx_dev_minor);
    out->st_ino = x.stx_ino;
    out->st_mode = x.stx_mode;
    out->st_nlink = x.stx_nlink;
    out->st_uid = x.stx_uid;
    out->st_gid = x.stx_gid;
    out->st_rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor);
    out->st_size = (off_t)x.stx_size;
    out->st_blksize = (blksize_t)x.stx_blksize;
    out->st_blocks = (blkcnt_t)x.stx_blocks;
    out->st_atim.tv_sec = x.stx_atime.tv_sec;
    out->st_atim.tv_nsec = x.stx_atime.tv_nsec;
    out->st_mtim.tv_sec = x.stx_mtime.tv_sec;
    out->st_mtim.tv_nsec = x.stx_mtime.tv_nsec;
    out->st_ctim.tv_sec = x.stx_ctime.tv_sec;
    out->st_ctim.tv_nsec = x.stx_ctime.tv_nsec;
    return 0;
}
