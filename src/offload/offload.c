/* SPDX-License-Identifier: MIT */
/*
 * Calls in a pool while a task waits. The job is on the task's stack, so the
 * call cannot return while a thread has it; that of co_offload_abandon is on
 * the heap, and belongs to whichever of task and thread is the last to have it.
 */
#include "offload/offload.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "core/sched.h"

#include <pthread.h>

#define LANE_COUNT  2
#define DNS_THREADS 32

/* ---- the process's pool -------------------------------------------------- */

static struct co_executor lanes[LANE_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int made;

static void make_lanes(void)
{
    co_executor_options files = {.size = sizeof(files), .name = "co-offload"};
    co_executor_options dns = {
        .size = sizeof(dns), .name = "co-dns", .threads_max = DNS_THREADS};

    made = co__pool_init(&lanes[CO_LANE_DEFAULT], &files);
    if (made == 0)
        made = co__pool_init(&lanes[CO_LANE_DNS], &dns);
}

int co__lane(enum co_lane lane, struct co_executor **pool)
{
    if ((unsigned)lane >= LANE_COUNT)
        return -EINVAL;
    co__once(&once, make_lanes);
    *pool = &lanes[lane];
    return made;
}

int co_offload_configure(enum co_lane lane, const co_executor_options *options)
{
    struct co_executor *pool;
    int r = co__lane(lane, &pool);

    return r < 0 ? r : co__pool_configure(pool, options);
}

int co_loop_shutdown_executor(void)
{
    struct co__here here;
    int r;

    if (!co__here(&here) || here.task->flags & CO__FLAG_CALLBACK)
        return -EPERM;
    r = co__enter(here.loop, here.task);
    for (unsigned i = 0; r == 0 && i < LANE_COUNT; i++) {
        struct co_executor *pool;

        r = co__lane((enum co_lane)i, &pool);
        if (r < 0)
            break;
        co__pool_let_go(pool);
        r = co__pool_drain(pool, here.loop->id);
    }
    return r;
}

/* ---- waiting for a job --------------------------------------------------- */

int co__offload_enter(int *outside)
{
    struct co__here here;

    *outside = !co__here(&here);
    if (*outside)
        return co__chain_error(co__chain_current(), co__clock_read());
    if (CO_UNLIKELY(here.task->flags & CO__FLAG_CALLBACK))
        return -EPERM;
    return co__enter(here.loop, here.task);
}

struct call {
    struct co__job job;
    struct co__remote remote;
};

static void call_end(struct co__job *job)
{
    co__remote_post(&CO_CONTAINER_OF(job, struct call, job)->remote);
}

static void call_init(struct call *call, co_offload_fn fn, void *arg)
{
    co__remote_begin(&call->remote);
    call->job.fn = fn;
    call->job.arg = arg;
    call->job.ran = NULL;
    call->job.end = call_end;
    call->job.loop_id = call->remote.loop ? call->remote.loop->id : 0;
    call->job.submitted = 0;
}

/* A thread has the job, whatever the limits. */
static CO_COLD void wait_shielded(struct call *call,
                                  enum co__wait_reason reason)
{
    CO_SHIELD;

    (void)co__remote_wait(&call->remote, reason);
}

int co__offload_wait(struct co_executor *pool, co_offload_fn fn, void *arg,
                     enum co__wait_reason reason)
{
    struct call call;
    int r;

    call_init(&call, fn, arg);
    r = co__pool_push(pool, &call.job);
    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__remote_wait(&call.remote, reason);
    if (CO_UNLIKELY(r < 0)) {
        if (co__pool_take_back(pool, &call.job))
            return r;
        wait_shielded(&call, reason);
    }
    return call.job.result;
}

int co__offload_in(enum co_lane lane, co_offload_fn fn, void *arg,
                   enum co__wait_reason reason)
{
    struct co_executor *pool;
    int r, outside;

    r = co__lane(lane, &pool);
    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__offload_enter(&outside);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (CO_UNLIKELY(outside))
        return fn(arg);
    return co__offload_wait(pool, fn, arg, reason);
}

int co_offload_in(enum co_lane lane, co_offload_fn fn, void *arg)
{
    return fn ? co__offload_in(lane, fn, arg, CO__WAIT_OFFLOAD) : -EINVAL;
}

int co_offload(co_offload_fn fn, void *arg)
{
    return co_offload_in(CO_LANE_DEFAULT, fn, arg);
}

/* ---- jobs that may be left behind ---------------------------------------- */

enum {
    SHARED,    /* the task waits, the thread has not come back */
    RAN,       /* the thread has: it will wake the task, whose all is */
    ABANDONED, /* the task has gone: all is the thread's */
};

struct leave_behind {
    struct call call;
    atomic_int phase;
    void (*free_arg)(void *arg);
};

static struct leave_behind *leave_behind_of(struct co__job *job)
{
    return CO_CONTAINER_OF(job, struct leave_behind, call.job);
}

static int pass(struct leave_behind *node, int phase)
{
    int shared = SHARED;

    /* Both ways: what the other has done before is seen. */
    return atomic_compare_exchange_strong_explicit(&node->phase, &shared, phase,
                                                   memory_order_acq_rel,
                                                   memory_order_acquire);
}

static void left_ran(struct co__job *job)
{
    struct leave_behind *node = leave_behind_of(job);

    if (!pass(node, RAN))
        node->free_arg(job->arg);
}

static void left_end(struct co__job *job)
{
    struct leave_behind *node = leave_behind_of(job);

    if (atomic_load_explicit(&node->phase, memory_order_relaxed) == RAN)
        co__remote_post(&node->call.remote);
    else
        co__free(node);
}

/* Returns 0 with the job's result in node->call, or a negative errno, and then
 * node and argument are not the caller's any more. */
static int abandon_wait(struct co_executor *pool, struct leave_behind *node)
{
    int r = co__pool_push(pool, &node->call.job);

    if (r == 0) {
        r = co__remote_wait(&node->call.remote, CO__WAIT_OFFLOAD);
        if (r == 0)
            return 0;
        if (!co__pool_take_back(pool, &node->call.job)) {
            if (pass(node, ABANDONED))
                return r;
            wait_shielded(&node->call, CO__WAIT_OFFLOAD);
            return 0;
        }
    }
    node->free_arg(node->call.job.arg);
    co__free(node);
    return r;
}

int co_offload_abandon_in(enum co_lane lane, co_offload_fn fn, void *arg,
                          void (*free_arg)(void *arg), int *result)
{
    struct co_executor *pool;
    struct leave_behind *node;
    int r, outside = 0;

    if (!free_arg)
        return -EINVAL;
    r = fn ? co__lane(lane, &pool) : -EINVAL;
    if (r == 0)
        r = co__offload_enter(&outside);
    if (r < 0)
        goto free_arg;
    if (outside) {
        r = fn(arg);
        if (result)
            *result = r;
        return 0;
    }
    node = co__alloc_zero(sizeof(*node));
    if (!node) {
        r = -ENOMEM;
        goto free_arg;
    }
    call_init(&node->call, fn, arg);
    node->call.job.ran = left_ran;
    node->call.job.end = left_end;
    node->free_arg = free_arg;
    r = abandon_wait(pool, node);
    if (r < 0)
        return r;
    if (result)
        *result = node->call.job.result;
    co__free(node);
    return 0;

free_arg:
    free_arg(arg);
    return r;
}

int co_offload_abandon(co_offload_fn fn, void *arg, void (*free_arg)(void *arg),
                       int *result)
{
    return co_offload_abandon_in(CO_LANE_DEFAULT, fn, arg, free_arg, result);
}
