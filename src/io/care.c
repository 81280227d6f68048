/* SPDX-License-Identifier: MIT */
/* Into Coppice's care and out of it. See fdtable.c for what is kept. */
#include "io/care.h"

#include <coppice/fd.h>

#include "io/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The protocol as the kernel sees it: what was asked for as TCP may be
 * multipath TCP, which the drain rule does not hold for. */
unsigned co__fd_kind_of_socket(int fd)
{
    int type = -1;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
        type == SOCK_STREAM && co__sys_protocol(fd) == IPPROTO_TCP)
        return CO__FD_SOCKET | CO__FD_DRAIN;
    return CO__FD_SOCKET;
}

/*
 * `flags` are those of F_GETFL. Of a pipe the end for writing: a short write
 * means that it is full. A short read means nothing in packet mode (O_DIRECT),
 * which is a flag of the other end, and so cannot be seen here.
 */
static int kind_of(int fd, int flags, unsigned *kind)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *kind = 0;
    if (S_ISSOCK(st.st_mode))
        *kind = co__fd_kind_of_socket(fd);
    else if (S_ISFIFO(st.st_mode) && (flags & O_ACCMODE) == O_WRONLY)
        *kind = CO__FD_DRAIN;
    return 0;
}

int co_adopt(int fd)
{
    struct co__fd_slot *slot = NULL;
    unsigned kind = 0;
    int elsewhere;
    int flags = fcntl(fd, F_GETFL);
    int r;

    if (flags < 0)
        return -errno;
    if (co__fd_care(fd, &elsewhere) & CO__FD_OWN)
        return elsewhere ? -EPERM : -EALREADY;
    r = kind_of(fd, flags, &kind);
    if (r < 0)
        return r;
    if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    if (co__loop)
        slot = co__fd_find(co__loop, fd);
    if (slot && (!(slot->flags & CO__FD_SEEN) || !co__fd_current(slot)))
        slot = NULL;
    r = co__fd_own(fd, CO__FD_OWN | kind);
    if (r < 0) {
        if (!(flags & O_NONBLOCK))
            (void)fcntl(fd, F_SETFL, flags);
        return r;
    }
    co__sys_quieten(fd);
    /* Tasks that wait for it go on waiting. */
    if (slot)
        co__fd_rebind(co__loop, fd, slot);
    return 0;
}

int co_fd_release(int fd)
{
    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    return co__fd_disown(fd);
}

int co_close(int fd)
{
    int r;

    if (fd < 0)
        return -EBADF;
    r = co__fd_disown(fd);
    if (r < 0)
        return r;
    /* Interrupted, the system has closed it nevertheless. */
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}
