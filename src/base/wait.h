/* SPDX-License-Identifier: MIT */
/*
 * base/wait.h - a thread that waits, until a point in time of co__clock_real,
 * or for descriptors. One file a system implements it.
 */
#ifndef CO_BASE_WAIT_H
#define CO_BASE_WAIT_H

#include <coppice/base.h>

#include <poll.h>
#include <pthread.h>

/* A condition for co__cond_wait. */
void co__cond_init(pthread_cond_t *cond);

/* As pthread_cond_wait, but until a point in time, or CO_NEVER. Returns 0 or
 * ETIMEDOUT. */
int co__cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, co_time until);

/* poll(2) for at most `limit` nanoseconds, never less; CO_NEVER: no limit.
 * Returns as poll(2), or a negative errno. */
int co__poll(struct pollfd *fds, unsigned count, co_time limit);

#endif
