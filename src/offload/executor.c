/* SPDX-License-Identifier: MIT */
/*
 * Pools of one's own, and jobs that a future stands for. Such a job lives until
 * the future is resolved: who cancels looks under the future's lock whether it
 * is pending still, and so keeps the job while it looks at it.
 */
#include "base/alloc.h"
#include "base/lock.h"
#include "core/future.h"
#include "core/sched.h"
#include "offload/offload.h"

/* ---- making and ending --------------------------------------------------- */

co_executor *co_executor_new(const co_executor_options *options)
{
    struct co_executor *executor = co__alloc_zero(sizeof(*executor));
    int r = executor ? co__pool_init(executor, options) : -ENOMEM;
    if (r < 0) {
        co__free(executor);
        errno = -r;
        return NULL;
    }
    return executor;
}

int co_executor_shutdown(co_executor *executor, int wait)
{
    int r = 0, outside;

    if (!executor)
        return -EINVAL;
    if (wait)
        r = co__pool_inside(executor) ? -EDEADLK : co__offload_enter(&outside);
    if (r < 0)
        return r;
    co__pool_close(executor, !wait);
    return wait ? co__pool_drain(executor, 0) : 0;
}

void co_executor_free(co_executor *executor)
{
    if (!executor)
        return;
    co__pool_close(executor, 1);
    co__pool_unref(executor);
}

/* ---- calls --------------------------------------------------------------- */

int co_executor_run(co_executor *executor, co_offload_fn fn, void *arg)
{
    int r, outside;

    if (!executor)
        return co_offload(fn, arg);
    if (!fn)
        return -EINVAL;
    r = co__offload_enter(&outside);
    if (r < 0)
        return r;
    if (co__pool_inside(executor))
        return fn(arg);
    return co__offload_wait(executor, fn, arg, CO__WAIT_OFFLOAD);
}

struct submitted {
    struct co__job job;
    struct co_executor *executor;
    struct co_future *future; /* a reference is the job's */
};

static struct submitted *submitted_of(struct co__job *job)
{
    return CO_CONTAINER_OF(job, struct submitted, job);
}

/* The future is done, so nobody else looks at the node. */
static void submitted_free(struct submitted *node)
{
    co_future_unref(node->future);
    co__free(node);
}

static void submitted_ran(struct co__job *job)
{
    co__future_settle(submitted_of(job)->future, job->result, NULL, 0);
}

static void submitted_end(struct co__job *job)
{
    struct submitted *node = submitted_of(job);

    if (atomic_load_explicit(&job->state, memory_order_relaxed) ==
        CO__JOB_DROPPED)
        co__future_settle(node->future, job->result, NULL, 1);
    submitted_free(node);
}

/* Called without the future's lock, from any thread. */
static int take_back(struct co_future *future, void *arg)
{
    struct submitted *node = arg;
    int r = -EALREADY;

    co__lock(&future->lock);
    if (!co__future_is_done(future))
        r = co__pool_take_back(node->executor, &node->job) ? 0 : -EBUSY;
    pthread_mutex_unlock(&future->lock);
    if (r == 0) {
        co__future_settle(future, -ECANCELED, NULL, 1);
        submitted_free(node);
    }
    return r;
}

co_future *co_executor_submit_at(const char *site, co_executor *executor,
                                 co_offload_fn fn, void *arg)
{
    struct submitted *node = NULL;
    struct co_future *future = NULL;
    int r = fn ? 0 : -EINVAL;

    if (r == 0 && !executor)
        r = co__lane(CO_LANE_DEFAULT, &executor);
    if (r < 0)
        goto fail;
    node = co__alloc_zero(sizeof(*node));
    future = node ? co_future_new_threadsafe_at(site) : NULL;
    if (!future) {
        r = -ENOMEM;
        goto fail;
    }
    node->job.fn = fn;
    node->job.arg = arg;
    node->job.ran = submitted_ran;
    node->job.end = submitted_end;
    node->job.loop_id = co__loop ? co__loop->id : 0;
    node->job.submitted = 1;
    node->executor = executor;
    node->future = co_future_ref(future);
    future->owned = 1;
    future->cancel = take_back;
    future->cancel_arg = node;
    r = co__pool_push(executor, &node->job);
    if (r == 0)
        return future;
    if (r == -ENOBUFS)
        r = -EAGAIN;
    future->cancel = NULL;
    co_future_unref(future);

fail:
    co_future_unref(future);
    co__free(node);
    errno = -r;
    return NULL;
}
