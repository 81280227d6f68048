/* SPDX-License-Identifier: MIT */
/* See wake.h: one descriptor that counts. */
#include "poll/wake.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int co__wake_open(struct co__wake *wake)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    wake->fd = wake->into = fd;
    return 0;
}

void co__wake_close(struct co__wake *wake)
{
    close(wake->fd);
}

void co__wake_send(const struct co__wake *wake)
{
    const uint64_t one = 1;
    int saved = errno;

    /* Full (EAGAIN) is as good as written. */
    while (write(wake->into, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

void co__wake_take(const struct co__wake *wake)
{
    uint64_t count;

    while (read(wake->fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
}
