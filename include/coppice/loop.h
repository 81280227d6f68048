/* SPDX-License-Identifier: MIT */
/*
 * coppice/loop.h - the loop that runs tasks: one a thread, at most one running.
 * Most programs need co_run alone; loop objects are for those that keep a loop
 * between runs, reach it from other threads, or embed it in a foreign loop.
 */
#ifndef COPPICE_LOOP_H
#define COPPICE_LOOP_H

#include <coppice/base.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

typedef struct co_loop co_loop;

typedef struct co_loop_options {
    size_t size;            /* sizeof(co_loop_options) */
    const char *backend;    /* reactor, see co_loop_backend; NULL: the one that
                             * COPPICE_BACKEND= names, else the platform's */
    size_t stack_size;      /* bytes of a task's stack; 0: 256 KiB */
    int no_overflow_report; /* do not install the stack overflow reporter */
    int debug;              /* 1: on, 0: as COPPICE_DEBUG= in the environment */
    int handle_sigint;      /* co_run_with: the first SIGINT cancels fn's task,
                             * the next ones do what they did before */
    co_time slow_ns;        /* debug: report what blocks longer; 0: 100 ms */
    co_time min_wait_ns;    /* with nothing to do, sleep so long before looking
                             * at descriptors, processes and signals, so that
                             * more is found at a time; at most a second */
} co_loop_options;

typedef co_loop_options co_run_options;

/*
 * Make a loop, run fn(arg) as its first task until it returns, cancel the tasks
 * that are left and wait for them, free the loop. SIGPIPE is blocked in this
 * thread meanwhile; one that became pending is discarded.
 *
 * Suspends: no, it blocks the thread. Thread-safe: yes.
 * Returns what fn returned, or -EINVAL (fn is NULL), -EDEADLK (a loop runs on
 * this thread already), -ENOMEM, -EMFILE or -ENFILE (no descriptor for the
 * reactor).
 */
#define co_run(fn, arg) co_run_at(CO_SITE, (fn), (arg))
CO_API int co_run_at(const char *site, co_task_fn fn, void *arg);

/*
 * The same with options (NULL: all defaults), and with the two kinds of result
 * apart: returns 0 with *result (which may be NULL) set to what fn returned, or
 * co_run's own error; also -EINVAL for options that are out of range and
 * -ENOSYS for a backend that is called nothing co_loop_backend returns.
 */
#define co_run_with(options, fn, arg, result)                                  \
    co_run_with_at(CO_SITE, (options), (fn), (arg), (result))
CO_API CO_MUST_CHECK int co_run_with_at(const char *site,
                                        const co_loop_options *options,
                                        co_task_fn fn, void *arg, int *result);

/*
 * Make a loop that does not run yet. Free it with co_loop_free.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the loop, or NULL with errno EINVAL, ENOSYS, ENOMEM, EMFILE, ENFILE.
 */
CO_API CO_MUST_CHECK co_loop *co_loop_new(const co_loop_options *options);

/*
 * Free a loop: its tasks are cancelled and run to their end first, so this
 * blocks for as long as they take. NULL is a no-op; freeing a loop that runs
 * stops the program. Suspends: no. Thread-safe: no.
 */
CO_API void co_loop_free(co_loop *loop);

/*
 * Run a loop on this thread until fn(arg), a task of it, has returned; other
 * tasks stay for the next run.
 *
 * Returns 0 with *result set as for co_run_with, or -EINVAL, -EDEADLK (a loop
 * runs on this thread, or this one runs on another), -EPERM (it has tasks, or
 * has made callbacks, which is a task of its own, and another thread ran it
 * last: a started task never changes thread), -ENOMEM, or -EINTR (co_loop_stop
 * came first: the task goes on in the next run, detached).
 */
#define co_loop_run_until(loop, fn, arg, result)                               \
    co_loop_run_until_at(CO_SITE, (loop), (fn), (arg), (result))
CO_API CO_MUST_CHECK int co_loop_run_until_at(const char *site, co_loop *loop,
                                              co_task_fn fn, void *arg,
                                              int *result);

/* Run a loop until co_loop_stop. Returns 0, or the errors above but -EINTR. */
CO_API CO_MUST_CHECK int co_loop_run_forever(co_loop *loop);

/*
 * Make the current run of a loop, or if none runs the next one, return after
 * the tasks that are ready now have had their turn. Thread-safe: yes, from any
 * thread, and async-signal-safe. Returns 0, or -EINVAL.
 */
CO_API int co_loop_stop(co_loop *loop);

/*
 * The reactor that a loop has got: "epoll", "io_uring", "kqueue" or "poll".
 * What the options or the environment ask for is a wish: where the kernel or
 * the build lacks it, or a sandbox forbids it, the loop has the platform's
 * default, and says so in debug mode. io_uring is never the default.
 *
 * Suspends: never. Thread-safe: yes. Returns a name, or NULL for no loop.
 */
CO_API const char *co_loop_backend(const co_loop *loop);

/* The loop that runs on this thread, or NULL. Thread-safe: yes. */
CO_API co_loop *co_loop_running(void);

/*
 * Whether a loop runs, on any thread; and whether it is no loop: NULL, or freed
 * by now (another loop may have got its address since).
 *
 * Suspends: never. Thread-safe: yes.
 */
CO_API int co_loop_is_running(const co_loop *loop);
CO_API int co_loop_is_closed(const co_loop *loop);

/*
 * Spawn into a loop that does not run at the moment (before its first run, or
 * between turns of an embedded one); otherwise as co_spawn. EPERM if it runs on
 * another thread.
 */
#define co_loop_spawn(loop, fn, arg)                                           \
    co_loop_spawn_at(CO_SITE, (loop), (fn), (arg))
CO_API CO_MUST_CHECK co_task *co_loop_spawn_at(const char *site, co_loop *loop,
                                               co_task_fn fn, void *arg);

/* How many tasks have not ended. Thread-safe: no. 0 for NULL. */
CO_API size_t co_loop_task_count(const co_loop *loop);

CO_END_DECLS

#endif
