/* SPDX-License-Identifier: MIT */
/* poll/epoll.h - the Linux reactor. */
#ifndef CO_POLL_EPOLL_H
#define CO_POLL_EPOLL_H

#include "core/poller.h"

extern const struct co__poller_ops co__poller_epoll;

#endif
