/* SPDX-License-Identifier: MIT */
/* Invariant: while a task waits no permit is free. */
#include <coppice/sem.h>

#include "sync/holder.h"
#include "sync/simple.h"

#include <limits.h>
#include <string.h>

int co_sem_init(co_sem *sem, unsigned permits)
{
    if (!sem)
        return -EINVAL;
    memset(sem, 0, sizeof(*sem));
    sem->co__permits = permits;
    return 0;
}

int co_sem_init_bounded(co_sem *sem, unsigned permits, unsigned max)
{
    if (!sem || !max || permits > max)
        return -EINVAL;
    co_sem_init(sem, permits);
    sem->co__max = max;
    return 0;
}

int co_sem_acquire(co_sem *sem)
{
    struct co__here here;
    int r;

    if (CO_UNLIKELY(!sem))
        return -EINVAL;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (!sem->co__permits)
        return co__wait_in(&here, &sem->co__waiters, CO__WAIT_SEM);
    CO_ASSERT(co__waitlist_empty(&sem->co__waiters));
    sem->co__permits--;
    return 0;
}

int co_sem_try_acquire(co_sem *sem)
{
    if (CO_UNLIKELY(!sem))
        return -EINVAL;
    if (!sem->co__permits)
        return -EAGAIN;
    sem->co__permits--;
    return 0;
}

int co_sem_release(co_sem *sem)
{
    if (CO_UNLIKELY(!sem))
        return -EINVAL;
    if (co__waitlist_grant(&sem->co__waiters, 0))
        return 0;
    if (CO_UNLIKELY(sem->co__permits ==
                    (sem->co__max ? sem->co__max : UINT_MAX)))
        return -EOVERFLOW;
    sem->co__permits++;
    return 0;
}

unsigned co_sem_permits(const co_sem *sem)
{
    return sem ? sem->co__permits : 0;
}

void co_sem_fini(co_sem *sem)
{
    if (sem && !co__waitlist_empty(&sem->co__waiters))
        co__misuse("co_sem_fini", "a task waits for the semaphore");
}
