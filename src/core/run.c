/* SPDX-License-Identifier: MIT */
/*
 * Running a loop on this thread: beginning, the root context, ending, and the
 * public functions that do it.
 */
#include "core/run.h"

#include <coppice/cancel.h>
#include <coppice/embed.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/sanitize.h"
#include "base/sys.h"
#include "base/thread.h"
#include "core/deadlock.h"
#include "core/fdhook.h"
#include "core/future.h"
#include "core/hooks.h"
#include "core/overflow.h"
#include "core/queue.h"
#include "core/registry.h"
#include "core/report.h"
#include "core/sched.h"
#include "core/signals.h"
#include "core/stack.h"
#include "core/turn.h"

#include <limits.h>

/* ---- running ------------------------------------------------------------- */

static void block_sigpipe(struct co_loop *loop)
{
    sigset_t pipe_only, pending;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    loop->sigpipe_was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &loop->old_mask);
}

static void restore_sigpipe(struct co_loop *loop)
{
    if (!loop->sigpipe_was_pending)
        co__sys_discard_sigpipe();
    pthread_sigmask(SIG_SETMASK, &loop->old_mask, NULL);
}

/* A stop has left calls to the run after it: they are due. */
static void release_calls(struct co_loop *loop)
{
    loop->flags &= ~CO__LOOP_HOLD;
    if (loop->inbox.calls)
        atomic_store(&loop->inbox.flagged, 1);
}

/* Tasks, and what the kernel does for them, stay with the thread that started
 * them. */
int co__poller_begin(struct co_loop *loop)
{
    if (loop->held && loop->thread && loop->thread != co__thread())
        return -EPERM;
    return loop->poller_ops->begin ? loop->poller_ops->begin(loop->poller) : 0;
}

void co__poller_end(struct co_loop *loop)
{
    if (!loop->held)
        co__fds_rest(loop);
    if (loop->poller_ops->end)
        loop->poller_ops->end(loop->poller, !loop->held);
}

/* Make `loop` the one that runs on this thread. */
int co__run_begin(struct co_loop *loop)
{
    int idle = 0;
    int r;

    if (co__loop || !atomic_compare_exchange_strong(&loop->runs, &idle, 1))
        return -EDEADLK;
    r = co__poller_begin(loop);
    if (r == 0 && loop->overflow_report)
        r = co__overflow_enter();
    if (r < 0) {
        atomic_store(&loop->runs, 0);
        return r;
    }
    if (loop->thread != co__thread()) {
        loop->thread = co__thread();
        loop->thread_id = co__sys_thread_id();
    }
    block_sigpipe(loop);
    co__fiber_adopt(&loop->root.fiber);
    co__inbox_awake(&loop->inbox);
    loop->flags &= ~(CO__LOOP_BATCHED | CO__LOOP_LEAVE | CO__LOOP_STOPPED);
    release_calls(loop);
    loop->slice = 1; /* look at the inbox before the first task */
    loop->deadlock = 0;
    loop->self = &loop->root;
    loop->polled = loop->step_began = co__look(loop);
    co__loop_set(loop);
    return 0;
}

void co__run_end(struct co_loop *loop)
{
    co__loop_set(NULL);
    loop->self = NULL;
    co__poller_end(loop);
    restore_sigpipe(loop);
    if (loop->overflow_report)
        co__overflow_leave();
    if (!co__inbox_sleep(&loop->inbox))
        loop->poller_ops->wake(loop->poller);
    atomic_store(&loop->runs, 0); /* now another thread may run or free it */
}

/* The root context: run tasks until the run is over. Waiting for events is
 * mostly done by the task that parks last; here only when one has ended. */
static void run(struct co_loop *loop, int (*over)(const struct co_loop *))
{
    while (!(loop->flags & CO__LOOP_LEAVE) && !over(loop)) {
        struct co_task *task = co__next(loop);

        if (task == &loop->root)
            break;
        if (task)
            co__switch_from_root(loop, task);
        else if (loop->flags & CO__LOOP_BATCHED || over(loop) ||
                 (CO_UNLIKELY(loop->debug) && co__deadlocked(loop)))
            break;
        else
            co__turn(loop, CO_NEVER);
    }
}

