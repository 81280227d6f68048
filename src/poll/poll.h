/* SPDX-License-Identifier: MIT */
/* poll/poll.h - the reactor that every system has. */
#ifndef CO_POLL_POLL_H
#define CO_POLL_POLL_H

#include "core/poller.h"

extern const struct co__poller_ops co__poller_poll;

#endif
