/* SPDX-License-Identifier: MIT */
/* In the place of uring.c where liburing is not to be had. */
#include "poll/pollers.h"

#include <errno.h>

static int open_none(struct co_loop *loop, struct co__poller **out)
{
    (void)loop;
    (void)out;
    return -ENOSYS;
}

const struct co__poller_ops co__poller_uring = {
    .name = "io_uring",
    .by_name = 1,
    .open = open_none,
};
