/* SPDX-License-Identifier: MIT */
/* See wait.h: systems with ppoll and conditions by the monotonic clock. */
#include "base/wait.h"

#include "base/clock.h"

#include <errno.h>

void co__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CO_CLOCK);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

int co__cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, co_time until)
{
    struct timespec at = co__timespec(until);

    return until == CO_NEVER ? pthread_cond_wait(cond, lock)
                             : pthread_cond_timedwait(cond, lock, &at);
}

int co__poll(struct pollfd *fds, unsigned count, co_time limit)
{
    struct timespec left = co__timespec(limit > 0 ? limit : 0);
    int n = ppoll(fds, count, limit == CO_NEVER ? NULL : &left, NULL);

    return n < 0 ? -errno : n;
}
