/* SPDX-License-Identifier: MIT */
/* Pipes. As co_adopt would take the ends into care, but what they are is known
 * and need not be asked. */
#include <coppice/pipe.h>

#include "io/fdtable.h"
#include "io/pipe.h"
#include "io/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int co__pipe_own(int fd, int writes)
{
    int flags = fcntl(fd, F_GETFL);
    int r;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    r = co__fd_own(fd, writes ? CO__FD_OWN | CO__FD_DRAIN : CO__FD_OWN);
    if (r == 0)
        co__sys_quieten(fd);
    return r;
}

int co_pipe(int fds[2])
{
    int ends[2];
    int r;

    if (!fds)
        return -EINVAL;
    r = co__sys_pipe(ends);
    if (r < 0)
        return r;
    r = co__pipe_own(ends[0], 0);
    if (r < 0)
        goto close_both;
    r = co__pipe_own(ends[1], 1);
    if (r < 0)
        goto disown_first;
    fds[0] = ends[0];
    fds[1] = ends[1];
    return 0;

disown_first:
    co__fd_disown(ends[0]);
close_both:
    close(ends[0]);
    close(ends[1]);
    return r;
}
