/* SPDX-License-Identifier: MIT */
/*
 * coppice/gather.h - waiting for several futures. The array is the caller's and
 * is not kept; the futures are, for as long as it takes. A task takes part by
 * co_task_future.
 */
#ifndef COPPICE_GATHER_H
#define COPPICE_GATHER_H

#include <coppice/base.h>
#include <coppice/future.h>

CO_BEGIN_DECLS

/* Flags of co_gather. */
#define CO_GATHER_ALL 1u /* an error is a result like others: wait for all */

/*
 * Wait until all futures are done, or without CO_GATHER_ALL until one has
 * failed: that error is returned at once, and the others go on. results (which
 * may be NULL) gets count results and errors, -EAGAIN for a future that is
 * still pending. If the waiting task is cancelled or runs out of time, then or
 * before, the pending futures are cancelled (co_future_cancel) and waited for.
 *
 * Suspends: if it has to wait; outside a task the thread waits, with
 * CO_GATHER_ALL. Thread-safe: as the futures.
 * Returns 0, or the error of the future that failed first (of those that had
 * before the call, the first of the array), or -ECANCELED, -ETIMEDOUT, or,
 * having waited for nothing, -EINVAL (NULL, or other flags), -EPERM (another
 * loop's future; or it would wait in a loop callback, or without CO_GATHER_ALL
 * outside a task), -EDEADLK (the task's own future), -ENOMEM (for more than a
 * few futures, without CO_GATHER_ALL).
 */
CO_API CO_MUST_CHECK int co_gather(co_future *const futures[], size_t count,
                                   int results[], unsigned flags);

/* What co_wait_many waits for. */
enum co_wait_mode {
    CO_FIRST_DONE = 0, /* one future that is done */
    CO_FIRST_ERROR,    /* one that failed, and was not cancelled; else all */
    CO_ALL_DONE,       /* all futures */
};

/*
 * Wait until some of the futures are done; which, co_future_done tells. None is
 * cancelled, whatever happens to the wait. With no futures there is nothing to
 * wait for.
 *
 * Suspends: if it has to wait; outside a task the thread waits, for CO_ALL_DONE
 * alone. Thread-safe: as the futures.
 * Returns how many are done, or -ECANCELED, -ETIMEDOUT, -EINVAL (NULL, another
 * mode, or more than INT_MAX futures), -EPERM, -EDEADLK, -ENOMEM as co_gather
 * (not for CO_ALL_DONE).
 */
CO_API CO_MUST_CHECK int co_wait_many(co_future *const futures[], size_t count,
                                      enum co_wait_mode mode);

/* Futures in the order in which they are done: those that are when it begins,
 * in the order of the array, then the others as they come. It belongs to one
 * loop and must not move; all-zero bytes are one of no futures. Private. */
typedef struct co_completed {
    struct co__completed *co__all; /* NULL: none */
    struct co__completed *co__next;
    struct co__completed *co__last;
    co_task *co__waiter;
    size_t co__count;
    size_t co__pending;
    uintptr_t co__reserved[2];
} co_completed;

/*
 * Begin. The futures are held until co_completed_fini, which has to follow.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -EPERM (no loop runs here, or another loop's
 * future), -ENOMEM.
 */
CO_API CO_MUST_CHECK int co_completed_init(co_completed *completed,
                                           co_future *const futures[],
                                           size_t count);

/*
 * Wait for the next future that is done, and set *index to its place in the
 * array. co_future_result tells what became of it.
 *
 * Suspends: if none is done. Thread-safe: no.
 * Returns 1, or 0 (there are no more), or, *index untouched and nothing lost,
 * -ECANCELED, -ETIMEDOUT, -EINVAL (NULL), -EBUSY (another task waits), -EPERM
 * (outside a task, or it would wait in a loop callback).
 */
CO_API CO_MUST_CHECK int co_completed_next(co_completed *completed,
                                           size_t *index);

/*
 * End, before or after the last one: the futures are let go, and not cancelled.
 * NULL is a no-op. While a task waits it stops the program.
 *
 * Suspends: for a thread-safe future that is being resolved at that moment,
 * until it is, whatever the limits. Thread-safe: no.
 */
CO_API void co_completed_fini(co_completed *completed);

CO_END_DECLS

#endif
