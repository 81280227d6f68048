/* SPDX-License-Identifier: MIT */
/* sync/mutex.h - mutexes, as conditions use them. */
#ifndef CO_SYNC_MUTEX_H
#define CO_SYNC_MUTEX_H

#include <coppice/mutex.h>

#include "core/sched.h"

CO_INLINE struct co_task *co__mutex_owner(const co_mutex *mutex)
{
    return mutex->co__lone == mutex ? mutex->co__owner : mutex->co__lone;
}

/* Give a locked mutex to the first who waits, or unlock it. */
void co__mutex_hand_over(co_mutex *mutex);

/* Lock a mutex whatever limits the task is under. */
void co__mutex_take(const struct co__here *here, co_mutex *mutex);

#endif
