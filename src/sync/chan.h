/* SPDX-License-Identifier: MIT */
/*
 * sync/chan.h - what channels and select share.
 *
 * One structure serves both kinds of channel, and the same few inline functions
 * move its elements; a thread-safe one has its lock around them. What differs
 * is the hand-over to a waiter (co__chan_grant):
 *  - On one's own loop it is co__wake, which a task takes once.
 *  - Across threads a waiter that is linked can be granted to, for only who has
 *    the lock links and unlinks. The granter copies the element and unlinks,
 *    lets go of the lock, and posts the waiter's remote.
 *  - A waiter of a select that has thread-safe channels among its cases may be
 *    found on several channels by several threads. A compare-and-swap of its
 *    claim comes first, before anything is copied.
 *
 * Invariants, but for waiters that will not take anything (they are ready for
 * another reason, or claimed): an element in the channel or a waiting sender
 * means no waiting receiver; room in the channel, or a waiting receiver, means
 * no waiting sender.
 */
#ifndef CO_SYNC_CHAN_H
#define CO_SYNC_CHAN_H

#include <coppice/chan.h>

#include "core/queue.h"
#include "core/remote.h"
#include "core/sched.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct co_chan {
    struct co_loop *loop; /* that waits for it, or did; compared only. Before
                           * that, and if shared, the channel itself, which is
                           * no thread's co__loop */
    size_t element_bytes;
    struct co__waitlist receivers, senders; /* see below */
    size_t count;                           /* elements in the ring */
    uint32_t closed;
    uint32_t shared; /* made by co_chan_new_threadsafe */
    size_t head;     /* the oldest's place */
    size_t capacity;
    pthread_mutex_t lock; /* shared: of all the rest */
    _Alignas(max_align_t) unsigned char ring[];
};

/*
 * Who waits is there `as`
 *  - 0: who sends or receives;
 *  - a number from 1: that case of a co_select that waits in its task's places;
 *  - a negative number: such a case of any other co_select.
 * It is `with` the element: where to copy from, or to. The last kind, and all
 * on a thread-safe channel, are one of these:
 */
struct co__chan_waiter {
    struct co__waiter link;
    int32_t result;        /* valid once it was granted to */
    atomic_int *claim;     /* of a select: see above; or NULL, if only tasks of
                            * one loop can decide */
    struct co__remote *to; /* shared: what to post */
};

CO_INLINE struct co__chan_waiter *co__chan_waiter_of(struct co__waiter *waiter)
{
    return CO_CONTAINER_OF(waiter, struct co__chan_waiter, link);
}

CO_INLINE void co__chan_copy(const struct co_chan *chan, void *to,
                             const void *from)
{
    size_t bytes = chan->element_bytes;

    if (CO_UNLIKELY(!bytes))
        return;
    if (!to || !from)
        __builtin_unreachable(); /* every call has looked */
    if (CO_LIKELY(bytes == 8))
        memcpy(to, from, 8);
    else if (bytes == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, bytes);
}

CO_INLINE void co__chan_ring_put(struct co_chan *chan, const void *element)
{
    size_t at = chan->head + chan->count;

    if (at >= chan->capacity)
        at -= chan->capacity;
    co__chan_copy(chan, chan->ring + at * chan->element_bytes, element);
    chan->count++;
}

CO_INLINE void co__chan_ring_take(struct co_chan *chan, void *element)
{
    co__chan_copy(chan, element, chan->ring + chan->head * chan->element_bytes);
    if (++chan->head == chan->capacity)
        chan->head = 0;
    chan->count--;
}

/* Whether this thread may be the one that hands over to a select. */
CO_INLINE int co__chan_claim(struct co__waiter *waiter)
{
    atomic_int *claim;
    int open = 0;

    if (waiter->as == 0)
        return 1;
    claim = co__chan_waiter_of(waiter)->claim;
    return !claim || atomic_compare_exchange_strong(claim, &open, -waiter->as);
}

/* A select's case, one of its task's places, has happened: the task is to leave
 * all others, and is told which it was. In select.c. */
int co__select_decide(struct co__waiter *waiter, int result);

/* Hand over to a waiter that was unlinked, if it takes it. A select is told by
 * the wake which case it was. */
CO_INLINE int co__chan_hand(struct co__waiter *waiter, int result, int shared)
{
    struct co_task *task = waiter->task;

    if (shared) {
        if (!co__chan_claim(waiter))
            return 0;
        co__chan_waiter_of(waiter)->result = result;
        return 1;
    }
    if (CO_UNLIKELY(task->state != CO__TASK_PARKED))
        return 0;
    if (CO_UNLIKELY(waiter->as > 0)) {
        result = co__select_decide(waiter, result);
    } else if (CO_UNLIKELY(waiter->as < 0)) {
        if (!co__chan_claim(waiter))
            return 0;
        co__chan_waiter_of(waiter)->result = result;
        result = -waiter->as;
    }
    return co__wake_inline(task, result);
}

/* Unlink the first waiter that takes it, and return it; NULL: there is none.
 * The element is to be copied before anything else happens. */
CO_INLINE struct co__waiter *co__chan_grant(struct co__waitlist *list,
                                            int result, int shared)
{
    struct co__waiter *waiter;

    while ((waiter = list->head)) {
        co__waitlist_pop(list, waiter);
        if (CO_LIKELY(co__chan_hand(waiter, result, shared)))
            return waiter;
    }
    return NULL;
}

/*
 * Send, or receive, without waiting: the result, or -EAGAIN. `shared` is
 * chan->shared, a constant to the compiler; then the caller has the lock, and
 * posts what is left in *granted when it has let go of it.
 */
CO_INLINE int co__chan_put(struct co_chan *chan, const void *element,
                           int shared, struct co__waiter **granted)
{
    struct co__waiter *waiter;

    if (CO_UNLIKELY(chan->closed))
        return -EPIPE;
    if (chan->receivers.head) {
        waiter = co__chan_grant(&chan->receivers, 1, shared);
        if (CO_LIKELY(waiter != NULL)) {
            co__chan_copy(chan, waiter->with, element);
            *granted = waiter;
            return 0;
        }
    }
    if (chan->count == chan->capacity)
        return -EAGAIN;
    co__chan_ring_put(chan, element);
    return 0;
}

CO_INLINE int co__chan_take(struct co_chan *chan, void *element, int shared,
                            struct co__waiter **granted)
{
    struct co__waiter *waiter = NULL;
    int buffered = chan->count > 0;

    if (buffered)
        co__chan_ring_take(chan, element);
    if (chan->senders.head)
        waiter = co__chan_grant(&chan->senders, 0, shared);
    if (waiter) {
        *granted = waiter;
        if (buffered)
            co__chan_ring_put(chan, waiter->with);
        else
            co__chan_copy(chan, element, waiter->with);
        return 1;
    }
    if (buffered)
        return 1;
    return chan->closed ? 0 : -EAGAIN;
}

/* Whether the channel, which is not shared, may be used from here: 0 or
 * -EPERM. */
int co__chan_check(struct co_chan *chan);

/* ---- thread-safe channels, in chanshared.c ------------------------------- */

void co__chan_lock(struct co_chan *chan);
void co__chan_unlock(struct co_chan *chan);
int co__chan_send_shared(struct co_chan *chan, const void *element);
int co__chan_recv_shared(struct co_chan *chan, void *element);
int co__chan_try_send_shared(struct co_chan *chan, const void *element);
int co__chan_try_recv_shared(struct co_chan *chan, void *element);
int co__chan_close_shared(struct co_chan *chan);

#endif
