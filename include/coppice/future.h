/* SPDX-License-Identifier: MIT */
/*
 * coppice/future.h - a result that is not there yet. Somebody resolves it once;
 * any number of tasks wait for it. A future of co_future_new belongs to its
 * loop's thread; one of co_future_new_threadsafe to all threads, and a thread
 * outside loops may wait for it and resolve it too.
 */
#ifndef COPPICE_FUTURE_H
#define COPPICE_FUTURE_H

#include <coppice/base.h>
#include <coppice/loop.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

typedef struct co_future co_future;

/*
 * Make a future that is pending; the caller owns the one reference.
 *
 * Suspends: never. Thread-safe: no; the second one yes.
 * Returns the future, or NULL with errno ENOMEM, or EPERM (no loop runs on this
 * thread; not the second one).
 */
#define co_future_new()            co_future_new_at(CO_SITE)
#define co_future_new_threadsafe() co_future_new_threadsafe_at(CO_SITE)
CO_API CO_MUST_CHECK co_future *co_future_new_at(const char *site);
CO_API CO_MUST_CHECK co_future *co_future_new_threadsafe_at(const char *site);

/*
 * Take a reference more, and give one back: the last one frees the future. NULL
 * is a no-op. In debug mode an error that nobody has looked at is reported then
 * (report.h), with the place that made the future: on this thread's loop, and
 * outside loops on standard error, if the loop that made a thread-safe future
 * was in debug mode, or COPPICE_DEBUG= says so.
 *
 * Suspends: never. Thread-safe: as the future. ref returns the future.
 */
CO_API co_future *co_future_ref(co_future *future);
CO_API void co_future_unref(co_future *future);

/*
 * Resolve a future with a result of 0 or more and a value, which stays the
 * caller's; or with an error, a negative errno. Waiting tasks are woken in the
 * order they came, and the functions of co_future_on_done will be called.
 *
 * Suspends: never. Thread-safe: as the future.
 * Returns 0, or -EINVAL (NULL, or a result or error of the wrong sign),
 * -EALREADY (it is resolved), -EPERM (another loop's, or a task's own future).
 */
CO_API int co_future_resolve(co_future *future, int result, void *value);
CO_API int co_future_fail(co_future *future, int error);

/*
 * Say that nobody needs the result. A plain future fails with -ECANCELED at
 * once; the future of a task asks the task to end (co_cancel), that of an
 * executor's job takes the job back if it has not begun.
 *
 * Suspends: never. Thread-safe: as the future.
 * Returns 0, or -EINVAL (NULL), -EALREADY (it is resolved), -EBUSY (a job that
 * has begun), -EPERM.
 */
CO_API int co_future_cancel(co_future *future);

/* Whether it is resolved, and whether it was by co_future_cancel or by the end
 * of a cancelled task. 0 for NULL. Suspends: never. Thread-safe: yes. */
CO_API int co_future_done(const co_future *future);
CO_API int co_future_cancelled(const co_future *future);

/*
 * What a future was resolved with, without waiting. *value (which may be NULL)
 * is set if there is a result.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the result or the error, or -EAGAIN (pending), -EINVAL (NULL).
 */
CO_API int co_future_result(co_future *future, void **value);

/*
 * Wait for a future. Its result or its error is returned; if the wait itself
 * failed co_future_done tells that it did. Giving up does not cancel the
 * future.
 *
 * Suspends: if it is pending; outside a task the thread waits. Thread-safe: as
 * the future.
 * Returns the result with *value (which may be NULL) set, or the future's
 * error, or -EINVAL (NULL), -ECANCELED, -ETIMEDOUT, -EPERM (another loop's
 * future; or it would wait in a loop callback), -EDEADLK (a task's own).
 */
CO_API CO_MUST_CHECK int co_wait(co_future *future, void **value);

/*
 * Have fn(future, arg) called once the future is resolved, in the callback task
 * of the loop that runs here: not before this returns, in the order of the
 * requests. The future is held until then.
 *
 * Suspends: never. Thread-safe: as the future.
 * Returns 0, or -EINVAL (NULL), -EPERM (no loop runs here, or another loop's),
 * -ENOMEM.
 */
typedef void (*co_future_fn)(co_future *future, void *arg);
CO_API CO_MUST_CHECK int co_future_on_done(co_future *future, co_future_fn fn,
                                           void *arg);

/* Take such requests back, those with this fn and arg that were not called yet.
 * Returns how many there were, or -EINVAL, -EPERM. */
CO_API int co_future_remove_on_done(co_future *future, co_future_fn fn,
                                    void *arg);

/*
 * The future of a task: resolved with what its function returns, when it ends.
 * It is the task's, and valid as long as the handle; take a reference to keep
 * it longer. A task whose future is used still has to be joined or detached.
 *
 * Suspends: never. Thread-safe: no.
 * Returns the future, or NULL with errno EINVAL (NULL, or a handle known to be
 * consumed), EPERM (no loop runs here, or another loop's task), ENOMEM.
 */
CO_API co_future *co_task_future(co_task *task);

/*
 * Spawn fn(arg) in a loop that runs on another thread (or on this one), and get
 * a thread-safe future of what it will return; -ESHUTDOWN, -ENOMEM or -EAGAIN
 * if it could not be started there. The reference is the caller's; cancelling
 * the future cancels the task.
 *
 * Suspends: never. Thread-safe: yes; the loop must exist.
 * Returns the future, or NULL with errno EINVAL, ENOMEM.
 */
#define co_spawn_on(loop, fn, arg) co_spawn_on_at(CO_SITE, (loop), (fn), (arg))
CO_API CO_MUST_CHECK co_future *co_spawn_on_at(const char *site, co_loop *loop,
                                               co_task_fn fn, void *arg);

CO_END_DECLS

#endif
