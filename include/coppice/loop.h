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
    const char *backend;    /* reactor, "epoll"; NULL: the platform's default */
    size_t stack_size;      /* bytes of a task's stack; 0: 256 KiB */
    int no_overflow_report; /* do not install the stack overflow reporter */
    int debug;              /* 1: on, 0: as COPPICE_DEBUG= in the environment */
} co_loop_options;

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
 * -ENOSYS for a backend that this build or kernel does not have.
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
 * runs on this thread, or this one runs on another), -EPERM (it has tasks, and
 * another thread ran it last: a started task never changes thread), -ENOMEM, or
 * -EINTR (co_loop_stop came first: the task goes on in the next run, detached).
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

/* The loop that runs on this thread, or NULL. Thread-safe: yes. */
CO_API co_loop *co_loop_running(void);

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

/*
 * One call into a loop from elsewhere. The caller owns the node and keeps it
 * until fn has begun; all-zero bytes with fn and arg set are valid.
 */
typedef struct co_call {
    void (*fn)(void *arg);
    void *arg;
    const char *site; /* CO_SITE, for reports of slow calls; or NULL */
    struct co_call *co__next;
    uintptr_t co__state;
} co_call;

/*
 * Have call->fn(call->arg) called on the loop's thread, in the loop's callback
 * task, in the order of the requests. The callback may spawn, cancel and wake,
 * but what would suspend fails with -EPERM.
 *
 * Suspends: never. Thread-safe: yes, from any thread, and async-signal-safe;
 * the loop must exist. Nothing is allocated.
 * Returns 0, or -EINVAL, -EALREADY (this node is queued).
 */
CO_API int co_call_soon_threadsafe(co_loop *loop, co_call *call);

/*
 * Embedding. co_loop_fd is readable when the loop has events; wait for it for
 * at most until co_loop_next_deadline (0: there are ready tasks, do not wait;
 * CO_NEVER: no timer), then call co_loop_turn: it waits for events for at most
 * max_wait nanoseconds (0: not at all), and runs each task that is ready then
 * once. The descriptor belongs to the loop.
 *
 * Returns the descriptor or -EINVAL; the time; and for the turn how many tasks
 * the loop still has, or -EINVAL, or -EDEADLK, -EPERM, -ENOMEM as above.
 */
CO_API int co_loop_fd(const co_loop *loop);
CO_API co_time co_loop_next_deadline(const co_loop *loop);
CO_API CO_MUST_CHECK int co_loop_turn(co_loop *loop, co_time max_wait);

CO_END_DECLS

#endif
