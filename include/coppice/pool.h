/* SPDX-License-Identifier: MIT */
/*
 * coppice/pool.h - a pool of things that are dear to make and can be used again
 * by one task at a time: connections, most often.
 *
 *     r = co_pool_get(pool, &connection);
 *     if (r < 0)
 *         return r;
 *     r = query(connection);
 *     if (is_broken(connection))
 *         co_pool_discard(pool, connection);
 *     else
 *         co_pool_put(pool, connection);
 */
#ifndef COPPICE_POOL_H
#define COPPICE_POOL_H

#include <coppice/base.h>

CO_BEGIN_DECLS

typedef struct co_pool co_pool;

/* What is done with an item, with the `arg` of the options. Each may suspend;
 * under the limits of the task that gets, but for `destroy`, which is shielded
 * from them. */
typedef struct co_pool_options {
    size_t size;  /* sizeof(co_pool_options) */
    unsigned max; /* items at a time, 1 and up */
    co_time idle; /* an item that nobody used for longer is not given out any
                    * more; 0: no limit */
    int (*create)(void *arg, void **item);  /* 0, or a negative errno */
    int (*check)(void *arg, void *item);    /* before it is given out again: 0,
                                            * or it is destroyed; may be NULL */
    void (*destroy)(void *arg, void *item); /* may be NULL */
    void *arg;
} co_pool_options;

/*
 * Make a pool for the tasks of one loop; nothing is created yet. The options
 * are copied.
 *
 * Suspends: never. Thread-safe: no.
 * Returns the pool, or NULL with errno EINVAL (NULL, the options' size, no
 * create, max is 0, idle is negative), ENOMEM.
 */
CO_API CO_MUST_CHECK co_pool *co_pool_new(const co_pool_options *options);

/*
 * Take the item that was put back last, if it passes its check; else the next
 * one, and if there is none a new one. What was idle for too long is destroyed
 * first. While `max` are out the task waits, first come, first served. A cancel
 * or a timeout that hits a check costs the item that is being checked.
 *
 * Suspends: if all are out, and as create and check do. Thread-safe: no.
 * Returns 0 with *item, or, having taken nothing, -EINVAL (NULL), -ESHUTDOWN
 * (closed), what create has returned, -ECANCELED, -ETIMEDOUT, -EPERM (it would
 * wait outside a task, or in a loop callback).
 */
CO_API CO_MUST_CHECK int co_pool_get(co_pool *pool, void **item);

/*
 * Give an item back, for others; or, if it is not fit for use any more, have it
 * destroyed. Either makes room for who waits.
 *
 * Suspends: as destroy does. Thread-safe: no. Returns 0, or -EINVAL (NULL, or
 * more are given back than are out).
 */
CO_API int co_pool_put(co_pool *pool, void *item);
CO_API int co_pool_discard(co_pool *pool, void *item);

/*
 * Give out no more: tasks that wait get -ESHUTDOWN. Items that are not in use
 * are destroyed; those that are will be when they are given back, which this
 * waits for. It may be called more than once, by several tasks, too.
 *
 * Suspends: until all are back, and as destroy does. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), and, the pool being closed nevertheless,
 * -ECANCELED, -ETIMEDOUT, -EPERM (as co_pool_get).
 */
CO_API int co_pool_close(co_pool *pool);

/* Items that are out, and those that wait to be used again. Suspends: never.
 * Thread-safe: no. 0 for NULL. */
CO_API unsigned co_pool_in_use(const co_pool *pool);
CO_API unsigned co_pool_idle(const co_pool *pool);

/*
 * Free a pool, destroying the items in it; nobody has one, and no task is in a
 * call of the pool. NULL is fine. Suspends: as destroy does. Thread-safe: no.
 */
CO_API void co_pool_free(co_pool *pool);

CO_END_DECLS

#endif
