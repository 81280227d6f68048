/* SPDX-License-Identifier: MIT */
/* poll/pollers.h - the backends that may or may not be there. */
#ifndef CO_POLL_POLLERS_H
#define CO_POLL_POLLERS_H

#include "core/poller.h"

/* In uring.c, or where liburing is not to be had in uring_none.c. */
extern const struct co__poller_ops co__poller_uring;

#endif
