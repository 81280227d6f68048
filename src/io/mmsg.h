/* SPDX-License-Identifier: MIT */
/*
 * io/mmsg.h - several messages at once: by one system call (mmsg_linux.c), or
 * by one for each (mmsg_loop.c).
 */
#ifndef CO_IO_MMSG_H
#define CO_IO_MMSG_H

#include <sys/socket.h>

/* What struct mmsghdr is, where there is one. */
struct co__mmsg {
    struct msghdr head;
    unsigned len; /* bytes received */
};

/* Returns how many, one at least, or a negative errno; never -EINTR. */
int co__mmsg_receive(int fd, struct co__mmsg *list, unsigned count, int flags);
int co__mmsg_send(int fd, struct co__mmsg *list, unsigned count, int flags);

#endif