static int never_over(const struct co_loop *loop)
{
    (void)loop;
    return 0;
}

static int all_ended(const struct co_loop *loop)
{
    return !loop->alive && !loop->inbox.calls && !co__inbox_flagged(loop) &&
           !co__queue_length(loop);
}

/* ---- ending -------------------------------------------------------------- */

/* Handles stay valid to the end: a task that is left may join its children
 * while it cleans up, since they may use its memory. */
static int cancel_one(struct co_task *task, void *arg)
{
    struct co_loop *loop = arg;
    int ended = task->state == CO__TASK_DONE;

    if (task->flags & CO__FLAG_CALLBACK)
        return 0;
    if (loop->debug && !loop->deadlock && !(task->flags & CO__FLAG_DETACHED) &&
        !(ended && task->joiner))
        co__report_task(task, 0,
                        ended ? "was not joined when its loop ended"
                              : "had not ended when its loop ended");
    if (!ended)
        co_cancel(task);
    return 0;
}

static int free_one(struct co_task *task, void *arg)
{
    (void)arg;
    co__task_free(task);
    return 0;
}

/* The callback task never ends. */
static void drop_caller(struct co_loop *loop)
{
    struct co_task *caller = loop->caller;

    if (caller && caller->flags & CO__FLAG_ATTACHED && caller->locals)
        co__locals_release(caller);
}

/* Cancel what is left and wait for it. The loop runs on this thread. */
void co__run_drain(struct co_loop *loop)
{
    loop->flags |= CO__LOOP_ENDING;
    loop->flags &= ~(CO__LOOP_BATCHED | CO__LOOP_LEAVE);
    loop->until = NULL;
    release_calls(loop);
    co__stack_pool_each(loop->pool, cancel_one, loop);
    co__gens_end(loop);
    do {
        run(loop, all_ended);
        if (CO_UNLIKELY(loop->flags & CO__LOOP_LEAVE))
            co__deadlock_report(loop);
        /* A stop is no reason to leave tasks behind. */
        loop->flags &= ~CO__LOOP_BATCHED;
        release_calls(loop);
    } while (!all_ended(loop) || co__on_done_drop(loop));
    drop_caller(loop);
    co__stack_pool_each(loop->pool, free_one, NULL);
    loop->caller = NULL;
}

/* ---- the public ways to run ---------------------------------------------- */

static co_task *spawn_into(const char *site, co_loop *loop, co_task_fn fn,
                           void *arg)
{
    return co__spawn(loop, site, loop->size_class, fn, arg);
}

/* Run until fn has returned, or a stop. The loop runs on this thread. */
static int run_main(const char *site, co_loop *loop, co_task_fn fn, void *arg,
                    int *result)
{
    co_task *task = spawn_into(site, loop, fn, arg);

    if (!task)
        return -errno;
    co__locals_inherit_thread(task);
    task->joiner = &loop->root; /* it is this run's: nobody else's to join */
    loop->until = task;
    run(loop, never_over);
    loop->until = NULL;
    task->joiner = NULL;
    if (CO_UNLIKELY(loop->deadlock)) {
        co__deadlock_report(loop);
        task->flags |= CO__FLAG_DETACHED;
        return -EDEADLK;
    }
    if (!(loop->flags & CO__LOOP_LEAVE)) {
        task->flags |= CO__FLAG_DETACHED;
        return -EINTR;
    }
    atomic_store(&loop->inbox.stop, 0); /* a stop meant this run */
    if (result)
        *result = task->result;
    co__task_free(task);
    return 0;
}

int co_loop_run_until_at(const char *site, co_loop *loop, co_task_fn fn,
                         void *arg, int *result)
{
    int r;

    if (!loop || !fn)
        return -EINVAL;
    r = co__run_begin(loop);
    if (r < 0)
        return r;
    r = run_main(site, loop, fn, arg, result);
    co__run_end(loop);
    return r;
}

int co_loop_run_forever(co_loop *loop)
{
    int r;

    if (!loop)
        return -EINVAL;
    r = co__run_begin(loop);
    if (r < 0)
        return r;
    run(loop, never_over);
    co__run_end(loop);
    return 0;
}

