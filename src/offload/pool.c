/* SPDX-License-Identifier: MIT */
/*
 * A queue of jobs under a lock, and threads that take from it.
 *
 * Who pushes a job sees to it that a thread will look at the queue: `coming`
 * counts the threads that will do so before they wait (they start, were woken,
 * or have just run a job), and only if more jobs are queued than that is an
 * idle thread woken, or one more started. Threads that are busy look again when
 * their job is done.
 *
 * A thread that has found no job watches the queue for a little while before it
 * waits: a task that makes one call after the other then pays neither for the
 * system call that wakes nor for the time that this takes. It does so only as
 * long as it pays: spin_ns is halved when it was in vain, and set anew when
 * a thread was woken so soon that watching would have found the job. One thread
 * watches at a time, none where there is one processor.
 *
 * Idle threads are woken latest first, so those that are too many stay idle
 * until they leave. Their records are kept for the next, and freed with the
 * pool. The pool itself is freed by who gives back the last reference: the
 * owner or a thread.
 */
#include "offload/pool.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "base/wait.h"
#include "offload/sys.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define SPIN_MOST (50 * CO_US)
#define SPIN_LESS (2 * CO_US) /* less is nothing */
#define SPIN_LOOK 32          /* looks at the queue for one at the clock */

CO_TLS struct co__worker *co__pool_worker;

/* Threads do not wait by a test's clock. */
static co_time now(void)
{
    return co__clock_real();
}

/* ---- the queue; under the lock ------------------------------------------- */

static unsigned queued(const struct co_executor *pool)
{
    return atomic_load_explicit(&((struct co_executor *)pool)->queued,
                                memory_order_relaxed);
}

static void append(struct co_executor *pool, struct co__job *job)
{
    job->next = NULL;
    job->prev = pool->tail;
    if (pool->tail)
        pool->tail->next = job;
    else
        pool->head = job;
    pool->tail = job;
    pool->submitted += job->submitted;
    atomic_store_explicit(&pool->queued, queued(pool) + 1,
                          memory_order_relaxed);
}

static void unlink_job(struct co_executor *pool, struct co__job *job)
{
    if (job->prev)
        job->prev->next = job->next;
    else
        pool->head = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        pool->tail = job->prev;
    pool->submitted -= job->submitted;
    atomic_store_explicit(&pool->queued, queued(pool) - 1,
                          memory_order_relaxed);
}

static struct co__job *take(struct co_executor *pool, struct co__worker *worker)
{
    struct co__job *job = pool->head;

    if (!job)
        return NULL;
    unlink_job(pool, job);
    /* Release: pairs with co__pool_take_back's look without the lock. */
    atomic_store_explicit(&job->state, CO__JOB_RUNNING, memory_order_release);
    pool->running++;
    worker->busy = 1;
    worker->loop_id = job->loop_id;
    return job;
}

/* ---- a thread ------------------------------------------------------------ */

/* This thread goes, or has not started. The lock is held, and let go of. */
static void leave(struct co_executor *pool, struct co__worker *worker)
{
    struct co__remote *over;
    unsigned refs;

    if (worker->prev)
        worker->prev->next = worker->next;
    else
        pool->workers = worker->next;
    if (worker->next)
        worker->next->prev = worker->prev;
    worker->next = pool->spare;
    pool->spare = worker;
    pool->threads--;
    pool->leaving -= (unsigned)worker->leave;
    over = co__pool_take_watchers(pool);
    refs = --pool->refs;
    pthread_mutex_unlock(&pool->lock);
    co__pool_post(over);
    if (!refs)
        co__pool_destroy(pool);
}

/* Watch the queue. Returns whether there was something. */
static void spin(struct co_executor *pool)
{
    co_time most = atomic_load_explicit(&pool->spin_ns, memory_order_relaxed);
    co_time end = now() + most;

    do {
        for (int i = 0; i < SPIN_LOOK; i++) {
            if (queued(pool))
                return;
            co__relax();
        }
        sched_yield(); /* who pushes may stand in line for this processor */
    } while (now() < end);
    most /= 2;
    atomic_store_explicit(&pool->spin_ns, most < SPIN_LESS ? 0 : most,
                          memory_order_relaxed);
}

