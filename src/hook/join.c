/* SPDX-License-Identifier: MIT */
/* Semaphores, and waiting for threads: for their end, for each other, for an
 * initialisation that one of them is in. */
#include "hook/hook.h"

#include <errno.h>
#include <stddef.h>

/* ---- semaphores ---------------------------------------------------------- */

/* sem_post is for signal handlers too, and wakes nobody here: it is looked at
 * again and again, at most 10 ms apart. */
static int wait_sem(struct co__site *site, sem_t *sem, co_time until)
{
    co_time pause = 0;
    int r = co__guest_enter();

    while (r >= 0) {
        if (sem_trywait(sem) == 0)
            return 0;
        if (errno != EAGAIN)
            return -1;
        if (co_now() >= until)
            return co__hook_fail(ETIMEDOUT);
        r = co__hook_pause(site, &pause, until);
    }
    return co__hook_fail(r);
}

int co__hook_sem_wait(sem_t *sem)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, sem_wait);

    return site ? wait_sem(site, sem, CO_NEVER) : CO__REAL(sem_wait)(sem);
}

int co__hook_sem_timedwait(sem_t *sem, const struct timespec *until)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, sem_timedwait);

    if (!site || !CO__NS_VALID(until))
        return CO__REAL(sem_timedwait)(sem, until);
    return wait_sem(site, sem, co__moment_of(CLOCK_REALTIME, until));
}

int co__hook_sem_clockwait(sem_t *sem, clockid_t clock,
                           const struct timespec *until)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, sem_clockwait);

    if (!site || !CO__NS_VALID(until))
        return CO__REAL(sem_clockwait)(sem, clock, until);
    return wait_sem(site, sem, co__moment_of(clock, until));
}

/* ---- pthread_once -------------------------------------------------------- */

/* Whether somebody is in the initialisation: in glibc the lowest two bits are 1
 * then. ThreadSanitizer has one of its own. */
static int is_begun(const pthread_once_t *once)
{
    int now = __atomic_load_n(once, __ATOMIC_ACQUIRE);

    return CO_UNLIKELY(co__real_is_tsan) ? now & 1 << 16 : (now & 3) == 1;
}

CO__HOOK_ALIAS(__pthread_once, pthread_once);
int co__hook_pthread_once(pthread_once_t *once, void (*init)(void))
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_once);
    co_time pause = 0;

    if (site)
        co_shield
            while (is_begun(once))
                (void)co__hook_pause(site, &pause, CO_NEVER);
    return CO__REAL(pthread_once)(once, init);
}

/* ---- pthread_join -------------------------------------------------------- */

static int join_until(struct co__site *site, pthread_t thread, void **result,
                      co_time until)
{
    co_time pause = 0;
    int r;

    while ((r = pthread_tryjoin_np(thread, result)) == EBUSY) {
        if (co_now() >= until)
            return ETIMEDOUT;
        (void)co__hook_pause(site, &pause, until);
    }
    return r;
}

/* Not being joined would leak the thread: a cancel waits. */
int co__hook_pthread_join(pthread_t thread, void **result)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_join);
    int r = 0;

    if (!site || pthread_equal(thread, pthread_self())) /* EDEADLK */
        return CO__REAL(pthread_join)(thread, result);
    co_shield
        r = join_until(site, thread, result, CO_NEVER);
    return r;
}

int co__hook_pthread_timedjoin_np(pthread_t thread, void **result,
                                  const struct timespec *until)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_timedjoin_np);
    int r = 0;

    if (!site || !until || !CO__NS_VALID(until))
        return CO__REAL(pthread_timedjoin_np)(thread, result, until);
    co_shield
        r = join_until(site, thread, result,
                       co__moment_of(CLOCK_REALTIME, until));
    return r;
}

/* ---- barriers ------------------------------------------------------------ */

struct arrival {
    pthread_barrier_t *barrier;
    int result;
};

static void *arrive(void *arg)
{
    struct arrival *arrival = arg;

    arrival->result = CO__REAL(pthread_barrier_wait)(arrival->barrier);
    return NULL;
}

/* A barrier counts arrivals and not who arrives: a thread of its own does it
 * for the task. */
int co__hook_pthread_barrier_wait(pthread_barrier_t *barrier)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_SYNC, pthread_barrier_wait);
    struct arrival arrival = {barrier, 0};
    pthread_t thread;

    if (!site || pthread_create(&thread, NULL, arrive, &arrival) != 0)
        return CO__REAL(pthread_barrier_wait)(barrier);
    co_shield(void)
        join_until(site, thread, NULL, CO_NEVER);
    return arrival.result;
}
