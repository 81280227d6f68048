/* SPDX-License-Identifier: MIT */
/*
 * core/future.h - futures, as the layers above build on them.
 *
 * A watch is told, in the turn and on the stack of whoever resolves (for a
 * thread-safe future: on the watching loop's thread), that a future is done. It
 * lives where its owner likes, until it was told or is taken back.
 */
#ifndef CO_CORE_FUTURE_H
#define CO_CORE_FUTURE_H

#include <coppice/future.h>

#include "core/remote.h"
#include "core/waitlist.h"

#include <pthread.h>
#include <stdatomic.h>

struct co__here;

struct co__watch {
    struct co__watch *next, *prev;
    struct co_future *future; /* NULL: not linked, or told already */
    void (*done)(struct co__watch *watch);
    struct co__remote remote; /* of a thread-safe future */
};

/* How a future that something else resolves is cancelled: ask for it, and
 * return 0 or a negative errno. Called without the lock. */
typedef int co__future_cancel_fn(struct co_future *future, void *arg);

struct co_future {
    atomic_uint refs;
    atomic_int done;     /* set last; result and value are valid from then on */
    int32_t result;      /* 0 and up, or a negative errno */
    uint8_t shared;      /* made by co_future_new_threadsafe */
    uint8_t debug;       /* shared: made in a loop in debug mode */
    uint8_t cancelled;   /* the error is that of a cancel */
    uint8_t owned;       /* resolved by what made it alone: tasks, executors */
    atomic_uchar looked; /* somebody has seen the result */
    union {
        void *value;                 /* valid when done */
        struct co_future *next_free; /* valid in the loop's store */
    };
    struct co_loop *loop;           /* not shared: whose; compared only */
    struct co_task *task;           /* whose future it is, until it ends */
    struct co__waitlist waiters;    /* not shared */
    struct co__watch *first, *last; /* not shared */
    const char *site;
    co__future_cancel_fn *cancel; /* NULL: it just fails with -ECANCELED */
    void *cancel_arg;
    /* Shared ones: */
    pthread_mutex_t lock;
    struct co__remotes remotes; /* waiting tasks and threads, and watches */
};

/* Resolve what is `owned`; result is 0 and up or a negative errno. 0 or
 * -EALREADY. */
int co__future_settle(struct co_future *future, int result, void *value,
                      int cancelled);

/* Wait until a future is done, past co__enter: 0, or -ECANCELED, -ETIMEDOUT,
 * -EPERM. here is NULL outside a task, and the future thread-safe then. The
 * caller holds a reference. */
int co__future_await(const struct co__here *here, struct co_future *future);

/* Have watch->done(watch) called when the future is done; on a thread outside
 * loops only watch->remote arrives. Returns 1 if it is done already, and then
 * nothing happens; else 0. The caller holds a reference while it watches. */
int co__future_watch(struct co_future *future, struct co__watch *watch,
                     void (*done)(struct co__watch *watch));
/* No longer; nothing happens if it was told already. Suspends only for
 * thread-safe futures, and then shortly. */
void co__future_unwatch(struct co__watch *watch);
/* The same without suspending: returns 0 if another thread is about to tell. */
int co__future_unwatch_now(struct co__watch *watch);

/* Whether the future may be used from here: 0, -EINVAL or -EPERM. */
int co__future_check(const struct co_future *future);

CO_INLINE int co__future_is_done(const struct co_future *future)
{
    return atomic_load_explicit(&((struct co_future *)future)->done,
                                memory_order_acquire);
}

/* The result of a future that is done; it counts as seen. */
CO_INLINE int co__future_take(struct co_future *future, void **value)
{
    atomic_store_explicit(&future->looked, 1, memory_order_relaxed);
    if (value && future->result >= 0)
        *value = future->value;
    return future->result;
}

/* A task has ended; has been joined; is about to be freed. It has a future, or
 * for the second, is ATTACHED. */
void co__future_task_ended(struct co_task *task);
void co__future_task_joined(struct co_task *task);
void co__future_task_freed(struct co_task *task);

/* At the end of a loop, which still runs: forget the requests of
 * co_future_on_done whose futures are pending. Returns 1 if another thread is
 * about to resolve one, and its call will come; else 0. */
int co__on_done_drop(struct co_loop *loop);

/* Free what the loop keeps for reuse. */
void co__future_pool_free(struct co_loop *loop);

#endif
