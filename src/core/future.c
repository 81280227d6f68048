/* SPDX-License-Identifier: MIT */
/*
 * Futures. One of a loop's own is plain memory, and is kept for reuse when its
 * last reference goes, so that a steady state allocates nothing. A thread-safe
 * one has a lock around its list of waiters; being done is published by the
 * atomic `done`, so a look at a result takes no lock.
 *
 * A future does not point at its loop: `loop` is compared with the running one
 * and never followed, for references may outlive loops.
 */
#include "core/future.h"

#include <coppice/cancel.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "core/loop.h"
#include "core/park.h"
#include "core/report.h"
#include "core/sched.h"
#include "core/turn.h"

#include <string.h>

#define POOL_MAX 256 /* free futures that a loop keeps */

/* ---- making and freeing -------------------------------------------------- */

static CO_NOINLINE struct co_future *make(const char *site,
                                          struct co_loop *loop)
{
    struct co_future *future = co__alloc_zero(sizeof(*future));

    if (!future) {
        errno = ENOMEM;
        return NULL;
    }
    atomic_init(&future->refs, 1);
    future->site = site;
    future->loop = loop;
    return future;
}

co_future *co_future_new_at(const char *site)
{
    struct co_loop *loop = co__loop;
    struct co_future *future;

    if (CO_UNLIKELY(!loop)) {
        errno = EPERM;
        return NULL;
    }
    future = loop->futures;
    if (CO_UNLIKELY(!future))
        return make(site, loop);
    loop->futures = future->next_free;
    loop->futures_count--;
    /* Nobody waits for or watches a future that is freed, and it is no task's
     * any more; the rest is as make() left it. */
    CO_ASSERT(!future->waiters.head && !future->first && !future->task);
    atomic_init(&future->refs, 1);
    atomic_init(&future->done, 0);
    future->cancelled = 0;
    future->owned = 0;
    atomic_init(&future->looked, 0);
    future->site = site;
    return future;
}

co_future *co_future_new_threadsafe_at(const char *site)
{
    struct co_future *future = make(site, NULL);

    if (!future)
        return NULL;
    future->shared = 1;
    future->debug = co__loop && co__loop->debug;
    pthread_mutex_init(&future->lock, NULL);
    return future;
}

/* `shared` is future->shared, a constant where that is known. */
CO_INLINE void hold(struct co_future *future, int shared)
{
    unsigned refs;

    if (shared) {
        atomic_fetch_add_explicit(&future->refs, 1, memory_order_relaxed);
        return;
    }
    refs = atomic_load_explicit(&future->refs, memory_order_relaxed);
    atomic_store_explicit(&future->refs, refs + 1, memory_order_relaxed);
}

co_future *co_future_ref(co_future *future)
{
    if (!future)
        return NULL;
    hold(future, future->shared);
    return future;
}

/* Of an error, as the last reference goes. Outside loops it is the environment
 * that says whether to tell, or the loop in which the future was made. */
static int is_unseen(const struct co_future *future, const struct co_loop *loop)
{
    return co__future_is_done(future) && !future->cancelled &&
           !atomic_load_explicit(&future->looked, memory_order_relaxed) &&
           (future->debug || (loop ? loop->debug : co__debug_by_environment()));
}

static CO_COLD void report_unseen(const struct co_future *future)
{
    co_report report = {
        .size = sizeof(report),
        .message = "a future's error was never looked at",
        .site = future->site,
        .error = future->result,
    };

    co__report(co__loop, &report);
}

static CO_NOINLINE void destroy_shared(struct co_future *future)
{
    pthread_mutex_destroy(&future->lock);
    co__free(future);
}

static CO_NOINLINE void destroy(struct co_future *future)
{
    struct co_loop *loop = co__loop;

    if (CO_UNLIKELY(future->result < 0) && is_unseen(future, loop))
        report_unseen(future);
    if (CO_UNLIKELY(future->shared)) {
        destroy_shared(future);
        return;
    }
    if (CO_UNLIKELY(!loop || future->loop != loop ||
                    loop->futures_count >= POOL_MAX)) {
        co__free(future);
        return;
    }
    future->next_free = loop->futures;
    loop->futures = future;
    loop->futures_count++;
}

CO_INLINE void let_go(struct co_future *future, int shared)
{
    unsigned refs;

    if (CO_UNLIKELY(shared)) {
        refs =
            atomic_fetch_sub_explicit(&future->refs, 1, memory_order_acq_rel);
    } else {
        refs = atomic_load_explicit(&future->refs, memory_order_relaxed);
        atomic_store_explicit(&future->refs, refs - 1, memory_order_relaxed);
    }
    CO_ASSERT(refs > 0);
    if (refs == 1)
        destroy(future);
}

