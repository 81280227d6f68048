/* SPDX-License-Identifier: MIT */
/*
 * poll/sys.h - poll(2) to the nanosecond, which has not the same name on every
 * system. One file a system implements it.
 */
#ifndef CO_POLL_SYS_H
#define CO_POLL_SYS_H

#include <coppice/base.h>

#include <poll.h>

/* For at most `limit` nanoseconds, and never less unless something is ready;
 * CO_NEVER: no limit. A count, or a negative errno, -EINTR too. */
int co__sys_poll(struct pollfd *fds, unsigned count, co_time limit);

/* What poll(2) reports of the end of the peer's side; 0 where it does not. */
extern const short co__sys_poll_rdhup;

#endif
