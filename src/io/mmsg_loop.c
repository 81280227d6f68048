/* SPDX-License-Identifier: MIT */
/*
 * See mmsg.h: systems that have no such calls, or whose struct mmsghdr is
 * another one.
 *
 * An error that is not of the first message is left for the next call, which
 * meets it again; but one that a socket reports once is lost, as it is in the
 * kernels that have these calls.
 */
#include "io/mmsg.h"

#include <errno.h>

int co__mmsg_receive(int fd, struct co__mmsg *list, unsigned count, int flags)
{
    unsigned i = 0;

    while (i < count) {
        ssize_t n = recvmsg(fd, &list[i].head, flags);

        if (n >= 0)
            list[i++].len = (unsigned)n;
        else if (errno != EINTR)
            break;
    }
    return i > 0 || !count ? (int)i : -errno;
}

int co__mmsg_send(int fd, struct co__mmsg *list, unsigned count, int flags)
{
    unsigned i = 0;

    while (i < count) {
        ssize_t n = sendmsg(fd, &list[i].head, flags);

        if (n >= 0)
            list[i++].len = (unsigned)n;
        else if (errno != EINTR)
            break;
    }
    return i > 0 || !count ? (int)i : -errno;
}
