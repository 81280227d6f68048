/* SPDX-License-Identifier: MIT */
/*
 * A mutex is handed over: whoever unlocks makes the first waiter the owner, so
 * nobody can overtake it. Invariant: while a task waits there is an owner.
 */
#include "sync/mutex.h"

#include "base/clock.h"
#include "sync/holder.h"

static CO_NOINLINE int lock_outside(co_mutex *mutex)
{
    int r = co__chain_error(co__chain_current(), co__clock_read());

    if (r < 0)
        return r;
    if (mutex->co__owner)
        return mutex->co__owner == &co__outside ? -EDEADLK : -EPERM;
    mutex->co__owner = &co__outside;
    return 0;
}

static CO_NOINLINE int lock_wait(struct co_loop *loop, struct co_task *task,
                                 co_mutex *mutex)
{
    struct co__waiter w;
    int r;

    if (mutex->co__owner == task)
        return -EDEADLK;
    co__waitlist_push(&mutex->co__waiters, &w, task);
    r = co__park_on(loop, task, CO__WAIT_MUTEX, &mutex->co__owner);
    if (CO_UNLIKELY(r < 0))
        co__waitlist_remove(&w);
    return r;
}

int co_mutex_lock(co_mutex *mutex)
{
    struct co__here here;
    int r;

    if (CO_UNLIKELY(!mutex))
        return -EINVAL;
    if (!co__here(&here))
        return lock_outside(mutex);
    r = co__enter(here.loop, here.task);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (CO_UNLIKELY(mutex->co__owner != NULL))
        return lock_wait(here.loop, here.task, mutex);
    CO_ASSERT(co__waitlist_empty(&mutex->co__waiters));
    mutex->co__owner = here.task;
    return 0;
}

int co_mutex_try_lock(co_mutex *mutex)
{
    if (CO_UNLIKELY(!mutex))
        return -EINVAL;
    if (mutex->co__owner)
        return -EBUSY;
    mutex->co__owner = co__holder();
    return 0;
}

void co_mutex_unlock(co_mutex *mutex)
{
    if (CO_UNLIKELY(!mutex || mutex->co__owner != co__holder()))
        co__misuse("co_mutex_unlock", "it has not locked this mutex");
    co__mutex_pass_on(mutex);
}

int co_mutex_is_locked(const co_mutex *mutex)
{
    return mutex && mutex->co__owner;
}

void co_mutex_fini(co_mutex *mutex)
{
    if (mutex && mutex->co__owner)
        co__misuse("co_mutex_fini", "the mutex is locked");
}

void co__mutex_take(const struct co__here *here, co_mutex *mutex)
{
    co_scope shield = {0};
    struct co__waiter w;

    CO_ASSERT(mutex->co__owner != here->task);
    if (!mutex->co__owner) {
        mutex->co__owner = here->task;
        return;
    }
    co__waitlist_push(&mutex->co__waiters, &w, here->task);
    co__scope_shield(&shield, 0);
    co__park_on(here->loop, here->task, CO__WAIT_MUTEX, &mutex->co__owner);
    co__scope_leave(&shield);
    CO_ASSERT(mutex->co__owner == here->task);
}
