/* SPDX-License-Identifier: MIT */
/*
 * A permit of the semaphore is the right to have one item; who has it takes an
 * idle item, or makes one. So who waits stands in the semaphore's line.
 *
 * Closing adds a permit for each who waits: they find the pool closed, and
 * leave. Then it waits until all permits are back.
 */
#include <coppice/pool.h>

#include <coppice/clock.h>
#include <coppice/scope.h>
#include <coppice/sem.h>

#include "base/alloc.h"
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
    unsigned in_use;
    unsigned idle_count;
    uint64_t missing; /* closed: permits that are not back yet */
    int closed;
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

/* With a permit. */
static int take(co_pool *pool, void **item)
{
    const co_pool_options *options = &pool->options;

    destroy_expired(pool);
    while (pool->idle_count > 0) {
        void *found = pool->idle[--pool->idle_count].item;

        if (!options->check || options->check(options->arg, found) == 0) {
            *item = found;
            return 0;
        }
        destroy(pool, found);
    }
    return options->create(options->arg, item);
}

int co_pool_get(co_pool *pool, void **item)
{
    int r;

    if (!pool || !item)
        return -EINVAL;
    if (pool->closed)
        return -ESHUTDOWN;
    pool->waiting++;
    r = co_sem_acquire(&pool->permits);
    pool->waiting--;
    if (r < 0)
        return r;
    r = pool->closed ? -ESHUTDOWN : take(pool, item);
    if (r == 0 && pool->closed) {
        destroy(pool, *item);
        r = -ESHUTDOWN;
    }
    if (r < 0) {
        co_sem_release(&pool->permits);
        return r;
    }
    pool->in_use++;
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
    co_sem_release(&pool->permits);
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
    int r = 0;

    if (!pool)
        return -EINVAL;
    if (!pool->closed) {
        pool->closed = 1;
        pool->missing = (uint64_t)pool->options.max + pool->waiting;
        for (unsigned i = pool->waiting; i > 0; i--)
            co_sem_release(&pool->permits);
    }
    destroy_idle(pool);
    while (r == 0 && pool->missing > 0) {
        r = co_sem_acquire(&pool->permits);
        if (r == 0)
            pool->missing--;
    }
    return r;
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
    if (pool->in_use || pool->waiting)
        co__misuse("co_pool_free", "a task has an item, or waits for one");
    destroy_idle(pool);
    co__free(pool);
}
