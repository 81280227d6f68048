/* SPDX-License-Identifier: MIT */
/* See mmsg.h: Linux. */
#include "io/mmsg.h"

#include <errno.h>
#include <stddef.h>

_Static_assert(sizeof(struct co__mmsg) == sizeof(struct mmsghdr) &&
                   offsetof(struct co__mmsg, len) ==
                       offsetof(struct mmsghdr, msg_len),
               "co__mmsg is the kernel's");

int co__mmsg_receive(int fd, struct co__mmsg *list, unsigned count, int flags)
{
    int n;

    do
        n = recvmmsg(fd, (struct mmsghdr *)list, count, flags, NULL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int co__mmsg_send(int fd, struct co__mmsg *list, unsigned count, int flags)
{
    int n;

    do
        n = sendmmsg(fd, (struct mmsghdr *)list, count, flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}
