/* SPDX-License-Identifier: MIT */
#include <coppice/fd.h>

#include "hook/op.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/time.h>

int co__op_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && flags & O_NONBLOCK;
}

/* What SO_RCVTIMEO or SO_SNDTIMEO allows; also of what is no socket. */
static co_time limit_of(int fd, int direction)
{
    struct timeval limit;
    socklen_t len = sizeof(limit);
    int name = direction == CO_WRITABLE ? SO_SNDTIMEO : SO_RCVTIMEO;

    if (getsockopt(fd, SOL_SOCKET, name, &limit, &len) < 0 ||
        (limit.tv_sec == 0 && limit.tv_usec == 0))
        return CO_NEVER;
    return co__after(limit.tv_sec * CO_SEC + limit.tv_usec * CO_US);
}

int co__op_patient(int fd, int direction, struct co__patience *patience)
{
    if (patience->known)
        return 1;
    if (co__op_nonblocking(fd))
        return 0;
    patience->known = 1;
    patience->until = limit_of(fd, direction);
    return 1;
}

int co__op_wait(struct co__site *site, int fd, int direction,
                struct co__patience *patience)
{
    int r;

    if (!co__op_patient(fd, direction, patience))
        return 0;
    r = co__hook_wait_fd(site, fd, direction, patience->until);
    return r > 0 ? 1 : r;
}

int co__op_wait_more(struct co__site *site, int fd, int direction,
                     struct co__patience *patience)
{
    int r = co__op_wait(site, fd, direction, patience);

    if (r == 1 && ++patience->rounds > CO__CONTRADICTIONS_MAX) {
        r = co__hook_pause(site, &patience->pause, patience->until);
        r = r < 0 ? r : 1;
    }
    return r;
}

int co__op_unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || flags & O_NONBLOCK)
        return 0;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? 0 : flags | 1 << 30;
}

void co__op_reblock(int fd, int flags)
{
    int error = errno;

    if (flags & 1 << 30)
        fcntl(fd, F_SETFL, flags & ~(1 << 30));
    errno = error;
}
