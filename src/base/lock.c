/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

CO_TLS unsigned co__own_work;

void co__lock_wait(pthread_mutex_t *lock)
{
    co__own_work++;
    pthread_mutex_lock(lock);
    co__own_work--;
}
