/* SPDX-License-Identifier: MIT */
/*
 * Locks of threads, between tasks.
 *
 * Each is tried first; a task that does not get it waits in the parking lot at
 * its address (sync/lot.h), where whoever lets it go by a hooked call wakes it.
 * A lock can be let go where we do not see it, inside pthread_cond_wait of a
 * thread, by a signal handler, in another process: so nobody waits longer than
 * 10 ms without a look of its own.
 *
 * What knows its owner (recursive and error-checking mutexes, and a lock that
 * is held for writing) knows a thread, which all its tasks are: whose task has
 * it, and how often, is kept beside, in owner.c. A lock that a task holds while
 * it waits must not be waited for by a thread's code outside of tasks in the
 * same thread.
 */
#include "hook/hook.h"
#include "hook/owner.h"
#include "sync/lot.h"

#include <errno.h>

/* ---- trying until it is ours --------------------------------------------- */

struct attempt {
    int (*try_it)(void *arg); /* 0, EBUSY, EAGAIN, or another error */
    void *arg;
    int result;
};

static int is_busy(int error)
{
    return error == EBUSY || error == EAGAIN;
}

/* Under the lot's lock: 0 if it is worth to wait. */
static int still_busy(void *arg)
{
    struct attempt *a = arg;

    a->result = a->try_it(a->arg);
    return !is_busy(a->result);
}

#define LOOK_FIRST (1 * CO_MS)
#define LOOK_MOST  (10 * CO_MS)

int co__wait_lock(struct co__site *site, int (*try_it)(void *arg), void *arg,
                  const void *lock, co_time until)
{
    struct attempt a = {try_it, arg, try_it(arg)};
    co_time look = LOOK_FIRST;

    while (is_busy(a.result)) {
        co_time next = co__after(look);
        co_scope limit = {0};
        co_time began;
        int r;

        if (until <= co_now())
            return ETIMEDOUT;
        began = co__wait_begin(site, &limit, next < until ? next : until);
        r = co__wait_end(site, &limit, began,
                         co__lot_wait(lock, still_busy, NULL, &a));
        if (r == 0)
            a.result = try_it(arg);
        else if (r < 0 && r != -ETIME)
            return -r;
        look = look * 2 < LOOK_MOST ? look * 2 : LOOK_MOST;
    }
    return a.result;
}

/* ---- mutexes ------------------------------------------------------------- */

/* Whether the thread's code would wait for itself. */
static int try_mutex(void *lock)
{
    pthread_mutex_t *mutex = lock;
    int r;

    if (CO_LIKELY(!co__owner_known(mutex)))
        return CO__REAL(pthread_mutex_trylock)(mutex);
    if (co__owner_is_other(mutex))
        return EBUSY;
    r = CO__REAL(pthread_mutex_trylock)(mutex);
    if (r == 0)
        co__owner_locked(mutex);
    return r;
}

/* A cancelled task gets its lock nevertheless: no caller of pthread_mutex_lock
 * knows what to do without. */
static CO_NOINLINE int wait_mutex(struct co__site *site, pthread_mutex_t *mutex,
                                  co_time until)
{
    int r;

    if (co__owner_known(mutex) == PTHREAD_MUTEX_ERRORCHECK &&
        co__owner_is_self(mutex))
        return EDEADLK;
    co_shield
        r = co__wait_lock(site, try_mutex, mutex, mutex, until);
    return r;
}

static int lock_mutex(struct co__site *site, pthread_mutex_t *mutex,
                      co_time until)
{
    int r = try_mutex(mutex);

    return is_busy(r) ? wait_mutex(site, mutex, until) : r;
}

/* Not ours to make wait: outside tasks, or paused in one, which counts. */
static int lock_for_real(pthread_mutex_t *mutex,
                         int (*real)(pthread_mutex_t *mutex))
{
    int r = real(mutex);

    if (r == 0 && co__owner_known(mutex) && co__owner_is_self(mutex))
        co__owner_locked(mutex);
    return r;
}

/* A wrong time is an error for who has to wait. */
static int lock_until(struct co__site *site, pthread_mutex_t *mutex,
                      clockid_t clock, const struct timespec *until)
{
    int r;

    if (CO__NS_VALID(until))
        return lock_mutex(site, mutex, co__moment_of(clock, until));
    r = try_mutex(mutex);
    return is_busy(r) ? EINVAL : r;
}

