/* SPDX-License-Identifier: MIT */
/*
 * Functions of the user's that are called when a future is done. Each request
 * is a node on the heap: a watch while the future is pending, then a call in
 * the loop's callback task. A node that is taken back after its future is done
 * is marked, and freed when its turn comes; so is one that another thread has
 * just begun to post, for to wait for it is to let the callback task free it
 * meanwhile.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "core/future.h"
#include "core/loop.h"

#include <errno.h>
#include <sched.h>

struct co__request {
    struct co__watch watch;
    co_call call;
    struct co_future *future; /* held */
    co_future_fn fn;          /* NULL: was taken back */
    void *arg;
    struct co__request *next, *prev; /* of the loop's, not called yet */
};

static void forget(struct co__request *request)
{
    struct co_loop *loop = co__loop;

    if (request->prev)
        request->prev->next = request->next;
    else
        loop->requests = request->next;
    if (request->next)
        request->next->prev = request->prev;
    co_future_unref(request->future);
    co__free(request);
}

static void call(void *arg)
{
    struct co__request *request = arg;
    co_future_fn fn = request->fn;

    if (fn) {
        atomic_store_explicit(&request->future->looked, 1,
                              memory_order_relaxed);
        fn(request->future, request->arg);
        if (CO_UNLIKELY(!co__loop))
            return; /* a forked child, see fork.c */
    }
    forget(request);
}

static void post(struct co__watch *watch)
{
    struct co__request *request =
        CO_CONTAINER_OF(watch, struct co__request, watch);

    co__inbox_post(co__loop, &request->call);
}

int co_future_on_done(co_future *future, co_future_fn fn, void *arg)
{
    struct co__request *request;
    int r = fn ? co__future_check(future) : -EINVAL;

    if (r < 0)
        return r;
    if (!co__loop)
        return -EPERM;
    request = co__alloc_zero(sizeof(*request));
    if (!request)
        return -ENOMEM;
    request->call.fn = call;
    request->call.arg = request;
    request->call.site = future->site;
    request->future = co_future_ref(future);
    request->fn = fn;
    request->arg = arg;
    request->next = co__loop->requests;
    if (request->next)
        request->next->prev = request;
    co__loop->requests = request;
    if (co__future_watch(future, &request->watch, post))
        post(&request->watch);
    return 0;
}

int co_future_remove_on_done(co_future *future, co_future_fn fn, void *arg)
{
    struct co__request *request, *next;
    int r = fn ? co__future_check(future) : -EINVAL;
    int count = 0;

    if (r < 0)
        return r;
    if (!co__loop)
        return -EPERM;
    co_future_ref(future);
    for (request = co__loop->requests; request; request = next) {
        next = request->next;
        if (request->future != future || request->fn != fn ||
            request->arg != arg)
            continue;
        count++;
        request->fn = NULL;
        if (!request->call.co__state && co__future_unwatch_now(&request->watch))
            forget(request);
    }
    co_future_unref(future);
    return count;
}

int co__on_done_drop(struct co_loop *loop)
{
    struct co__request *request, *next;

    for (request = loop->requests; request; request = next) {
        next = request->next;
        CO_ASSERT(!request->call.co__state);
        if (co__future_unwatch_now(&request->watch))
            forget(request);
    }
    if (!loop->requests)
        return 0;
    sched_yield();
    return 1;
}
