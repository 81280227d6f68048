/* SPDX-License-Identifier: MIT */
/*
 * base/lock.h - the library's own locks: held for a moment, never across a
 * wait.
 *
 * Where libcoppice-hook is in force, a thread that waits for a lock becomes a
 * task that waits, and others run meanwhile. Not so amid the library's own
 * work, which co__own_work says: nothing would be as it was. So nobody else
 * calls what waits for a thread (the test contract.waits sees to it).
 */
#ifndef CO_BASE_LOCK_H
#define CO_BASE_LOCK_H

#include "base/compiler.h"

#include <pthread.h>

/* How deep this thread is in work during which it may block and its task may
 * not wait. See co__guest in io/guest.h. */
extern CO_TLS unsigned co__own_work;

void co__lock_wait(pthread_mutex_t *lock);

/* pthread_mutex_lock. */
CO_INLINE void co__lock(pthread_mutex_t *lock)
{
    if (CO_UNLIKELY(pthread_mutex_trylock(lock) != 0))
        co__lock_wait(lock);
}

/* pthread_once and pthread_join, for what takes a moment too. */
void co__once(pthread_once_t *once, void (*init)(void));
void co__thread_join(pthread_t thread);

#endif
