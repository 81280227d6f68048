/* SPDX-License-Identifier: MIT */
/*
 * Signals that tasks wait for. They come as calls into the loop (see
 * core/signals.c), which hand them to all who wait, or leave them pending in
 * the order in which they came.
 *
 * Not by the reactor's watch of a signal (core/poller.h): that wants it blocked
 * in all threads, those that the program has started before us, too.
 *
 * It is a thing to wait for like a channel, and waiters are those of channels:
 * so co_select can wait for it, see sync/chan.h.
 *
 * Invariant: who waits, but for what will take nothing, has found no signal
 * pending, and there is none.
 */
#include "sync/signal.h"

#include "base/alloc.h"
#include "core/report.h"
#include "sync/chan.h"
#include "sync/simple.h"

/* ---- what has come ------------------------------------------------------- */

/* All who wait have it: 1; 0: nobody does. */
static int hand_out(struct co_signal *signal, int result)
{
    int had = 0;

    while (co__chan_grant(&signal->waiters, result, 0))
        had = 1;
    return had;
}

static void come(void *arg)
{
    struct co__signal_source *source = arg;
    struct co_signal *signal = source->owner;

    if (source->pending || hand_out(signal, source->watch.signo))
        return;
    source->pending = 1;
    source->next = NULL;
    *signal->newest = source;
    signal->newest = &source->next;
}

int co__signal_take(struct co_signal *signal)
{
    struct co__signal_source *source = signal->oldest;

    if (CO_UNLIKELY(!signal->loop || signal->loop != co__loop))
        return -EPERM;
    if (!source)
        return -EAGAIN;
    signal->oldest = source->next;
    if (!signal->oldest)
        signal->newest = &signal->oldest;
    source->pending = 0;
    return source->watch.signo;
}

/* ---- opening and closing ------------------------------------------------- */

static void unwatch(struct co_signal *signal, size_t count)
{
    while (count > 0)
        co__signal_unwatch(&signal->sources[--count].watch);
}

/* 0, or a negative errno with none of them watched. */
static int watch(struct co_signal *signal, const int *signos)
{
    for (size_t i = 0; i < signal->count; i++) {
        struct co__signal_source *source = &signal->sources[i];
        int r = 0;

        for (size_t k = 0; k < i; k++)
            if (signos[k] == signos[i])
                r = -EINVAL;
        source->owner = signal;
        source->watch.call =
            (co_call){.fn = come, .arg = source, .site = CO_SITE};
        if (r == 0)
            r = co__signal_watch(&source->watch, signal->loop, signos[i]);
        if (r < 0) {
            unwatch(signal, i);
            return r;
        }
    }
    return 0;
}

co_signal *co_signal_open(const int *signos, size_t count)
{
    struct co_loop *loop = co__loop;
    struct co_signal *signal;
    int r;

    if (!signos || !count || count >= NSIG) {
        errno = EINVAL;
        return NULL;
    }
    if (!loop) {
        errno = EPERM;
        return NULL;
    }
    signal = co__alloc_zero(sizeof(*signal) + count * sizeof(*signal->sources));
    if (!signal) {
        errno = ENOMEM;
        return NULL;
    }
    signal->loop = loop;
    signal->newest = &signal->oldest;
    signal->count = count;
    r = watch(signal, signos);
    if (r < 0) {
        co__free(signal);
        errno = -r;
        return NULL;
    }
    signal->next = loop->signals;
    signal->link = &loop->signals;
    if (signal->next)
        signal->next->link = &signal->next;
    loop->signals = signal;
    return signal;
}

/* Out of the loop; what has come stays. */
static void leave(struct co_signal *signal)
{
    unwatch(signal, signal->count);
    *signal->link = signal->next;
    if (signal->next)
        signal->next->link = signal->link;
    signal->loop = NULL;
}

int co_signal_close(co_signal *signal)
{
    if (!signal)
        return 0;
    if (signal->loop && signal->loop != co__loop &&
        atomic_load(&signal->loop->runs)) {
        co__report_wrong_thread(signal->loop, "co_signal_close");
        return -EPERM;
    }
    hand_out(signal, -EBADF);
    if (signal->loop)
        leave(signal);
    co__free(signal);
    return 0;
}

void co__signals_close(struct co_loop *loop)
{
    while (loop->signals)
        leave(loop->signals);
}

/* ---- waiting ------------------------------------------------------------- */

int co_signal_wait(co_signal *signal)
{
    struct co__here here;
    int r;

    if (!signal)
        return -EINVAL;
    if (!co__here(&here))
        return -EPERM;
    r = co__enter(here.loop, here.task);
    if (r < 0)
        return r;
    r = co__signal_take(signal);
    if (r != -EAGAIN)
        return r;
    here.task->places[0].as = 0;
    here.loop->external++;
    r = co__wait_in(&here, &signal->waiters, CO__WAIT_SIGNAL);
    here.loop->external--;
    return r;
}
