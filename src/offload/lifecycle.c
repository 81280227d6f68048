/* SPDX-License-Identifier: MIT */
/*
 * A pool as a whole: its limits, its end, who waits for that, and what a fork
 * leaves of it: a pool without threads and jobs, for those belong to the
 * parent's tasks.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/lock.h"
#include "base/wait.h"
#include "core/loop.h"
#include "offload/pool.h"
#include "offload/sys.h"

#include <errno.h>
#include <stdio.h>

#define IDLE_NS (10 * CO_SEC)

#define THREADS_LEAST 4 /* of the default limit */
#define THREADS_MOST  64

/* ---- who waits for an end ------------------------------------------------ */

struct watch {
    struct co__remote remote;
    uint32_t loop_id; /* whose jobs; 0: everybody's */
};

/* Under the lock. */
static int drained(const struct co_executor *pool, uint32_t loop_id)
{
    if (!loop_id)
        return !pool->head && !pool->threads;
    if (pool->leaving)
        return 0;
    for (const struct co__job *job = pool->head; job; job = job->next)
        if (job->loop_id == loop_id)
            return 0;
    for (const struct co__worker *w = pool->workers; w; w = w->next)
        if (w->busy && w->loop_id == loop_id)
            return 0;
    return 1;
}

struct co__remote *co__pool_take_watchers(struct co_executor *pool)
{
    struct co__remote *taken = NULL, *next;

    for (struct co__remote *r = pool->watchers.head; r; r = next) {
        next = r->next;
        if (!drained(pool, CO_CONTAINER_OF(r, struct watch, remote)->loop_id))
            continue;
        co__remotes_remove(&pool->watchers, r);
        r->next = taken;
        taken = r;
    }
    return taken;
}

void co__pool_post(struct co__remote *taken)
{
    struct co__remote *next;

    for (; taken; taken = next) {
        next = taken->next; /* it may be gone once it is posted */
        co__remote_post(taken);
    }
}

void co__pool_settle(struct co_executor *pool)
{
    struct co__remote *over = co__pool_take_watchers(pool);

    pthread_mutex_unlock(&pool->lock);
    co__pool_post(over);
}

int co__pool_drain(struct co_executor *pool, uint32_t loop_id)
{
    struct watch watch;
    int linked, r;

    co__remote_begin(&watch.remote);
    watch.loop_id = loop_id;
    co__lock(&pool->lock);
    linked = !drained(pool, loop_id);
    if (linked)
        co__remotes_push(&pool->watchers, &watch.remote);
    pthread_mutex_unlock(&pool->lock);
    if (!linked)
        return 0;
    r = co__remote_wait(&watch.remote, CO__WAIT_OFFLOAD);
    if (r == 0)
        return 0;
    co__lock(&pool->lock);
    linked = co__remotes_remove(&pool->watchers, &watch.remote);
    pthread_mutex_unlock(&pool->lock);
    if (linked)
        return r;
    co__remote_settle(&watch.remote);
    return 0;
}

/* ---- ending -------------------------------------------------------------- */

/* Have idle threads go until `stay` are left of all. The lock is held. */
static void dismiss(struct co_executor *pool, unsigned stay)
{
    /* Signalled under the lock: they cannot be woken and told something else
     * in between, and this is no hot path. */
    while (pool->idle && pool->threads - pool->leaving > stay)
        pthread_cond_signal(&co__pool_call_idle(pool, 1)->cond);
}

void co__pool_let_go(struct co_executor *pool)
{
    co__lock(&pool->lock);
    dismiss(pool, 0);
    pthread_mutex_unlock(&pool->lock);
}

void co__pool_close(struct co_executor *pool, int drop)
{
    struct co__job *jobs = NULL, *next;

    co__lock(&pool->lock);
    pool->closed = 1;
    if (drop)
        jobs = co__pool_drop(pool);
    dismiss(pool, 0); /* who is queued has a thread that comes, or a busy one */
    co__pool_settle(pool);
    for (; jobs; jobs = next) {
        next = jobs->next;
        jobs->result = -ECANCELED;
        jobs->end(jobs);
    }
}

void co__pool_destroy(struct co_executor *pool)
{
    struct co__worker *worker;

    co__forked_remove(&pool->forked);
    while ((worker = pool->spare)) {
        pool->spare = worker->next;
        pthread_cond_destroy(&worker->cond);
        co__free(worker);
    }
    pthread_mutex_destroy(&pool->lock);
    co__free(pool);
}

void co__pool_unref(struct co_executor *pool)
{
    unsigned refs;

    co__lock(&pool->lock);
    if (pool->watchers.head)
        co__die("co_executor_free while co_executor_shutdown waits");
    refs = --pool->refs;
    pthread_mutex_unlock(&pool->lock);
    if (!refs)
        co__pool_destroy(pool);
}

/* ---- fork ---------------------------------------------------------------- */

static void hold(struct co__forked *forked)
{
    co__lock(&CO_CONTAINER_OF(forked, struct co_executor, forked)->lock);
}

static void release(struct co__forked *forked)
{
    pthread_mutex_unlock(
        &CO_CONTAINER_OF(forked, struct co_executor, forked)->lock);
}

static void reset(struct co__forked *forked)
{
    struct co_executor *pool =
        CO_CONTAINER_OF(forked, struct co_executor, forked);
    struct co__worker *worker;

    co__pool_worker = NULL;
    (void)co__pool_drop(pool);
    pool->refs -= pool->threads;
    pool->running = pool->threads = pool->coming = 0;
    pool->spinning = pool->leaving = 0;
    pool->idle = NULL;
    pool->watchers = (struct co__remotes){NULL, NULL};
    while ((worker = pool->workers)) {
        pool->workers = worker->next;
        co__pool_worker_init(worker);
        worker->next = pool->spare;
        pool->spare = worker;
    }
    pthread_mutex_unlock(&pool->lock);
}

/* ---- limits -------------------------------------------------------------- */

static unsigned default_threads(void)
{
    unsigned count = co__sys_processors() * 2;

    if (count < THREADS_LEAST)
        return THREADS_LEAST;
    return count < THREADS_MOST ? count : THREADS_MOST;
}

int co__pool_configure(struct co_executor *pool,
                       const co_executor_options *options)
{
    unsigned most;

    if (!options || options->size != sizeof(*options) || options->idle_ns < 0 ||
        options->threads_max > CO__POOL_THREADS_MAX)
        return -EINVAL;
    most = options->threads_max ? options->threads_max : default_threads();
    if (options->threads_min > most)
        return -EINVAL;
    co__lock(&pool->lock);
    pool->threads_min = options->threads_min;
    pool->threads_max = most;
    pool->idle_ns = options->idle_ns ? options->idle_ns : IDLE_NS;
    pool->queue_max = options->queue_max;
    if (options->name)
        snprintf(pool->name, sizeof(pool->name), "%s", options->name);
    dismiss(pool, most);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

void co__pool_worker_init(struct co__worker *worker)
{
    co__cond_init(&worker->cond);
}

int co__pool_init(struct co_executor *pool, const co_executor_options *options)
{
    static const co_executor_options defaults = {.size = sizeof(defaults)};
    int r;

    pthread_mutex_init(&pool->lock, NULL);
    pool->refs = 1;
    snprintf(pool->name, sizeof(pool->name), "co-pool");
    r = co__pool_configure(pool, options ? options : &defaults);
    if (r < 0)
        return r;
    pool->forked =
        (struct co__forked){.hold = hold, .release = release, .reset = reset};
    return co__forked_add(&pool->forked);
}