/* The first SIGINT: fn's task is to end. */
static void interrupt(void *arg)
{
    const struct co_loop *loop = arg;

    if (loop->until)
        co_cancel(loop->until);
}

/* As run_main, with SIGINT in our hands, unless it is ignored. */
static int run_interruptible(const char *site, co_loop *loop, co_task_fn fn,
                             void *arg, int *result)
{
    struct co__sigwatch watch = {
        .call = {.fn = interrupt, .arg = loop, .site = CO_SITE},
        .pass_on = 1,
    };
    struct sigaction before;
    int r;

    if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_IGN)
        return run_main(site, loop, fn, arg, result);
    r = co__signal_watch(&watch, loop, SIGINT);
    if (r < 0)
        return r;
    r = run_main(site, loop, fn, arg, result);
    co__signal_unwatch(&watch);
    return r;
}

int co_run_with_at(const char *site, const co_loop_options *options,
                   co_task_fn fn, void *arg, int *result)
{
    co_loop *loop;
    int by_factory;
    int r;

    if (!fn)
        return -EINVAL;
    if (co__loop)
        return -EDEADLK;
    loop = co__loop_make(options, &by_factory);
    if (!loop)
        return -errno;
    if (!by_factory)
        loop->exposed = 0; /* nobody has its address, until a task asks */
    r = co__run_begin(loop);
    if (r == 0) {
        r = options && options->handle_sigint
                ? run_interruptible(site, loop, fn, arg, result)
                : run_main(site, loop, fn, arg, result);
        co__run_drain(loop);
        co__run_end(loop);
    }
    co_loop_free(loop);
    return r;
}

int co_run_at(const char *site, co_task_fn fn, void *arg)
{
    int result = 0;
    int r = co_run_with_at(site, NULL, fn, arg, &result);

    return r < 0 ? r : result;
}

co_loop *co_loop_running(void)
{
    if (co__loop)
        co__loop->exposed = 1;
    return co__loop;
}

co_task *co_loop_spawn_at(const char *site, co_loop *loop, co_task_fn fn,
                          void *arg)
{
    if (!loop || !fn)
        errno = EINVAL;
    else if (loop != co__loop && atomic_load(&loop->runs))
        errno = EPERM;
    else if (loop->flags & CO__LOOP_ENDING)
        errno = ESHUTDOWN;
    else
        return spawn_into(site, loop, fn, arg);
    return NULL;
}

size_t co_loop_task_count(const co_loop *loop)
{
    return loop ? loop->alive - loop->internal : 0;
}

/* ---- embedding ----------------------------------------------------------- */

int co_loop_fd(const co_loop *loop)
{
    struct co_loop *l = (struct co_loop *)loop;
    int idle = 0;

    if (!loop)
        return -EINVAL;
    /* What makes it readable must have been asked for. */
    if (atomic_compare_exchange_strong(&l->runs, &idle, 1)) {
        if (co__poller_begin(l) == 0)
            co__poller_end(l);
        atomic_store(&l->runs, 0);
    }
    return loop->poller_ops->fd(loop->poller);
}

co_time co_loop_next_deadline(const co_loop *loop)
{
    if (!loop)
        return -EINVAL;
    if (co__queue_length(loop) || co__inbox_flagged(loop) || loop->inbox.calls)
        return 0;
    return co__timers_next(&((co_loop *)loop)->timers);
}

int co_loop_turn(co_loop *loop, co_time max_wait)
{
    co_time deadline = 0;
    size_t tasks;
    int r;

    if (!loop || max_wait < 0)
        return -EINVAL;
    r = co__run_begin(loop);
    if (r < 0)
        return r;
    if (max_wait && !co__queue_length(loop))
        deadline = co__time_add(loop->now, max_wait);
    co__turn(loop, deadline);
    loop->flags |= CO__LOOP_BATCHED;
    loop->batch = co__queue_length(loop);
    loop->slice = 1;
    run(loop, never_over);
    co__run_end(loop);
    tasks = co_loop_task_count(loop);
    return tasks > INT_MAX ? INT_MAX : (int)tasks;
}