static int can_spin(void)
{
    static atomic_int known; /* 1: no, 2: yes */
    int value = atomic_load_explicit(&known, memory_order_relaxed);

    if (!value) {
        value = co__sys_processors() > 1 ? 2 : 1;
        atomic_store_explicit(&known, value, memory_order_relaxed);
    }
    return value == 2;
}

/* The queue is empty, and the thread waits for a call. Returns whether it is
 * to go on. The lock is held. */
static int wait_idle(struct co_executor *pool, struct co__worker *worker)
{
    struct co__worker **at;
    co_time end = now() + pool->idle_ns;
    int timed_out = 0;

    worker->called = 0;
    worker->below = pool->idle;
    pool->idle = worker;
    while (!worker->called && !timed_out) {
        if (pool->threads - pool->leaving <= pool->threads_min)
            co__cond_wait(&worker->cond, &pool->lock, CO_NEVER);
        else
            timed_out =
                co__cond_wait(&worker->cond, &pool->lock, end) == ETIMEDOUT &&
                pool->threads - pool->leaving > pool->threads_min;
    }
    if (worker->called) {
        if (!worker->leave)
            pool->coming--;
        if (can_spin() && now() - worker->since < SPIN_MOST)
            atomic_store_explicit(&pool->spin_ns, SPIN_MOST,
                                  memory_order_relaxed);
        return !worker->leave;
    }
    for (at = &pool->idle; *at != worker; at = &(*at)->below)
        continue;
    *at = worker->below;
    return 0;
}

/* What is told that the job has run may push the next one: this thread comes
 * for it. */
static void call_ran(struct co_executor *pool, struct co__job *job)
{
    co__lock(&pool->lock);
    pool->coming++;
    pthread_mutex_unlock(&pool->lock);
    job->ran(job);
    co__lock(&pool->lock);
    pool->coming--;
    pthread_mutex_unlock(&pool->lock);
}

/* Run a job, and those that are queued when it is done. The lock is held. */
static void run(struct co_executor *pool, struct co__worker *worker,
                struct co__job *job)
{
    struct co__remote *over;
    struct co__job *done;
    int watch = 0;

    pthread_mutex_unlock(&pool->lock);
    do {
        done = job;
        done->result = done->fn(done->arg);
        if (CO_UNLIKELY(!co__pool_worker))
            _exit(done->result & 255); /* a forked child, see core/fork.c */
        if (done->ran)
            call_ran(pool, done);
        co__lock(&pool->lock);
        worker->busy = 0;
        pool->running--;
        over = pool->watchers.head ? co__pool_take_watchers(pool) : NULL;
        job = take(pool, worker);
        if (!job) {
            pool->coming++;
            watch = !pool->spinning && !pool->closed &&
                    atomic_load_explicit(&pool->spin_ns, memory_order_relaxed);
            pool->spinning += (unsigned)watch;
        }
        pthread_mutex_unlock(&pool->lock);
        done->end(done);
        co__pool_post(over);
    } while (job);
    worker->since = now();
    if (watch)
        spin(pool);
    co__lock(&pool->lock);
    pool->spinning -= (unsigned)watch;
    pool->coming--;
}

static void *work(void *arg)
{
    struct co__worker *worker = arg;
    struct co_executor *pool = worker->pool;
    struct co__job *job;

    co__pool_worker = worker;
    co__lock(&pool->lock);
    co__sys_thread_name(pool->name);
    pool->coming--;
    for (;;) {
        if (pool->threads - pool->leaving > pool->threads_max)
            break; /* the limit was lowered; others do what is queued */
        job = take(pool, worker);
        if (job)
            run(pool, worker, job);
        else if (pool->closed || !wait_idle(pool, worker))
            break;
    }
    co__pool_worker = NULL;
    leave(pool, worker);
    return NULL;
}

/* ---- starting threads ---------------------------------------------------- */

static int create(struct co__worker *worker)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;
    int r;

    r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are not for it */
    r = pthread_create(&thread, &attributes, work, worker);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return -r;
}