void co_future_unref(co_future *future)
{
    if (CO_LIKELY(future != NULL))
        let_go(future, future->shared);
}

void co__future_pool_free(struct co_loop *loop)
{
    struct co_future *future;

    while ((future = loop->futures)) {
        loop->futures = future->next_free;
        co__free(future);
    }
    loop->futures_count = 0;
}

int co__future_check(const struct co_future *future)
{
    if (!future)
        return -EINVAL;
    if (!future->shared && future->loop != co__loop)
        return -EPERM;
    return 0;
}

/* ---- resolving ----------------------------------------------------------- */

/* The waiters were woken before any watch is told: a watch may run code that
 * gives the last reference back. */
static CO_NOINLINE int tell_watches(struct co_future *future)
{
    struct co__watch *watch;

    co_future_ref(future);
    while ((watch = future->first)) {
        future->first = watch->next;
        if (watch->next)
            watch->next->prev = NULL;
        else
            future->last = NULL;
        watch->future = NULL;
        watch->done(watch);
    }
    co_future_unref(future);
    return 0;
}

/* Once it is done, who waited may give the last other reference back, while the
 * lock is not quite released here: so one is taken. */
static CO_NOINLINE int settle_shared(struct co_future *future, int result,
                                     void *value, int cancelled)
{
    struct co__remote *remote, *next;

    co_future_ref(future);
    co__lock(&future->lock);
    if (co__future_is_done(future)) {
        pthread_mutex_unlock(&future->lock);
        co_future_unref(future);
        return -EALREADY;
    }
    future->result = result;
    future->value = value;
    future->cancelled = (uint8_t)cancelled;
    atomic_store_explicit(&future->done, 1, memory_order_release);
    remote = future->remotes.head;
    for (struct co__remote *r = remote; r; r = r->next)
        r->linked = 0;
    future->remotes = (struct co__remotes){NULL, NULL};
    pthread_mutex_unlock(&future->lock);
    for (; remote; remote = next) {
        next = remote->next; /* the node may be gone once it is posted */
        co__remote_post(remote);
    }
    co_future_unref(future);
    return 0;
}

int co__future_settle(struct co_future *future, int result, void *value,
                      int cancelled)
{
    if (CO_UNLIKELY(future->shared))
        return settle_shared(future, result, value, cancelled);
    if (co__future_is_done(future))
        return -EALREADY;
    future->result = result;
    future->value = value;
    future->cancelled = (uint8_t)cancelled;
    /* Release: any thread may look whether it is done. */
    atomic_store_explicit(&future->done, 1, memory_order_release);
    while (future->waiters.head)
        co__waitlist_grant(&future->waiters, 0);
    return CO_UNLIKELY(future->first != NULL) ? tell_watches(future) : 0;
}

/* Whether the user may resolve it. */
static int check_settle(const struct co_future *future, int wrong_sign)
{
    int r = co__future_check(future);

    if (r < 0)
        return r;
    if (wrong_sign)
        return -EINVAL;
    return future->owned ? -EPERM : 0;
}

int co_future_resolve(co_future *future, int result, void *value)
{
    int r = check_settle(future, result < 0);

    return r < 0 ? r : co__future_settle(future, result, value, 0);
}

int co_future_fail(co_future *future, int error)
{
    int r = check_settle(future, error >= 0);

    return r < 0 ? r : co__future_settle(future, error, NULL, 0);
}

int co_future_cancel(co_future *future)
{
    int r = co__future_check(future);

    if (r < 0)
        return r;
    if (co__future_is_done(future))
        return -EALREADY;
    if (future->task) {
        r = co_cancel(future->task);
        return r < 0 ? r : 0;
    }
    if (future->cancel)
        return future->cancel(future, future->cancel_arg);
    return co__future_settle(future, -ECANCELED, NULL, 1);
}

/* ---- looking ------------------------------------------------------------- */

int co_future_done(const co_future *future)
{
    return future ? co__future_is_done(future) : 0;
}

int co_future_cancelled(const co_future *future)
{
    return future && co__future_is_done(future) && future->cancelled;
}

int co_future_result(co_future *future, void **value)
{
    if (!future)
        return -EINVAL;
    if (!co__future_is_done(future))
        return -EAGAIN;
    return co__future_take(future, value);
}

/* ---- waiting ------------------------------------------------------------- */

static int wait_shared(struct co_future *future)
{
    struct co__remote remote;
    int done, linked, r;

    co__remote_begin(&remote);
    co__lock(&future->lock);
    done = co__future_is_done(future);
    if (!done)
        co__remotes_push(&future->remotes, &remote);
    pthread_mutex_unlock(&future->lock);
    if (done)
        return 0;
    r = co__remote_wait(&remote, CO__WAIT_FUTURE);
    if (r == 0)
        return 0;
    co__lock(&future->lock);
    linked = co__remotes_remove(&future->remotes, &remote);
    pthread_mutex_unlock(&future->lock);
    if (linked)
        return r;
    co__remote_settle(&remote);
    return 0;
}

