/* SPDX-License-Identifier: MIT */
/*
 * coppice/mutex.h - mutual exclusion between the tasks of one loop (asyncio's
 * Lock). Only needed around code that waits while it is in the middle of a
 * change: tasks switch nowhere else.
 */
#ifndef COPPICE_MUTEX_H
#define COPPICE_MUTEX_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/* Lives wherever the caller puts it; all-zero bytes are an unlocked mutex. It
 * must not move or die while it is locked. Fields are private. */
typedef struct co_mutex {
    struct co__waitlist co__waiters;
    void *co__lone;            /* its owner; or itself, and then */
    struct co_task *co__owner; /* this is who owns it */
} co_mutex;

/*
 * Lock a mutex, waiting for it if need be: first come, first served. The task
 * that has locked it unlocks it, before it ends.
 *
 * Suspends: only if it is locked. Thread-safe: no.
 * Returns 0, or, not having locked it, -EINVAL (NULL), -ECANCELED, -ETIMEDOUT,
 * -EDEADLK (this task has locked it), -EPERM (it would wait outside a task, or
 * in a loop callback).
 */
CO_API CO_MUST_CHECK int co_mutex_lock(co_mutex *mutex);

/*
 * Lock a mutex if that can be done at once.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -EBUSY (it is locked, by whomever).
 */
CO_API CO_MUST_CHECK int co_mutex_try_lock(co_mutex *mutex);

/*
 * Unlock a mutex. If tasks wait it is the first one's from now on. Unlocking
 * what the caller has not locked stops the program.
 *
 * Suspends: never. Thread-safe: no.
 */
CO_API void co_mutex_unlock(co_mutex *mutex);

/* Whether somebody has locked it. Suspends: never. Thread-safe: no. Returns 0
 * or 1; 0 for NULL. */
CO_API int co_mutex_is_locked(const co_mutex *mutex);

/* Say that a mutex is not used any more: nothing has to be freed, but if it is
 * locked the program stops here. NULL is a no-op. Suspends: never.
 * Thread-safe: no. */
CO_API void co_mutex_fini(co_mutex *mutex);

CO_END_DECLS

#endif
