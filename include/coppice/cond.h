/* SPDX-License-Identifier: MIT */
/*
 * coppice/cond.h - condition variables: wait, with a mutex unlocked meanwhile,
 * until another task says that something has changed. asyncio's Condition; its
 * notify and notify_all are co_cond_signal and co_cond_broadcast.
 */
#ifndef COPPICE_COND_H
#define COPPICE_COND_H

#include <coppice/base.h>
#include <coppice/mutex.h>

CO_BEGIN_DECLS

/* Lives wherever the caller puts it; all-zero bytes are a condition that nobody
 * waits for. It must not move or die while a task waits. Fields are private. */
typedef struct co_cond {
    struct co__waitlist co__waiters;
    uintptr_t co__reserved;
} co_cond;

/*
 * Unlock the mutex, wait for a signal, and lock the mutex again. It is locked
 * whenever this returns, whatever it returns; a cancel or a time limit does not
 * keep it from waiting for the mutex. Not having locked it stops the program.
 * A task that has got a signal returns 0, even if it is cancelled before it
 * runs: signals are not lost.
 *
 * Suspends: always, if it returns 0. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -ECANCELED, -ETIMEDOUT, -EPERM (outside a task,
 * or in a loop callback).
 */
CO_API CO_MUST_CHECK int co_cond_wait(co_cond *cond, co_mutex *mutex);

/*
 * Wait until predicate(arg) is not 0. It is called with the mutex locked, first
 * of all and after each signal, and must not unlock it.
 *
 * Suspends: if the predicate is 0 at first. Thread-safe: no.
 * Returns what the predicate did, an error of its own if it was negative, or as
 * co_cond_wait; also -EINVAL if predicate is NULL.
 */
typedef int (*co_cond_predicate)(void *arg);
CO_API CO_MUST_CHECK int co_cond_wait_for(co_cond *cond, co_mutex *mutex,
                                          co_cond_predicate predicate,
                                          void *arg);

/*
 * Wake the task that has waited longest; or all of them, in the order they
 * came. The caller mostly has the mutex locked, but need not.
 *
 * Suspends: never. Thread-safe: no.
 * Returns how many were woken, or -EINVAL (NULL).
 */
CO_API int co_cond_signal(co_cond *cond);
CO_API int co_cond_broadcast(co_cond *cond);

/* Say that a condition is not used any more: nothing has to be freed, but if a
 * task waits for it the program stops here. NULL is a no-op. Suspends: never.
 * Thread-safe: no. */
CO_API void co_cond_fini(co_cond *cond);

CO_END_DECLS

#endif
