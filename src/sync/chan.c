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
    else
        chan->loop = co__loop;
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

/* ---- sending ------------------------------------------------------------- */

CO_INLINE int send_here(struct co_loop *loop, struct co_chan *chan,
                        const void *element)
{
    struct co_task *task = loop->self;
    struct co__chan_waiter waiter, *granted;
    int r;

    if (CO_UNLIKELY(!element) && chan->element_bytes)
        return -EINVAL;
    r = co__enter(loop, task);
    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__chan_put(chan, element, 0, &granted);
    if (r != -EAGAIN)
        return r;
    waiter.element = (void *)element;
    waiter.claim = NULL;
    co__waitlist_push(&chan->senders, &waiter.link, task);
    r = co__park(loop, task, CO__WAIT_CHAN_SEND);
    if (CO_UNLIKELY(r < 0))
        co__waitlist_remove(&waiter.link);
    return r;
}

static CO_NOINLINE int send_elsewhere(struct co_chan *chan, const void *element)
{
    struct co__chan_waiter *granted;
    int r;

    if (!chan || (!element && chan->element_bytes))
        return -EINVAL;
    if (chan->shared)
        return co__chan_send_shared(chan, element);
    r = co__chan_check(chan);
    if (r < 0)
        return r;
    if (co__loop)
        return send_here(co__loop, chan, element);
    r = co__chan_put(chan, element, 0, &granted);
    return r == -EAGAIN ? -EPERM : r;
}

int co_chan_send(co_chan *chan, const void *element)
{
    struct co_loop *loop = co__loop;

    if (CO_LIKELY(loop && chan && chan->loop == loop))
        return send_here(loop, chan, element);
    return send_elsewhere(chan, element);
}

int co_chan_try_send(co_chan *chan, const void *element)
{
    struct co__chan_waiter *granted;
    int r;

    if (!chan || (!element && chan->element_bytes))
        return -EINVAL;
    if (chan->shared)
        return co__chan_try_send_shared(chan, element);
    r = co__chan_check(chan);
    return r < 0 ? r : co__chan_put(chan, element, 0, &granted);
}

/* ---- receiving ----------------------------------------------------------- */

CO_INLINE int recv_here(struct co_loop *loop, struct co_chan *chan,
                        void *element)
{
    struct co_task *task = loop->self;
    struct co__chan_waiter waiter, *granted;
    int r;

    if (CO_UNLIKELY(!element) && chan->element_bytes)
        return -EINVAL;
    r = co__enter(loop, task);
    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__chan_take(chan, element, 0, &granted);
    if (r != -EAGAIN)
        return r;
    waiter.element = element;
    waiter.claim = NULL;
    co__waitlist_push(&chan->receivers, &waiter.link, task);
    r = co__park(loop, task, CO__WAIT_CHAN_RECV);
    if (CO_UNLIKELY(r < 0))
        co__waitlist_remove(&waiter.link);
    return r;
}

static CO_NOINLINE int recv_elsewhere(struct co_chan *chan, void *element)
{
    struct co__chan_waiter *granted;
    int r;

    if (!chan || (!element && chan->element_bytes))
        return -EINVAL;
    if (chan->shared)
        return co__chan_recv_shared(chan, element);
    r = co__chan_check(chan);
    if (r < 0)
        return r;
    if (co__loop)
        return recv_here(co__loop, chan, element);
    r = co__chan_take(chan, element, 0, &granted);
    return r == -EAGAIN ? -EPERM : r;
}

int co_chan_recv(co_chan *chan, void *element)
{
    struct co_loop *loop = co__loop;

    if (CO_LIKELY(loop && chan && chan->loop == loop))
        return recv_here(loop, chan, element);
    return recv_elsewhere(chan, element);
}

int co_chan_try_recv(co_chan *chan, void *element)
{
    struct co__chan_waiter *granted;
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
