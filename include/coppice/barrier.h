/* SPDX-License-Identifier: MIT */
/*
 * coppice/barrier.h - a place where tasks of one loop wait until enough of them
 * are there, and then go on together (asyncio's Barrier). It can be used again
 * at once.
 */
#ifndef COPPICE_BARRIER_H
#define COPPICE_BARRIER_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/* Lives wherever the caller puts it, and begins with co_barrier_init. It must
 * not move or die while a task waits. Fields are private. */
typedef struct co_barrier {
    struct co__waitlist co__waiters;
    unsigned co__parties; /* 0: not initialised */
    unsigned co__waiting;
    int co__broken;
    int co__reserved;
} co_barrier;

/*
 * Begin, for so many tasks at a time.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL; parties is 0, or more than INT_MAX).
 */
CO_API CO_MUST_CHECK int co_barrier_init(co_barrier *barrier, unsigned parties);

/*
 * Wait until as many tasks wait as the barrier is for. Who is cancelled or
 * times out leaves: the barrier is whole, and waits for another. Once enough
 * are there all go on, even those cancelled before they run.
 *
 * Suspends: unless this task is the last to come. Thread-safe: no.
 * Returns a number from 0 to parties - 1, another for each of those that go on
 * together, in the order they came; or -EINVAL (NULL, not initialised), -EPIPE
 * (it is broken, or was reset meanwhile), -ECANCELED, -ETIMEDOUT, -EPERM (it
 * would wait outside a task, or in a loop callback).
 */
CO_API CO_MUST_CHECK int co_barrier_wait(co_barrier *barrier);

/*
 * Make a barrier as new: who waits gets -EPIPE, who comes later does not.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, not initialised).
 */
CO_API int co_barrier_reset(co_barrier *barrier);

/*
 * Break a barrier, for one of its tasks that has failed, say: who waits and who
 * comes later gets -EPIPE, until it is reset.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, not initialised).
 */
CO_API int co_barrier_abort(co_barrier *barrier);

/* For how many tasks it is; how many wait at the moment; and whether it is
 * broken, 0 or 1. Suspends: never. Thread-safe: no. 0 for NULL. */
CO_API unsigned co_barrier_parties(const co_barrier *barrier);
CO_API unsigned co_barrier_waiting(const co_barrier *barrier);
CO_API int co_barrier_broken(const co_barrier *barrier);

/* Say that a barrier is not used any more: nothing has to be freed, but if a
 * task waits there the program stops here. NULL is a no-op. Suspends: never.
 * Thread-safe: no. */
CO_API void co_barrier_fini(co_barrier *barrier);

CO_END_DECLS

#endif
