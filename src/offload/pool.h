/* SPDX-License-Identifier: MIT */
/*
 * offload/pool.h - threads, and the queue of jobs that they take from. What the
 * public functions are made of; see pool.c.
 */
#ifndef CO_OFFLOAD_POOL_H
#define CO_OFFLOAD_POOL_H

#include <coppice/threadpool.h>

#include "base/compiler.h"
#include "core/remote.h"
#include "offload/forked.h"

#include <pthread.h>
#include <stdatomic.h>

#define CO__POOL_NAME_MAX    15
#define CO__POOL_THREADS_MAX 1024

enum co__job_state {
    CO__JOB_QUEUED = 0, /* in the queue; may be taken back */
    CO__JOB_RUNNING,    /* a thread has it; `end` will be called */
    CO__JOB_DROPPED,    /* the pool was shut down; `end` will be called */
};

/* One call. It lives where its owner likes until `end` has been called, or it
 * was taken back. */
struct co__job {
    struct co__job *next, *prev; /* valid while queued */
    co_offload_fn fn;
    void *arg;
    /* It has run, and still counts as running: on its thread. Or NULL. */
    void (*ran)(struct co__job *job);
    /* It has run, or was dropped with -ECANCELED: on any thread, with no lock
     * held. The pool does not touch the job any more. */
    void (*end)(struct co__job *job);
    atomic_int state;
    int result;         /* valid in `ran` and `end` */
    uint32_t loop_id;   /* whose; 0: no loop's */
    uint32_t submitted; /* counts against queue_max */
};

/* One thread. The record is kept for the next. */
struct co__worker {
    struct co_executor *pool;
    struct co__worker *next, *prev; /* in `workers`; next: in `spare` */
    struct co__worker *below;       /* in `idle`, while it waits */
    pthread_cond_t cond;
    int called;       /* taken off the idle list */
    int leave;        /* told to go */
    int busy;         /* runs a job */
    uint32_t loop_id; /* whose, while busy */
    co_time since;    /* when it last ended a job */
};

/* The record of this thread, if it is a pool's; NULL in a forked child. */
extern CO_TLS struct co__worker *co__pool_worker;

struct co_executor {
    pthread_mutex_t lock;
    /* From here on, under the lock. */
    struct co__job *head, *tail; /* the queue */
    size_t submitted;            /* jobs in it that count against queue_max */
    unsigned running;            /* jobs that threads have */
    unsigned threads;            /* also those that start or leave */
    unsigned coming; /* threads that will look at the queue before they wait */
    unsigned spinning;          /* of these, who watch `queued`: at most 1 */
    unsigned leaving;           /* threads that were told to go, and have not */
    unsigned refs;              /* the owner's, and one for each thread */
    int closed;                 /* co_executor_shutdown was called */
    struct co__worker *idle;    /* waiting threads, latest first */
    struct co__worker *workers; /* records in use */
    struct co__worker *spare;   /* records for reuse: freed with the pool */
    struct co__remotes watchers; /* who waits for an end, see lifecycle.c */
    unsigned threads_min, threads_max;
    co_time idle_ns;
    size_t queue_max; /* 0: none */
    char name[CO__POOL_NAME_MAX + 1];
    struct co__forked forked;
    /* Written under the lock and watched without it: in a line of its own. */
    char apart[CO_CACHE_LINE];
    atomic_uint queued;   /* jobs in the queue */
    atomic_llong spin_ns; /* how long watching pays, at present */
};

/* ---- pool.c: jobs and threads -------------------------------------------- */

/* Queue a job. Returns 0, or -ESHUTDOWN, -ENOBUFS (queue_max), -EAGAIN,
 * -ENOMEM: it is still the caller's. */
int co__pool_push(struct co_executor *pool, struct co__job *job);
/* Take a job back: 1; or 0: it was begun or dropped, and `end` is called. */
int co__pool_take_back(struct co_executor *pool, struct co__job *job);
/* Whether this thread is one of the pool's. */
int co__pool_inside(const struct co_executor *pool);

/* Under the lock: empty the queue, and return its jobs; take the latest idle
 * thread, which is to be signalled. */
struct co__job *co__pool_drop(struct co_executor *pool);
struct co__worker *co__pool_call_idle(struct co_executor *pool, int leave);

/* ---- lifecycle.c: the pool as a whole ------------------------------------ */

/* Set all up; the owner has a reference. Returns 0, or -EINVAL, -ENOMEM. */
int co__pool_init(struct co_executor *pool, const co_executor_options *options);
/* New limits; 0 or -EINVAL. */
int co__pool_configure(struct co_executor *pool,
                       const co_executor_options *options);
/* Take no more; drop what is queued, if so asked; let idle threads go. */
void co__pool_close(struct co_executor *pool, int drop);
/* Let idle threads go. */
void co__pool_let_go(struct co_executor *pool);
/*
 * Wait until no job of a loop is left and no thread is leaving; with loop_id 0,
 * until no job of anybody is left and all threads are gone. Returns 0, or
 * -ECANCELED, -ETIMEDOUT, -EPERM.
 */
int co__pool_drain(struct co_executor *pool, uint32_t loop_id);
/* Give the owner's reference back; the pool was closed. */
void co__pool_unref(struct co_executor *pool);
/* The last reference is gone. */
void co__pool_destroy(struct co_executor *pool);
void co__pool_worker_init(struct co__worker *worker);

/* Under the lock: unlink those who wait for an end that has come. They are to
 * be posted without it. */
struct co__remote *co__pool_take_watchers(struct co_executor *pool);
void co__pool_post(struct co__remote *taken);
/* The two together; the lock is let go of. */
void co__pool_settle(struct co_executor *pool);

#endif
