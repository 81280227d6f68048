/* SPDX-License-Identifier: MIT */
/*
 * coppice/sem.h - counting semaphore between the tasks of one loop (asyncio's
 * Semaphore, and BoundedSemaphore).
 */
#ifndef COPPICE_SEM_H
#define COPPICE_SEM_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/* Lives wherever the caller puts it; all-zero bytes are a semaphore with no
 * permits and no bound. It must not move or die while a task waits. Fields are
 * private. */
typedef struct co_sem {
    struct co__waitlist co__waiters;
    unsigned co__permits;
    unsigned co__max; /* 0: no bound */
    uintptr_t co__reserved;
} co_sem;

/*
 * Begin with some permits; bounded: there are never more than max.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL; max is 0, or less than permits).
 */
CO_API int co_sem_init(co_sem *sem, unsigned permits);
CO_API int co_sem_init_bounded(co_sem *sem, unsigned permits, unsigned max);

/*
 * Take one permit, waiting for one if need be. First come, first served.
 *
 * Suspends: only if no permit is free. Thread-safe: no.
 * Returns 0, or, having taken nothing, -EINVAL (NULL), -ECANCELED, -ETIMEDOUT,
 * -EPERM (it would wait outside a task, or in a loop callback).
 */
CO_API CO_MUST_CHECK int co_sem_acquire(co_sem *sem);

/*
 * Take one permit if one is free.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -EAGAIN (none is free).
 */
CO_API CO_MUST_CHECK int co_sem_try_acquire(co_sem *sem);

/*
 * Give one permit back, or a new one in: it is the first waiter's from now on.
 * Anybody may do that.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or, having given nothing, -EINVAL (NULL), -EOVERFLOW (all of a
 * bounded semaphore's permits are free, or UINT_MAX are).
 */
CO_API int co_sem_release(co_sem *sem);

/* How many permits are free. Suspends: never. Thread-safe: no. 0 for NULL. */
CO_API unsigned co_sem_permits(const co_sem *sem);

/* Say that a semaphore is not used any more: nothing has to be freed, but if a
 * task waits for it the program stops here. NULL is a no-op. Suspends: never.
 * Thread-safe: no. */
CO_API void co_sem_fini(co_sem *sem);

CO_END_DECLS

#endif
