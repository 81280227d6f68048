/* SPDX-License-Identifier: MIT */
/*
 * Channels, and those of one loop in full. An element is copied once: from the
 * sender's variable into the receiver's, whoever of the two has waited, or into
 * the ring and out of it.
 *
 * The running loop is compared with the one that last waited for the channel.
 * That is the one check of the hot path: it fails for what is thread-safe, for
 * what was not used yet, and on another loop's thread.
 */
#include "sync/chan.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/park.h"

static struct co_chan *make(size_t element_bytes, size_t capacity, int shared)
{
    struct co_chan *chan;
    size_t bytes;

    if (__builtin_mul_overflow(element_bytes, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(*chan), &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    chan = co__alloc(bytes);
    if (!chan) {
        errno = ENOMEM;
        return NULL;
    }
    memset(chan, 0, sizeof(*chan));
    chan->element_bytes = element_bytes;
    chan->capacity = capacity;
    chan->shared = (uint32_t)shared;
    if (shared)
        pthread_mutex_init(&chan->lock, NULL);
    chan->loop = co__loop && !shared ? co__loop : (void *)chan;
    return chan;
}

co_chan *co_chan_new(size_t element_bytes, size_t capacity)
{
    return make(element_bytes, capacity, 0);
}

co_chan *co_chan_new_threadsafe(size_t element_bytes, size_t capacity)
{
    return make(element_bytes, capacity, 1);
}

static CO_COLD void die_waited_for(const struct co_chan *chan)
{
    const char *does = chan->senders.head ? "sends to" : "receives from";
    const struct co__waiter *link =
        chan->senders.head ? chan->senders.head : chan->receivers.head;

    if (link->task)
        co__die("co_chan_free of a channel that task \"%s\" (%s) %s",
                link->task->name, link->task->site, does);
    co__die("co_chan_free of a channel that another thread %s", does);
}

void co_chan_free(co_chan *chan)
{
    if (!chan)
        return;
    if (chan->senders.head || chan->receivers.head)
        die_waited_for(chan);
    if (chan->shared)
        pthread_mutex_destroy(&chan->lock);
    co__free(chan);
}

int co__chan_check(struct co_chan *chan)
{
    if (chan->loop == co__loop)
        return 0;
    if (chan->senders.head || chan->receivers.head)
        return -EPERM;
    if (co__loop)
        chan->loop = co__loop;
    return 0;
}

/*
 * The functions below come in three: the public one has what is most frequent,
 * and calls nothing but at its end, so that it saves no registers; _general
 * does it all, for a channel of this loop; _elsewhere finds out what channel it
 * is.
 */

/* What the fast paths demand: a channel of the running loop, an element, and
 * nothing for co__enter to look at but its budget: what parks needs none. */
CO_INLINE struct co_loop *fast(const struct co_chan *chan, const void *element)
{
    struct co_loop *loop = co__loop;

    if (CO_UNLIKELY(!chan || chan->loop != loop || !element ||
                    loop->self->chain.due <= loop->now))
        return NULL;
    return loop;
}

/* The one waiter, if it is a task that can be handed something right now, and
 * the running one has not had its share. It is unlinked and ready then. */
CO_INLINE struct co__waiter *grant_fast(struct co_loop *loop,
                                        struct co__waitlist *list, int result)
{
    struct co__waiter *waiter = list->head;
    struct co_task *task = waiter->task;

    if (CO_UNLIKELY(waiter->next || task->state != CO__TASK_PARKED ||
                    waiter->as || loop->budget <= 1))
        return NULL;
    waiter->list = NULL;
    list->head = list->tail = NULL;
    task->state = CO__TASK_READY;
    task->value = result;
    co__queue_push(loop, task);
    return waiter;
}

CO_INLINE int wait_in(struct co_loop *loop, struct co__waitlist *list,
                      void *element, enum co__wait_reason reason)
{
    struct co_task *task = loop->self;

    task->places[0].with = element;
    task->places[0].as = 0;
    return co__park_in(loop, task, list, reason);
}

/* ---- sending ------------------------------------------------------------- */

static CO_NOINLINE int send_general(struct co_chan *chan, const void *element)
{
    struct co_loop *loop = co__loop;
    struct co__waiter *granted;
    int r;

    r = co__enter(loop, loop->self);
    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__chan_put(chan, element, 0, &granted);
    if (r != -EAGAIN)
        return r;
    return wait_in(loop, &chan->senders, (void *)element, CO__WAIT_CHAN_SEND);
}

static CO_NOINLINE int send_elsewhere(struct co_chan *chan, const void *element)
{
    struct co__waiter *granted;
    int r;

    if (!chan || (!element && chan->element_bytes))
        return -EINVAL;
    if (chan->shared)
        return co__chan_send_shared(chan, element);
    r = co__chan_check(chan);
    if (r < 0)
        return r;
    if (co__loop)
        return send_general(chan, element);
    r = co__chan_put(chan, element, 0, &granted);
    return r == -EAGAIN ? -EPERM : r;
}

int co_chan_send(co_chan *chan, const void *element)
{
    struct co_loop *loop = fast(chan, element);
    struct co__waiter *waiter;

    if (CO_UNLIKELY(!loop))
        return send_elsewhere(chan, element);
    if (!chan->receivers.head) {
        if (chan->count < chan->capacity || CO_UNLIKELY(chan->closed))
            return send_general(chan, element);
        return wait_in(loop, &chan->senders, (void *)element,
                       CO__WAIT_CHAN_SEND);
    }
    if (CO_UNLIKELY(chan->element_bytes != 8))
        return send_general(chan, element);
    waiter = grant_fast(loop, &chan->receivers, 1);
    if (CO_UNLIKELY(!waiter))
        return send_general(chan, element);
    memcpy(waiter->with, element, 8);
    loop->budget--;
    return 0;
}

int co_chan_try_send(co_chan *chan, const void *element)
{
    struct co__waiter *granted;
    int r;

    if (!chan || (!element && chan->element_bytes))
        return -EINVAL;
    if (chan->shared)
        return co__chan_try_send_shared(chan, element);
    r = co__chan_check(chan);
    return r < 0 ? r : co__chan_put(chan, element, 0, &granted);
}

/* ---- receiving ----------------------------------------------------------- */

static CO_NOINLINE int recv_general(struct co_chan *chan, void *element)
{
    struct co_loop *loop = co__loop;
    struct co__waiter *granted;
    int r;

    r = co__enter(loop, loop->self);
    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__chan_take(chan, element, 0, &granted);
    if (r != -EAGAIN)
        return r;
    return wait_in(loop, &chan->receivers, element, CO__WAIT_CHAN_RECV);
}

static CO_NOINLINE int recv_elsewhere(struct co_chan *chan, void *element)
{
    struct co__waiter *granted;
    int r;

    if (!chan || (!element && chan->element_bytes))
        return -EINVAL;
    if (chan->shared)
        return co__chan_recv_shared(chan, element);
    r = co__chan_check(chan);
    if (r < 0)
        return r;
    if (co__loop)
        return recv_general(chan, element);
    r = co__chan_take(chan, element, 0, &granted);
    return r == -EAGAIN ? -EPERM : r;
}

int co_chan_recv(co_chan *chan, void *element)
{
    struct co_loop *loop = fast(chan, element);
    struct co__waiter *waiter;

    if (CO_UNLIKELY(!loop))
        return recv_elsewhere(chan, element);
    if (chan->count || CO_UNLIKELY(chan->closed))
        return recv_general(chan, element);
    if (!chan->senders.head)
        return wait_in(loop, &chan->receivers, element, CO__WAIT_CHAN_RECV);
    if (CO_UNLIKELY(chan->element_bytes != 8))
        return recv_general(chan, element);
    waiter = grant_fast(loop, &chan->senders, 0);
    if (CO_UNLIKELY(!waiter))
        return recv_general(chan, element);
    memcpy(element, waiter->with, 8);
    loop->budget--;
    return 1;
}

int co_chan_try_recv(co_chan *chan, void *element)
{
    struct co__waiter *granted;
    int r;

    if (!chan || (!element && chan->element_bytes))
        return -EINVAL;
    if (chan->shared)
        return co__chan_try_recv_shared(chan, element);
    r = co__chan_check(chan);
    return r < 0 ? r : co__chan_take(chan, element, 0, &granted);
}

/* ---- closing, and looking ------------------------------------------------ */

int co_chan_close(co_chan *chan)
{
    int r;

    if (!chan)
        return -EINVAL;
    if (chan->shared)
        return co__chan_close_shared(chan);
    r = co__chan_check(chan);
    if (r < 0)
        return r;
    if (chan->closed)
        return -EALREADY;
    chan->closed = 1;
    while (co__chan_grant(&chan->receivers, 0, 0))
        continue;
    while (co__chan_grant(&chan->senders, -EPIPE, 0))
        continue;
    return 0;
}

size_t co_chan_len(const co_chan *chan)
{
    size_t len;

    if (!chan)
        return 0;
    if (!chan->shared)
        return chan->count;
    co__chan_lock((co_chan *)chan);
    len = chan->count;
    co__chan_unlock((co_chan *)chan);
    return len;
}

size_t co_chan_capacity(const co_chan *chan)
{
    return chan ? chan->capacity : 0;
}

int co_chan_closed(const co_chan *chan)
{
    int closed;

    if (!chan)
        return 0;
    if (!chan->shared)
        return (int)chan->closed;
    co__chan_lock((co_chan *)chan);
    closed = (int)chan->closed;
    co__chan_unlock((co_chan *)chan);
    return closed;
}
