/* SPDX-License-Identifier: MIT */
/*
 * A signal is granted to a waiter, which then stands in the mutex's line like
 * everybody else. There it is shielded: what it returns was decided before.
 */
#include <coppice/cond.h>

#include "sync/holder.h"
#include "sync/mutex.h"
#include "sync/simple.h"

/* Whether the running task may wait. */
static int begin(struct co__here *here, const co_cond *cond,
                 const co_mutex *mutex)
{
    if (CO_UNLIKELY(!cond || !mutex))
        return -EINVAL;
    if (CO_UNLIKELY(!co__here(here) || here->task->flags & CO__FLAG_CALLBACK))
        return -EPERM;
    return 0;
}

/* It does not yield before it waits, as co__enter would: a signal could slip in
 * between the caller's look at what it waits for and the wait. */
static int wait(const struct co__here *here, const char *call, co_cond *cond,
                co_mutex *mutex)
{
    int r;

    if (CO_UNLIKELY(co__mutex_owner(mutex) != here->task))
        co__misuse(call, "it has not locked this mutex");
    if (CO_UNLIKELY(here->task->chain.due <= here->loop->now))
        return co__chain_error(&here->task->chain, here->loop->now);
    co__mutex_hand_over(mutex);
    r = co__wait_in(here, &cond->co__waiters, CO__WAIT_COND);
    co__mutex_take(here, mutex);
    return r;
}

int co_cond_wait(co_cond *cond, co_mutex *mutex)
{
    struct co__here here;
    int r = begin(&here, cond, mutex);

    return r < 0 ? r : wait(&here, "co_cond_wait", cond, mutex);
}

int co_cond_wait_for(co_cond *cond, co_mutex *mutex,
                     co_cond_predicate predicate, void *arg)
{
    struct co__here here;
    int r = predicate ? begin(&here, cond, mutex) : -EINVAL;

    if (r < 0)
        return r;
    if (CO_UNLIKELY(co__mutex_owner(mutex) != here.task))
        co__misuse("co_cond_wait_for", "it has not locked this mutex");
    r = co__enter(here.loop, here.task);
    /* Who has got a signal looks before it sees that it was cancelled: the
     * signal may have been for what it finds. */
    while (r == 0) {
        r = predicate(arg);
        if (r != 0)
            break;
        r = wait(&here, "co_cond_wait_for", cond, mutex);
    }
    return r;
}

int co_cond_signal(co_cond *cond)
{
    if (CO_UNLIKELY(!cond))
        return -EINVAL;
    return co__waitlist_grant(&cond->co__waiters, 0) != NULL;
}

int co_cond_broadcast(co_cond *cond)
{
    int count = 0;

    if (CO_UNLIKELY(!cond))
        return -EINVAL;
    while (co__waitlist_grant(&cond->co__waiters, 0))
        count++;
    return count;
}

void co_cond_fini(co_cond *cond)
{
    if (cond && !co__waitlist_empty(&cond->co__waiters))
        co__misuse("co_cond_fini", "a task waits for the condition");
}
