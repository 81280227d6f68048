/* SPDX-License-Identifier: MIT */
/*
 * A mutex is handed over: whoever unlocks makes the first waiter the owner, so
 * nobody can overtake it. Invariant: while a task waits there is an owner.
 */
#include "sync/mutex.h"

#include "sync/holder.h"
#include "sync/simple.h"

static CO_NOINLINE int lock_wait(struct co_loop *loop, struct co_task *task,
                                 co_mutex *mutex)
{
    if (CO_UNLIKELY(mutex->co__owner == task))
        return -EDEADLK;
    if (CO_UNLIKELY(!loop))
        return -EPERM;
    task->waits_on = &mutex->co__owner;
    return co__park_in(loop, task, &mutex->co__waiters, CO__WAIT_MUTEX);
}

CO_INLINE int take(const struct co__here *here, co_mutex *mutex)
{
    if (CO_UNLIKELY(mutex->co__owner != NULL))
        return lock_wait(here->loop, here->task, mutex);
    CO_ASSERT(co__waitlist_empty(&mutex->co__waiters));
    mutex->co__owner = here->task;
    return 0;
}

static CO_NOINLINE int lock_slow(co_mutex *mutex)
{
    struct co__here here;
    int r;

    if (!mutex)
        return -EINVAL;
    r = co__begin(&here);
    return r < 0 ? r : take(&here, mutex);
}

int co_mutex_lock(co_mutex *mutex)
{
    struct co__here here;

    if (CO_UNLIKELY(!mutex || !co__swift(&here)))
        return lock_slow(mutex);
    return take(&here, mutex);
}

void co__mutex_hand_over(co_mutex *mutex)
{
    struct co__waiter *next = co__waitlist_grant(&mutex->co__waiters, 0);

    mutex->co__owner = next ? next->task : NULL;
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

static CO_NOINLINE void unlock_slow(co_mutex *mutex)
{
    if (!mutex || mutex->co__owner != co__holder())
        co__misuse("co_mutex_unlock", "it has not locked this mutex");
    co__mutex_hand_over(mutex);
}

/* Whether somebody else owns it, or somebody waits. One branch for both: with
 * two, a lock and its unlock took 7 % more. */
CO_INLINE int is_unusual(const co_mutex *mutex, const struct co_task *self)
{
    return (((uintptr_t)mutex->co__owner ^ (uintptr_t)self) |
            (uintptr_t)mutex->co__waiters.head) != 0;
}

void co_mutex_unlock(co_mutex *mutex)
{
    struct co_loop *loop = co__loop;

    if (CO_UNLIKELY(!loop || !mutex || is_unusual(mutex, loop->self)))
        unlock_slow(mutex);
    else
        mutex->co__owner = NULL;
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

    if (!mutex->co__owner) {
        mutex->co__owner = here->task;
        return;
    }
    co__scope_shield(&shield, 0);
    lock_wait(here->loop, here->task, mutex);
    co__scope_leave(&shield);
    CO_ASSERT(mutex->co__owner == here->task);
}
