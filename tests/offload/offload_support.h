/* SPDX-License-Identifier: MIT */
/* offload_support.h - what the tests of pools share: jobs that stay where they
 * are until they are let go, and pools of one thread. */
#ifndef CO_TESTS_OFFLOAD_SUPPORT_H
#define CO_TESTS_OFFLOAD_SUPPORT_H

#include <coppice/threadpool.h>

#include "core/loop.h"
#include "offload/offload.h"
#include "support/tasks.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

/* A job that says that it has begun, and ends when it is let go. */
struct gate {
    sem_t begun;
    sem_t let_go;
    atomic_int ran;
    int result;
    co_executor *executor; /* where gate_run runs it */
};

static inline void gate_init(struct gate *gate, co_executor *executor,
                             int result)
{
    sem_init(&gate->begun, 0, 0);
    sem_init(&gate->let_go, 0, 0);
    atomic_init(&gate->ran, 0);
    gate->result = result;
    gate->executor = executor;
}

static inline void gate_fini(struct gate *gate)
{
    sem_destroy(&gate->begun);
    sem_destroy(&gate->let_go);
}

static inline void gate_await(sem_t *sem)
{
    while (sem_wait(sem) < 0)
        continue;
}

static inline int gate_job(void *arg)
{
    struct gate *gate = arg;

    sem_post(&gate->begun);
    gate_await(&gate->let_go);
    atomic_fetch_add(&gate->ran, 1);
    return gate->result;
}

/* A task: run the job. */
static inline int gate_run(void *arg)
{
    struct gate *gate = arg;

    return co_executor_run(gate->executor, gate_job, gate);
}

/* A task that waits for a gate's job, which has begun. */
static inline co_task *gate_spawn_begun(struct gate *gate)
{
    co_task *task = co_test_spawn(gate_run, gate);

    co_test_yield();
    gate_await(&gate->begun);
    return task;
}

/* A task that waits for a gate's job, in the queue of a pool that is busy. */
static inline co_task *gate_spawn_queued(struct gate *gate)
{
    co_task *task = co_test_spawn(gate_run, gate);

    co_test_yield();
    ck_assert_ptr_nonnull(gate->executor->tail);
    ck_assert_ptr_eq(gate->executor->tail->arg, gate);
    return task;
}

/* Let the job end, and wait until that has reached the loop's inbox. Nothing
 * else may be under way to it. */
static inline void gate_end_and_post(struct gate *gate)
{
    sem_post(&gate->let_go);
    while (!co__inbox_flagged(co__loop))
        sched_yield();
}

static inline co_executor *pool_of(unsigned threads)
{
    co_executor_options options = {
        .size = sizeof(options), .name = "test", .threads_max = threads};
    co_executor *executor = co_executor_new(&options);

    ck_assert_ptr_nonnull(executor);
    return executor;
}

/* Wait until its threads have gone, and free it. */
static inline void pool_end(co_executor *executor)
{
    ck_assert_int_eq(co_executor_shutdown(executor, 1), 0);
    co_executor_free(executor);
}

/* How many threads a pool has, as of now. */
static inline unsigned pool_threads(co_executor *executor)
{
    unsigned threads;

    pthread_mutex_lock(&executor->lock);
    threads = executor->threads;
    pthread_mutex_unlock(&executor->lock);
    return threads;
}

static inline unsigned pool_idle(co_executor *executor)
{
    unsigned idle = 0;

    pthread_mutex_lock(&executor->lock);
    for (struct co__worker *w = executor->idle; w; w = w->below)
        idle++;
    pthread_mutex_unlock(&executor->lock);
    return idle;
}

/* Until a condition holds that threads bring about on their own. */
#define AWAIT(condition)                                                       \
    do {                                                                       \
        for (long i_ = 0; !(condition); i_++) {                                \
            ck_assert_int_lt(i_, 400000);                                      \
            usleep(i_ < 100 ? 10 : 200);                                       \
        }                                                                      \
    } while (0)

static inline co_executor *default_pool(enum co_lane lane)
{
    co_executor *pool = NULL;

    ck_assert_int_eq(co__lane(lane, &pool), 0);
    return pool;
}

#endif
