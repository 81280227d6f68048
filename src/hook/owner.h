/* SPDX-License-Identifier: MIT */
/*
 * hook/owner.h - which task has a lock that knows its owner. Such a lock takes
 * all tasks of a thread for the same.
 */
#ifndef CO_HOOK_OWNER_H
#define CO_HOOK_OWNER_H

#include <pthread.h>

/* PTHREAD_MUTEX_RECURSIVE or PTHREAD_MUTEX_ERRORCHECK, or 0: any other kind,
 * of which nothing is kept. */
static inline int co__owner_known(const pthread_mutex_t *mutex)
{
    int kind = mutex->__data.__kind & 3;

    return kind == PTHREAD_MUTEX_RECURSIVE || kind == PTHREAD_MUTEX_ERRORCHECK
               ? kind
               : 0;
}

/* The rest is for those of a known kind, and for a pthread_rwlock_t that is
 * locked for writing. */

/* Whether another task of this thread, or this one, has it. */
int co__owner_is_other(const void *lock);
int co__owner_is_self(const void *lock);

/* It was locked, once more, and is about to be unlocked: 1 if for the last
 * time. */
void co__owner_locked(const void *lock);
int co__owner_unlocking(const void *lock);

#endif