CO__HOOK_ALIAS(__pthread_mutex_lock, pthread_mutex_lock);
int co__hook_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_mutex_lock);

    if (!site)
        return lock_for_real(mutex, &CO__REAL(pthread_mutex_lock));
    return lock_mutex(site, mutex, CO_NEVER);
}

CO__HOOK_ALIAS(__pthread_mutex_trylock, pthread_mutex_trylock);
int co__hook_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_mutex_trylock);

    if (!site)
        return lock_for_real(mutex, &CO__REAL(pthread_mutex_trylock));
    return try_mutex(mutex);
}

int co__hook_pthread_mutex_timedlock(pthread_mutex_t *mutex,
                                     const struct timespec *until)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_mutex_timedlock);

    if (!site)
        return CO__REAL(pthread_mutex_timedlock)(mutex, until);
    return lock_until(site, mutex, CLOCK_REALTIME, until);
}

int co__hook_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                     const struct timespec *until)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_mutex_clocklock);

    if (!site)
        return CO__REAL(pthread_mutex_clocklock)(mutex, clock, until);
    return lock_until(site, mutex, clock, until);
}

static int unlock_mutex(pthread_mutex_t *mutex)
{
    int last = 1, r;

    if (CO_UNLIKELY(co__owner_known(mutex))) {
        if (co__owner_is_other(mutex))
            return EPERM;
        last = co__owner_unlocking(mutex);
    }
    r = CO__REAL(pthread_mutex_unlock)(mutex);
    if (r == 0 && last)
        co__lot_wake(mutex, 1);
    return r;
}

CO__HOOK_ALIAS(__pthread_mutex_unlock, pthread_mutex_unlock);
int co__hook_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (!CO__HOOK_IS_ON(CO_HOOK_SYNC, pthread_mutex_unlock))
        return CO__REAL(pthread_mutex_unlock)(mutex);
    return unlock_mutex(mutex);
}

/* ---- conditions ---------------------------------------------------------- */

/* The clock of pthread_condattr_setclock, where glibc keeps it. */
static clockid_t clock_of(const pthread_cond_t *cond)
{
    return cond->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static int let_go(void *arg)
{
    return unlock_mutex(arg);
}

/* The mutex is let go when the task is in line: no signal is missed. With a
 * cancel or the end of a scope's time it wakes for no reason, as POSIX allows,
 * and the program's next call finds out; a task that is cancelled gives way
 * each time, so that whoever it waits for goes on. */
static int wait_cond(struct co__site *site, pthread_cond_t *cond,
                     pthread_mutex_t *mutex, co_time until)
{
    co_scope limit = {0};
    co_time began = co__wait_begin(site, &limit, until);
    int r = co__wait_end(site, &limit, began,
                         co__lot_wait(cond, NULL, let_go, mutex));

    if (r > 0) /* it was not locked, or not ours */
        return r;
    if (r == -ECANCELED || r == -ETIMEDOUT)
        co_shield(void)
            co__hook_sleep_until(site, co__after(CO_MS));
    co_shield(void)
        co__wait_lock(site, try_mutex, mutex, mutex, CO_NEVER);
    return r == -ETIME ? ETIMEDOUT : 0;
}

int co__hook_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_cond_wait);

    if (!site)
        return CO__REAL(pthread_cond_wait)(cond, mutex);
    return wait_cond(site, cond, mutex, CO_NEVER);
}

int co__hook_pthread_cond_timedwait(pthread_cond_t *cond,
                                    pthread_mutex_t *mutex,
                                    const struct timespec *until)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_cond_timedwait);

    if (!site || !CO__NS_VALID(until))
        return CO__REAL(pthread_cond_timedwait)(cond, mutex, until);
    return wait_cond(site, cond, mutex, co__moment_of(clock_of(cond), until));
}

int co__hook_pthread_cond_clockwait(pthread_cond_t *cond,
                                    pthread_mutex_t *mutex, clockid_t clock,
                                    const struct timespec *until)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_cond_clockwait);

    if (!site || !CO__NS_VALID(until))
        return CO__REAL(pthread_cond_clockwait)(cond, mutex, clock, until);
    return wait_cond(site, cond, mutex, co__moment_of(clock, until));
}

/* A signal is for a task or for a thread; who waits is not known to be the one
 * or the other. Both may wake: POSIX allows to wake more than one. */
int co__hook_pthread_cond_signal(pthread_cond_t *cond)
{
    if (CO__HOOK_IS_ON(CO_HOOK_SYNC, pthread_cond_signal))
        co__lot_wake(cond, 1);
    return CO__REAL(pthread_cond_signal)(cond);
}

