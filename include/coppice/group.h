/* SPDX-License-Identifier: MIT */
/*
 * coppice/group.h - tasks that end together. A group owns the tasks that are
 * spawned into it, its children; co_group_wait returns when all have ended, and
 * the first that fails has the others cancelled.
 *
 *     co_group g = {0};
 *     if (!co_group_spawn(&g, fetch, a) || !co_group_spawn(&g, fetch, b))
 *         co_group_cancel(&g);
 *     r = co_group_wait(&g);
 *
 * A child fails by returning a negative errno. One that was cancelled and
 * returns -ECANCELED has not failed. Children are freed as they end: they are
 * neither joined nor detached, and the handle of one is valid until it has
 * ended. Groups nest, and one may be used again after a wait.
 */
#ifndef COPPICE_GROUP_H
#define COPPICE_GROUP_H

#include <coppice/base.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

/* A group; all-zero bytes are one without children. It belongs to one loop, and
 * must not move or die while it has children. Fields are private. */
typedef struct co_group {
    co_task *co__first; /* children that have not ended, oldest first */
    co_task *co__last;
    co_task *co__waiter;  /* in co_group_wait; or NULL */
    const char *co__site; /* of the child whose error co__error is; or NULL */
    size_t co__count;
    int co__error;
    uint32_t co__flags;
    uintptr_t co__reserved[2];
} co_group;

/*
 * Spawn fn(arg) as a child, as co_spawn and co_spawn_with do; a `group` in the
 * options must be NULL or this one, and `detached` 0. From a failure or
 * co_group_cancel until the next wait has returned a group takes no children.
 *
 * Suspends: never. Thread-safe: no.
 * Returns the child, or NULL with errno EINVAL (also for a NULL group), EPERM
 * (no loop runs here, or it has children of another), ECANCELED (see above),
 * ESHUTDOWN, ENOMEM, EAGAIN.
 */
#define co_group_spawn(group, fn, arg)                                         \
    co_group_spawn_at(CO_SITE, (group), (fn), (arg))
#define co_group_spawn_with(group, options, fn, arg)                           \
    co_group_spawn_with_at(CO_SITE, (group), (options), (fn), (arg))
CO_API CO_MUST_CHECK co_task *co_group_spawn_at(const char *site,
                                                co_group *group, co_task_fn fn,
                                                void *arg);
CO_API CO_MUST_CHECK co_task *co_group_spawn_with_at(
    const char *site, co_group *group, const co_spawn_options *options,
    co_task_fn fn, void *arg);

/*
 * Wait until all children have ended, those too that are spawned meanwhile. If
 * the waiting task is cancelled or runs out of time, then or before, the
 * children are cancelled and waited for all the same: no child outlives the
 * wait. The group is as new afterwards, whatever is returned but -EINVAL,
 * -EPERM, -EBUSY, -EDEADLK.
 *
 * Suspends: if there are children. Thread-safe: no.
 * Returns 0, or the error of the first child that failed, or -ECANCELED,
 * -ETIMEDOUT (no child had failed before), or -EINVAL (NULL), -EBUSY (another
 * task waits), -EDEADLK (the caller is a child), -EPERM (it would wait in a
 * loop callback or outside a task, or the children are of another loop).
 */
CO_API CO_MUST_CHECK int co_group_wait(co_group *group);

/*
 * Cancel all children, once (co_cancel). co_group_wait then returns 0 if none
 * fails.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -EPERM (the children are of another loop).
 */
CO_API int co_group_cancel(co_group *group);

/*
 * Wait as co_group_wait does, and cancel the children that have not ended after
 * grace_ns nanoseconds (0 or less: at once). Returns what co_group_wait does;
 * that the grace period ran out is no error.
 */
CO_API CO_MUST_CHECK int co_group_cancel_after(co_group *group,
                                               co_time grace_ns);

/*
 * The end of a group; it may be left out after a wait. A group with children
 * stops the program, and names one. NULL is a no-op. In debug mode an error
 * that no wait has returned is reported. Suspends: never. Thread-safe: no.
 */
CO_API void co_group_fini(co_group *group);

/*
 * How many children have not ended; and the error that co_group_wait would
 * return, were they to end well, or 0. 0 for NULL.
 *
 * Suspends: never. Thread-safe: no.
 */
CO_API size_t co_group_count(const co_group *group);
CO_API int co_group_error(const co_group *group);

CO_END_DECLS

#endif
