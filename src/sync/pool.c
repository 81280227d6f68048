/* SPDX-License-Identifier: MIT */
/*
 * A permit of the semaphore is the right to have one item; who has it takes an
 * idle item, or makes one. So who waits stands in the semaphore's line.
 *
 * Invariant: whoever is in a call that may still touch the pool after it has
 * waited is counted by `waiting` or `out`; the call that closes waits until
 * nobody is. It adds a permit for each who waits for one: they find the pool
 * closed, and leave.
 */
#include <coppice/pool.h>

#include <coppice/clock.h>
#include <coppice/event.h>
#include <coppice/scope.h>
#include <coppice/sem.h>

#include "base/alloc.h"
#include "core/scope.h"
#include "sync/holder.h"

#include <errno.h>
#include <string.h>

struct item {
    void *item;
    co_time since; /* when it was put back */
};

struct co_pool {
    co_pool_options options;
    co_sem permits;
    unsigned waiting; /* for a permit */
    unsigned out;     /* who has one: to get, to have, to give back; and who
                       * destroys what is idle */
    unsigned in_use;
    unsigned idle_count;
    int closed;
    co_event all_back;  /* closed, and nobody waits or has a permit */
    struct item idle[]; /* of options.max; the last was put back last */
};

static int fits(const co_pool_options *options)
{
    return options && options->size == sizeof(*options) && options->create &&
           options->max && options->idle >= 0;
}

co_pool *co_pool_new(const co_pool_options *options)
{
    co_pool *pool;

    if (!fits(options)) {
        errno = EINVAL;
        return NULL;
    }
    pool = co__alloc_zero(sizeof(*pool) +
                          (size_t)options->max * sizeof(pool->idle[0]));
    if (!pool) {
        errno = ENOMEM;
        return NULL;
    }
    pool->options = *options;
    co_sem_init(&pool->permits, options->max);
    return pool;
}

static void destroy(co_pool *pool, void *item)
{
    if (!pool->options.destroy)
        return;
    co_shield
        pool->options.destroy(pool->options.arg, item);
}

/* One of `waiting` or `out` has gone; it does not touch the pool any more. */
static void leave(co_pool *pool)
{
    if (pool->closed && !pool->waiting && !pool->out)
        co_event_set(&pool->all_back);
}

static void give_up(co_pool *pool)
{
    co_sem_release(&pool->permits);
    pool->out--;
    leave(pool);
}

static void destroy_idle(co_pool *pool)
{
    while (pool->idle_count > 0)
        destroy(pool, pool->idle[--pool->idle_count].item);
}

/* Those that were put back first. The list is whole whenever destroy, which may
 * wait, is called. */
static void destroy_expired(co_pool *pool)
{
    while (pool->options.idle && pool->idle_count > 0 &&
           co_now() - pool->idle[0].since > pool->options.idle) {
        void *item = pool->idle[0].item;

        pool->idle_count--;
        memmove(&pool->idle[0], &pool->idle[1],
                pool->idle_count * sizeof(pool->idle[0]));
        destroy(pool, item);
    }
}

/* With a permit. A check that has failed for a cancel or a limit of ours tells
 * nothing of the next item, whose check would fail too. */
static int take(co_pool *pool, void **item)
{
    const co_pool_options *options = &pool->options;
    int r = 0;

    destroy_expired(pool);
    while (r == 0 && pool->idle_count > 0) {
        void *found = pool->idle[--pool->idle_count].item;

        if (!options->check || options->check(options->arg, found) == 0) {
            *item = found;
            return 0;
        }
        destroy(pool, found);
        r = co__chain_error(co__chain_current(), co_now());
    }
    return r < 0 ? r : options->create(options->arg, item);
}

int co_pool_get(co_pool *pool, void **item)
{
    void *found = NULL;
    int r;

    if (!pool || !item)
        return -EINVAL;
    if (pool->closed)
        return -ESHUTDOWN;
    pool->waiting++;
    r = co_sem_acquire(&pool->permits);
    pool->waiting--;
    if (r < 0) {
        leave(pool);
        return r;
    }
    pool->out++;
    r = pool->closed ? -ESHUTDOWN : take(pool, &found);
    if (r == 0 && pool->closed) {
        destroy(pool, found);
        r = -ESHUTDOWN;
    }
    if (r < 0) {
        give_up(pool);
        return r;
    }
    pool->in_use++;
    *item = found;
    return 0;
}

static int give(co_pool *pool, void *item, int fit)
{
    if (!pool || !pool->in_use)
        return -EINVAL;
    pool->in_use--;
    if (fit && !pool->closed) {
        pool->idle[pool->idle_count].item = item;
        pool->idle[pool->idle_count].since = co_now();
        pool->idle_count++;
    } else {
        destroy(pool, item);
    }
    give_up(pool);
    return 0;
}

int co_pool_put(co_pool *pool, void *item)
{
    return give(pool, item, 1);
}

int co_pool_discard(co_pool *pool, void *item)
{
    return give(pool, item, 0);
}

int co_pool_close(co_pool *pool)
{
    if (!pool)
        return -EINVAL;
    if (!pool->closed) {
        pool->closed = 1;
        for (unsigned i = pool->waiting; i > 0; i--)
            co_sem_release(&pool->permits);
    }
    pool->out++;
    destroy_idle(pool);
    pool->out--;
    leave(pool);
    return co_event_wait(&pool->all_back);
}

unsigned co_pool_in_use(const co_pool *pool)
{
    return pool ? pool->in_use : 0;
}

unsigned co_pool_idle(const co_pool *pool)
{
    return pool ? pool->idle_count : 0;
}

void co_pool_free(co_pool *pool)
{
    if (!pool)
        return;
    if (pool->out || pool->waiting)
        co__misuse("co_pool_free", "a task has an item, or waits for one");
    destroy_idle(pool);
    co__free(pool);
}
