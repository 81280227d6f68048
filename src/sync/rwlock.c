/* SPDX-License-Identifier: MIT */
/*
 * One line for readers and writers. Invariant: while a task waits somebody has
 * the lock, or who was at the front of the line is about to see that it was
 * cancelled. So whoever leaves, lock or line, lets in who can come in.
 */
#include <coppice/rwlock.h>

#include "sync/holder.h"
#include "sync/simple.h"

/* What a waiter wants to do. */
enum {
    READ,
    WRITE,
};

/* Let in from the front: one writer, or readers up to the next writer. */
static CO_NOINLINE void admit(co_rwlock *lock)
{
    struct co__waiter *head;

    while ((head = lock->co__waiters.head) && !lock->co__writer) {
        if (head->as == WRITE && lock->co__readers)
            return;
        co__waitlist_grant(&lock->co__waiters, 0);
        if (head->as == WRITE)
            lock->co__writer = head->task;
        else
            lock->co__readers++;
    }
}

CO_INLINE int can_read(const co_rwlock *lock)
{
    return !lock->co__writer && co__waitlist_empty(&lock->co__waiters);
}

CO_INLINE int can_write(const co_rwlock *lock)
{
    return !lock->co__readers && can_read(lock);
}

static CO_NOINLINE int lock_wait(const struct co__here *here, co_rwlock *lock,
                                 int as)
{
    int r;

    if (lock->co__writer == here->task)
        return -EDEADLK;
    if (CO_UNLIKELY(!here->loop))
        return -EPERM;
    here->task->places[0].as = as;
    here->task->waits_on = &lock->co__writer;
    r = co__wait_in(here, &lock->co__waiters, CO__WAIT_RWLOCK);
    if (CO_UNLIKELY(r < 0))
        admit(lock); /* who stood behind a writer that gives up */
    return r;
}

int co_rwlock_read_lock(co_rwlock *lock)
{
    struct co__here here;
    int r;

    if (CO_UNLIKELY(!lock))
        return -EINVAL;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (!can_read(lock))
        return lock_wait(&here, lock, READ);
    lock->co__readers++;
    return 0;
}

int co_rwlock_write_lock(co_rwlock *lock)
{
    struct co__here here;
    int r;

    if (CO_UNLIKELY(!lock))
        return -EINVAL;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (!can_write(lock))
        return lock_wait(&here, lock, WRITE);
    lock->co__writer = here.task;
    return 0;
}

int co_rwlock_try_read_lock(co_rwlock *lock)
{
    if (CO_UNLIKELY(!lock))
        return -EINVAL;
    if (!can_read(lock))
        return -EBUSY;
    lock->co__readers++;
    return 0;
}

int co_rwlock_try_write_lock(co_rwlock *lock)
{
    if (CO_UNLIKELY(!lock))
        return -EINVAL;
    if (!can_write(lock))
        return -EBUSY;
    lock->co__writer = co__holder();
    return 0;
}

void co_rwlock_read_unlock(co_rwlock *lock)
{
    if (CO_UNLIKELY(!lock || !lock->co__readers))
        co__misuse("co_rwlock_read_unlock", "nobody has locked it to read");
    lock->co__readers--;
    if (!co__waitlist_empty(&lock->co__waiters))
        admit(lock);
}

void co_rwlock_write_unlock(co_rwlock *lock)
{
    if (CO_UNLIKELY(!lock || lock->co__writer != co__holder()))
        co__misuse("co_rwlock_write_unlock", "it has not locked it to write");
    lock->co__writer = NULL;
    if (!co__waitlist_empty(&lock->co__waiters))
        admit(lock);
}

void co_rwlock_fini(co_rwlock *lock)
{
    if (lock && (lock->co__writer || lock->co__readers))
        co__misuse("co_rwlock_fini", "it is locked");
}
