/* SPDX-License-Identifier: MIT */
/*
 * Channels between threads. Everything happens under the channel's lock, but
 * for ending a wait: the waiter is unlinked and has its element by then, and is
 * posted when the lock is free again. A waiter that gives up takes the lock,
 * and if it finds itself unlinked it was granted to: so that is what happened.
 *
 * A thread holds one channel's lock for a few instructions, and then only ever
 * that one, except in co_select, which takes several in the order of their
 * addresses.
 */
#include "base/clock.h"
#include "base/lock.h"
#include "sync/chan.h"

#define LOCK_TRIES 100

void co__chan_lock(struct co_chan *chan)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (pthread_mutex_trylock(&chan->lock) == 0)
            return;
        co__relax();
    }
    co__lock(&chan->lock);
}

void co__chan_unlock(struct co_chan *chan)
{
    pthread_mutex_unlock(&chan->lock);
}

/* What comes before everything: the limits of the task, or of the thread. */
static int enter(void)
{
    struct co__here here;

    if (co__here(&here))
        return co__enter(here.loop, here.task);
    return co__chain_error(co__chain_current(), co__clock_read());
}

static int may_wait(void)
{
    return !co__loop || !(co__loop->self->flags & CO__FLAG_CALLBACK);
}

/* In line, with the lock, which this gives back: wait for the grant. */
static int wait_for_grant(struct co_chan *chan, struct co__waitlist *list,
                          void *element, enum co__wait_reason reason)
{
    struct co__chan_waiter waiter;
    struct co__remote remote;
    int r, linked;

    if (!may_wait()) {
        co__chan_unlock(chan);
        return -EPERM;
    }
    co__remote_begin(&remote);
    waiter.link.with = element;
    waiter.link.as = 0;
    waiter.to = &remote;
    co__waitlist_push(list, &waiter.link, remote.task);
    co__chan_unlock(chan);
    r = co__remote_wait(&remote, reason);
    if (CO_LIKELY(r == 0))
        return waiter.result;
    co__chan_lock(chan);
    linked = waiter.link.list != NULL;
    co__waitlist_remove(&waiter.link);
    co__chan_unlock(chan);
    if (linked)
        return r;
    co__remote_settle(&remote);
    return waiter.result;
}

int co__chan_send_shared(struct co_chan *chan, const void *element)
{
    struct co__waiter *granted = NULL;
    int r = enter();

    if (r < 0)
        return r;
    co__chan_lock(chan);
    r = co__chan_put(chan, element, 1, &granted);
    if (r == -EAGAIN)
        return wait_for_grant(chan, &chan->senders, (void *)element,
                              CO__WAIT_CHAN_SEND);
    co__chan_unlock(chan);
    if (granted)
        co__remote_post(co__chan_waiter_of(granted)->to);
    return r;
}

int co__chan_recv_shared(struct co_chan *chan, void *element)
{
    struct co__waiter *granted = NULL;
    int r = enter();

    if (r < 0)
        return r;
    co__chan_lock(chan);
    r = co__chan_take(chan, element, 1, &granted);
    if (r == -EAGAIN)
        return wait_for_grant(chan, &chan->receivers, element,
                              CO__WAIT_CHAN_RECV);
    co__chan_unlock(chan);
    if (granted)
        co__remote_post(co__chan_waiter_of(granted)->to);
    return r;
}

int co__chan_try_send_shared(struct co_chan *chan, const void *element)
{
    struct co__waiter *granted = NULL;
    int r;

    co__chan_lock(chan);
    r = co__chan_put(chan, element, 1, &granted);
    co__chan_unlock(chan);
    if (granted)
        co__remote_post(co__chan_waiter_of(granted)->to);
    return r;
}

int co__chan_try_recv_shared(struct co_chan *chan, void *element)
{
    struct co__waiter *granted = NULL;
    int r;

    co__chan_lock(chan);
    r = co__chan_take(chan, element, 1, &granted);
    co__chan_unlock(chan);
    if (granted)
        co__remote_post(co__chan_waiter_of(granted)->to);
    return r;
}

/* Grant to all of a list; they are put before `posts` by their links. */
static struct co__waiter *grant_all(struct co__waitlist *list, int result,
                                    struct co__waiter *last)
{
    struct co__waiter *waiter;

    while ((waiter = co__chan_grant(list, result, 1))) {
        waiter->next = NULL;
        last->next = waiter;
        last = waiter;
    }
    return last;
}

int co__chan_close_shared(struct co_chan *chan)
{
    struct co__waiter first = {.next = NULL}, *last, *link, *next;

    co__chan_lock(chan);
    if (chan->closed) {
        co__chan_unlock(chan);
        return -EALREADY;
    }
    chan->closed = 1;
    last = grant_all(&chan->receivers, 0, &first);
    grant_all(&chan->senders, -EPIPE, last);
    co__chan_unlock(chan);
    for (link = first.next; link; link = next) {
        next = link->next; /* the waiter may be gone once it is posted */
        co__remote_post(co__chan_waiter_of(link)->to);
    }
    return 0;
}
