/* SPDX-License-Identifier: MIT */
/* Invariant: while a task waits no permit is free. */
#include <coppice/sem.h>

#include "core/park.h"
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

static CO_NOINLINE int acquire_wait(struct co_loop *loop, struct co_task *task,
                                    co_sem *sem)
{
    if (CO_UNLIKELY(!loop))
        return -EPERM;
    return co__park_in(loop, task, &sem->co__waiters, CO__WAIT_SEM);
}

CO_INLINE int take(const struct co__here *here, co_sem *sem)
{
    if (!sem->co__permits)
        return acquire_wait(here->loop, here->task, sem);
    CO_ASSERT(co__waitlist_empty(&sem->co__waiters));
    sem->co__permits--;
    return 0;
}

static CO_NOINLINE int acquire_slow(co_sem *sem)
{
    struct co__here here;
    int r;

    if (!sem)
        return -EINVAL;
    r = co__begin(&here);
    return r < 0 ? r : take(&here, sem);
}

int co_sem_acquire(co_sem *sem)
{
    struct co__here here;

    if (CO_UNLIKELY(!sem || !co__swift(&here)))
        return acquire_slow(sem);
    return take(&here, sem);
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

CO_INLINE int put(co_sem *sem)
{
    if (CO_UNLIKELY(sem->co__permits ==
                    (sem->co__max ? sem->co__max : UINT_MAX)))
        return -EOVERFLOW;
    sem->co__permits++;
    return 0;
}

static CO_NOINLINE int hand_over(co_sem *sem)
{
    return co__waitlist_grant(&sem->co__waiters, 0) ? 0 : put(sem);
}

int co_sem_release(co_sem *sem)
{
    if (CO_UNLIKELY(!sem))
        return -EINVAL;
    if (co__waitlist_empty(&sem->co__waiters))
        return put(sem);
    if (CO_LIKELY(co__waitlist_grant_one(&sem->co__waiters, 0)))
        return 0;
    return hand_over(sem);
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
