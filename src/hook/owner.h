/* SPDX-License-Identifier: MIT */
/*
 * hook/owner.h - which task has a mutex that knows its owner. Such a mutex
 * takes all tasks of a thread for the same.
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

/* The rest is for those of a known kind. */

/* Whether another task of this thread, or this one, has it. */
int co__owner_is_other(pthread_mutex_t *mutex);
int co__owner_is_self(pthread_mutex_t *mutex);

/* It was locked, once more, and is about to be unlocked: 1 if for the last
 * time. */
void co__owner_locked(pthread_mutex_t *mutex);
int co__owner_unlocking(pthread_mutex_t *mutex);

#endif
