/* SPDX-License-Identifier: MIT */
/*
 * sync/simple.h - the two halves of every call that waits in one line:
 *
 *     r = co__begin(&here);
 *     if (r < 0)
 *         return r;
 *     ... what is to be had is taken, and 0 returned
 *     return co__wait_in(&here, &thing->co__waiters, CO__WAIT_THING);
 *
 * Outside tasks the first half is the same, and the second refuses. Where the
 * first half mostly suffices, a call tries co__swift first, and all else is in
 * a function of its own that it ends with: so it needs no frame.
 */
#ifndef CO_SYNC_SIMPLE_H
#define CO_SYNC_SIMPLE_H

#include "base/clock.h"
#include "core/park.h"
#include "sync/holder.h"

/* Who calls, and whether its limits allow that: 0, -ECANCELED, -ETIMEDOUT.
 * Outside tasks here->loop is NULL, and here->task stands for the thread. */
CO_INLINE int co__begin(struct co__here *here)
{
    if (CO_LIKELY(co__here(here)))
        return co__enter_light(here->loop, here->task);
    here->task = &co__outside;
    return co__chain_error(co__chain_current(), co__clock_read());
}

/* The same if nothing keeps the running task from going on. Else 0, and then
 * co__begin is to be asked. */
CO_INLINE int co__swift(struct co__here *here)
{
    here->loop = co__loop_or_none;
    here->task = here->loop->self;
    CO_ASSERT(!co__loop || here->loop->budget > 0);
    return CO_LIKELY(here->task->chain.due > here->loop->now &&
                     --here->loop->budget != 0);
}

/* Stand in line until something is granted: the value of the grant, or
 * -ECANCELED, -ETIMEDOUT, -EPERM. */
CO_INLINE int co__wait_in(const struct co__here *here,
                          struct co__waitlist *list,
                          enum co__wait_reason reason)
{
    if (CO_UNLIKELY(!here->loop))
        return -EPERM;
    return co__park_in(here->loop, here->task, list, reason);
}

#endif
