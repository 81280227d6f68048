/* SPDX-License-Identifier: MIT */
/*
 * A mutex is handed over: whoever unlocks makes the first waiter the owner, so
 * nobody can overtake it. Invariant: while a task waits there is an owner.
 *
 * Who owns it is in co__lone, so that to lock and to unlock one that nobody
 * else wants looks at one word. Who comes to wait moves that to co__owner and
 * puts a word there that is no task, and every unlock then looks who is next.
 */
#include "sync/mutex.h"

#include "sync/holder.h"
#include "sync/simple.h"

static CO_NOINLINE int lock_wait(struct co_loop *loop, struct co_task *task,
                                 co_mutex *mutex)
{
    if (CO_UNLIKELY(co__mutex_owner(mutex) == task))
        return -EDEADLK;
    if (CO_UNLIKELY(!loop))
        return -EPERM;
    mutex->co__owner = co__mutex_owner(mutex);
    mutex->co__lone = mutex;
    task->waits_on = &mutex->co__owner;
    return co__park_in(loop, task, &mutex->co__waiters, CO__WAIT_MUTEX);
}

CO_INLINE int take(const struct co__here *here, co_mutex *mutex)
{
    if (CO_UNLIKELY(mutex->co__lone != NULL))
        return lock_wait(here->loop, here->task, mutex);
    CO_ASSERT(co__waitlist_empty(&mutex->co__waiters));
    mutex->co__lone = here->task;
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
    if (co__waitlist_empty(&mutex->co__waiters))
        mutex->co__lone = mutex->co__owner;
}

int co_mutex_try_lock(co_mutex *mutex)
{
    if (CO_UNLIKELY(!mutex))
        return -EINVAL;
    if (mutex->co__lone)
        return -EBUSY;
    mutex->co__lone = co__holder();
    return 0;
}

static CO_NOINLINE void unlock_slow(co_mutex *mutex)
{
    if (!mutex || co__mutex_owner(mutex) != co__holder())
        co__misuse("co_mutex_unlock", "it has not locked this mutex");
    co__mutex_hand_over(mutex);
}

void co_mutex_unlock(co_mutex *mutex)
{
    if (CO_UNLIKELY(!mutex || mutex->co__lone != co__holder()))
        unlock_slow(mutex);
    else
        mutex->co__lone = NULL;
}

int co_mutex_is_locked(const co_mutex *mutex)
{
    return mutex && mutex->co__lone;
}

void co_mutex_fini(co_mutex *mutex)
{
    if (mutex && mutex->co__lone)
        co__misuse("co_mutex_fini", "the mutex is locked");
}

void co__mutex_take(const struct co__here *here, co_mutex *mutex)
{
    co_scope shield = {0};

    if (!mutex->co__lone) {
        mutex->co__lone = here->task;
        return;
    }
    co__scope_shield(&shield, 0);
    lock_wait(here->loop, here->task, mutex);
    co__scope_leave(&shield);
    CO_ASSERT(co__mutex_owner(mutex) == here->task);
}
