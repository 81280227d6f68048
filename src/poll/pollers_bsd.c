/* SPDX-License-Identifier: MIT */
/* The reactors of macOS and the BSDs, best first. */
#include "poll/kqueue.h"
#include "poll/poll.h"

const struct co__poller_ops *const co__pollers[] = {
    &co__poller_kqueue,
    &co__poller_poll,
    NULL,
};
