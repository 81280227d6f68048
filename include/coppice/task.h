/* SPDX-License-Identifier: MIT */
/*
 * coppice/task.h - green tasks: a function call that has not returned yet, on a
 * stack of its own. Tasks of one loop take turns on one thread; a started task
 * never changes thread. See cancel.h for cancelling and scope.h for limits.
 */
#ifndef COPPICE_TASK_H
#define COPPICE_TASK_H

#include <coppice/base.h>

CO_BEGIN_DECLS

typedef struct co_task co_task;
struct co_group;

/* What a task runs: 0 or more for success, a negative errno for failure. */
typedef int (*co_task_fn)(void *arg);

#define CO_TASK_NAME_MAX  31
#define CO_STACK_SIZE_MIN ((size_t)16 << 10)
#define CO_STACK_SIZE_MAX ((size_t)1 << 30)

typedef struct co_spawn_options {
    size_t size;       /* sizeof(co_spawn_options) */
    const char *name;  /* copied, cut to CO_TASK_NAME_MAX bytes; may be NULL */
    size_t stack_size; /* bytes, rounded up; 0: the loop's stack_size */
    int detached;      /* as if co_detach followed */
    struct co_group *group; /* its child, see group.h; or NULL */
    int eager;    /* it runs at once, until it first waits or has ended */
    int no_hooks; /* its blocking calls block the thread, see hook.h */
} co_spawn_options;

/* Options that say eager, and nothing else. */
#define CO_SPAWN_EAGER co__spawn_eager()
CO_API const co_spawn_options *co__spawn_eager(void);
/* The same of no_hooks. */
#define CO_SPAWN_NO_HOOKS co__spawn_no_hooks()
CO_API const co_spawn_options *co__spawn_no_hooks(void);

/*
 * Start fn(arg) as a task of the running loop. It runs when its turn comes, not
 * before this returns. The task is to be joined or detached; what is left at
 * the end of co_run is cancelled and waited for.
 *
 * Suspends: never. Thread-safe: no; call it in a task or a loop callback.
 * Returns the task, or NULL with errno EINVAL (fn is NULL), EPERM (no loop runs
 * on this thread), ESHUTDOWN (the loop is ending), ENOMEM or EAGAIN (no memory
 * for a stack).
 */
#define co_spawn(fn, arg) co_spawn_at(CO_SITE, (fn), (arg))
CO_API CO_MUST_CHECK co_task *co_spawn_at(const char *site, co_task_fn fn,
                                          void *arg);

/*
 * The same with options, which are not kept; NULL means all defaults. An eager
 * task runs before this returns, until it first waits; then the caller goes on,
 * before the tasks that are ready. In an error handler it is spawned as others.
 * EINVAL also for a wrong options size, for a stack size that is not 0 and not
 * within CO_STACK_SIZE_MIN and CO_STACK_SIZE_MAX, and for a group's task that
 * is to be detached; ECANCELED and EPERM also for a group, as for
 * co_group_spawn.
 */
#define co_spawn_with(options, fn, arg)                                        \
    co_spawn_with_at(CO_SITE, (options), (fn), (arg))
CO_API CO_MUST_CHECK co_task *co_spawn_with_at(const char *site,
                                               const co_spawn_options *options,
                                               co_task_fn fn, void *arg);

/*
 * Wait until a task has ended, and take its result. On success the handle is
 * consumed; otherwise it is still yours.
 *
 * Suspends: if the task has not ended. Thread-safe: no.
 * Returns 0 with *result (which may be NULL) set to what the task's function
 * returned, or -EINVAL (NULL, or a handle known to be consumed or detached),
 * -EDEADLK (the task itself), -EBUSY (another task joins it), -EPERM (outside a
 * task, or a task of another loop), -ECANCELED, -ETIMEDOUT.
 */
CO_API CO_MUST_CHECK int co_join(co_task *task, int *result);

/*
 * Let a task end on its own: the loop owns it, and the handle is consumed.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, or consumed), -EBUSY (a task joins it), -EPERM
 * (no loop runs here, or a task of another loop).
 */
CO_API int co_detach(co_task *task);

/* The running task, or NULL outside one. Suspends: never. Thread-safe: yes. */
CO_API co_task *co_self(void);

/*
 * Go to the end of the queue of ready tasks. Outside a task: sched_yield(2).
 *
 * Suspends: if another task is ready. Thread-safe: yes.
 * Returns 0, or -ECANCELED, -ETIMEDOUT, -EPERM (in a loop callback).
 */
CO_API int co_yield_now(void);

/*
 * Sleep for ns nanoseconds, never less, and no more than a millisecond longer
 * for the sake of timers at the same time; 0 or less gives way as co_yield_now
 * does. Outside a task the thread sleeps.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns 0, or -ECANCELED, -ETIMEDOUT (an enclosing scope ran out first),
 * -EPERM (in a loop callback).
 */
CO_API int co_sleep(co_time ns);

/* The same until co_now() reaches a point in time; CO_NEVER is for ever. */
CO_API int co_sleep_until(co_time when);

/*
 * A task's name ("" if it has none; it lives as long as the task) and the place
 * that spawned it. NULL if task is NULL. Suspends: never. Thread-safe: no.
 */
CO_API const char *co_task_name(const co_task *task);
CO_API const char *co_task_site(const co_task *task);

/*
 * Name a task; the name is copied and cut to CO_TASK_NAME_MAX bytes, NULL
 * removes it. Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (task is NULL).
 */
CO_API int co_task_set_name(co_task *task, const char *name);

CO_END_DECLS

#endif