int co__hook_pthread_cond_broadcast(pthread_cond_t *cond)
{
    if (CO__HOOK_IS_ON(CO_HOOK_SYNC, pthread_cond_broadcast))
        co__lot_wake(cond, UINT32_MAX);
    return CO__REAL(pthread_cond_broadcast)(cond);
}

/* ---- locks for readers and writers --------------------------------------- */

static int try_read(void *lock)
{
    return pthread_rwlock_tryrdlock(lock);
}

static int try_write(void *lock)
{
    int r = CO__REAL(pthread_rwlock_trywrlock)(lock);

    if (r == 0)
        co__owner_locked(lock);
    return r;
}

/* As the C library does, a writer is told that it waits for itself, and a
 * reader is not. */
static int lock_rw(struct co__site *site, int (*try_it)(void *lock),
                   pthread_rwlock_t *lock, co_time until)
{
    int r = try_it(lock);

    if (!is_busy(r))
        return r;
    if (co__owner_is_self(lock))
        return EDEADLK;
    co_shield
        r = co__wait_lock(site, try_it, lock, lock, until);
    return r;
}

CO__HOOK_ALIAS(__pthread_rwlock_rdlock, pthread_rwlock_rdlock);
int co__hook_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_rwlock_rdlock);

    if (!site)
        return CO__REAL(pthread_rwlock_rdlock)(lock);
    return lock_rw(site, try_read, lock, CO_NEVER);
}

CO__HOOK_ALIAS(__pthread_rwlock_wrlock, pthread_rwlock_wrlock);
int co__hook_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_rwlock_wrlock);

    if (!site)
        return CO__REAL(pthread_rwlock_wrlock)(lock);
    return lock_rw(site, try_write, lock, CO_NEVER);
}

CO__HOOK_ALIAS(__pthread_rwlock_trywrlock, pthread_rwlock_trywrlock);
int co__hook_pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_rwlock_trywrlock);

    if (!site)
        return CO__REAL(pthread_rwlock_trywrlock)(lock);
    return try_write(lock);
}

int co__hook_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock,
                                        const struct timespec *until)
{
    struct co__site *site =
        CO__HOOKED(CO_HOOK_SYNC, pthread_rwlock_timedrdlock);

    if (!site || !CO__NS_VALID(until))
        return CO__REAL(pthread_rwlock_timedrdlock)(lock, until);
    return lock_rw(site, try_read, lock, co__moment_of(CLOCK_REALTIME, until));
}

int co__hook_pthread_rwlock_timedwrlock(pthread_rwlock_t *lock,
                                        const struct timespec *until)
{
    struct co__site *site =
        CO__HOOKED(CO_HOOK_SYNC, pthread_rwlock_timedwrlock);

    if (!site || !CO__NS_VALID(until))
        return CO__REAL(pthread_rwlock_timedwrlock)(lock, until);
    return lock_rw(site, try_write, lock, co__moment_of(CLOCK_REALTIME, until));
}

int co__hook_pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
                                        const struct timespec *until)
{
    struct co__site *site =
        CO__HOOKED(CO_HOOK_SYNC, pthread_rwlock_clockrdlock);

    if (!site || !CO__NS_VALID(until))
        return CO__REAL(pthread_rwlock_clockrdlock)(lock, clock, until);
    return lock_rw(site, try_read, lock, co__moment_of(clock, until));
}

int co__hook_pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
                                        const struct timespec *until)
{
    struct co__site *site =
        CO__HOOKED(CO_HOOK_SYNC, pthread_rwlock_clockwrlock);

    if (!site || !CO__NS_VALID(until))
        return CO__REAL(pthread_rwlock_clockwrlock)(lock, clock, until);
    return lock_rw(site, try_write, lock, co__moment_of(clock, until));
}

CO__HOOK_ALIAS(__pthread_rwlock_unlock, pthread_rwlock_unlock);
int co__hook_pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    int on = CO__HOOK_IS_ON(CO_HOOK_SYNC, pthread_rwlock_unlock);
    int r;

    if (on)
        (void)co__owner_unlocking(lock);
    r = CO__REAL(pthread_rwlock_unlock)(lock);
    if (r == 0 && on) /* all readers, or a writer: they find out */
        co__lot_wake(lock, UINT32_MAX);
    return r;
}