/* Start a thread. The lock is held, and let go of meanwhile. */
static int start(struct co_executor *pool)
{
    struct co__worker *worker = pool->spare;
    int r = 0;

    pool->threads++;
    pool->refs++;
    pool->coming++;
    if (worker)
        pool->spare = worker->next;
    pthread_mutex_unlock(&pool->lock);
    if (!worker) {
        worker = co__alloc_zero(sizeof(*worker));
        if (worker)
            co__pool_worker_init(worker);
        else
            r = -ENOMEM;
    }
    if (worker) {
        worker->pool = pool;
        worker->leave = worker->busy = 0;
        worker->since = 0;
        worker->prev = NULL;
        co__lock(&pool->lock);
        worker->next = pool->workers;
        if (worker->next)
            worker->next->prev = worker;
        pool->workers = worker;
        pthread_mutex_unlock(&pool->lock);
        r = create(worker);
    }
    co__lock(&pool->lock);
    if (r == 0)
        return 0;
    pool->coming--;
    if (worker) {
        pool->refs++; /* the caller's, while leave() lets go of the lock */
        leave(pool, worker);
        co__lock(&pool->lock);
        pool->refs--;
    } else {
        pool->threads--;
        pool->refs--;
    }
    return r;
}

/* ---- pushing ------------------------------------------------------------- */

struct co__worker *co__pool_call_idle(struct co_executor *pool, int leave)
{
    struct co__worker *worker = pool->idle;

    pool->idle = worker->below;
    worker->called = 1;
    worker->leave = leave;
    if (leave)
        pool->leaving++;
    else
        pool->coming++;
    return worker;
}

static int check_push(const struct co_executor *pool, const struct co__job *job)
{
    if (pool->closed)
        return -ESHUTDOWN;
    if (job->submitted && pool->queue_max && pool->submitted >= pool->queue_max)
        return -ENOBUFS;
    return 0;
}

/* Wake or start a thread for what was just queued, and let go of the lock. The
 * job may have been run meanwhile, and the pool be freed for it: hence the
 * reference, and the signal under the lock. */
static void call_for_help(struct co_executor *pool)
{
    unsigned refs;

    if (pool->idle) {
        pthread_cond_signal(&co__pool_call_idle(pool, 0)->cond);
        pthread_mutex_unlock(&pool->lock);
        return;
    }
    pool->refs++;
    (void)start(pool); /* if it fails, those that are there will do it */
    refs = --pool->refs;
    pthread_mutex_unlock(&pool->lock);
    if (!refs)
        co__pool_destroy(pool);
}

int co__pool_push(struct co_executor *pool, struct co__job *job)
{
    int r;

    atomic_init(&job->state, CO__JOB_QUEUED);
    co__lock(&pool->lock);
    r = check_push(pool, job);
    /* One at least is there before the job is in the queue: it might be run,
     * and gone, when we see that none can be started. */
    while (r == 0 && pool->threads == pool->leaving) {
        r = start(pool);
        if (r == 0)
            r = check_push(pool, job);
    }
    if (r < 0) {
        pthread_mutex_unlock(&pool->lock);
        return r;
    }
    append(pool, job);
    if (queued(pool) > pool->coming &&
        (pool->idle || pool->threads - pool->leaving < pool->threads_max))
        call_for_help(pool);
    else
        pthread_mutex_unlock(&pool->lock);
    return 0;
}

int co__pool_take_back(struct co_executor *pool, struct co__job *job)
{
    int taken;

    /* Once it is not queued the pool may be gone: look before locking. */
    if (atomic_load_explicit(&job->state, memory_order_acquire) !=
        CO__JOB_QUEUED)
        return 0;
    co__lock(&pool->lock);
    taken = atomic_load_explicit(&job->state, memory_order_relaxed) ==
            CO__JOB_QUEUED;
    if (taken)
        unlink_job(pool, job);
    co__pool_settle(pool);
    return taken;
}

struct co__job *co__pool_drop(struct co_executor *pool)
{
    struct co__job *jobs = pool->head;

    for (struct co__job *job = jobs; job; job = job->next)
        atomic_store_explicit(&job->state, CO__JOB_DROPPED,
                              memory_order_release);
    pool->head = pool->tail = NULL;
    pool->submitted = 0;
    atomic_store_explicit(&pool->queued, 0, memory_order_relaxed);
    return jobs;
}

int co__pool_inside(const struct co_executor *pool)
{
    return co__pool_worker && co__pool_worker->pool == pool;
}
