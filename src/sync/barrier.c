/* SPDX-License-Identifier: MIT */
/*
 * Who completes a barrier grants all others their numbers and unlinks them, so
 * there is no draining: the next generation may come at once. Those who were
 * cancelled and have not run yet are still in line, and counted, but are not
 * going to take anything: they are weeded out when the barrier looks complete.
 */
#include <coppice/barrier.h>

#include "sync/holder.h"
#include "sync/simple.h"

#include <limits.h>
#include <string.h>

int co_barrier_init(co_barrier *barrier, unsigned parties)
{
    if (!barrier || !parties || parties > INT_MAX)
        return -EINVAL;
    memset(barrier, 0, sizeof(*barrier));
    barrier->co__parties = parties;
    return 0;
}

static void leave(co_barrier *barrier, struct co__waiter *waiter)
{
    co__waitlist_remove(waiter);
    barrier->co__waiting--;
}

/* Whether the running task is the last that was missing. */
static int is_complete(co_barrier *barrier)
{
    struct co__waiter *waiter, *next;

    if (barrier->co__waiting + 1 < barrier->co__parties)
        return 0;
    for (waiter = barrier->co__waiters.head; waiter; waiter = next) {
        next = waiter->next;
        if (waiter->task->state != CO__TASK_PARKED)
            leave(barrier, waiter);
    }
    return barrier->co__waiting + 1 == barrier->co__parties;
}

/* All go on; the running task has the last number. */
static int complete(co_barrier *barrier)
{
    struct co__waiter *waiter;
    int number = 0;

    while ((waiter = barrier->co__waiters.head)) {
        leave(barrier, waiter);
        co__wake(waiter->task, number++);
    }
    CO_ASSERT(!barrier->co__waiting && number == (int)barrier->co__parties - 1);
    return number;
}

int co_barrier_wait(co_barrier *barrier)
{
    struct co__here here;
    struct co__waiter w;
    int r;

    if (CO_UNLIKELY(!barrier || !barrier->co__parties))
        return -EINVAL;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (CO_UNLIKELY(barrier->co__broken))
        return -EPIPE;
    if (is_complete(barrier))
        return complete(barrier);
    if (CO_UNLIKELY(!here.loop))
        return -EPERM;
    co__waitlist_push(&barrier->co__waiters, &w, here.task);
    barrier->co__waiting++;
    r = co__park(here.loop, here.task, CO__WAIT_BARRIER);
    if (CO_UNLIKELY(w.list != NULL))
        leave(barrier, &w);
    return r;
}

static void turn_away(co_barrier *barrier)
{
    co__waitlist_wake_all(&barrier->co__waiters, -EPIPE);
    barrier->co__waiting = 0;
}

int co_barrier_reset(co_barrier *barrier)
{
    if (CO_UNLIKELY(!barrier || !barrier->co__parties))
        return -EINVAL;
    turn_away(barrier);
    barrier->co__broken = 0;
    return 0;
}

int co_barrier_abort(co_barrier *barrier)
{
    if (CO_UNLIKELY(!barrier || !barrier->co__parties))
        return -EINVAL;
    turn_away(barrier);
    barrier->co__broken = 1;
    return 0;
}

unsigned co_barrier_parties(const co_barrier *barrier)
{
    return barrier ? barrier->co__parties : 0;
}

unsigned co_barrier_waiting(const co_barrier *barrier)
{
    unsigned waiting = 0;

    if (!barrier)
        return 0;
    for (const struct co__waiter *w = barrier->co__waiters.head; w; w = w->next)
        waiting += w->task->state == CO__TASK_PARKED;
    return waiting;
}

int co_barrier_broken(const co_barrier *barrier)
{
    return barrier && barrier->co__broken;
}

void co_barrier_fini(co_barrier *barrier)
{
    if (barrier && barrier->co__waiting)
        co__misuse("co_barrier_fini", "a task waits at the barrier");
}
