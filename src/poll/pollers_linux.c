/* SPDX-License-Identifier: MIT */
/* The reactors of Linux, best first. */
#include "poll/epoll.h"

const struct co__poller_ops *const co__pollers[] = {
    &co__poller_epoll,
    NULL,
};
