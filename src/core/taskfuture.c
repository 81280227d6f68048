/* SPDX-License-Identifier: MIT */
/* The futures that tasks resolve: a task's own, and that of a task which was
 * spawned into another thread's loop. */
#include <coppice/cancel.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "core/future.h"
#include "core/loop.h"

#include <errno.h>

/* ---- a task's own -------------------------------------------------------- */

static int was_cancelled(const struct co_task *task)
{
    return task->result == -ECANCELED && task->chain.cancels;
}

co_future *co_task_future(co_task *task)
{
    struct co_future *future;

    if (!task || task->state == CO__TASK_FREE ||
        task->flags & CO__FLAG_CALLBACK) {
        errno = EINVAL;
        return NULL;
    }
    if (!co__loop || task->loop != co__loop) {
        errno = EPERM;
        return NULL;
    }
    co__task_attach(task);
    if (task->future)
        return task->future;
    future = co_future_new_at(task->site);
    if (!future)
        return NULL;
    future->owned = 1;
    future->task = task;
    task->future = future;
    if (task->state == CO__TASK_DONE)
        co__future_task_ended(task);
    return future;
}

void co__future_task_ended(struct co_task *task)
{
    task->future->task = NULL;
    co__future_settle(task->future, task->result, NULL, was_cancelled(task));
}

void co__future_task_joined(struct co_task *task)
{
    if (task->future)
        atomic_store_explicit(&task->future->looked, 1, memory_order_relaxed);
}

void co__future_task_freed(struct co_task *task)
{
    struct co_future *future = task->future;

    if (!(task->flags & CO__FLAG_DETACHED))
        co__future_task_joined(task); /* or has been reported as not joined */
    task->future = NULL;
    co_future_unref(future);
}

/* ---- in another thread's loop -------------------------------------------- */

/* Held by the task until it ends, and by a request to cancel on its way. */
struct errand {
    co_call start, cancel;
    struct co_future *future;
    struct co_loop *loop;
    struct co_task *task; /* on the loop's thread; valid while it lives */
    co_task_fn fn;
    void *arg;
    const char *site;
    atomic_int holders;
};

static void errand_drop(struct errand *errand)
{
    if (atomic_fetch_sub(&errand->holders, 1) == 1)
        co__free(errand);
}

/* The task has ended, or could not begin. */
static void errand_end(struct errand *errand, int result, int cancelled)
{
    struct co_future *future = errand->future;

    errand->task = NULL;
    co__future_settle(future, result, NULL, cancelled);
    co_future_unref(future);
    errand_drop(errand);
}

static int errand_run(void *arg)
{
    struct errand *errand = arg;
    int result = errand->fn(errand->arg);

    if (CO_UNLIKELY(!co__loop))
        return result; /* a forked child, see fork.c: nobody waits for it */
    errand_end(errand, result,
               result == -ECANCELED && co_cancelling(co_self()) > 0);
    return 0;
}

static void errand_start(void *arg)
{
    struct errand *errand = arg;

    errand->task = co_spawn_at(errand->site, errand_run, errand);
    if (errand->task)
        co_detach(errand->task);
    else
        errand_end(errand, -errno, 0);
}

static void errand_cancel(void *arg)
{
    struct errand *errand = arg;

    if (errand->task)
        co_cancel(errand->task);
    errand_drop(errand);
}

/* Called without the future's lock, from any thread. */
static int ask_to_cancel(struct co_future *future, void *arg)
{
    struct errand *errand = arg;
    int alive;

    /* While it is pending the errand lives, and the loop runs. */
    co__lock(&future->lock);
    alive = !co__future_is_done(future);
    if (alive) {
        atomic_fetch_add(&errand->holders, 1);
        if (co_call_soon_threadsafe(errand->loop, &errand->cancel) < 0)
            atomic_fetch_sub(&errand->holders, 1); /* one is on its way */
    }
    pthread_mutex_unlock(&future->lock);
    return alive ? 0 : -EALREADY;
}

co_future *co_spawn_on_at(const char *site, co_loop *loop, co_task_fn fn,
                          void *arg)
{
    struct errand *errand;
    struct co_future *future;

    if (!loop || !fn) {
        errno = EINVAL;
        return NULL;
    }
    errand = co__alloc_zero(sizeof(*errand));
    future = co_future_new_threadsafe_at(site);
    if (!errand || !future) {
        co__free(errand);
        co_future_unref(future);
        errno = ENOMEM;
        return NULL;
    }
    errand->start = (co_call){.fn = errand_start, .arg = errand, .site = site};
    errand->cancel =
        (co_call){.fn = errand_cancel, .arg = errand, .site = site};
    errand->future = co_future_ref(future);
    errand->loop = loop;
    errand->fn = fn;
    errand->arg = arg;
    errand->site = site;
    atomic_init(&errand->holders, 1);
    future->owned = 1;
    future->cancel = ask_to_cancel;
    future->cancel_arg = errand;
    co_call_soon_threadsafe(loop, &errand->start);
    return future;
}
