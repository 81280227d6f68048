/* SPDX-License-Identifier: MIT */
/* sync/mutex.h - mutexes, as conditions use them. */
#ifndef CO_SYNC_MUTEX_H
#define CO_SYNC_MUTEX_H

#include <coppice/mutex.h>

#include "core/sched.h"

/* Give a locked mutex to the first who waits, or unlock it. */
CO_INLINE void co__mutex_pass_on(co_mutex *mutex)
{
    struct co__waiter *next = NULL;

    if (CO_UNLIKELY(!co__waitlist_empty(&mutex->co__waiters)))
        next = co__waitlist_grant(&mutex->co__waiters, 0);
    mutex->co__owner = next ? next->task : NULL;
}

/* Lock a mutex whatever limits the task is under. */
void co__mutex_take(const struct co__here *here, co_mutex *mutex);

#endif
