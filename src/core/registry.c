/* SPDX-License-Identifier: MIT */
/*
 * Which loops there are. A program may ask about a loop that another thread has
 * freed: the address is looked up here, and not followed unless it is found.
 * Each thread remembers the loop that it was given, with its number, since
 * another loop may live at the same address by now.
 */
#include "core/registry.h"

#include <coppice/clock.h>
#include <coppice/factory.h>
#include <coppice/report.h>

#include "base/lock.h"
#include "core/loop.h"

#include <errno.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct co_loop *loops; /* by registry_next */
static co_loop_factory the_factory;
static void *the_factory_arg;

static CO_TLS struct co_loop *given; /* co_loop_set; may be gone */
static CO_TLS uint32_t given_id;

void co__registry_lock(void)
{
    co__lock(&lock);
}

void co__registry_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

struct co_loop *co__registry_first(void)
{
    return loops;
}

void co__registry_add(struct co_loop *loop)
{
    co__lock(&lock);
    loop->registry_next = loops;
    loop->registry_link = &loops;
    if (loops)
        loops->registry_link = &loop->registry_next;
    loops = loop;
    pthread_mutex_unlock(&lock);
}

void co__registry_remove(struct co_loop *loop)
{
    co__lock(&lock);
    *loop->registry_link = loop->registry_next;
    if (loop->registry_next)
        loop->registry_next->registry_link = loop->registry_link;
    pthread_mutex_unlock(&lock);
}

/* With the lock held. */
static struct co_loop *find(const struct co_loop *loop)
{
    struct co_loop *l = loops;

    while (l && l != loop)
        l = l->registry_next;
    return l;
}

int co__registry_knows(const struct co_loop *loop, int *debug)
{
    const struct co_loop *found;

    co__lock(&lock);
    found = find(loop);
    if (found)
        *debug = found->debug;
    pthread_mutex_unlock(&lock);
    return found != NULL;
}

/* ---- about loops --------------------------------------------------------- */

int co_loop_is_running(const co_loop *loop)
{
    const struct co_loop *found;
    int runs;

    co__lock(&lock);
    found = find(loop);
    runs = found && atomic_load(&found->runs);
    pthread_mutex_unlock(&lock);
    return runs;
}

int co_loop_is_closed(const co_loop *loop)
{
    int debug;

    return !co__registry_knows(loop, &debug);
}

int co_loop_set_debug(co_loop *loop, int on)
{
    if (!loop)
        return -EINVAL;
    co__lock(&lock); /* other threads may look */
    loop->debug = on != 0;
    pthread_mutex_unlock(&lock);
    loop->slice = 1; /* from the next switch on */
    loop->step_began = co_now();
    return 0;
}

int co_loop_debug(const co_loop *loop)
{
    return loop ? loop->debug : 0;
}

/* ---- a thread's loop ----------------------------------------------------- */

void co_loop_set_factory(co_loop_factory factory, void *arg)
{
    co__lock(&lock);
    the_factory = factory;
    the_factory_arg = arg;
    pthread_mutex_unlock(&lock);
}

struct co_loop *co__loop_make(const co_loop_options *options, int *by_factory)
{
    co_loop_factory factory;
    void *arg;

    co__lock(&lock);
    factory = the_factory;
    arg = the_factory_arg;
    pthread_mutex_unlock(&lock);
    *by_factory = factory != NULL;
    return factory ? factory(options, arg) : co_loop_new(options);
}

int co_loop_set(co_loop *loop)
{
    struct co_loop *found;
    uint32_t id = 0;

    co__lock(&lock);
    found = find(loop);
    if (found)
        id = found->id;
    pthread_mutex_unlock(&lock);
    if (loop && !found)
        return -EINVAL;
    given = loop;
    given_id = id;
    return 0;
}

co_loop *co_loop_get(void)
{
    struct co_loop *loop = co_loop_running();
    int by_factory;

    if (loop)
        return loop;
    co__lock(&lock);
    loop = given ? find(given) : NULL;
    if (loop && loop->id != given_id)
        loop = NULL;
    pthread_mutex_unlock(&lock);
    if (loop)
        return loop;
    loop = co__loop_make(NULL, &by_factory);
    if (loop && co_loop_set(loop) < 0) {
        errno = EINVAL;
        return NULL;
    }
    return loop;
}
