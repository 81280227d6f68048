/* SPDX-License-Identifier: MIT */
/* See sys.h: Linux. */
#include "poll/sys.h"

#include <errno.h>
#include <time.h>

const short co__sys_poll_rdhup = POLLRDHUP;

int co__sys_poll(struct pollfd *fds, unsigned count, co_time limit)
{
    struct timespec ts = {0};
    int n;

    if (limit > 0 && limit != CO_NEVER) {
        ts.tv_sec = (time_t)(limit / CO_SEC);
        ts.tv_nsec = (long)(limit % CO_SEC);
    }
    n = ppoll(fds, count, limit == CO_NEVER ? NULL : &ts, NULL);
    return n < 0 ? -errno : n;
}
