/* SPDX-License-Identifier: MIT */
/*
 * A task's wait ends by a call into its loop, which wakes it without passing
 * through the callback task. A thread's ends through its parker, a lock and a
 * condition that it keeps for all its waits.
 */
#include "core/remote.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/wait.h"
#include "core/loop.h"
#include "core/sched.h"
#include "core/spin.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

struct co__parker {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int ready;
    struct co__spin spin;
};

static CO_TLS struct co__parker this_parker;

static struct co__parker *parker_get(void)
{
    struct co__parker *parker = &this_parker;

    if (!parker->ready) {
        pthread_mutex_init(&parker->lock, NULL);
        co__cond_init(&parker->cond);
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
    atomic_store_explicit(&remote->state, CO__REMOTE_ARRIVED,
                          memory_order_release);
    if (task)
        co__wake(task, 0);
}

/* A thread that looks is not touched after it was told: it may be gone. One
 * that sleeps looks under its lock only. */
static void post_to_thread(struct co__remote *remote)
{
    struct co__parker *parker = remote->parker;
    int state = CO__REMOTE_WAITED_FOR;

    if (atomic_compare_exchange_strong_explicit(
            &remote->state, &state, CO__REMOTE_ARRIVED, memory_order_release,
            memory_order_relaxed))
        return;
    co__lock(&parker->lock);
    atomic_store_explicit(&remote->state, CO__REMOTE_ARRIVED,
                          memory_order_release);
    pthread_cond_signal(&parker->cond);
    pthread_mutex_unlock(&parker->lock);
}

void co__remote_post(struct co__remote *remote)
{
    if (remote->parker)
        post_to_thread(remote);
    else if (remote->loop == co__loop)
        co__remote_arrive(remote);
    else
        co_call_soon_threadsafe(remote->loop, &remote->call);
}

static int has_arrived(struct co__remote *remote)
{
    return co__remote_has_arrived(remote);
}

static int any_has_arrived(void *arg)
{
    struct co__remote *remote = arg;

    for (; remote; remote = remote->also)
        if (has_arrived(remote))
            return 1;
    return 0;
}

/* From now on who posts one takes the parker's lock, which we have. Returns 0
 * if one has arrived. */
static int fall_asleep(struct co__remote *remote)
{
    for (; remote; remote = remote->also) {
        int state = CO__REMOTE_WAITED_FOR;

        if (!atomic_compare_exchange_strong_explicit(
                &remote->state, &state, CO__REMOTE_SLEPT_FOR,
                memory_order_acquire, memory_order_acquire) &&
            state == CO__REMOTE_ARRIVED)
            return 0;
    }
    return 1;
}

/* A thread waits: 0 when one has arrived, or at `until`; or its limits' error,
 * unless it is shielded from them. */
static int wait_thread(struct co__remote *remote, co_time until, int shielded)
{
    struct co__chain *chain = co__chain_current();
    struct co__parker *parker = remote->parker;
    co_time end = shielded || chain->due > until ? until : chain->due;
    int r = 0;

    if (any_has_arrived(remote) ||
        (co__spin_wanted(&parker->spin) &&
         co__spin(&parker->spin, any_has_arrived, remote, end)))
        return 0;
    co__lock(&parker->lock);
    while (fall_asleep(remote)) {
        if (end != CO_NEVER && end <= co__clock_read()) {
            if (!shielded)
                r = co__chain_error(chain, co__clock_read());
            break;
        }
        co__cond_wait(&parker->cond, &parker->lock, end);
    }
    pthread_mutex_unlock(&parker->lock);
    return r;
}

int co__remote_wait_any(struct co__remote *remote, co_time until)
{
    return wait_thread(remote, until, 0);
}

int co__remote_wait(struct co__remote *remote, enum co__wait_reason reason)
{
    struct co_loop *loop = remote->loop;
    int r = 0;

    if (!loop)
        return wait_thread(remote, CO_NEVER, 0);
    loop->external++;
    loop->remotes++;
    remote->task->waits_for = NULL;
    while (r == 0 && !has_arrived(remote))
        r = co__park(loop, remote->task, reason);
    loop->remotes--;
    loop->external--;
    return has_arrived(remote) ? 0 : r;
}

void co__remote_settle(struct co__remote *remote)
{
    struct co_loop *loop = remote->loop;
    struct co_task *self;

    if (!loop) {
        wait_thread(remote, CO_NEVER, 1);
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
        loop->remotes++;
        co__park_shielded(loop, self, CO__WAIT_THREAD);
        loop->remotes--;
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
