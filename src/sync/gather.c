/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several futures. For all of them a task waits for one after the
 * other: the order does not matter, and it takes no memory. For the first of
 * them it watches each; the watches of a few are on its stack.
 *
 * All futures are held from the first look to the last: a group's child, say,
 * gives its own future back as it ends.
 */
#include <coppice/gather.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "core/future.h"
#include "core/sched.h"

#include <limits.h>

#define ON_STACK 12 /* watches, 150 bytes each */

/* Some futures, and who waits for them. */
struct set {
    co_future *const *futures;
    size_t count;
    struct co__here here; /* valid in a task */
    int in_task;
};

static int check(co_future *const futures[], size_t count)
{
    if (count && !futures)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        int r = co__future_check(futures[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

static size_t count_done(const struct set *set)
{
    size_t done = 0;

    for (size_t i = 0; i < set->count; i++)
        done += co__future_is_done(set->futures[i]) != 0;
    return done;
}

/* ---- waiting for all ----------------------------------------------------- */

static int wait_all(const struct set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct co_future *future = set->futures[i];
        int r;

        if (co__future_is_done(future))
            continue;
        /* A cancel may have come after what the wait before this was granted */
        r = co__chain_error(co__chain_current(), set->in_task
                                                     ? set->here.loop->now
                                                     : co__clock_read());
        if (r == 0)
            r = co__future_await(set->in_task ? &set->here : NULL, future);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Nobody wants the results any more: cancel, and wait whatever the limits. */
static void end_all(const struct set *set)
{
    co_scope shield = {0};
    int r;

    for (size_t i = 0; i < set->count; i++)
        if (!co__future_is_done(set->futures[i]))
            co_future_cancel(set->futures[i]);
    co__scope_shield(&shield, 0);
    r = wait_all(set);
    CO_ASSERT(r == 0);
    (void)r;
    co__scope_leave(&shield);
}

/* ---- waiting for the first ----------------------------------------------- */

/* What ends the wait before all are done. */
enum hit {
    HIT_DONE,  /* any future */
    HIT_ERROR, /* one that failed, or was cancelled */
    HIT_FAULT, /* one that failed, and was not */
};

struct first {
    struct co_task *task;
    struct co_future *future; /* the one; NULL: none yet */
    size_t pending;
    enum hit what;
};

struct node {
    struct co__watch watch;
    struct co_future *future;
    struct first *first;
};

static int is_hit(const struct co_future *future, enum hit what)
{
    if (what == HIT_DONE)
        return 1;
    return future->result < 0 && !(what == HIT_FAULT && future->cancelled);
}

static void one_done(struct co__watch *watch)
{
    struct node *node = CO_CONTAINER_OF(watch, struct node, watch);
    struct first *first = node->first;

    first->pending--;
    if (!first->future && is_hit(node->future, first->what))
        first->future = node->future;
    if (first->future || !first->pending)
        co__wake(first->task, 0);
}

static int wait_watching(const struct set *set, struct first *first,
                         struct node *nodes)
{
    size_t watched = 0;
    int r = 0;

    first->task = set->here.task;
    first->pending = set->count;
    while (watched < set->count && !first->future) {
        struct node *node = &nodes[watched];

        node->future = set->futures[watched++];
        node->first = first;
        if (co__future_watch(node->future, &node->watch, one_done))
            one_done(&node->watch);
    }
    while (r == 0 && !first->future && first->pending)
        r = co__park(set->here.loop, set->here.task, CO__WAIT_GATHER);
    while (watched)
        co__future_unwatch(&nodes[--watched].watch);
    return r;
}

static CO_NOINLINE int wait_few(const struct set *set, struct first *first)
{
    struct node nodes[ON_STACK];

    return wait_watching(set, first, nodes);
}

/* Afterwards first->future is the one, or NULL. */
static int wait_first(const struct set *set, struct first *first)
{
    struct node *nodes;
    int r;

    first->future = NULL;
    for (size_t i = 0; i < set->count; i++) {
        struct co_future *future = set->futures[i];

        if (co__future_is_done(future) && is_hit(future, first->what)) {
            first->future = future;
            return 0;
        }
    }
    if (count_done(set) == set->count)
        return 0;
    if (set->count <= ON_STACK)
        return wait_few(set, first);
    nodes = set->count > SIZE_MAX / sizeof(*nodes)
                ? NULL
                : co__alloc(set->count * sizeof(*nodes));
    if (!nodes)
        return -ENOMEM;
    r = wait_watching(set, first, nodes);
    co__free(nodes);
    return r;
}

/* ---- gather and wait ----------------------------------------------------- */

/* The form of both calls: returns why there can be no wait; else 0, with the
 * futures held and *limit set to what the caller's limits say already. */
static int begin(struct set *set, co_future *const futures[], size_t count,
                 int threads_may, int *limit)
{
    int r = check(futures, count);
    int must_wait;

    if (r < 0)
        return r;
    *set = (struct set){.futures = futures, .count = count};
    set->in_task = co__here(&set->here);
    must_wait = count_done(set) < count;
    if (must_wait && !set->in_task && !threads_may)
        return -EPERM;
    if (must_wait && set->in_task) {
        if (set->here.task->flags & CO__FLAG_CALLBACK)
            return -EPERM;
        for (size_t i = 0; i < count; i++)
            if (futures[i]->task == set->here.task)
                return -EDEADLK;
    }
    for (size_t i = 0; i < count; i++)
        co_future_ref(futures[i]);
    *limit = set->in_task
                 ? co__enter(set->here.loop, set->here.task)
                 : co__chain_error(co__chain_current(), co__clock_read());
    return 0;
}

static void end(const struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        co_future_unref(set->futures[i]);
}

int co_gather(co_future *const futures[], size_t count, int results[],
              unsigned flags)
{
    int all = flags & CO_GATHER_ALL;
    struct first first = {.what = HIT_ERROR};
    struct set set;
    int limit;
    int r = flags & ~CO_GATHER_ALL ? -EINVAL
                                   : begin(&set, futures, count, all, &limit);

    if (r < 0)
        return r;
    if (limit == 0)
        limit = all ? wait_all(&set) : wait_first(&set, &first);
    if (CO_UNLIKELY(limit < 0 && limit != -ENOMEM))
        end_all(&set);
    for (size_t i = 0; results && i < count; i++)
        results[i] = co_future_result(futures[i], NULL);
    if (limit == 0 && first.future)
        limit = co__future_take(first.future, NULL);
    end(&set);
    return limit;
}

int co_wait_many(co_future *const futures[], size_t count,
                 enum co_wait_mode mode)
{
    struct first first = {.what = mode == CO_FIRST_DONE ? HIT_DONE : HIT_FAULT};
    struct set set;
    int limit, r;

    if (mode != CO_FIRST_DONE && mode != CO_FIRST_ERROR && mode != CO_ALL_DONE)
        return -EINVAL;
    if (count > INT_MAX)
        return -EINVAL;
    r = begin(&set, futures, count, mode == CO_ALL_DONE, &limit);
    if (r < 0)
        return r;
    if (limit == 0)
        limit = mode == CO_ALL_DONE ? wait_all(&set) : wait_first(&set, &first);
    if (limit == 0)
        limit = (int)count_done(&set);
    end(&set);
    return limit;
}

/* ---- in the order of completion ------------------------------------------ */

struct co__completed {
    struct co__watch watch;
    struct co_future *future; /* held */
    co_completed *owner;
    struct co__completed *next; /* valid once it is done */
};

static void completed(struct co__watch *watch)
{
    struct co__completed *one =
        CO_CONTAINER_OF(watch, struct co__completed, watch);
    co_completed *owner = one->owner;

    one->next = NULL;
    if (owner->co__next)
        owner->co__last->next = one;
    else
        owner->co__next = one;
    owner->co__last = one;
    owner->co__pending--;
    if (owner->co__waiter)
        co__wake(owner->co__waiter, 0);
}

int co_completed_init(co_completed *self, co_future *const futures[],
                      size_t count)
{
    struct co__completed *all = NULL;
    int r = self ? check(futures, count) : -EINVAL;

    if (r < 0)
        return r;
    if (!co__loop)
        return -EPERM;
    if (count > SIZE_MAX / sizeof(*all))
        return -ENOMEM;
    if (count) {
        all = co__alloc(count * sizeof(*all));
        if (!all)
            return -ENOMEM;
    }
    *self = (co_completed){
        .co__all = all, .co__count = count, .co__pending = count};
    for (size_t i = 0; i < count; i++) {
        all[i].future = co_future_ref(futures[i]);
        all[i].owner = self;
        if (co__future_watch(futures[i], &all[i].watch, completed))
            completed(&all[i].watch);
    }
    return 0;
}

int co_completed_next(co_completed *self, size_t *index)
{
    struct co__here here;
    struct co__completed *one;
    int r;

    if (!self || !index)
        return -EINVAL;
    if (!co__here(&here))
        return -EPERM;
    r = co__enter(here.loop, here.task);
    if (self->co__waiter)
        return -EBUSY;
    while (r == 0 && !self->co__next && self->co__pending) {
        self->co__waiter = here.task;
        r = co__park(here.loop, here.task, CO__WAIT_GATHER);
        self->co__waiter = NULL;
    }
    if (r < 0)
        return r;
    one = self->co__next;
    if (!one)
        return 0;
    self->co__next = one->next;
    *index = (size_t)(one - self->co__all);
    return 1;
}

void co_completed_fini(co_completed *self)
{
    if (!self)
        return;
    if (self->co__waiter)
        co__die("co_completed_fini while task \"%s\" (%s) waits",
                self->co__waiter->name, self->co__waiter->site);
    for (size_t i = 0; i < self->co__count; i++) {
        co__future_unwatch(&self->co__all[i].watch);
        co_future_unref(self->co__all[i].future);
    }
    co__free(self->co__all);
    *self = (co_completed){0};
}
