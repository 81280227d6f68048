/* SPDX-License-Identifier: MIT */
/*
 * coppice/threadpool.h - blocking work off the loop: functions that threads run
 * while a task waits. One pool is the process's and starts when it is first
 * used; co_executor_new makes others. What is run there may block, and may
 * neither spawn nor touch tasks: it is outside of every loop.
 */
#ifndef COPPICE_THREADPOOL_H
#define COPPICE_THREADPOOL_H

#include <coppice/base.h>
#include <coppice/future.h>

CO_BEGIN_DECLS

/* 0 or more for success, a negative errno for failure. */
typedef int (*co_offload_fn)(void *arg);

/* The process's pool has lanes, threads of their own each, so that lookups
 * that hang cannot keep file work waiting. */
enum co_lane {
    CO_LANE_DEFAULT =
        0,           /* up to twice the processors, 4 at least, 64 at most */
    CO_LANE_DNS = 1, /* up to 32 */
};

/*
 * Run fn(arg) on a thread while this task waits. If the task is cancelled, or
 * its time runs out, before fn has begun, fn is not run; once it has begun it
 * is waited for and its result is returned, since it may use the task's memory.
 * Outside a task fn is just called.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns what fn returned, or, fn not having run, -ECANCELED, -ETIMEDOUT,
 * -EINVAL (fn is NULL, no such lane), -EPERM (in a loop callback), -EAGAIN or
 * -ENOMEM (no thread can be started, and none is there).
 */
CO_API CO_MUST_CHECK int co_offload(co_offload_fn fn, void *arg);
CO_API CO_MUST_CHECK int co_offload_in(enum co_lane lane, co_offload_fn fn,
                                       void *arg);

/*
 * The same, and a task that is cancelled while fn runs does not wait for it.
 * arg is given away: if this returns 0 it is the caller's again, with *result
 * (which may be NULL) set to what fn returned; if not, free_arg(arg) is called,
 * here if fn has not run, else by its thread when it has.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns 0, or the errors above, also -EINVAL (free_arg is NULL), -ENOMEM.
 */
CO_API CO_MUST_CHECK int co_offload_abandon(co_offload_fn fn, void *arg,
                                            void (*free_arg)(void *arg),
                                            int *result);
CO_API CO_MUST_CHECK int co_offload_abandon_in(enum co_lane lane,
                                               co_offload_fn fn, void *arg,
                                               void (*free_arg)(void *arg),
                                               int *result);

typedef struct co_executor_options {
    size_t size;          /* sizeof(co_executor_options) */
    const char *name;     /* of its threads, cut to 15 bytes; or NULL */
    unsigned threads_min; /* that stay once started, though idle */
    unsigned threads_max; /* 0: as CO_LANE_DEFAULT */
    co_time idle_ns;      /* after which idle threads leave; 0: 10 seconds */
    size_t queue_max;     /* submitted jobs that may wait; 0: any number */
} co_executor_options;

/*
 * Set the limits of a lane, from now on. Threads beyond a lower limit leave
 * when their job is done.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (NULL, the options' size, no such lane, a threads_min
 * above threads_max, a negative time, more than 1024 threads), -ENOMEM.
 */
CO_API CO_MUST_CHECK int co_offload_configure(
    enum co_lane lane, const co_executor_options *options);

/*
 * Wait until no job of the running loop is left in the process's pool,
 * abandoned ones too, and let the threads of it that are idle go. Later jobs
 * start threads anew.
 *
 * Suspends: until they have. Thread-safe: yes.
 * Returns 0, or -ECANCELED, -ETIMEDOUT, -EPERM (outside a task).
 */
CO_API CO_MUST_CHECK int co_loop_shutdown_executor(void);

/* ---- pools of one's own -------------------------------------------------- */

typedef struct co_executor co_executor;

/*
 * Make a pool; its threads start as they are needed. Options may be NULL, and
 * are not kept. Free it with co_executor_free.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the pool, or NULL with errno EINVAL (options out of range), ENOMEM.
 */
CO_API CO_MUST_CHECK co_executor *co_executor_new(
    const co_executor_options *options);

/*
 * co_offload in this pool; NULL is the process's, lane CO_LANE_DEFAULT. Outside
 * a task the thread waits; on one of the pool's own threads fn is just called.
 * Returns as co_offload does, or -ESHUTDOWN; -ECANCELED also if the pool was
 * shut down before fn had begun.
 */
CO_API CO_MUST_CHECK int co_executor_run(co_executor *executor,
                                         co_offload_fn fn, void *arg);

/*
 * Queue fn(arg) and return at once a thread-safe future of what it returns; the
 * reference is the caller's. co_future_cancel takes a job back that has not
 * begun, and returns -EBUSY for one that has.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the future, or NULL with errno EINVAL (fn is NULL), ENOMEM, EAGAIN
 * (queue_max jobs wait, or no thread can be started), ESHUTDOWN.
 */
#define co_executor_submit(executor, fn, arg)                                  \
    co_executor_submit_at(CO_SITE, (executor), (fn), (arg))
CO_API CO_MUST_CHECK co_future *co_executor_submit_at(const char *site,
                                                      co_executor *executor,
                                                      co_offload_fn fn,
                                                      void *arg);

/*
 * Take no more jobs. With wait not 0: until all jobs that were taken have run
 * and the threads are gone; given up, the jobs still run. Without: jobs that
 * have not begun fail with -ECANCELED. It may be called more than once.
 *
 * Suspends: if it waits; outside a task the thread does. Thread-safe: yes.
 * Returns 0, or -EINVAL (NULL), -ECANCELED, -ETIMEDOUT, -EPERM (it would wait
 * in a loop callback), -EDEADLK (it would wait in a job of this pool).
 */
CO_API CO_MUST_CHECK int co_executor_shutdown(co_executor *executor, int wait);

/*
 * Free a pool, shutting it down without waiting if that was not done. Jobs that
 * run go on to their end; no other call may use it any more. NULL is a no-op.
 * Suspends: never. Thread-safe: no.
 */
CO_API void co_executor_free(co_executor *executor);

CO_END_DECLS

#endif
