/* SPDX-License-Identifier: MIT */
/* poll/kqueue.h - the reactor of macOS and the BSDs. */
#ifndef CO_POLL_KQUEUE_H
#define CO_POLL_KQUEUE_H

#include "core/poller.h"

extern const struct co__poller_ops co__poller_kqueue;

#endif
