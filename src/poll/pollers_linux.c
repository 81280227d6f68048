/* SPDX-License-Identifier: MIT */
/* The reactors of Linux, best first. */
#include "poll/epoll.h"
#include "poll/poll.h"
#include "poll/pollers.h"

const struct co__poller_ops *const co__pollers[] = {
    &co__poller_epoll,
    &co__poller_uring,
    &co__poller_poll,
    NULL,
};