/* It is not done. */
CO_INLINE int await(const struct co__here *here, struct co_future *future,
                    int shared)
{
    if (shared)
        return wait_shared(future);
    here->task->waits_for = future->task;
    return co__park_in(here->loop, here->task, &future->waiters,
                       CO__WAIT_FUTURE);
}

int co__future_await(const struct co__here *here, struct co_future *future)
{
    return co__future_is_done(future) ? 0 : await(here, future, future->shared);
}

/* It is not done. Whoever else has a reference may give it back meanwhile. */
CO_INLINE int await_result(const struct co__here *here,
                           struct co_future *future, void **value, int shared)
{
    int r;

    hold(future, shared);
    r = await(here, future, shared);
    if (CO_LIKELY(r == 0))
        r = co__future_take(future, value);
    let_go(future, shared);
    return r;
}

/* Outside a task the thread may wait for a thread-safe future. */
static CO_COLD int wait_thread(struct co_future *future, void **value)
{
    int r = co__chain_error(co__chain_current(), co__clock_read());

    if (r < 0)
        return r;
    if (co__future_is_done(future))
        return co__future_take(future, value);
    return await_result(NULL, future, value, 1);
}

static CO_NOINLINE int wait_general(struct co_future *future, void **value)
{
    struct co__here here;
    int r = co__future_check(future);

    if (r < 0)
        return r;
    if (!co__here(&here))
        return wait_thread(future, value);
    r = co__enter(here.loop, here.task);
    if (r < 0)
        return r;
    if (future->task == here.task)
        return -EDEADLK;
    if (co__future_is_done(future))
        return co__future_take(future, value);
    return await_result(&here, future, value, future->shared);
}

/* Most frequent is a future of this loop that is pending, while nothing is
 * there for co__enter to look at: what parks needs no budget. */
int co_wait(co_future *future, void **value)
{
    struct co__here here;

    if (CO_UNLIKELY(!future || !co__here(&here) || future->loop != here.loop ||
                    here.task->chain.due <= here.loop->now ||
                    future->task == here.task || co__future_is_done(future)))
        return wait_general(future, value);
    return await_result(&here, future, value, 0);
}

/* ---- watching ------------------------------------------------------------ */

static void watch_arrived(struct co__remote *remote)
{
    struct co__watch *watch = CO_CONTAINER_OF(remote, struct co__watch, remote);

    remote->loop->external--;
    watch->future = NULL;
    watch->done(watch);
}

static int watch_shared(struct co_future *future, struct co__watch *watch)
{
    int done;

    co__remote_begin(&watch->remote);
    watch->remote.task = NULL;
    watch->remote.arrived = watch_arrived;
    co__lock(&future->lock);
    done = co__future_is_done(future);
    if (!done)
        co__remotes_push(&future->remotes, &watch->remote);
    pthread_mutex_unlock(&future->lock);
    if (done)
        watch->future = NULL;
    else if (watch->remote.loop)
        watch->remote.loop->external++;
    return done;
}

int co__future_watch(struct co_future *future, struct co__watch *watch,
                     void (*done)(struct co__watch *watch))
{
    watch->future = NULL;
    watch->done = done;
    if (co__future_is_done(future))
        return 1;
    watch->future = future;
    if (future->shared)
        return watch_shared(future, watch);
    watch->next = NULL;
    watch->prev = future->last;
    if (future->last)
        future->last->next = watch;
    else
        future->first = watch;
    future->last = watch;
    return 0;
}

static int unwatch_shared(struct co__watch *watch)
{
    struct co_future *future = watch->future;
    int linked;

    co__lock(&future->lock);
    linked = co__remotes_remove(&future->remotes, &watch->remote);
    pthread_mutex_unlock(&future->lock);
    if (!linked)
        return 0;
    if (watch->remote.loop)
        watch->remote.loop->external--;
    watch->future = NULL;
    return 1;
}

int co__future_unwatch_now(struct co__watch *watch)
{
    struct co_future *future = watch->future;

    if (!future)
        return 1;
    if (future->shared)
        return unwatch_shared(watch);
    if (watch->prev)
        watch->prev->next = watch->next;
    else
        future->first = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
    else
        future->last = watch->prev;
    watch->future = NULL;
    return 1;
}

void co__future_unwatch(struct co__watch *watch)
{
    if (!co__future_unwatch_now(watch))
        co__remote_settle(&watch->remote);
}
