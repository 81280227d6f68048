/* SPDX-License-Identifier: MIT */
/*
 * coppice/cancel.h - asking a task to end. Cancellation is a level, not an
 * event: once cancelled, every call that may suspend fails with -ECANCELED
 * until the task ends or co_uncancel takes the request back. A call that had
 * been granted what it waited for returns that; the next one fails. Inside a
 * co_shield block (scope.h) the request waits until the block ends.
 */
#ifndef COPPICE_CANCEL_H
#define COPPICE_CANCEL_H

#include <coppice/base.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

/*
 * Ask a task to end. Requests are counted. Asking a task that has ended, or
 * oneself, is allowed.
 *
 * Suspends: never. Thread-safe: no.
 * Returns how many requests are now open, or -EINVAL (NULL, or a handle known
 * to be consumed), -EPERM (a task of another loop, or no loop runs here),
 * -EOVERFLOW (too many requests).
 */
CO_API int co_cancel(co_task *task);

/*
 * Take one request back. At 0 the task's calls work again.
 *
 * Suspends: never. Thread-safe: no.
 * Returns how many are left (0 if there was none), or -EINVAL, -EPERM as above.
 */
CO_API int co_uncancel(co_task *task);

/*
 * How many requests are open. Suspends: never. Thread-safe: no.
 * Returns the count, or -EINVAL if task is NULL.
 */
CO_API int co_cancelling(const co_task *task);

CO_END_DECLS

#endif
