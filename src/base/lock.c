/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

CO_TLS unsigned co__own_work;

void co__lock_wait(pthread_mutex_t *lock)
{
    co__own_work++;
    pthread_mutex_lock(lock);
    co__own_work--;
}

void co__once(pthread_once_t *once, void (*init)(void))
{
    co__own_work++;
    pthread_once(once, init);
    co__own_work--;
}

void co__thread_join(pthread_t thread)
{
    co__own_work++;
    pthread_join(thread, NULL);
    co__own_work--;
}
