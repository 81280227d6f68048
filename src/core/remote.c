/* SPDX-License-Identifier: MIT */
/*
 * A task's wait ends by a call into its loop, which wakes it without passing
 * through the callback task. A thread's ends through its parker, a lock and a
 * condition that it keeps for all its waits.
 */
#include "core/remote.h"

#include "base/clock.h"
#include "core/loop.h"
#include "core/sched.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

struct co__parker {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int ready;
};

static CO_TLS struct co__parker this_parker;

static struct co__parker *parker_get(void)
{
    struct co__parker *parker = &this_parker;
    pthread_condattr_t attributes;

    if (!parker->ready) {
        pthread_mutex_init(&parker->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&parker->cond, &attributes);
        pthread_condattr_destroy(&attributes);
        parker->ready = 1;
    }
    return parker;
}

void co__remote_begin(struct co__remote *remote)
{
    memset(remote, 0, sizeof(*remote));
    remote->call.fn = co__remote_arrive;
    remote->call.arg = remote;
    remote->loop = co__loop;
    if (remote->loop)
        remote->task = remote->loop->self;
    else
        remote->parker = parker_get();
}

void co__remote_arrive(void *arg)
{
    struct co__remote *remote = arg;
    struct co_task *task;

    if (remote->arrived)
        remote->arrived(remote);
    task = remote->task;
    /* From here on the waiter may be gone. Release: pairs with settle. */
    atomic_store_explicit(&remote->state, 1, memory_order_release);
    if (task)
        co__wake(task, 0);
}

void co__remote_post(struct co__remote *remote)
{
    struct co__parker *parker = remote->parker;

    if (!parker) {
        if (remote->loop == co__loop)
            co__remote_arrive(remote);
        else
            co_call_soon_threadsafe(remote->loop, &remote->call);
        return;
    }
    pthread_mutex_lock(&parker->lock);
    atomic_store_explicit(&remote->state, 1, memory_order_release);
    pthread_cond_signal(&parker->cond);
    pthread_mutex_unlock(&parker->lock);
}

static int has_arrived(struct co__remote *remote)
{
    return atomic_load_explicit(&remote->state, memory_order_acquire);
}

/* A thread waits, until its limits or for ever. */
static int wait_thread(struct co__remote *remote, int shielded)
{
    struct co__chain *chain = co__chain_current();
    struct co__parker *parker = remote->parker;
    struct timespec at;
    int r = 0;

    pthread_mutex_lock(&parker->lock);
    while (!has_arrived(remote)) {
        r = shielded ? 0 : co__chain_error(chain, co__clock_read());
        if (r < 0)
            break;
        if (shielded || chain->due == CO_NEVER) {
            pthread_cond_wait(&parker->cond, &parker->lock);
            continue;
        }
        at.tv_sec = (time_t)(chain->due / CO_SEC);
        at.tv_nsec = (long)(chain->due % CO_SEC);
        pthread_cond_timedwait(&parker->cond, &parker->lock, &at);
    }
    pthread_mutex_unlock(&parker->lock);
    return r;
}

int co__remote_wait(struct co__remote *remote, enum co__wait_reason reason)
{
    struct co_loop *loop = remote->loop;
    int r = 0;

    if (!loop)
        return wait_thread(remote, 0);
    loop->external++;
    remote->task->waits_for = NULL;
    while (r == 0 && !has_arrived(remote))
        r = co__park(loop, remote->task, reason);
    loop->external--;
    return has_arrived(remote) ? 0 : r;
}

void co__remote_settle(struct co__remote *remote)
{
    struct co_loop *loop = remote->loop;
    struct co_task *self;

    if (!loop) {
        wait_thread(remote, 1);
        return;
    }
    self = loop->self;
    while (!has_arrived(remote)) {
        if (self->flags & CO__FLAG_CALLBACK) {
            /* It cannot park, and the other thread is about to post. */
            sched_yield();
            co__inbox_collect(loop);
            continue;
        }
        remote->task = self;
        co__park_shielded(loop, self, CO__WAIT_THREAD);
    }
}

void co__remotes_push(struct co__remotes *list, struct co__remote *remote)
{
    remote->next = NULL;
    remote->prev = list->tail;
    if (list->tail)
        list->tail->next = remote;
    else
        list->head = remote;
    list->tail = remote;
    remote->linked = 1;
}

int co__remotes_remove(struct co__remotes *list, struct co__remote *remote)
{
    if (!remote->linked)
        return 0;
    if (remote->prev)
        remote->prev->next = remote->next;
    else
        list->head = remote->next;
    if (remote->next)
        remote->next->prev = remote->prev;
    else
        list->tail = remote->prev;
    remote->linked = 0;
    return 1;
}
