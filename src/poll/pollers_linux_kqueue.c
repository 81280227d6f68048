/* SPDX-License-Identifier: MIT */
/* The reactors of Linux where a library provides kqueue, best first. */
#include "poll/epoll.h"
#include "poll/kqueue.h"
#include "poll/poll.h"
#include "poll/pollers.h"

const struct co__poller_ops *const co__pollers[] = {
    &co__poller_epoll,
    &co__poller_uring,
    &co__poller_kqueue,
    &co__poller_poll,
    NULL,
};
